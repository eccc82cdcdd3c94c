"""Seconds and peak memory of what comes before the first step: import, build, first call, compile, load weights.

Each candidate runs in a process of its own, one after the other, for several rounds; figures are medians. By default it
is done for the largest published variant of every builder, beside the peers that have the same net.
"""

import argparse
import pathlib
import statistics
import tempfile

from benchmarks import candidates
from benchmarks.candidates import PEERS, largest
from benchmarks.options import add_common, check_common, check_words, opened, set_environment, words
from benchmarks.processes import Worker, backend_of, python_of
from benchmarks.progress import Progress
from benchmarks.report import tables
from benchmarks.report.ratios import is_measured
from benchmarks.report.store import write

MODES = ("graph", "xla", "jax", "torch")
SETTINGS = ("modes", "peers", "rounds", "tuned")
PARTS = ("import_s", "build_s", "compile_s", "call_s", "load_s")
_HEAD = ("mode", "import s", "build s", "first call s", "next call s", "load s", "peak MiB", "file MiB", "parameters")


def run(options, results):
    """Measures the models that aren't there yet; prints and keeps the figures after each."""
    todo = [model for model in options.models if model not in results]
    pairs = [(name, mode) for name in ("vitgraph", *options.peers) for mode in candidates.modes(name, options.modes)]
    progress = Progress(max(1, len(todo) * len(pairs) * options.rounds))
    for model in todo:
        turns: dict = {pair: [] for pair in pairs}
        for i in range(options.rounds):
            for candidate, mode in pairs:
                progress.say(f"{model}: round {i + 1} of {options.rounds}, {candidate} {mode}")
                if all(map(is_measured, turns[candidate, mode])):
                    turns[candidate, mode].append(ask(options, candidate, model, mode))
                progress.step()
        rows = [{"candidate": name, "mode": mode, **median(turns[name, mode])} for name, mode in pairs]
        results[model] = {"rows": rows}
        progress.clear()
        print(f"{of_model(model, rows)}\n", flush=True)
        report(options, results)


def ask(options, candidate, model, mode):
    """One measurement, in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(
            python_of(candidate, options.peer_python),
            backend_of(mode),
            timeout=options.timeout,
            legacy=candidate == "kecam",
            program="build_net",
        )
        figures = worker.ask(
            candidate=candidate, model=model, mode=mode, weights=str(pathlib.Path(folder, "weights.safetensors"))
        )
        worker.close()
    return figures


def median(turns):
    """One row of several measurements; if one has failed, its error."""
    for turn in turns:
        if not is_measured(turn):
            return turn
    numbers = {key for key, value in turns[0].items() if isinstance(value, float)}
    return {**turns[0], **{key: statistics.median(turn[key] for turn in turns) for key in numbers}}


def of_model(model, rows):
    """A Markdown table of one model's figures."""
    return tables.grid([model, *_HEAD], [_cells(row) for row in rows])


def _cells(row):
    cells = [row["candidate"], row["mode"]]
    if not is_measured(row):
        return [*cells, tables.absent(row), *[""] * (len(_HEAD) - 2)]
    cells += [tables.number(row.get(part), digits=1) for part in PARTS]
    peak = max(row["memory_mib"], row.get("load_memory_mib", 0))
    return [*cells, f"{peak:.0f}", tables.number(row.get("file_mib"), digits=0), f"{row['parameters']:,}"]


def report(options, results):
    """Writes build.md."""
    parts = [of_model(name, entry["rows"]) for name, entry in results.data["results"].items()]
    write(options.out / "build.md", "\n\n".join(parts) + "\n")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=__doc__)
    add_common(parser, models=largest(), rounds=3)
    parser.add_argument("--modes", type=words, default=["graph"], help=f"of {', '.join(MODES)}; with commas")
    parser.add_argument(
        "--peers", type=words, default=[*PEERS], help=f"of {', '.join(PEERS)}, with commas; '' for none"
    )
    options = parser.parse_args(arguments)
    check_common(parser, options)
    check_words(parser, "--modes", options.modes, MODES)
    check_words(parser, "--peers", options.peers, PEERS, empty=True)
    return options


def main(arguments=None):
    options = parse(arguments)
    set_environment(options)
    results = opened("build", options, SETTINGS)
    run(options, results)


if __name__ == "__main__":
    main()
