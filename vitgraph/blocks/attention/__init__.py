"""Attention: cores without weights, and what they need around them."""
