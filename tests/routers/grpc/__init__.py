"""Tests of the gRPC pipeline."""
