"""A progress bar on standard error."""

import sys
import time


class Progress:
    """Says how far a run is, and about how long it still takes.

    On a terminal it is one line that changes; otherwise a line for each text that differs from the one before.

    Args:
        total: number of parts.
    """

    def __init__(self, total, stream=None):
        self.total, self.done, self.start = total, 0, time.monotonic()
        self.stream = stream or sys.stderr

    def say(self, text):
        """Shows what is going on now."""
        line = f"[{'#' * round(20 * self.done / self.total):20}] {self.done}/{self.total} {self._left()}{text}"
        if self.stream.isatty():
            print(f"\r\033[K{line[:150]}", end="", file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)

    def step(self, count=1):
        """So many parts are done."""
        self.done += count

    def clear(self):
        """Removes the line before something else is printed."""
        if self.stream.isatty():
            print("\r\033[K", end="", file=self.stream, flush=True)

    def _left(self):
        if not self.done:
            return ""
        seconds = round((time.monotonic() - self.start) / self.done * (self.total - self.done))
        return f"{seconds // 60}:{seconds % 60:02} left, "
