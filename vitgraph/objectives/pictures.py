"""What was hidden, and what was drawn in its place, as images."""

import keras
import numpy as np

from vitgraph.blocks import Patchify, Unpatchify


def pictures(objective, images, outputs, normalized=False):
    """See `MaskedAutoencoder.reconstruct`: images, predictions (B, N, p q C) and masks (B, N) -> three arrays."""
    images = np.asarray(images, "float32")
    patches = keras.ops.convert_to_numpy(Patchify(objective.patch_size)(images))
    batch, down, across, _ = patches.shape
    tokens, mask = patches.reshape(batch, down * across, -1), outputs["mask"][..., None]
    drawn = outputs["prediction"]
    if normalized:
        drawn = drawn * np.sqrt(tokens.var(-1, keepdims=True, ddof=1) + 1e-6) + tokens.mean(-1, keepdims=True)

    def image(x):
        return keras.ops.convert_to_numpy(Unpatchify(objective.patch_size)(x, patches))

    grey = np.broadcast_to(images.mean(), tokens.shape)
    masked, reconstructed = (np.where(mask > 0, hidden, tokens).astype("float32") for hidden in (grey, drawn))
    return image(masked), image(reconstructed), outputs["mask"].reshape(batch, down, across)
