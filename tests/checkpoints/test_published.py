"""Is the table of published checkpoints true, row by row, and does what it says reach the user?"""

import csv
import importlib.resources
import re
import warnings

import numpy as np
import pytest

import vitgraph
from vitgraph.blocks.base import pair
from vitgraph.checkpoints.about import about_published
from vitgraph.checkpoints.files import READABLE
from vitgraph.checkpoints.names import SOURCES
from vitgraph.classes import LISTS

COUNTS = {
    **{name: {count} for name, count in LISTS.items()},
    "cifar-10": {10}, "cifar-100": {100}, "flowers-102": {102}, "bamboo": {115217},
    "imagenet-w21k": {19168},  # the winter release
}  # fmt: skip
"""{list of classes: how many it has}."""

TOWERS = "clip|siglip|pe_core|_mci"
"""Names of nets of which a head may be a projection into a space of images and words."""

LEFT_OUT = {
    "test_vit": "nets with which timm tests itself",
    "test_maxvit": "likewise",
    "vit_d(wee|pwee|little)_": "differential attention",
}
"""{beginning of the names of timm's nets of our classes without a row here: why}."""


def table():
    text = importlib.resources.files("vitgraph.checkpoints").joinpath("published.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def test_rows_fit_their_variants():
    """Each is of a variant, in a file that can be read, for a head and a size that its net may have."""
    rows = table()
    assert {row["variant"] for row in rows} <= set(vitgraph.list_models())
    assert len({(row["variant"], row["tag"]) for row in rows}) == len(rows) == 785
    for row in rows:
        build, arguments = vitgraph.registry.variant(row["variant"])
        family = build.__name__.removeprefix("build_")
        assert any(kind.startswith((f"{family}/", "vit/", "twins")) for kind in SOURCES), row
        place, is_tower = row["repository"], re.search(TOWERS, row["variant"])
        assert not place or re.fullmatch(r"[\w.-]+/[\w.-]+", place) or place.startswith("https://"), row
        assert not place.startswith("https://") or place.endswith(READABLE), row
        assert not row["page"] or row["page"].startswith("https://") and not place, row
        entry = vitgraph.list_weights(row["variant"])[row["tag"]]
        assert entry.num_classes in COUNTS.get(entry.classes, {0}) or is_tower and entry.classes is None, row
        assert entry.license and all(32 <= side <= 1024 for side in pair(entry.input_size)), row
        is_fixed = family in ("levit", "nest")
        assert not is_fixed or pair(entry.input_size) == arguments.get("input_shape", (224, 224, 3))[:2], row
        assert (entry.top1 is None) == (not entry.top1_source) and 60 < (entry.top1 or 75) < 100, row
        assert entry.top1 is None or entry.classes in ("imagenet-1k", "cifar-10", "cifar-100", "flowers-102"), row
    for name in {row["variant"] for row in rows}:
        entries = vitgraph.list_weights(name).values()
        assert sum(entry.default for entry in entries) == any(entry.num_classes == 1000 for entry in entries), name


def test_names_of_timm():
    """Where timm is installed: each of its tags is here, and what is here of its tags is what timm says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm's own, and torchvision's
        pytest.importorskip("timm", exc_type=ImportError)
        from timm.models import _registry as timm
    rows = {(row["variant"], row["tag"]): row for row in table()}
    modules = {timm._model_to_module[name] for name in vitgraph.list_models() if name in timm._model_to_module}
    absent = []
    for name, said in timm._model_pretrained_cfgs.items():
        variant, _, tag = name.partition(".")
        is_ours = timm._model_to_module.get(variant) in modules and tag and (said.hf_hub_id or said.url)
        row = rows.get((variant, tag))
        if not is_ours or row is None:
            is_known = any(re.match(beginning, variant) for beginning in LEFT_OUT)
            absent += [name] if is_ours and not is_known else []
            continue
        entry = vitgraph.list_weights(variant)[tag]
        assert entry.repository in (said.hf_hub_id, said.url) or not said.hf_hub_id, name
        assert pair(entry.input_size) == said.input_size[1:], name
        assert entry.num_classes == (said.num_classes or 0), name
        numbers = (entry.mean, entry.std, entry.interpolation, entry.crop_pct, entry.crop_mode)
        assert numbers == (said.mean, said.std, said.interpolation, said.crop_pct, said.crop_mode or "center"), name
    assert not absent


def test_published_checkpoints():
    tags = vitgraph.list_weights("pvt_v2_b0")
    assert tags["in1k"].num_classes == 1000 and tags["in1k"].classes == "imagenet-1k"
    assert tags["in1k"].mean == (0.485, 0.456, 0.406)
    assert tags["in1k"].repository == "timm/pvt_v2_b0.in1k"
    assert (tags["in1k"].top1, tags["in1k"].top1_source) == (70.654, "timm results-imagenet")
    gelu = vitgraph.list_weights("vit_base_patch32_clip_quickgelu_224")["openai"]
    assert gelu.repository == "timm/vit_base_patch32_clip_224.openai" and gelu.classes is gelu.top1 is None
    assert "QuickGELU" in vitgraph.list_weights("vit_base_patch32_clip_224")["openai"].notes
    assert vitgraph.list_weights("mobilevitv2_150")["cvnets_in22k_ft_in1k_384"].input_size == 384
    assert vitgraph.list_weights("vit_base_patch16_sapiens2")["fb"].input_size == (1024, 768)
    with pytest.raises(ValueError, match=r"create: weights='in1kk'; allowed: .* pvt_v2_b0 \(did you mean 'in1k'\?\)"):
        vitgraph.create("pvt_v2_b0", "in1kk")
    with pytest.raises(ValueError, match="create: weights='lvd142m'; allowed: others, as these have no head"):
        vitgraph.create("vit_small_patch14_dinov2", "lvd142m")


@pytest.mark.parametrize("tag", ["in1k", "imagenet"])
def test_checkpoints_that_are_downloaded_by_hand(tag):
    with pytest.raises(ValueError, match="the path of a file that was downloaded by hand: .*github.com/cheerss"):
        vitgraph.create("crossformer_small", tag)
    assert vitgraph.preprocessing("crossformer_small", "in1k").crop_pct == 0.875


def test_channels_in_another_order():
    """Apple's MobileViTs in the transformers library take blue first."""
    image = np.zeros((256, 256, 3), "uint8")
    image[..., 0] = 255
    red = vitgraph.preprocessing("mobilevit_xxs", "apple_in1k")(image)
    assert np.array_equal(red, vitgraph.preprocessing("mobilevit_xxs", "cvnets_in1k")(image)[..., ::-1])
    assert red[..., 2].min() == 1 and red[..., :2].max() == 0


@pytest.mark.parametrize(
    ("variant", "tag", "classes", "source"),
    [
        ("pvt_v2_b0", "in1k", "imagenet-1k", "hf-hub:timm/pvt_v2_b0.in1k"),
        ("pvt_tiny", "in1k", "imagenet-1k", "https://github.com/whai362/PVT/releases/download/v2/pvt_tiny.pth"),
        ("cct_7_3x1_32", "cifar10_300epochs", None, "https://shi-labs.com/"),
        ("vit_base_patch16_clip_224", "openai", None, "hf-hub:timm/vit_base_patch16_clip_224.openai"),
    ],
)
def test_what_a_net_knows_of_its_checkpoint(variant, tag, classes, source):
    facts = about_published(vitgraph.list_weights(variant)[tag], has_head=True)
    assert facts.get("classes") == classes and facts["source"].startswith(source)
