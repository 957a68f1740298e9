"""From a scheduled program to the text of a kernel."""
