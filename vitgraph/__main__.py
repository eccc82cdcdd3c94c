"""`python -m vitgraph` is the command `vitgraph`."""

import sys

from vitgraph.cli.main import main

sys.exit(main())
