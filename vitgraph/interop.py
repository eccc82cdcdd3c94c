"""Adapters for other libraries that need more of a backbone than every graph of this package has: SegFormer's."""

from vitgraph.graphs.segformer import as_mit

__all__ = ["as_mit"]
