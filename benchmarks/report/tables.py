"""Markdown tables of measured figures."""

from benchmarks.report.ratios import against_peers, best, geometric_mean, is_measured

_HEAD = (
    "mode",
    "images/s",
    "min to max",
    "x best peer",
    "images/CPU-s",
    "x best peer",
    "build s",
    "compile s",
    "peak MiB",
    "GFLOP/s",
    "% of product",
    "parameters",
)


def grid(head, rows):
    """A Markdown table; the first two columns are words, the others numbers."""
    align = ["---" if i < 2 else "---:" for i in range(len(head))]
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'|'.join(align)}|", *lines[1:]])


def title(entry):
    """One configuration in words."""
    size = entry["size"]
    return f"{entry['task']}, {entry['dtype']}, batch {entry['batch']}, {size} x {size}"


def of_model(entry):
    """All candidates and modes of one model in one configuration."""
    return grid([entry["model"], *_HEAD], [_cells(row) for row in entry["rows"]])


def _cells(row):
    cells = [row["candidate"], row["mode"]]
    if not is_measured(row):
        return [*cells, absent(row), *[""] * (len(_HEAD) - 2)]
    low, high = row["spread"]
    memory = row["device_mib"] if row.get("device_mib") else row["memory_mib"]
    return [
        *cells,
        f"{row['images_per_s']:.1f}",
        f"{low:.1f} to {high:.1f}",
        number(row["ratio"]),
        f"{row['images_per_cpu_s']:.1f}",
        number(row["cpu_ratio"]),
        f"{row['build_s']:.1f}",
        f"{row['compile_s']:.1f}",
        f"{memory:.0f}",
        number(row.get("flops_per_s"), 1e9, 1),
        number(row.get("share"), 0.01, 0),
        f"{row['parameters']:,}",
    ]


def absent(row):
    """Why there are no figures, short enough for a table."""
    return f"absent: {row['error'].splitlines()[0][:90]}".replace("|", "/")


def number(value, unit=1, digits=2):
    return "" if value is None else f"{value / unit:.{digits}f}"


def summary(entries):
    """Our fastest mode of each model against each peer's fastest mode; the last line has the geometric means.

    Args:
        entries: of one task, dtype and batch size, a model each.
    """
    ratios = [against_peers(entry["rows"]) for entry in entries]
    peers = list(dict.fromkeys(name for row in ratios for name in row))
    lines = [_line(entry, row, peers) for entry, row in zip(entries, ratios, strict=True)]
    bests = [min((ratio["median"] for ratio in row.values()), default=None) for row in ratios]
    columns = [[row[peer]["median"] for row in ratios if peer in row] for peer in peers]
    columns.append([value for value in bests if value is not None])
    means = [f"{number(geometric_mean(column))} ({len(column)})" if column else "" for column in columns]
    lines.append(["geometric mean (models)", "", "", *means])
    head = ["model", "our mode", "images/s", *(f"x {peer}" for peer in peers), "x best peer"]
    return grid(head, lines)


def _line(entry, ratios, peers):
    ours = best(entry["rows"], "vitgraph")
    cells = [entry["model"], ours["mode"] if ours else "absent", f"{ours['images_per_s']:.1f}" if ours else ""]
    for peer in peers:
        ratio = ratios.get(peer)
        cells.append(f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})" if ratio else "")
    return [*cells, number(min((ratio["median"] for ratio in ratios.values()), default=None))]
