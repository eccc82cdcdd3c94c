"""Do groups hold the positions that they should? What square maps hold, the golden files say."""

import numpy as np
import pytest

from tests.variants import assert_same, value
from vitgraph.blocks import GroupBias, GroupOffsets, GroupPartition, GroupReverse


def numbered(height, width):
    """A map whose positions are counted from 1, so that a 0 is a padded one."""
    return np.arange(1, height * width + 1, dtype="float32").reshape(1, height, width, 1)


@pytest.mark.parametrize("size", [(7, 10), (3, 8), (12, 12), (1, 5)])
@pytest.mark.parametrize("group", [(3, 1, False), (3, 2, True), (2, None, False)])
def test_there_and_back(size, group):
    x = numbered(*size)
    assert_same(GroupReverse(*group)(GroupPartition(*group)(x), x), x)


def test_positions_of_far_groups():
    groups = value(GroupPartition(2, 3)(numbered(6, 6)))[..., 0]
    assert groups.shape == (9, 4)
    assert groups[0].tolist() == [1, 4, 19, 22]


def test_a_narrow_map_is_one_group():
    x = numbered(2, 5)
    assert_same(GroupPartition(3, 2)(x)[..., 0], x.reshape(1, 10))
    assert GroupOffsets(3, 2)(x).shape == (1, 3 * 9, 2)


def test_only_zeros_are_masked():
    x = numbered(5, 7)
    bias = value(GroupBias(2, 2, centre=True)(np.zeros((1, 9, 1), "float32"), x))[:, 0, 0]
    assert_same(bias < 0, value(GroupPartition(2, 2, centre=True)(x))[..., 0] == 0)


def test_bias_goes_by_the_step_from_key_to_query():
    steps = GroupOffsets(3)(numbered(6, 6))
    bias = value(GroupBias(3)(steps, numbered(6, 6)))[0]
    place = np.stack(np.divmod(np.arange(9), 3))
    assert_same(bias, place[:, :, None] - place[:, None, :])
