"""Doubles for tests of the gateway and of what is built on it."""
