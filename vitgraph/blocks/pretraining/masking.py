"""Hiding patches from an encoder, and the targets and losses for predicting them."""

import math

import keras
from keras import ops

from vitgraph.blocks.base import Layer, is_static, pair, sizes
from vitgraph.blocks.initializers import Normal


class Unpatchify(Layer):
    """(B, N, p q C), (B, H, W, .) -> (B, H p, W q, C): the image of a grid's patches, whose pixels are in row order."""

    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = pair(patch_size)

    def call(self, x, grid):
        (rows, columns), (down, across) = self.patch_size, sizes(grid)
        x = ops.reshape(x, (-1, across, rows, x.shape[-1] // rows))  # (B H, W, p, q C)
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, down * rows, across * columns, x.shape[-1] // columns))

    def compute_output_shape(self, x_shape, grid_shape):
        (rows, columns), (_, *grid, _) = self.patch_size, grid_shape
        grid = (None if n is None else n * m for n, m in zip(grid, self.patch_size, strict=True))
        return (x_shape[0], *grid, x_shape[-1] // (rows * columns))


class RandomSubset(Layer):
    """(B, N) -> (B, N): 1 for the largest numbers of each row, 0 for the others.

    Args:
        share: how many are 1: an integer, or a fraction of all of them, rounded up.
    """

    def __init__(self, share, **kwargs):
        super().__init__(**kwargs)
        self.share = share

    def call(self, noise):
        count = ops.shape(noise)[1]
        if is_static(self.share):
            chosen = self.share
        elif is_static(count):
            chosen = math.ceil(self.share * count)
        else:
            chosen = ops.cast(ops.ceil(self.share * ops.cast(count, "float32")), "int32")
        return ops.cast(_ranks(-noise) < chosen, noise.dtype)


class KeepTokens(Layer):
    """(B, prefix + N, C), (B, N) -> (B, prefix + count, C): the prefix, and the tokens with the `count` lowest numbers.

    They are sorted by these numbers.
    """

    def __init__(self, count, prefix=0, **kwargs):
        super().__init__(**kwargs)
        self.count = count
        self.prefix = prefix

    def call(self, x, noise):
        order = ops.argsort(noise, axis=1)[:, : self.count]
        kept = ops.take_along_axis(x[:, self.prefix :], order[:, :, None], axis=1)
        return ops.concatenate([x[:, : self.prefix], kept], axis=1) if self.prefix else kept

    def compute_output_shape(self, x_shape, noise_shape):
        return (x_shape[0], self.prefix + self.count, x_shape[-1])


class RestoreTokens(Layer):
    """(B, prefix + count, C), (B, N) -> (B, prefix + N, C): a learned token for each that `KeepTokens` dropped."""

    def __init__(self, prefix=0, **kwargs):
        super().__init__(**kwargs)
        self.prefix = prefix

    def build(self, x_shape, noise_shape):
        initializer = Normal(stddev=0.02)
        self.token = self.add_weight(name="token", shape=(1, 1, x_shape[-1]), initializer=initializer)

    def call(self, x, noise):
        patches = x[:, self.prefix :]
        rank, count = _ranks(noise)[:, :, None], ops.shape(patches)[1]
        kept = ops.take_along_axis(patches, ops.minimum(rank, count - 1), axis=1)
        restored = ops.where(rank < count, kept, ops.cast(self.token, x.dtype))
        return ops.concatenate([x[:, : self.prefix], restored], axis=1) if self.prefix else restored

    def compute_output_shape(self, x_shape, noise_shape):
        count = None if noise_shape[1] is None else self.prefix + noise_shape[1]
        return (x_shape[0], count, x_shape[-1])


class HideTokens(Layer):
    """(B, H, W, C), (B, H, W) of 0 and 1 -> (B, H, W, C): a learned token where the second is 1."""

    def build(self, x_shape, hidden_shape):
        initializer = Normal(stddev=0.02)
        self.token = self.add_weight(name="token", shape=(x_shape[-1],), initializer=initializer)

    def call(self, x, hidden):
        hidden = ops.cast(hidden, x.dtype)[..., None]
        return x * (1 - hidden) + ops.cast(self.token, x.dtype) * hidden

    def compute_output_shape(self, x_shape, hidden_shape):
        return x_shape


class CorruptTokens(Layer):
    """Replaces some of the chosen tokens by a learned token, some by another token of the sample, and keeps the others.

    (B, N, C), and four of (B, N): 1 for chosen tokens, two uniform draws, the indices of the other tokens ->
    (B, N, C).

    Args:
        mask_prob: share of chosen tokens that are replaced by the learned one: those whose first draw is lower.
        random_prob: share that is replaced by another token, chosen from the rest by the second draw.
    """

    def __init__(self, mask_prob, random_prob, **kwargs):
        super().__init__(**kwargs)
        self.mask_prob = mask_prob
        self.random_prob = random_prob

    def build(self, x_shape, chosen_shape, first_shape, second_shape, others_shape):
        initializer = Normal(stddev=0.02)
        self.token = self.add_weight(name="token", shape=(1, 1, x_shape[-1]), initializer=initializer)

    def call(self, x, chosen, first, second, others):
        chosen = chosen > 0
        if self.random_prob:
            swapped = ops.logical_and(chosen, second < self.random_prob / (1 - self.mask_prob))
            other = ops.take_along_axis(x, ops.cast(others, "int32")[:, :, None], axis=1)
            x = ops.where(swapped[:, :, None], other, x)
        masked = ops.logical_and(chosen, first < self.mask_prob)
        return ops.where(masked[:, :, None], ops.cast(self.token, x.dtype), x)

    def compute_output_shape(self, x_shape, chosen_shape, first_shape, second_shape, others_shape):
        return x_shape


class ColourBins(Layer):
    """Pixels of patches (B, H, W, p q C) -> classes of their mean colours (B, H W), in 0 ... 2 ** (bits C) - 1.

    Args:
        channels: number C of channels.
        bits: each channel is divided into 2 ** bits bins of equal width.
        mean, std: normalisation of the pixels, which is undone first.
        max_value: largest value of a pixel before normalisation; the smallest is 0.
    """

    def __init__(self, channels, bits=3, mean=0.0, std=1.0, max_value=1.0, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.bits = bits
        self.mean = mean
        self.std = std
        self.max_value = max_value

    def call(self, x):
        batch, size = ops.shape(x)[0], x.shape[-1]
        x = ops.reshape(ops.cast(x, "float32"), (batch, -1, size // self.channels, self.channels))
        x = x * ops.array(self.std, "float32") + ops.array(self.mean, "float32")
        colour = ops.mean(ops.minimum(x, self.max_value), axis=2)
        bins = 2**self.bits
        bounds = ops.array([self.max_value * i / bins for i in range(1, bins)], "float32")
        digits = ops.sum(ops.cast(colour[..., None] > bounds, "int32"), axis=-1)
        return ops.sum(digits * ops.array([bins**i for i in range(self.channels)], "int32"), axis=-1)

    def compute_output_spec(self, x):
        batch, height, width, _ = x.shape
        count = None if None in (height, width) else height * width
        return keras.KerasTensor((batch, count), dtype="int32")


class NormalizePatches(Layer):
    """(B, N, P) -> (B, N, P): each patch minus its mean, divided by its standard deviation (unbiased)."""

    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, x):
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.sum(ops.square(centred), axis=-1, keepdims=True) / (x.shape[-1] - 1)
        return centred * ops.rsqrt(variance + self.epsilon)


class MaskedSquaredError(Layer):
    """Predictions and targets (B, N, P), chosen (B, N) of 0 and 1 -> (): the mean over chosen patches, in float32."""

    def call(self, predictions, targets, chosen):
        errors = ops.square(ops.cast(predictions, "float32") - ops.cast(targets, "float32"))
        chosen = ops.cast(chosen, "float32")
        return ops.sum(ops.mean(errors, axis=-1) * chosen) / ops.sum(chosen)

    def compute_output_spec(self, predictions, targets, chosen):
        return keras.KerasTensor((), dtype="float32")


class HiddenPixelsError(Layer):
    """Predictions, images (B, h p, w q, C), hidden (B, h, w) of 0 and 1 -> (), float32.

    The mean absolute error where `hidden` is 1.
    """

    def call(self, predictions, images, hidden):
        errors = ops.abs(ops.cast(predictions, "float32") - ops.cast(images, "float32"))
        hidden = ops.cast(hidden, "float32")
        (height, width), (down, across), channels = sizes(errors), ops.shape(hidden)[1:], errors.shape[-1]
        rows, columns = height // down, width // across
        errors = ops.sum(ops.reshape(errors, (-1, down, rows, across, columns * channels)), axis=(2, 4))
        return ops.sum(errors * hidden) / (ops.sum(hidden) * ops.cast(rows * columns, "float32") + 1e-5) / channels

    def compute_output_spec(self, predictions, images, hidden):
        return keras.KerasTensor((), dtype="float32")


class MaskedCrossEntropy(Layer):
    """Logits (B, N, K), classes (B, N), chosen (B, N) of 0 and 1 -> (): the mean over chosen tokens, in float32."""

    def call(self, logits, labels, chosen):
        labels = ops.one_hot(ops.cast(labels, "int32"), logits.shape[-1])
        losses = ops.categorical_crossentropy(labels, ops.cast(logits, "float32"), from_logits=True)
        chosen = ops.cast(chosen, "float32")
        return ops.sum(losses * chosen) / ops.sum(chosen)

    def compute_output_spec(self, logits, labels, chosen):
        return keras.KerasTensor((), dtype="float32")


def _ranks(numbers):
    """(B, N) -> (B, N): the rank of each number in its row, from 0 for the smallest."""
    return ops.argsort(ops.argsort(numbers, axis=1), axis=1)
