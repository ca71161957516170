"""Tests of smg.workers."""
