"""A picture of what a detector found."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vitgraph import contract as c
from vitgraph.plots.frames import Image, array, colour, draw, name_of, size_of

BoxFormat = Literal["xyxy", "xywh", "center_xywh", "rel_xyxy"]


@c.public
def plot_boxes(
    image: Image,
    boxes: Any,
    path: c.PicturePath,
    *,
    classes: Any = None,
    scores: Any = None,
    class_names: Sequence[str] | None = None,
    box_format: BoxFormat = "xyxy",
    least_score: c.Share = 0.0,
) -> None:
    """Draws boxes in an image, each with its class and score.

    Args:
        boxes: (N, 4), numbers in pixels; N may be 0.
        classes: (N,), the class of each box, an integer; boxes of a class below 0 are left out, as detectors pad with
            them; None: all are of one class.
        scores: (N,), the score of each box, from 0 to 1; None: they have none.
        class_names: names of the classes, in order; None: their numbers.
        box_format: "xyxy" is (left, top, right, bottom), "xywh" (left, top, width, height), "center_xywh" has the
            centre instead of the corner, and "rel_xyxy" shares of the image's width and height.
        least_score: boxes below this score are left out.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> image = numpy.random.rand(64, 96, 3)
        >>> vitgraph.plots.plot_boxes(image, [[8, 8, 40, 32]], "boxes.png", classes=[1], class_names=("cat", "dog"))
    """
    boxes = array("boxes", boxes, "(N, 4), finite numbers")
    boxes = boxes if boxes.size else np.zeros((0, 4))
    c.require(boxes.ndim == 2 and boxes.shape[1] == 4, "boxes", "(N, 4), finite numbers")
    count = len(boxes)
    classes = np.zeros(count, "int64") if classes is None else array("classes", classes, "(N,), integers", "integers")
    shown = np.full(count, np.nan) if scores is None else array("scores", scores, "(N,), finite numbers")
    for argument, values in (("classes", classes), ("scores", shown)):
        c.require(values.shape == (count,), argument, f"as many as there are boxes, {count}")
    corners = _corners(boxes, box_format, image.shape)
    kept = (classes >= 0) & ~(shown < least_score)

    def drawing(axes):
        from matplotlib.patches import Rectangle

        axes.imshow(image)
        for (left, top, right, bottom), kind, score in zip(corners[kept], classes[kept], shown[kept], strict=True):
            edge = colour(kind)
            place = (left - 0.5, top - 0.5)
            axes.add_patch(Rectangle(place, right - left, bottom - top, fill=False, edgecolor=edge, linewidth=1.5))
            text = name_of(kind, class_names) + ("" if np.isnan(score) else f" {score:.0%}")
            box = {"facecolor": edge, "edgecolor": "none", "pad": 1.0}
            axes.text(*place, text, size=6, color="white", va="bottom", bbox=box, clip_on=True)

    draw([drawing], [(image, f"{kept.sum()} boxes", size_of(*image.shape))], path, "image", scale=2)


def _corners(boxes, box_format, shape):
    """(N, 4) in any format -> left, top, right, bottom, in pixels."""
    if box_format == "rel_xyxy":
        return boxes * np.array([shape[1], shape[0]] * 2)
    if box_format == "xyxy":
        return boxes
    place, size = boxes[:, :2], boxes[:, 2:]
    place = place - size / 2 if box_format == "center_xywh" else place
    return np.concatenate([place, place + size], axis=1)
