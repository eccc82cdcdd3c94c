"""Does a net of the transformers library, saved as on the hub, become a graph that computes the same?"""

import json

import keras
import numpy as np
import pytest
import torch
import transformers

import vitgraph
from tests.checkpoints.transformers_nets import NETS, SQUARE, arrays, differences, ours, reference, saved
from vitgraph.checkpoints import load_weights
from vitgraph.objectives.masked_autoencoder import SOURCES

SECOND = ("beit", "clip", "deit", "dinov2", "levit", "swinv2")
"""Types whose second net has mechanisms that the first hasn't."""


@pytest.mark.parametrize("kind", NETS)
def test_a_saved_net(kind, tmp_path):
    net = reference(*NETS[kind][0])
    options = {"classifier_activation": None} if "For" in NETS[kind][0][0] or "With" in NETS[kind][0][0] else {}
    found = differences(net, vitgraph.from_hub(saved(net, tmp_path), **options))
    assert len(found) > (kind not in ("cvt", "vit_mae")) and max(found.values()) < 1e-4, found


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "mish"}, "hidden_act='mish' has no counterpart here; there is gelu, "),
        ({"model_type": "convnext"}, "model_type='convnext' has no counterpart here; there is vit, "),
        ({"architectures": ["ViTForObjects"]}, r"architectures=\['ViTForObjects'\] has no counterpart"),
        ({"num_attention_heads": 5}, "heads"),
        ({"num_attention_heads": "x"}, "num_heads"),
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
