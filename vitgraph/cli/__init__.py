"""The command line: `vitgraph list | summary | predict | evaluate | train | pretrain | export | convert | demo`."""

from vitgraph.cli.main import main

__all__ = ["main"]
