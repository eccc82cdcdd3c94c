"""What is made of measured figures: medians, spreads, ratios and their mean."""

import math
import statistics


def median_of_ratios(ours, theirs):
    """{"median", "low", "high"} of the ratios of two candidates' figures, round by round.

    Raises:
        ValueError: another number of rounds, or none.
    """
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    if not ratios:
        raise ValueError("median_of_ratios: no rounds; allowed: one or more")
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def geometric_mean(ratios):
    """Of positive numbers; None where there are none."""
    ratios = list(ratios)
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else None


def summarise(row, turns, batch, steps):
    """Adds to a candidate's row what its turns of `steps` steps of `batch` images tell."""
    speeds = [batch * steps / turn["wall_s"] for turn in turns]
    per_cpu = [batch * steps / turn["cpu_s"] for turn in turns]
    row |= {
        "images_per_s": statistics.median(speeds),
        "spread": [min(speeds), max(speeds)],
        "images_per_cpu_s": statistics.median(per_cpu),
        "step_s": batch / statistics.median(speeds),
        "rounds": speeds,
        "rounds_per_cpu": per_cpu,
        "memory_mib": turns[-1]["memory_mib"],
        "device_mib": turns[-1].get("device_mib"),
    }


def is_measured(row):
    return "error" not in row


def best(rows, candidate):
    """The row of a candidate's fastest mode; None if none was measured."""
    rows = [row for row in rows if row["candidate"] == candidate and is_measured(row)]
    return max(rows, key=lambda row: row["images_per_s"], default=None)


def compare(rows):
    """Adds "ratio" and "cpu_ratio" to each measured row: the smallest of its ratios to all of the peers' modes."""
    measured = [row for row in rows if is_measured(row)]
    peers = [row for row in measured if row["candidate"] != "vitgraph"]
    for row in measured:
        for key, rounds in (("ratio", "rounds"), ("cpu_ratio", "rounds_per_cpu")):
            ratios = [median_of_ratios(row[rounds], peer[rounds])["median"] for peer in peers]
            row[key] = min(ratios, default=None)


def against_peers(rows):
    """{peer: its ratio} of our fastest mode to each measured peer's fastest mode, {} if ours wasn't measured."""
    ours = best(rows, "vitgraph")
    peers = [name for name in dict.fromkeys(row["candidate"] for row in rows) if name != "vitgraph"]
    theirs = {name: best(rows, name) for name in peers}
    if ours is None:
        return {}
    return {name: median_of_ratios(ours["rounds"], row["rounds"]) for name, row in theirs.items() if row is not None}


def add_flops(rows, flops, rate):
    """Adds "flops_per_s" and, of the machine's rate of matrix products, "share" to each measured row.

    Args:
        flops: of one image, None if unknown.
        rate: FLOP/s of the machine's fastest matrix product in this dtype, None if unknown.
    """
    for row in rows:
        if is_measured(row) and flops:
            row["flops_per_s"] = flops * row["images_per_s"]
            row["share"] = row["flops_per_s"] / rate if rate else None
