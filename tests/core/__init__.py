"""Tests of smg.core."""
