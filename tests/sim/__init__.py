"""Tests of the simulated engines."""
