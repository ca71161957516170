"""Tests of smg.policies."""
