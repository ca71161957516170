"""Tests of the listener, from the bytes up."""
