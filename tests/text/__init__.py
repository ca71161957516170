"""Tests of smg.text."""
