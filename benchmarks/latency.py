"""Milliseconds for one image in exported files, ours beside the peers': LiteRT in four forms, SavedModel.

Each candidate exports its net, without the head's softmax, in its own environment; the files are then run by one and
the same runtime, each in a process of its own, in turns. How far a file's answers are from those of the net that it was
made of is the largest difference on random images, as a share of the net's largest answer.
"""

import argparse
import itertools
import pathlib
import statistics
import sys
import tempfile

from benchmarks.options import add_common, check_common, check_words, numbers, opened, set_environment, words
from benchmarks.processes import Worker, python_of
from benchmarks.progress import Progress
from benchmarks.report import tables
from benchmarks.report.ratios import geometric_mean, is_measured, median_of_ratios
from benchmarks.report.store import write
from benchmarks.turns import enter, take_turns

FORMS = ("float32", "float16", "dynamic_int8", "int8", "saved_model")
CANDIDATES = ("vitgraph", "vitgraph_folded", "kecam", "zeromodels", "keras_hub")
SETTINGS = ("candidates", "forms", "threads", "rounds", "seconds", "tuned")

_HEAD = ("form", "ms", "min to max", "x best peer", "CPU ms", "MiB of file", "difference", "peak MiB", "export s")


def run(options, results):
    """Measures the models that aren't there yet; prints and keeps the figures after each."""
    todo = [model for model in options.models if model not in results]
    parts = len(options.forms) * (len(options.candidates) + options.rounds)
    progress = Progress(max(1, len(todo) * parts))
    for model in todo:
        results[model] = measure(options, model, progress)
        progress.clear()
        print(f"{of_model(model, results[model])}\n", flush=True)
        report(options, results)


def measure(options, model, progress):
    """A row for each form, candidate and number of threads. The files of one form take turns."""
    rows = []

    def turn(row, number):
        return f"{model}: {number}, {row['candidate']} {row['form']} x {row['threads']}"

    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: export(options, model, name, pathlib.Path(folder, name), progress) for name in options.candidates
        }
        for form in options.forms:
            entrants = []
            for candidate, threads in itertools.product(options.candidates, options.threads):
                row = {"candidate": candidate, "form": form, "threads": threads, **files[candidate][form]}
                rows.append(row)
                if is_measured(row):
                    progress.say(f"{model}: loading {candidate} {form}")
                    entrants += opened_file(options, row)
            for _, row, steps, turns in take_turns(options.rounds, entrants, progress, turn):
                summarise(row, turns, steps)
    compare(rows)
    return {"rows": rows}


def opened_file(options, row):
    """[`Entrant`] of a file that runs, [] of one that doesn't."""
    threads = row["threads"]
    worker = Worker(sys.executable, threads=threads, timeout=options.timeout, program="run_file")
    return enter(worker, row, options.seconds, path=row["path"], images=row["images"], threads=threads)


def export(options, model, candidate, folder, progress):
    """{form: what became of it}; a process that a form brought down is begun anew for the next one."""
    files, worker = {}, None
    folder.mkdir()
    for form in options.forms:
        progress.say(f"{model}: exporting {candidate} {form}")
        if worker is None:
            python = python_of(candidate, options.peer_python)
            worker = Worker(python, timeout=options.timeout, legacy=candidate == "kecam", program="export_net")
        files[form] = worker.ask(candidate=candidate, model=model, form=form, folder=str(folder))
        if worker.process.poll() is not None:
            worker.close()
            worker = None
        progress.step()
    if worker is not None:
        worker.close()
    return files


def summarise(row, turns, steps):
    """Adds to a file's row what its turns of `steps` images tell."""
    times = [1000 * turn["wall_s"] / steps for turn in turns]
    row |= {
        "ms": statistics.median(times),
        "spread": [min(times), max(times)],
        "cpu_ms": 1000 * statistics.median(turn["cpu_s"] for turn in turns) / steps,
        "memory_mib": turns[-1]["memory_mib"],
        "rounds": times,
    }


def compare(rows):
    """Adds "ratio" to each measured row: how many times as fast it is as the fastest peer's file of that form."""
    measured = [row for row in rows if is_measured(row)]
    for row in measured:
        alike = [
            other
            for other in measured
            if (other["form"], other["threads"]) == (row["form"], row["threads"])
            and not other["candidate"].startswith("vitgraph")
        ]
        ratios = [median_of_ratios(other["rounds"], row["rounds"])["median"] for other in alike]
        row["ratio"] = min(ratios, default=None)


def of_model(model, entry):
    """A Markdown table of one model's files."""
    return tables.grid([model, *_HEAD], [_cells(row) for row in entry["rows"]])


def _cells(row):
    cells = [row["candidate"], _form(row["form"], row["threads"])]
    if not is_measured(row):
        return [*cells, tables.absent(row), *[""] * (len(_HEAD) - 2)]
    low, high = row["spread"]
    cells += [f"{row['ms']:.1f}", f"{low:.1f} to {high:.1f}", tables.number(row["ratio"]), f"{row['cpu_ms']:.1f}"]
    cells += [tables.number(row["bytes"], 2**20, 1), f"{row['difference']:.1e}"]
    return [*cells, f"{row['memory_mib']:.0f}", f"{row['export_s']:.1f}"]


def _form(form, threads):
    return f"{form}, {threads} thread{'s' * (threads > 1)}"


def summary(results):
    """Geometric means over the models of our files' ratios to the fastest peer's file, by form and threads."""
    ratios: dict = {}
    for entry in results.values():
        for row in entry["rows"]:
            if row["candidate"].startswith("vitgraph") and row.get("ratio"):
                ratios.setdefault((row["candidate"], row["form"], row["threads"]), []).append(row["ratio"])
    lines = [
        [candidate, _form(form, threads), f"{geometric_mean(found):.2f}", str(len(found))]
        for (candidate, form, threads), found in ratios.items()
    ]
    return tables.grid(["geometric mean", "form", "x best peer", "models"], lines)


def report(options, results):
    """Writes latency.md."""
    parts = [of_model(name, entry) for name, entry in results.data["results"].items()]
    write(options.out / "latency.md", "\n\n".join([*parts, summary(results)]) + "\n")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    add_common(parser)
    parser.add_argument(
        "--candidates", type=words, default=[*CANDIDATES], help=f"of {', '.join(CANDIDATES)}; with commas"
    )
    parser.add_argument("--forms", type=words, default=[*FORMS], help=f"of {', '.join(FORMS)}; with commas")
    parser.add_argument("--threads", type=numbers, default=[1, 2], help="threads that run a file, with commas")
    options = parser.parse_args(arguments)
    check_common(parser, options)
    check_words(parser, "--candidates", options.candidates, CANDIDATES)
    check_words(parser, "--forms", options.forms, FORMS)
    if not options.threads or min(options.threads) < 1:
        parser.error(f"--threads: {options.threads}; allowed: whole numbers from 1 on")
    return options


def main(arguments=None):
    options = parse(arguments)
    set_environment(options)
    results = opened("latency", options, SETTINGS)
    run(options, results)
    print(summary(results))


if __name__ == "__main__":
    main()
