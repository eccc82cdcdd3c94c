"""The tests, in folders as the package's; `variants` holds the tiny nets to which they put their questions."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
