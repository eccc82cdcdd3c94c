"""Images per second, ours beside the peers', in one run.

Every candidate lives in a process of its own, and only one computes at a time: they take turns, for several rounds, so
that whatever else the machine does falls on all of them alike. A ratio is the median of the rounds' ratios.
"""

import argparse
import inspect
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

from benchmarks.candidates import MODES, modes

PEERS = [name for name in MODES if name != "vitgraph"]


class Worker:
    """A candidate's process."""

    def __init__(self, candidate, mode, options):
        self.candidate, self.label = candidate, f"{candidate} {mode}"
        python = sys.executable if candidate == "vitgraph" else options.peer_python
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if options.threads:
            environment |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), str(options.threads))
        if candidate == "kecam":
            environment["TF_USE_LEGACY_KERAS"] = "1"
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.figures, self.turns = {"candidate": candidate, "mode": mode}, []

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else {"error": f"the process ended with {self.process.wait()}"}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(model, options):
    """One row of figures for each candidate and mode, ours first."""
    rows, workers, size = [], [], options.size or own_size(model)
    pairs = [(name, mode) for name in ("vitgraph", *options.peers) for mode in modes(name, options.modes)]
    for name, mode in pairs:
        progress(f"{model}: building {name} {mode}")
        worker = Worker(name, mode, options)
        worker.figures |= worker.ask(candidate=name, model=model, mode=mode, batch=options.batch, size=size)
        rows.append(worker.figures)
        if "error" in worker.figures:
            worker.close()
            continue
        trial = worker.ask(steps=1)
        worker.steps = max(1, round(options.seconds / trial["wall_s"]))
        workers.append(worker)
    for i in range(options.rounds):
        for worker in workers:
            progress(f"{model}: round {i + 1} of {options.rounds}, {worker.label}")
            worker.turns.append(worker.ask(steps=worker.steps))
    for worker in workers:
        worker.close()
        summarise(worker, options.batch)
    compare(workers)
    progress("")
    return rows


def own_size(model):
    """Side of the images that a published variant is made for."""
    from vitgraph.registry import variant

    build, row = variant(model)
    return row.get("input_shape", inspect.signature(build).parameters["input_shape"].default)[0]


def summarise(worker, batch):
    speeds = [batch * worker.steps / turn["wall_s"] for turn in worker.turns]
    per_cpu = [batch * worker.steps / turn["cpu_s"] for turn in worker.turns]
    worker.figures |= {
        "images_per_s": statistics.median(speeds),
        "spread": [min(speeds), max(speeds)],
        "images_per_cpu_s": statistics.median(per_cpu),
        "rounds": speeds,
        "rounds_per_cpu": per_cpu,
        "memory_mib": worker.turns[-1]["memory_mib"],
        "device_mib": worker.turns[-1].get("device_mib"),
    }


def compare(workers):
    """The ratio to the best peer's best mode: the smallest of the ratios to all of the peers' modes."""
    peers = [worker.figures for worker in workers if worker.candidate != "vitgraph"]
    for figures in (worker.figures for worker in workers):
        for key, rounds in (("ratio", "rounds"), ("cpu_ratio", "rounds_per_cpu")):
            ratios = [
                statistics.median(ours / theirs for ours, theirs in zip(figures[rounds], peer[rounds], strict=True))
                for peer in peers
            ]
            figures[key] = min(ratios, default=None)


def table(model, rows):
    """A Markdown table of one model's figures."""
    head = ["images/s", "min to max", "x best peer", "images/CPU-s", "x best peer", "build s", "compile s", "peak MiB"]
    lines = [f"| {model} | mode | " + " | ".join(head) + " |", "|---|---|" + "---:|" * len(head)]
    for row in rows:
        cells = [row["candidate"], row["mode"]]
        if "error" in row:
            cells += [f"absent: {row['error'].splitlines()[0][:90]}", *[""] * (len(head) - 1)]
        else:
            low, high = row["spread"]
            cells += [f"{row['images_per_s']:.1f}", f"{low:.1f} to {high:.1f}", ratio(row["ratio"])]
            cells += [f"{row['images_per_cpu_s']:.1f}", ratio(row["cpu_ratio"])]
            cells += [f"{row['build_s']:.1f}", f"{row['compile_s']:.1f}", f"{row['memory_mib']:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratio(value):
    return "" if value is None else f"{value:.2f}"


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def words(text):
    return [word for word in text.split(",") if word]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--models", type=words, required=True, help="published names, with commas")
    parser.add_argument(
        "--modes", type=words, default=["graph", "xla"], help=f"of {', '.join(MODES['vitgraph'])}; with commas"
    )
    parser.add_argument("--peers", type=words, default=PEERS, help=f"of {', '.join(PEERS)}; with commas; '' for none")
    parser.add_argument("--batch", type=int, default=8, help="images a step")
    parser.add_argument("--size", type=int, default=0, help="side of the images, in pixels; 0: the model's own")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every candidate")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a turn")
    parser.add_argument("--threads", type=int, default=0, help="of each candidate; 0: what its framework takes")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has the peers installed")
    parser.add_argument("--json", help="file for all figures")
    options = parser.parse_args(arguments)
    for option, given, allowed in (("--modes", options.modes, MODES["vitgraph"]), ("--peers", options.peers, PEERS)):
        for word in given:
            if word not in allowed:
                parser.error(f"{option}: {word!r}; allowed: {', '.join(allowed)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    results = {}
    for model in options.models:
        results[model] = measure(model, options)
        print(table(model, results[model]), end="\n\n", flush=True)
    if options.json:
        about = {"machine": platform.machine(), "cpus": os.cpu_count(), "python": platform.python_version()}
        about |= {"batch": options.batch, "size": options.size, "threads": options.threads}
        pathlib.Path(options.json).write_text(json.dumps({**about, "models": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
