"""Tests of the engine dialects."""
