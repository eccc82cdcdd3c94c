"""Convolution, pooling, resizing and patches of maps (B, H, W, C)."""
