"""What a training shows: a bar, lines, and TensorBoard's files."""

import shutil
import sys
import time

import keras


class Progress(keras.callbacks.Callback):
    """A line for each epoch that is done; meanwhile a bar on a terminal, elsewhere a line per minute.

    Args:
        epochs: number of epochs.
        steps: batches per epoch.
        batch: images per batch.
        rates: function from the number of steps done to the learning rate.
        silent: show nothing.
    """

    WIDTH = 20

    def __init__(self, epochs, steps, batch, rates, silent=False):
        super().__init__()
        self.epochs, self.steps, self.batch, self.rates, self.silent = epochs, steps, batch, rates, silent
        self.terminal = sys.stdout.isatty()
        self.before = 0  # batches of this epoch that were done by an earlier process
        self.run = _Clock()  # includes validation
        self.training = _Clock()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.shown = epoch, time.perf_counter()
        self.training.start()
        if self.terminal and not self.run.started:
            self._print("compiling", "\r")

    def on_train_batch_end(self, batch, logs=None):
        if not self.run.started:  # the first step compiles
            self.run.start()
            self.training.start()
        else:
            self.run.steps += 1
            self.training.steps += 1
        step = self.before + batch + 1
        if time.perf_counter() - self.shown >= (0.2 if self.terminal else 60) and step < self.steps:
            self.shown = time.perf_counter()
            done = step / self.steps
            bar = f"[{'#' * int(done * self.WIDTH):.<{self.WIDTH}}] {done:4.0%}"
            self._print(self._line(bar, step, logs), "\r" if self.terminal else "\n")

    def on_epoch_end(self, epoch, logs=None):
        self.training.stop()

    def finish_epoch(self, figures):
        """The line of an epoch that is done."""
        figures = {name: value for name, value in figures.items() if name != "learning_rate"}
        self._print(self._line("done", self.steps, figures), "\n")

    def speed(self):
        """{"images_per_second": that of this epoch}; empty before the second step."""
        seconds = self.training.seconds_per_step()
        return {"images_per_second": self.batch / seconds} if seconds else {}

    def _line(self, bar, step, figures):
        done = self.epoch * self.steps + step
        parts = [f"epoch {self.epoch + 1:{len(str(self.epochs))}}/{self.epochs}", bar]
        parts += [f"{speed:.4g} images/s" for speed in self.speed().values()]
        for name, value in figures.items():
            parts.append(f"{name} {value:.1%}" if "accuracy" in name else f"{name} {value:.4g}")
        parts.append(f"rate {float(self.rates(done)):.2e}")
        left, seconds = self.epochs * self.steps - done, self.run.seconds_per_step()
        if left and seconds:
            parts.append(f"{_duration(left * seconds)} left")
        return "   ".join(parts)

    def _print(self, line, end):
        if self.silent:
            return
        if self.terminal:
            line = line[: shutil.get_terminal_size().columns - 1] if end == "\r" else line
            line = f"\x1b[2K{line}"  # clears the line first
        print(line, end=end, flush=True)


class _Clock:
    """Time, and the steps that were taken in it."""

    started = stopped = 0.0
    steps = 0

    def start(self):
        self.started, self.stopped, self.steps = time.perf_counter(), 0.0, 0

    def stop(self):
        self.stopped = time.perf_counter()

    def seconds_per_step(self):
        """None before the first step."""
        return ((self.stopped or time.perf_counter()) - self.started) / self.steps if self.steps else None


class TensorBoard:
    """Writes figures for TensorBoard, which needn't be installed."""

    def __init__(self, folder):
        import tensorflow as tf

        self.writer = tf.summary.create_file_writer(str(folder))

    def write(self, epoch, figures):
        """Writes the figures after `epoch` epochs; writing them again after an interruption changes nothing."""
        import tensorflow as tf

        values = [tf.compat.v1.Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
        try:
            with self.writer.as_default():
                tf.summary.experimental.write_raw_pb(tf.compat.v1.Summary(value=values).SerializeToString(), step=epoch)
            self.writer.flush()
        except tf.errors.OpError as error:
            raise OSError(error.message) from error


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
