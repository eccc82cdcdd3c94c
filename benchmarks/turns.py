"""Workers that take turns: what throughput and latency do alike."""

from typing import Any, NamedTuple

from benchmarks.processes import Worker
from benchmarks.report.ratios import is_measured


class Entrant(NamedTuple):
    """A worker that is ready.

    Attributes:
        worker: its process.
        row: its figures; with an "error" it takes no more turns.
        steps: in a turn.
        turns: what it answered, a turn each.
    """

    worker: Worker
    row: dict[str, Any]
    steps: int
    turns: list[dict[str, Any]]


def enter(worker, row, seconds, **request):
    """[`Entrant`] if the worker can do what is requested, and then a step; else []. Its answer is added to the row.

    Args:
        seconds: length of a turn, which the steps are made for.
    """
    row |= worker.ask(**request)
    trial = worker.ask(steps=1) if is_measured(row) else row
    if not is_measured(trial):
        row |= trial
        worker.close()
        return []
    return [Entrant(worker, row, max(1, round(seconds / trial["wall_s"])), [])]


def take_turns(rounds, entrants, progress, text):
    """Each computes in each round, unless it has failed; then the processes end.

    Args:
        text: function of a row and of the round in words, that says whose turn it is.

    Returns:
        The entrants that never failed.
    """
    for i in range(rounds):
        for worker, row, steps, turns in entrants:
            if is_measured(row):
                progress.say(text(row, f"round {i + 1} of {rounds}"))
                turns.append(worker.ask(steps=steps))
                row |= {} if is_measured(turns[-1]) else turns[-1]
        progress.step()
    for entrant in entrants:
        entrant.worker.close()
    return [entrant for entrant in entrants if is_measured(entrant.row)]
