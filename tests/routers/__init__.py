"""Tests of smg.routers."""
