"""Loops that are shared among threads."""
