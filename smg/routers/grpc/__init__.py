"""Callers served by gRPC workers: JSON becomes tokens and protobuf, tokens become text and JSON again."""
