"""Where published Twins-SVT checkpoints keep what `build_twins_svt` makes: as Twins-PCPVT's do."""

from vitgraph.checkpoints.names.twins_pcpvt import SOURCES

__all__ = ["SOURCES"]
