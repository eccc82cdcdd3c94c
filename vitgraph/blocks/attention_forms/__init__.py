"""Attention of other things than tokens and their projections: of channels, of positions, of pooled heads."""
