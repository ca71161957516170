"""Simulated engines: real wire behaviour over HTTP and gRPC, made-up answers; they share no code with the gateway."""
