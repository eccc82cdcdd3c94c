"""segformer_head(): a backbone becomes a whole segmenter, which computes what transformers' class does."""

import keras
import numpy as np
import pytest
import torch
import transformers

import vitgraph
from tests.checkpoints.transformers_nets import arrays
from tests.variants import TINY, assert_close, assert_same, images, shared, value, with_random_weights
from vitgraph.checkpoints import load_weights, to_source

LEVELS = ("P2", "P3", "P4", "P5")
MIT = {
    "dims": (8, 12, 16, 24), "depths": (1, 2, 1, 1), "num_heads": (1, 2, 4, 3), "mlp_ratios": (2, 3, 2, 2),
    "sr_ratios": (4, 2, 2, 1),
}  # fmt: skip


def segmenter(shape=(64, 96, 3), **options):
    backbone = vitgraph.build_mit(shape, include_top=False, norm_eps=1e-5, **MIT)
    return vitgraph.segformer_head(backbone, 5, **{"dim": 20, **options})


def reference():
    """transformers' class with every weight and running statistic random."""
    torch.manual_seed(0)
    net = transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(
            hidden_sizes=MIT["dims"], depths=MIT["depths"], num_attention_heads=MIT["num_heads"],
            mlp_ratios=MIT["mlp_ratios"], sr_ratios=MIT["sr_ratios"], decoder_hidden_size=20, num_labels=5,
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.is_floating_point():
                tensor.normal_(float("norm" in name and name.endswith("weight")), 0.2)
    return net


@pytest.mark.parametrize("full_size", [False, True])
def test_transformers_weights(full_size, tmp_path):
    """Names and logits; on an open graph too, whose maps are of no even sizes."""
    net, x = reference(), images(2, 72, 104)
    net.save_pretrained(tmp_path)
    model = segmenter((None, None, 3), classifier_activation=None, full_size=full_size)
    assert load_weights(model, tmp_path) == "mit/transformers"
    with torch.no_grad():
        logits = net(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).logits
        if full_size:
            logits = torch.nn.functional.interpolate(logits, size=(72, 104), mode="bilinear", align_corners=False)
    expected = logits.numpy().transpose(0, 2, 3, 1)
    assert expected.std() > 0.1
    np.testing.assert_allclose(value(model(x)), expected, atol=1e-4)


def test_weights_go_back(tmp_path):
    reference().save_pretrained(tmp_path)
    model = segmenter()
    load_weights(model, tmp_path)
    theirs = vitgraph.checkpoints.read_checkpoint(tmp_path)
    ours = to_source(model, "mit/transformers")
    assert set(ours) == set(theirs)
    for name, array in ours.items():
        assert_same(array, theirs[name])


def test_a_classifier_takes_the_body_of_a_segmenter(tmp_path):
    net = reference()
    net.save_pretrained(tmp_path)
    model = vitgraph.build_mit((64, 64, 3), include_top=False, **MIT)
    load_weights(model, tmp_path)
    with pytest.raises(ValueError, match="missing: classifier.weight"):
        load_weights(vitgraph.build_mit((64, 64, 3), **MIT), tmp_path)
    assert len(arrays(net)) > len(model.weights)


@pytest.mark.parametrize("name", ["vit", "swin", "hiera", "levit", "beit"])
def test_any_net_with_levels(name):
    model = vitgraph.segformer_head(vitgraph.with_levels(shared(name), LEVELS, width=8), 3, dim=6)
    scores = value(model(images()))
    assert scores.shape == (2, 64, 64, 3)
    assert_close(scores.sum(-1), np.ones((2, 64, 64)))
    assert [model.get_layer(f"decode_proj_{i}").input.shape[1] for i in range(1, 5)] == [16, 8, 4, 2]
    for layer in ("decode_proj_1", "decode_fuse"):
        assert model.get_layer(layer).kernel.shape[-1] == 6


def test_one_level_and_the_backbones_own_weights():
    backbone = TINY["swin"].build(depths=(1,), num_heads=(2,), mlp_ratios=(2,))
    model = vitgraph.segformer_head(backbone, 3, dim=6, full_size=False)
    assert model.output_shape == (None, 16, 16, 3)
    assert model.get_layer("patch_embed") is backbone.get_layer("patch_embed")


def test_it_is_trained_folded_saved_and_gets_other_classes(tmp_path):
    model, x = with_random_weights(segmenter((64, 64, 3), drop_rate=0.0)), images()
    assert_close(vitgraph.fold_batchnorm(model)(x), model(x))
    model.save(tmp_path / "segmenter.keras")
    assert_same(keras.saving.load_model(tmp_path / "segmenter.keras")(x), model(x))
    other = vitgraph.replace_head(model, 2)
    assert other.output_shape == (None, 64, 64, 2)
    assert_same(other.get_layer("decode_fuse").kernel, model.get_layer("decode_fuse").kernel)
    load_weights(other, {v.path: value(v) for v in model.weights}, skip_head=True)
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    history = model.fit(x, np.zeros((2, 64, 64), "int32"), epochs=2, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vitgraph.segformer_head(shared("vit"), 3), r"model=.*with_levels\(model, "),
        (
            lambda: vitgraph.segformer_head(vitgraph.segformer_head(shared("swin"), 3), 3),
            "layers named as the new",
        ),
        (lambda: vitgraph.segformer_head(shared("swin"), 0), "num_classes=0"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=f"segformer_head: .*{message}"):
        call()
