"""Images a second in inference and training, ours beside the peers', in one run.

Every candidate lives in a process of its own, and only one computes at a time: they take turns, for several rounds, so
that whatever else the machine does falls on all of them alike. A ratio is the median of the rounds' ratios.
"""

import argparse
import itertools
import sys

from benchmarks.candidates import MODES, PEERS, modes
from benchmarks.options import add_common, check_common, check_words, numbers, opened, set_environment, words
from benchmarks.processes import Worker, backend_of, python_of
from benchmarks.progress import Progress
from benchmarks.report import plots, tables
from benchmarks.report.ratios import add_flops, compare, is_measured, summarise
from benchmarks.report.store import write
from benchmarks.turns import enter, take_turns

TASKS = ("inference", "training")
DTYPES = ("float32", "bfloat16", "float16")
SETTINGS = ("modes", "peers", "rounds", "seconds", "threads", "tuned")
"""What must be alike for figures to stand in one file."""


def configurations(options):
    """(model, task, dtype, batch, size) of all that is to be measured; a size of 0 is the model's own."""
    choices = (options.tasks, options.dtypes, options.batches, options.sizes, options.models)
    for task, dtype, batch, size, model in itertools.product(*choices):
        yield model, task, dtype, batch, size


def pairs(options, task):
    """(candidate, mode) of all that take turns, ours first."""
    return [(name, mode) for name in ("vitgraph", *options.peers) for mode in modes(name, options.modes, task)]


def key(*configuration):
    return " ".join(map(str, configuration))


def run(options, results):
    """Measures what isn't there yet, prints each model's table, and keeps the figures after each."""
    todo = [c for c in configurations(options) if key(*c) not in results]
    total = sum(len(pairs(options, task)) + options.rounds for _, task, *_ in todo)
    progress = Progress(max(1, total))
    products(options, results, {dtype for _, _, dtype, *_ in todo}, progress)
    for configuration in todo:
        entry = measure(options, results, configuration, progress)
        results[key(*configuration)] = entry
        progress.clear()
        print(f"{tables.title(entry)}\n\n{tables.of_model(entry)}\n", flush=True)
        report(options, results)


def products(options, results, dtypes, progress):
    """The rate of a matrix product in each framework that takes part, in each dtype."""
    frameworks = dict.fromkeys(backend_of(mode) for mode in options.modes)
    if "timm" in options.peers:
        frameworks["torch"] = None
    for dtype, framework in itertools.product(sorted(dtypes), frameworks):
        name = f"product {framework} {dtype}"
        if name in results:
            continue
        progress.say(name)
        python = options.peer_python if framework not in map(backend_of, options.modes) else sys.executable
        worker = Worker(python, framework, options.threads, options.timeout)
        results[name] = worker.ask(product=framework, dtype=dtype, seconds=options.seconds)
        worker.close()


def rate(results, dtype):
    """FLOP/s of the fastest framework's matrix product; None if none was measured."""
    found = [results[name] for name in results.data["results"] if name.startswith("product") and name.endswith(dtype)]
    return max((figures["flops_per_s"] for figures in found if "error" not in figures), default=None)


def net(options, results, model, size):
    """{"size", "own", "flops"} of a model: sides in pixels, given and its own; counted once."""
    name = key("net", model, size)
    if name not in results:
        worker = Worker(
            sys.executable, "torch" if has_torch() else backend_of(options.modes[0]), timeout=options.timeout
        )
        figures = worker.ask(net=model, size=size)
        worker.close()
        if "error" in figures:
            sys.exit(f"{model}: {figures['error']}")
        results[name] = figures
    return results[name]


def has_torch():
    import importlib.util

    return importlib.util.find_spec("torch") is not None


def measure(options, results, configuration, progress):
    """The figures of one model in one configuration: a row for each candidate and mode."""
    model, task, dtype, batch, size = configuration
    progress.say(f"{model}: counting FLOPs")
    about = net(options, results, model, size)
    sides = {"size": about["size"], "own": about["size"] == about["own"]}
    rows, entrants = [], []
    for name, mode in pairs(options, task):
        progress.say(f"{model} {task} {dtype}: building {name} {mode}")
        worker = Worker(
            python_of(name, options.peer_python),
            backend_of(mode, name),
            options.threads,
            options.timeout,
            name == "kecam",
        )
        row = {"candidate": name, "mode": mode}
        rows.append(row)
        request = {"candidate": name, "mode": mode, "model": model, "task": task, "dtype": dtype, "batch": batch}
        entrants += enter(worker, row, options.seconds, **request, **sides)
        progress.step()

    def turn(row, number):
        return f"{model} {task} {dtype}: {number}, {row['candidate']} {row['mode']}"

    for _, row, steps, turns in take_turns(options.rounds, entrants, progress, turn):
        summarise(row, turns, batch, steps)
    compare(rows)
    flops = about["flops"] and about["flops"] * (3 if task == "training" else 1)
    add_flops(rows, flops, rate(results, dtype))
    return {"model": model, "task": task, "dtype": dtype, "batch": batch, "size": about["size"], "rows": rows}


def groups(results):
    """{title: entries} of one task, dtype, batch size and, if it was given, size of images."""
    found: dict = {}
    for name, entry in results.data["results"].items():
        if "rows" in entry:
            size = name.split()[-1]
            title = f"{entry['task']}, {entry['dtype']}, batch {entry['batch']}"
            found.setdefault(title if size == "0" else f"{title}, {size} x {size}", []).append(entry)
    return found


def report(options, results):
    """Writes throughput.md, and a picture for each of its groups, from all figures that there are."""
    parts = []
    for title, members in groups(results).items():
        parts.append(f"## {title.capitalize()}\n\n{tables.summary(members)}")
        picture = options.out / f"throughput_{title.replace(', ', '_').replace(' ', '')}.png"
        if plots.draw(members, picture, title):
            parts.append(f"![Bars of these ratios]({picture.name})")
        parts += [f"{tables.title(entry)}\n\n{tables.of_model(entry)}" for entry in members]
    parts.append(f"## Matrix products\n\n{rates(results)}")
    parts.append(f"## Versions\n\n{', '.join(versions(results))}")
    write(options.out / "throughput.md", "\n\n".join(parts) + "\n")


def rates(results):
    """What the machine's frameworks reach in a matrix product, as a list; `% of product` is a share of the fastest."""
    lines = []
    for name, figures in results.data["results"].items():
        if name.startswith("product"):
            reached = figures.get("error") or f"{figures['flops_per_s'] / 1e9:.0f} GFLOP/s on {figures['device']}"
            lines.append(f"- {name.removeprefix('product ')}: {reached}")
    return "\n".join(lines)


def versions(results):
    """Of all packages that took part."""
    rows = [row for entry in results.values() for row in entry.get("rows", ()) if is_measured(row)]
    return sorted({version for row in rows for version in row["versions"]})


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    add_common(parser)
    parser.add_argument("--tasks", type=words, default=["inference"], help=f"of {', '.join(TASKS)}; with commas")
    parser.add_argument(
        "--modes", type=words, default=["graph", "xla"], help=f"of {', '.join(MODES['vitgraph'])}; with commas"
    )
    parser.add_argument(
        "--peers", type=words, default=[*PEERS], help=f"of {', '.join(PEERS)}; with commas; '' for none"
    )
    parser.add_argument("--dtypes", type=words, default=["float32"], help=f"of {', '.join(DTYPES)}; with commas")
    parser.add_argument("--batches", type=numbers, default=[8], help="images a step, with commas")
    parser.add_argument("--sizes", type=numbers, default=[0], help="sides of the images in pixels; 0: the model's own")
    parser.add_argument("--threads", type=int, default=0, help="cores for each candidate; 0: all")
    options = parser.parse_args(arguments)
    check_common(parser, options)
    choices = (("tasks", TASKS), ("modes", MODES["vitgraph"]), ("peers", PEERS), ("dtypes", DTYPES))
    for name, allowed in choices:
        check_words(parser, f"--{name}", getattr(options, name), allowed, empty=name == "peers")
    for name, least in (("batches", 1), ("sizes", 0)):
        values = getattr(options, name)
        if not values or min(values) < least:
            parser.error(f"--{name}: {values}; allowed: whole numbers from {least} on")
    if options.threads < 0:
        parser.error(f"--threads: {options.threads}; allowed: 0 or more")
    return options


def main(arguments=None):
    options = parse(arguments)
    set_environment(options)
    results = opened("throughput", options, SETTINGS)
    run(options, results)
    report(options, results)
    for title, members in groups(results).items():
        print(f"{title}\n\n{tables.summary(members)}\n")


if __name__ == "__main__":
    main()
