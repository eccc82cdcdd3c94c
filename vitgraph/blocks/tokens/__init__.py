"""Tokens (B, N, C): from maps and back, prefixes, sampling, pooling."""
