"""What other libraries need of a backbone beyond what every graph of this package has: an adapter for SegFormer."""

from vitgraph.graphs.segformer import as_mit

__all__ = ["as_mit"]
