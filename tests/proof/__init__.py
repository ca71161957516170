"""Measured promises (make proof)."""
