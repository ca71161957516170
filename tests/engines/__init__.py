"""Real engines behind the gateway (make test-engines)."""
