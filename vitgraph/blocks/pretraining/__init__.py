"""Layers that only training objectives need."""
