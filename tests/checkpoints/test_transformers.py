"""Does a net of the transformers library, saved as on the hub, become a graph that computes the same?"""

import json
import pathlib

import keras
import numpy as np
import pytest
import torch
import transformers

import vitgraph
from tests.checkpoints.transformers_nets import NETS, SQUARE, arrays, differences, ours, reference, saved
from vitgraph.checkpoints import load_weights
from vitgraph.checkpoints.about import about_repository
from vitgraph.objectives.masked_autoencoder import SOURCES

SECOND = ("beit", "clip", "deit", "dinov2", "levit", "swinv2")
"""Types whose second net has mechanisms that the first hasn't."""


@pytest.mark.parametrize("kind", NETS)
def test_a_saved_net(kind, tmp_path):
    net = reference(*NETS[kind][0])
    options = {"classifier_activation": None} if "For" in NETS[kind][0][0] or "With" in NETS[kind][0][0] else {}
    found = differences(net, vitgraph.from_hub(saved(net, tmp_path), **options))
    assert len(found) > (kind not in ("cvt", "segformer", "vit_mae")) and max(found.values()) < 1e-4, found


@pytest.mark.parametrize("kind", SECOND)
def test_names_in_memory(kind):
    """Recent versions of the library give tensors other names than files have."""
    net = reference(*NETS[kind][1])
    model = ours(net)
    assert "transformers" in load_weights(model, arrays(net))
    assert max(differences(net, model).values()) < 1e-4


def test_pretraining_of_vit_mae(tmp_path):
    """The whole objective: the library's loss and prediction for the same mask, from a file."""
    decoder = {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2}
    net = reference("ViTMAEForPreTraining", {**SQUARE, **decoder, "decoder_intermediate_size": 24})
    with torch.no_grad():
        net.decoder.decoder_pos_embed.copy_(transformers.ViTMAEForPreTraining(net.config).decoder.decoder_pos_embed)
    encoder = vitgraph.from_hub(saved(net, tmp_path))
    model = vitgraph.masked_autoencoder(
        encoder, decoder_dim=16, decoder_depth=1, decoder_heads=2, decoder_mlp_ratio=1.5, norm_eps=1e-12
    )
    load_weights(model, tmp_path, source=SOURCES["transformers"])
    images, noise = torch.randn(2, 3, 32, 32), torch.rand(2, 16)
    with torch.no_grad():
        theirs = net(images, noise=noise)
    found = model.graph({"image": images.numpy().transpose(0, 2, 3, 1), "noise": noise.numpy()})
    np.testing.assert_allclose(found["prediction"], theirs.logits, atol=1e-4)
    np.testing.assert_allclose(keras.ops.mean(found["loss"]), theirs.loss, atol=1e-4)


def test_another_size_and_other_classes(tmp_path):
    """Positions are resampled as the library does, and the head is a new one."""
    net = reference("Dinov2ForImageClassification", NETS["dinov2"][0][1])
    model = vitgraph.from_hub(saved(net, tmp_path), input_shape=(48, 24, 3), num_classes=3)
    assert model.output_shape == (None, 3)
    images = torch.randn(2, 3, 48, 24)
    with torch.no_grad():
        theirs = net.dinov2(images).last_hidden_state
    tokens = keras.Model(model.input, model.get_layer("norm").output)(images.numpy().transpose(0, 2, 3, 1))
    np.testing.assert_allclose(tokens, theirs, atol=1e-4)


def test_what_a_repository_says_of_images_and_classes(tmp_path):
    """As the files of Apple's MobileViT do: blue first, without a mean; and of the classes their names."""
    labels = dict(enumerate(["ant", "bee", "cow", "dog", "eel"]))
    net = reference("MobileViTForImageClassification", {**NETS["mobilevit"][0][1], "id2label": labels})
    stated = {
        "image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": 80}, "resample": 2,
        "do_center_crop": True, "crop_size": {"height": 64, "width": 64}, "do_flip_channel_order": True,
    }  # fmt: skip
    folder = pathlib.Path(saved(net, tmp_path))
    (folder / "preprocessor_config.json").write_text(json.dumps(stated))
    model = vitgraph.from_hub(folder)
    prepare = vitgraph.preprocessing(model)
    assert (prepare.channel_order, prepare.crop_pct, prepare.interpolation) == ("BGR", 0.8, "bilinear")
    assert (prepare.size, prepare.mean) == ((64, 64), (0.0, 0.0, 0.0))
    scores = np.eye(5, dtype="float32")[[1]]
    assert vitgraph.decode_predictions(scores, top=1, classes=model)[0][0].name == "bee"


@pytest.mark.parametrize(
    ("stated", "facts"),
    [
        ({"size": 384, "resample": 2}, ((384, 384), 1.0, "squash")),
        ({"size": {"height": 24, "width": 48}, "resample": 3}, ((24, 48), 1.0, "squash")),
        (
            {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 224}, "resample": 3,
             "do_center_crop": True, "crop_size": {"height": 224, "width": 224}},
            ((224, 224), 0.875, "center"),
        ),
        (
            {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "resample": 3, "do_center_crop": True,
             "crop_size": 224},
            ((224, 224), 1.0, "center"),
        ),
        (
            {"feature_extractor_type": "DeiTFeatureExtractor", "size": 256, "resample": 3, "do_center_crop": True,
             "crop_size": 224},
            ((224, 224), 0.875, "squash"),
        ),
        ({"size": {"shortest_edge": 224}, "resample": 3}, None),
        ({"size": 224, "resample": 1}, None),
        ({"size": 224, "resample": 3, "do_rescale": False}, None),
        ({"size": "large", "resample": 3}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_files_of_image_processors(stated, facts):
    found = about_repository({}, stated, has_head=False).get("preprocessing")
    assert facts == (found and (tuple(found["size"]), found["crop_pct"], found["crop_mode"]))


def test_what_timm_says_of_images_and_classes():
    cfg = {"input_size": [3, 64, 48], "mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "crop_pct": 0.9, "crop_mode": "squash"}
    content = {"architecture": "pvt_v2_b0", "num_classes": 1000, "pretrained_cfg": {**cfg, "interpolation": "bilinear"}}
    facts = about_repository(content, {}, has_head=True)
    assert facts["classes"] == "imagenet-1k" and tuple(facts["preprocessing"]["size"]) == (64, 48)
    assert facts["preprocessing"]["crop_pct"] == 0.9 and facts["preprocessing"]["interpolation"] == "bilinear"
    named = {**content, "num_classes": 2, "label_names": ["ant", "bee"]}
    assert about_repository(named, {}, has_head=True)["classes"] == ["ant", "bee"]
    assert "classes" not in about_repository(named, {}, has_head=False)
    assert about_repository({"id2label": {"ant": 0, "bee": 1}}, {"size": [1]}, has_head=True) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "mish"}, "hidden_act='mish' has no counterpart here; there is gelu, "),
        ({"model_type": "convnext"}, "model_type='convnext' has no counterpart here; there is vit, "),
        ({"architectures": ["ViTForObjects"]}, r"architectures=\['ViTForObjects'\] has no counterpart"),
        ({"num_attention_heads": 5}, "heads"),
        ({"num_attention_heads": "x"}, "num_heads"),
        (
            {"model_type": "mobilevitv2", "architectures": None, "image_size": 96},
            "sizes whose maps, at strides 8 to 32,",
        ),
        ({"image_size": None}, "whole configuration"),
        ({"model_type": None}, "model_type=None"),
    ],
)
def test_configurations_without_a_counterpart(change, message, tmp_path):
    content = {"model_type": "vit", "architectures": ["ViTForImageClassification"], **SQUARE, **change}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises((ValueError, TypeError), match=message):
        vitgraph.from_hub(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("{", "is JSON"), ("[]", "neither timm's"), ("{}", "neither timm's")])
def test_other_config_files(text, message, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        vitgraph.from_hub(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(OSError, match="has no config.json"):
        vitgraph.from_hub(tmp_path)
