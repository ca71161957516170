"""Tests of smg.resilience."""
