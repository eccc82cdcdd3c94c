"""Convolutions, poolings, resizing and patches of maps (B, H, W, C)."""
