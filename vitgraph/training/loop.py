"""The loop: plain `fit`, one epoch at a time, and a checkpoint after each and every few minutes.

Images and their augmentation are a function of seed, epoch and number, and everything else that changes is in the
checkpoint: an interrupted epoch goes on with the next batch, as if nothing had happened.
"""

import keras
import numpy as np

from vitgraph.training import checkpoint
from vitgraph.training.autosave import Autosave, Termination
from vitgraph.training.folder import BEST, TENSORBOARD
from vitgraph.training.optimizer import learning_rates
from vitgraph.training.progress import Progress, TensorBoard


def run(folder, model, recipe, batches, held_out, *, best, save, save_minutes, silent=False):
    """Trains from the folder's epoch to the last one; the model ends with the weights that are to be kept.

    Args:
        folder: a `Folder`.
        model: a compiled model, whose optimizer is built.
        recipe: a `Recipe`.
        batches: function from an epoch, and the number of batches to leave out, to a `tf.data.Dataset`.
        held_out: a `tf.data.Dataset` to validate on after each epoch, or None.
        best: (figure, max or min), such as ("accuracy", max): the weights of the epoch that is best by this figure of
            the held-out images are kept, too.
        save: function (path) that writes the model's weights.
        save_minutes: minutes between two checkpoints inside an epoch; None: there are none inside.
        silent: print nothing.

    Raises:
        FloatingPointError: a figure is no longer finite; the last checkpoint is kept.
        SystemExit: the process was told to end, by SIGTERM; a checkpoint was written. The code is 143.
    """
    optimizer = model.optimizer
    first = folder.step
    metrics = folder.restore(model, optimizer)
    steps = int(batches(0).cardinality())
    rates = learning_rates(recipe, steps)
    progress = Progress(recipe.epochs, steps, recipe.images_at_once, rates, silent)
    board = TensorBoard(folder / TENSORBOARD)
    # With averages, `fit` ends with them in place of the weights: they are validated first, then the weights.
    prefixes = ("val_",) if recipe.ema_momentum is None else ("val_ema_", "val_")

    with Termination() as termination:
        for epoch in range(folder.epoch, recipe.epochs):
            progress.before = first
            with Autosave(folder, save_minutes, termination, first, metrics) as autosave:
                callbacks = [_Finite(folder), progress, autosave]
                figures, tensors = _fit(model, batches(epoch, first), epoch, callbacks)
            first, metrics = 0, None
            figures["learning_rate"] = float(rates(steps * (epoch + 1)))
            for prefix in prefixes:
                if held_out is not None:
                    found = model.evaluate(held_out, verbose=0, return_dict=True)
                    figures.update({prefix + name: value for name, value in found.items()})
                    monitored = prefix + best[0]
                    if prefix == prefixes[0] and _is_best(figures[monitored], folder.history.get(monitored), best[1]):
                        with folder.writing():
                            folder.write(BEST, save)
                # Validation may have drawn random numbers: a resumed training would begin with the state before.
                checkpoint.restore(model, optimizer, tensors)
            _check_finite(folder, figures, f"at the end of epoch {epoch + 1}")
            _check_finite(folder, tensors, f"at the end of epoch {epoch + 1}")
            with folder.writing():
                board.write(epoch + 1, figures | progress.speed())
                folder.keep(tensors, figures)
            progress.finish_epoch(figures)
            termination.check(folder)
    optimizer.finalize_variable_values(model.trainable_variables)


def _fit(model, dataset, epoch, callbacks):
    """(figures, snapshot) of one epoch."""
    state = _Snapshot()
    span = {"initial_epoch": epoch, "epochs": epoch + 1}
    history = model.fit(dataset, **span, shuffle=False, verbose=0, callbacks=[*callbacks, state]).history
    return {name: history[name][0] for name in sorted(history, key=lambda name: (name != "loss", name))}, state.tensors


class _Snapshot(keras.callbacks.Callback):
    """The state at an epoch's end, before `fit` overwrites the weights with their averages."""

    def on_epoch_end(self, epoch, logs=None):
        self.tensors = checkpoint.snapshot(self.model, self.model.optimizer)


class _Finite(keras.callbacks.Callback):
    """Stops at once when the loss isn't finite any more."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        _check_finite(self.folder, logs, f"in epoch {self.epoch + 1}, step {batch + 1}")


def _check_finite(folder, values, when):
    for name, value in values.items():
        if not np.isfinite(value).all():
            advice = "a smaller learning rate, a longer warm-up or clip_norm may help, in another folder"
            raise FloatingPointError(f"{name} isn't finite {when}; {folder.kept}; {advice}")


def _is_best(value, earlier, better):
    return not earlier or better([*earlier, value]) != better(earlier)
