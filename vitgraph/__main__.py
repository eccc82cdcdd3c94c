"""`python -m vitgraph` is the command `vitgraph`."""

import sys

from vitgraph.cli import main

sys.exit(main())
