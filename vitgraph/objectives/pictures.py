"""Images with hidden patches, and with what was drawn in their place."""

import numpy as np


def pictures(images, drawn, mask):
    """Images whose masked patches are hidden, the same with drawn patches in their place, and the mask.

    Args:
        images, drawn: (B, H, W, C) each.
        mask: (B, h, w), 1 for a patch that was hidden.

    Returns:
        Arrays (B, H, W, C), (B, H, W, C), and the mask. Hidden patches have the images' mean colour.
    """
    images = np.asarray(images, "float32")
    down, across = (side // n for side, n in zip(images.shape[1:3], mask.shape[1:], strict=True))
    hidden = np.kron(mask, np.ones((1, down, across)))[..., None] > 0
    mean = images.mean(axis=(0, 1, 2))
    return np.where(hidden, mean, images).astype("float32"), np.where(hidden, drawn, images).astype("float32"), mask
