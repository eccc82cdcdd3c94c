"""Pictures of what a graph sees, finds and takes for what, and of its training. They need matplotlib."""

from vitgraph.plots.attention import plot_attention, plot_probabilities
from vitgraph.plots.boxes import plot_boxes
from vitgraph.plots.confusion import plot_confusion
from vitgraph.plots.gradcam import plot_gradcam
from vitgraph.plots.history import plot_history
from vitgraph.plots.masks import plot_masks
from vitgraph.plots.pyramid import plot_pyramid
from vitgraph.plots.reconstruction import plot_reconstruction

__all__ = [
    "plot_attention",
    "plot_boxes",
    "plot_confusion",
    "plot_gradcam",
    "plot_history",
    "plot_masks",
    "plot_probabilities",
    "plot_pyramid",
    "plot_reconstruction",
]
