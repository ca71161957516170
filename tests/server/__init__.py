"""Tests of the composition root, its listener and its handlers."""
