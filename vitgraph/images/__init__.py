"""From a file or an array to the pixels that a net takes."""

from vitgraph.images.augmentation import Augmentation
from vitgraph.images.sources import Images, from_arrays, from_folder

__all__ = ["Augmentation", "Images", "from_arrays", "from_folder"]
