"""Tests of several processes as one gateway."""
