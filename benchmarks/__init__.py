"""Benchmarks: figures, not tests. See README.md."""
