"""Names in the checkpoints of Twins-SVT, which are Twins-PCPVT's."""

from vitgraph.checkpoints.names.twins_pcpvt import SOURCES

__all__ = ["SOURCES"]
