"""Programs as people write them, each with an independently known derivative."""
