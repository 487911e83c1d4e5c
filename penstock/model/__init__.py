"""Frozen values without I/O: what a cluster should be, what was seen of it, and what to do about the difference."""
