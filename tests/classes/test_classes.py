"""Are the classes ImageNet's, in the order of a checkpoint's scores?"""

import numpy as np
import pytest

import vitgraph
from vitgraph.classes import LISTS, class_list, list_with


def test_lists():
    for name, count in LISTS.items():
        ids = [one.id for one in class_list(name)]
        assert len(ids) == count and ids == sorted(set(ids)) and list_with(count) == name
    of_12k, of_22k, of_21k = ({one.id for one in class_list(f"imagenet-{n}k")} for n in (12, 22, 21))
    assert of_12k < of_22k < of_21k
    assert list_with(37) is None


@pytest.mark.parametrize(
    ("index", "id", "name"),
    [
        (0, "n01440764", "tench, Tinca tinca"),
        (207, "n02099601", "golden retriever"),
        (281, "n02123045", "tabby, tabby cat"),
        (999, "n15075141", "toilet tissue, toilet paper, bathroom tissue"),
    ],
)
def test_well_known_classes(index, id, name):
    assert class_list("imagenet-1k")[index] == (id, name)


def test_decode_predictions():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], "float32")
    first, second = vitgraph.decode_predictions(scores, top=2, classes=["a", "b", "c"])
    assert [(p.number, p.id, p.name) for p in first] == [(1, "b", "b"), (2, "c", "c")]
    assert [p.name for p in second] == ["a", "c"] and second[0].score == 0.5
    scores = np.zeros(21841)
    scores[3] = 1
    ((best,),) = vitgraph.decode_predictions(scores, top=1)
    assert best[1:3] == class_list("imagenet-22k")[3]


def test_a_model_knows_its_classes():
    net = vitgraph.build_vit((16, 16, 3), patch_size=8, dim=8, depth=1, num_heads=1, num_classes=2)
    with pytest.raises(ValueError, match="classes=<GraphModel.*allowed: the names of the 2 classes"):
        vitgraph.decode_predictions(np.ones((1, 2)), classes=net)
    net.about = {**net.about, "classes": ["cat", "dog"]}
    assert vitgraph.decode_predictions(np.array([0.0, 1.0]), classes=net)[0][0].name == "dog"


@pytest.mark.parametrize("classes", [None, ["a"], "imagenet-1k"])
def test_classes_that_are_not_those_of_the_scores(classes):
    with pytest.raises(ValueError, match="decode_predictions: classes="):
        vitgraph.decode_predictions(np.ones((1, 2)), classes=classes)
