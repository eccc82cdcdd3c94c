"""From a file or an array to the pixels that a net takes."""

from vitgraph.images.arrays import from_arrays
from vitgraph.images.augmentation import Augmentation
from vitgraph.images.collection import Images
from vitgraph.images.folders import from_folder
from vitgraph.images.manifests import from_manifest
from vitgraph.images.preprocessing import Preprocessing

__all__ = ["Augmentation", "Images", "Preprocessing", "from_arrays", "from_folder", "from_manifest"]
