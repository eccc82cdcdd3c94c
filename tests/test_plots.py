"""Pictures of what is found and of what is taken for what; those of attention and maps are tested with their graphs."""

import numpy as np
import pytest
from matplotlib.image import imread

from tests.variants import TINY, images, shared
from vitgraph import plots
from vitgraph.plots.gradcam import _maps_and_gradients, _places

IMAGE = np.full((48, 64, 3), 255, "uint8")


def panel(path, number=0, scale=1):
    """The pixels of one panel, without its title."""
    picture, width = imread(path)[..., :3], int(210 * scale)
    left = 8 + number * (width + 8)
    return picture[47:-10, left + 2 : left + width - 2]


def test_boxes_are_where_they_should_be(tmp_path):
    """The same box in every format; padding and low scores are left out."""
    formats = {
        "xyxy": [16, 12, 48, 36], "xywh": [16, 12, 32, 24], "center_xywh": [32, 24, 32, 24],
        "rel_xyxy": [0.25, 0.25, 0.75, 0.75],
    }  # fmt: skip
    pictures = []
    for name, box in formats.items():
        path = tmp_path / f"{name}.png"
        others = [[1, 1, 60, 40], [2, 2, 50, 40]]
        options = {"classes": [1, -1, 1], "scores": [0.9, 0.9, 0.1], "least_score": 0.5, "box_format": name}
        plots.plot_boxes(IMAGE, [box, *others], path, class_names=("cat", "dog"), **options)
        pictures.append(imread(path))
        dark = np.argwhere(panel(path, scale=2).min(axis=-1) < 0.9)
        assert np.abs(dark.max(axis=0) / panel(path, scale=2).shape[:2] - 0.75).max() < 0.02
    assert all(np.array_equal(pictures[0], picture) for picture in pictures)


def test_masks_cover_their_pixels_alone(tmp_path):
    mask = np.zeros((24, 32), "int32")
    mask[:12] = 2
    plots.plot_masks(IMAGE, {"truth": mask, "scores": np.eye(3)[mask]}, tmp_path / "masks.png")
    for number in (1, 2):
        seen = panel(tmp_path / "masks.png", number).min(axis=-1) < 0.9
        assert seen[: len(seen) // 2 - 4].all()
        assert not seen[len(seen) // 2 + 4 :].any()


@pytest.mark.parametrize("name", ["swin", "patch_merger_vit"])
def test_gradients_are_those_of_finite_differences(name):
    """The score's change, when the image changes a little, by way of the map or the tokens of the first stage."""
    model, x = shared(name), images(1)
    place, *_ = _places(model, model.stages[:1]).items()
    chosen, scores, maps = _maps_and_gradients(model, dict([place]), x, None)
    assert chosen == scores.argmax()
    values, gradient = maps[place[0]]
    step = 1e-2 * np.random.default_rng(0).standard_normal(x.shape).astype("float32")
    _, after, later = _maps_and_gradients(model, dict([place]), x + step, chosen)
    expected = (gradient * (later[place[0]][0] - values)).sum()
    assert after[chosen] - scores[chosen] == pytest.approx(expected, rel=0.1, abs=1e-4)


def test_gradcam_of_all_kinds_of_stream(tmp_path):
    for name in ("vit", "crossvit", "levit"):
        plots.plot_gradcam(shared(name), IMAGE, tmp_path / "gradcam.png", target=1)
        assert (tmp_path / "gradcam.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="at='block_1'; allowed: a stage on whose positions the scores depend"):
        plots.plot_gradcam(shared("vit"), IMAGE, tmp_path / "none.png", at="block_1")
    with pytest.raises(ValueError, match="target=5; allowed: None, or a class from 0 to 4"):
        plots.plot_gradcam(shared("vit"), IMAGE, tmp_path / "none.png", target=5)
    with pytest.raises(ValueError, match="ends in class scores"):
        plots.plot_gradcam(TINY["vit"].build(include_top=False), IMAGE, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: plots.plot_boxes(IMAGE, [[1, 2, 3]], path), "boxes="),
        (lambda path: plots.plot_boxes(IMAGE, [[1, 2, 3, 4]], path, classes=[1, 2]), "classes=.*as there are boxes, 1"),
        (lambda path: plots.plot_masks(IMAGE, {"a": [0.5]}, path), "masks="),
        (lambda path: plots.plot_confusion([[0, 1, 2]], path), "confusion="),
        (lambda path: plots.plot_confusion([[0.5]], path), "confusion="),
        (lambda path: plots.plot_confusion([[1]], path, class_names=["a", "b"]), "class_names=.*1 names"),
    ],
)
def test_what_is_refused(call, message, tmp_path):
    with pytest.raises((ValueError, TypeError), match=message):
        call(tmp_path / "picture.png")
    assert not (tmp_path / "picture.png").exists()
