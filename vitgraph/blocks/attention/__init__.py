"""Attention: cores without weights, and the layers around them."""
