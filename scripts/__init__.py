"""What developers run: generators, proofs, benchmarks."""
