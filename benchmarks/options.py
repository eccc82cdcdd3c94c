"""Options that the benchmarks share."""

import os
import pathlib
import platform
import sys

from benchmarks.candidates import GOALS, check_published, largest
from benchmarks.report.store import Results

TUNED = {
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPU_ALLOCATOR_USE_BFC": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**26),
}
"""The environment in which all frameworks are fastest on a CPU: oneDNN, and memory that is kept from step to step.

Memory that is given back to the system costs a page fault for each 4 KiB when it is used again. The first two variables
are TensorFlow's, the others glibc's.
"""


def words(text):
    return [word for word in text.split(",") if word]


def numbers(text):
    return [int(word) for word in words(text)]


def models(text):
    """Published names; "goals" stands for those of the goals, "largest" for the largest of each builder."""
    sets = {"goals": lambda: GOALS, "largest": largest}
    return list(dict.fromkeys(name for word in words(text) for name in sets.get(word, lambda word=word: [word])()))


def add_common(parser, **defaults):
    """The options that all comparisons have."""
    named = "published names with commas; 'goals' for those of the goals, 'largest' for each builder's largest"
    parser.add_argument("--models", type=models, required="models" not in defaults, help=named)
    parser.add_argument("--rounds", type=int, default=7, help="turns of every candidate")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a turn")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds until an answer counts as an error")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has the peers installed")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for figures, tables and pictures")
    parser.add_argument("--tuned", action="store_true", help="everyone with oneDNN on, and with memory that is kept")
    parser.add_argument("--resume", action="store_true", help="go on with the figures in --out")
    parser.set_defaults(**defaults)


def check_common(parser, options):
    """Ends the program if one of them is wrong."""
    if not options.models:
        parser.error("--models: nothing; allowed: published names with commas, or 'goals'")
    for name in options.models:
        try:
            check_published(name)
        except ValueError as error:
            parser.error(f"--models: {error}")
    for name in ("rounds", "seconds", "timeout"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name}: {getattr(options, name)}; allowed: above 0")
    if not os.access(options.peer_python, os.X_OK):
        parser.error(f"--peer-python: {options.peer_python} can't be run")


def check_words(parser, option, given, allowed, empty=False):
    if not given and not empty:
        parser.error(f"{option}: nothing; allowed: {', '.join(allowed)}")
    for word in given:
        if word not in allowed:
            parser.error(f"{option}: {word!r}; allowed: {', '.join(allowed)}")


def set_environment(options):
    """The environment that is asked for, which the candidates' processes inherit."""
    if options.tuned:
        os.environ.update(TUNED)


def opened(parser_name, options, settings):
    """The file of figures in --out."""
    about = {"machine": platform.machine(), "cpus": os.cpu_count(), "python": platform.python_version()}
    about |= {name: getattr(options, name) for name in settings}
    try:
        return Results(options.out / f"{parser_name}.json", about, options.resume)
    except (OSError, ValueError) as error:
        sys.exit(f"{parser_name}: {error}")
