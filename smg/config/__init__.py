"""Flags, environment and file made into one tree of the packages' own slices."""
