"""A dual-mode (gRPC and HTTP) gateway for LLM inference."""
