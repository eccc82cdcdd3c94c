"""Does the registry hold the published nets, each of its published size, and cost nothing to import?"""

import inspect
import math

import keras
import pytest

import vitgraph
from tests.parity import parameters
from tests.variants import BUILDERS, TINY

PARAMETERS = parameters()


@pytest.fixture
def without_memory():
    """Variables that are never initialised: Keras defers that while a stateless scope lasts, and here for good."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    keras.utils.clear_session(free_memory=False)


def sizes(name, **overrides):
    """{path: size}, without the moving statistics of batch norms."""
    return {w.path: math.prod(w.shape) for w in vitgraph.create(name, **overrides).trainable_weights}


def count_from_two_blocks(name):
    """A variant's parameters if the third block of a stage, and each that follows, is like the second; else None."""
    build, row = vitgraph.registry.variant(name)
    row = {p.name: p.default for p in inspect.signature(build).parameters.values()} | row
    depths = {"depth": row["depth"]} if "depth" in row else {"depths": row["depths"]}
    try:
        of = sizes(name, **keras.tree.map_structure(lambda blocks: min(blocks, 2), depths))
    except ValueError:  # another argument has a value per block
        return None
    stages = {"": row["depth"]} if "depth" in row else {f"stage_{i}_": d for i, d in enumerate(row["depths"], start=1)}
    if not all(isinstance(blocks, int) for blocks in stages.values()):
        return None
    more = {f"{stage}block_1_": blocks - 2 for stage, blocks in stages.items() if blocks > 2}
    return sum(of.values()) + sum(
        count * sum(size for path, size in of.items() if path.startswith(block)) for block, count in more.items()
    )


@pytest.mark.parametrize("name", vitgraph.list_models())
def test_parameter_count(name, without_memory):
    """A net is built whole where its blocks differ."""
    if count_from_two_blocks(name) != PARAMETERS[name]:
        assert sum(sizes(name).values()) == PARAMETERS[name]


def test_parameter_count_of_simmim(without_memory):
    """Encoder, mask token and decoder, as the official code counts them."""
    pre_training = {"include_top": False, "global_pool": "token", "rel_pos_bias": "shared"}
    weights = vitgraph.simmim(vitgraph.create("simmim_vit_base_patch16_224", **pre_training)).trainable_weights
    assert sum(math.prod(weight.shape) for weight in weights) == 86_256_720


def test_every_variant_has_a_count():
    assert sorted(PARAMETERS) == vitgraph.list_models()


def test_every_builder_has_a_tiny_net():
    assert {tiny.builder for tiny in TINY.values()} == set(BUILDERS)


def test_every_builder_is_public():
    assert {builder.__name__ for builder in BUILDERS} == {n for n in vitgraph.__all__ if n.startswith("build_")}


def test_list_models():
    assert vitgraph.list_models() == sorted(set(vitgraph.list_models()))
    assert vitgraph.list_models("pvt_v2_b[01]") == ["pvt_v2_b0", "pvt_v2_b1"]
    assert vitgraph.list_models("swin_*_384") == ["swin_base_patch4_window12_384", "swin_large_patch4_window12_384"]
    assert vitgraph.list_models("resnet*") == []


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"create: name='pvt_v2_bo'; allowed: one of .*; nearest: pvt_v2_b"):
        vitgraph.create("pvt_v2_bo")
    with pytest.raises(ValueError, match=r"create: name='qqq'; allowed: one of vitgraph.list_models\(\), .* \d+$"):
        vitgraph.create("qqq")


def test_overrides():
    model = vitgraph.create("pvt_v2_b0", input_shape=(64, 96, 1), num_classes=7, name="mine", depths=(1, 1, 1, 1))
    assert (model.name, model.input_shape, model.output_shape) == ("mine", (None, 64, 96, 1), (None, 7))
    assert vitgraph.create("pvt_v2_b0", include_top=False, pooling="avg").output_shape == (None, 256)


def test_a_variant_is_named_after_itself():
    assert vitgraph.create("pvt_v2_b0").name == "pvt_v2_b0"


def test_import_loads_keras_and_nothing_heavier(fresh_process):
    """Whatever Keras itself loads is there already; on top of it come only this package and Python's own modules."""
    code = """
import sys
import keras
before = set(sys.modules)
import vitgraph
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new - sys.stdlib_module_names))
"""
    assert fresh_process(code).splitlines()[-1] == "['vitgraph']"


FIRST = ["import vitgraph; import keras", "from vitgraph.export import load; import keras"]


@pytest.mark.parametrize("imports", FIRST)
def test_keras_reads_files_back_whichever_is_imported_first(imports, fresh_process, tmp_path):
    TINY["vit"].build().save(tmp_path / "vit.keras")
    code = f"""
import sys
{imports}
keras.saving.load_model(sys.argv[1])
assert callable(vitgraph.create) and vitgraph.registry and set(vitgraph.__all__) <= set(dir(vitgraph))
"""
    fresh_process(code.replace("assert", "import vitgraph\nassert"), tmp_path / "vit.keras")


def test_create_refuses():
    for name in ("vit_base", "", 3, None):
        with pytest.raises((ValueError, TypeError), match=f"create: name={name!r}; allowed: one of "):
            vitgraph.create(name)
    with pytest.raises(TypeError, match="build_pvt_v2: unknown argument 'windows'"):
        vitgraph.create("pvt_v2_b0", windows=7)
