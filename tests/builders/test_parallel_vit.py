"""Is a parallel ViT the ViT that it says, with its blocks side by side?"""

import functools

import pytest

import vitgraph
from tests.variants import assert_close, images, value, with_random_weights
from vitgraph.builders import vit

NET = {"dim": 16, "depth": 2, "num_heads": 2, "num_classes": 5, "classifier_activation": None}


def weights(model):
    return {variable.path: value(variable) for variable in model.weights}


@pytest.mark.parametrize(
    ("arguments", "block"),
    [
        ({"num_parallel": 3}, functools.partial(vit.parallel_things_block, num_parallel=3)),
        ({"num_parallel": 1, "joint": True}, vit.parallel_scaling_block),
    ],
    ids=["three", "joint"],
)
def test_it_is_a_vit_with_another_block(arguments, block):
    model = with_random_weights(vitgraph.build_parallel_vit((32, 32, 3), **NET, **arguments))
    other = vitgraph.build_vit((32, 32, 3), block=block, **NET)
    vitgraph.load_weights(other, weights(model))
    assert [layer.name for layer in model.layers] == [layer.name for layer in other.layers]
    assert_close(model(images(height=32)), other(images(height=32)))


def test_one_branch_is_the_plain_block():
    model = with_random_weights(vitgraph.build_parallel_vit((32, 32, 3), **NET, num_parallel=1))
    plain = vitgraph.build_vit((32, 32, 3), **NET)
    renamed = {
        path.replace("attns_0_norm", "norm1")
        .replace("ffns_0_norm", "norm2")
        .replace("attns_0_", "")
        .replace("ffns_0_", ""): array
        for path, array in weights(model).items()
    }
    vitgraph.load_weights(plain, renamed)
    assert_close(model(images(height=32)), plain(images(height=32)))
