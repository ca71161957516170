"""Tests of the OpenAI-style bodies."""
