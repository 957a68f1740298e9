"""``compile``: recording, checking what was read from outside, paths, and the calls that find theirs."""
