"""Tests of the log and the metrics."""
