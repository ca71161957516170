"""Tests of what happens around a request."""
