"""Photographs to measure and to draw with: parts of the two that come with scikit-learn."""

import numpy as np

SIZE = 500, 375  # width and height, as many of ImageNet's have
CLASSES = 4


def originals():
    """Scikit-learn's two photographs."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    return [Image.fromarray(pixels) for pixels in load_sample_images()["images"]]


def write(folder, count):
    """JPEGs of 500 x 375 pixels and different content, in a folder per class."""
    from PIL import Image

    random, pictures = np.random.default_rng(0), originals()
    for i in range(count):
        picture = pictures[i % len(pictures)]
        width = int(picture.width * random.uniform(0.6, 0.85))
        height = width * SIZE[1] // SIZE[0]
        left, top = random.integers(0, picture.width - width + 1), random.integers(0, picture.height - height + 1)
        part = picture.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        path = folder / f"class_{i % CLASSES}" / f"{i:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path, quality=90)
