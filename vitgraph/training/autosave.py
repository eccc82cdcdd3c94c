"""Checkpoints inside an epoch: every few minutes, and when the process is told to end."""

import concurrent.futures
import signal
import threading
import time

import keras

from vitgraph.training import checkpoint

TERMINATED = 128 + 15
"""The exit status after SIGTERM, as shells count it."""


class Termination:
    """Notices SIGTERM, by which clusters say that a process is about to be ended, instead of dying of it."""

    def __init__(self):
        self.noticed = False

    def __enter__(self):
        self.is_main = threading.current_thread() is threading.main_thread()  # only that one may handle signals
        if self.is_main:
            self.before = signal.signal(signal.SIGTERM, self._notice)
        return self

    def __exit__(self, *error):
        if self.is_main:
            signal.signal(signal.SIGTERM, self.before)

    def _notice(self, number, frame):
        self.noticed = True

    def check(self, folder):
        """Ends the process if it was told to; all that is needed to go on is in the folder."""
        if self.noticed:
            print(f"terminated; {folder.kept}", flush=True)
            raise SystemExit(TERMINATED)


class Autosave(keras.callbacks.Callback):
    """Writes the state between two batches. Arrays are copied first, and written while training goes on.

    Args:
        folder: a `Folder`.
        minutes: time between two checkpoints; None: only a termination writes one.
        termination: a `Termination`.
        first: number of batches of this epoch that were done before.
        metrics: the state of the metrics after these batches, or None.
    """

    def __init__(self, folder, minutes, termination, first, metrics):
        super().__init__()
        self.folder, self.minutes, self.termination = folder, minutes, termination
        self.first, self.metrics = first, metrics
        self.writer = concurrent.futures.ThreadPoolExecutor(1)
        self.writing = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        """Whatever happens in between: nothing is written any more afterwards."""
        self.writer.shutdown()

    def on_epoch_begin(self, epoch, logs=None):
        self.last = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.metrics is not None:  # before the first batch Keras hasn't made them all
            self._synchronise()
            checkpoint.add_metrics(self.model, self.metrics)
            self.metrics = None
        is_due = self.minutes is not None and time.monotonic() - self.last >= 60 * self.minutes
        if is_due or self.termination.noticed:
            self._save(self.first + batch + 1)
            if self.termination.noticed:
                self._finish()
            self.termination.check(self.folder)

    def on_epoch_end(self, epoch, logs=None):
        self._finish()

    def _save(self, step):
        self._finish()
        self._synchronise()
        tensors = checkpoint.snapshot(self.model, self.model.optimizer)
        metrics = checkpoint.snapshot_metrics(self.model)
        self.writing = self.writer.submit(self.folder.keep_step, {**tensors, **metrics}, step)
        self.last = time.monotonic()

    def _synchronise(self):
        if keras.backend.backend() == "jax":  # there `fit` keeps the state outside of the variables
            self.model.jax_state_sync()

    def _finish(self):
        """Waits for what is being written, and raises its error."""
        if self.writing is not None:
            with self.folder.writing():
                self.writing.result()
            self.writing = None
