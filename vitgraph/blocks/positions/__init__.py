"""Positions: tables, sinusoids, biases of attention, and their resampling."""
