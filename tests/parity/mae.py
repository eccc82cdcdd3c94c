"""MAE's pre-training, official and vit-pytorch's, -> ours."""

import keras
import numpy as np

from tests.parity import Port
from tests.parity.objectives import channels_last, load, numpy
from tests.parity.official import no_more
from tests.parity.vit import lucid_arguments, lucid_attn_proj, lucid_vit, mae_vit
from vitgraph import build_vit, load_weights, masked_autoencoder
from vitgraph.blocks import KeepTokens, RestoreTokens
from vitgraph.checkpoints.names.vit import layers_of_2022
from vitgraph.objectives.base import replay
from vitgraph.objectives.masked_autoencoder import SOURCES


def official_mae(config, tensors, weights):
    names = {"decoder_embed_dim": "decoder_dim", "decoder_depth": "decoder_depth", "decoder_num_heads": "decoder_heads"}
    names |= {"norm_pix_loss": "norm_pix_loss", "mask_ratio": "masking_ratio"}
    of_the_encoder = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio", "norm_eps")
    no_more(config, (*names, *of_the_encoder, "in_chans", "random_pos_embed"))
    defaults = {"qkv_bias": True, "num_classes": 0}
    image = channels_last(tensors["input"])
    encoder = {**defaults, **{k: config[k] for k in of_the_encoder if k in config}}
    port = mae_vit({**encoder, "num_classes": 1}, image.shape[1:], {})  # its head has no part in this
    model = masked_autoencoder(
        port.model,
        decoder_mlp_ratio=config.get("mlp_ratio", 4.0),
        norm_eps=config.get("norm_eps", 1e-6),
        **{ours: config[theirs] for theirs, ours in names.items() if theirs in config},
    )
    load_weights(model, weights, source=SOURCES["official"], skip_head=True)

    noise = tensors["draws/0_rand"]
    nodes = {name: model.graph.output[name] for name in ("loss", "mask")}
    nodes |= {"pred": model.graph.output["prediction"], "latent": model.graph.get_layer("decoder_embed").input}
    depth = len(port.model.stages)
    start, kept = port.model.get_layer("pos_embed").output, model.graph.get_layer("keep").output
    for i, stage in enumerate(port.model.stages):
        nodes[f"features/{i}"] = replay(start, stage.output, kept, f"up_to_{i}")
    for i in range(model.decoder_depth):
        nodes[f"features/decoder{i}"] = model.graph.get_layer(f"decoder_block_{i}_res2").output
    assert depth == config["depth"]
    return {**numpy(keras.Model(model.graph.input, nodes)({"image": image, "noise": noise})), **orders(noise)}


def orders(noise):
    """The order in which patches are kept, and its reverse: what the two blocks make of tokens that are numbers."""
    batch, count = noise.shape
    numbers = np.broadcast_to(np.arange(count, dtype="float32")[None, :, None], (batch, count, 1))
    blocks = {"ids_shuffle": KeepTokens(count), "ids_restore": RestoreTokens()}
    return numpy({name: block(numbers, noise)[:, :, 0] for name, block in blocks.items()})


def lucid_mae(translate, layers, norm, masked_first=False):
    """vit-pytorch: no class token takes part, the decoder learns its positions, tokens come in another order."""

    def compute(config, tensors, weights):
        known = "encoder masking_ratio decoder_dim decoder_depth decoder_heads decoder_dim_head"
        no_more(config, known.split())
        image, noise = channels_last(tensors["input"]), tensors["draws/0_rand"]
        port = translate(config["encoder"], image.shape[1:], weights)
        weights = without_class_token({k.removeprefix("encoder."): v for k, v in weights.items()}, noise.shape[1])
        count, masked = noise.shape[1], int(config.get("masking_ratio", 0.75) * noise.shape[1])
        dim = config["decoder_dim"]
        model = masked_autoencoder(
            port.model,
            masking_ratio=(masked - 0.5) / count,
            decoder_dim=dim,
            decoder_depth=config.get("decoder_depth", 1),
            decoder_heads=config.get("decoder_heads", 8),
            decoder_head_dim=config.get("decoder_dim_head", 64),
            decoder_qkv_bias=False,
            decoder_norm=norm,
            decoder_pos_embed="learn",
            norm_eps=1e-5,
        )
        renames = (
            (r"restore/token", "mask_token", lambda arrays, shape: arrays[0].reshape(shape)),
            (r"decoder_pos_embed/table", "decoder_pos_emb.weight", lambda arrays, shape: arrays[0][None, : shape[1]]),
            (r"decoder_embed", "enc_to_dec"),
            (r"decoder_pred", "to_pixels"),
            (r"decoder_norm", "decoder.norm"),
            *layers,
        )
        load(model, weights, port.source, "", renames, ignored=r"patch_to_emb\..*|to_patch\..*")
        return outputs(model, image, noise, tensors, masked_first)

    return compute


def patches_alone(config, image_shape, weights):
    """vit-pytorch's ViT without a class token."""
    return lucid_vit({**config, "pool": "mean"}, image_shape, weights)


def patches_alone_2022(config, image_shape, weights):
    ours = {**lucid_arguments(config), "attn_proj": lucid_attn_proj(config)}
    model = build_vit(image_shape, class_token=False, global_pool="avg", fc_norm=True, **ours)
    return Port(model, "vit/lucidrains_2022", {})


def without_class_token(weights, count):
    """vit-pytorch's MAE gives the encoder patch tokens alone, with their rows of the table."""
    table = weights["pos_embedding"].reshape(-1, weights["pos_embedding"].shape[-1])[-count:]
    weights = {name: value for name, value in weights.items() if name != "cls_token"}
    return {**weights, "pos_embedding": table}


def outputs(model, image, noise, tensors, masked_first):
    """Of its numbers vit-pytorch hides the lowest and we the highest: ours get theirs turned round."""
    graph, masked = model.graph, tensors["masked_indices"].shape[1]
    nodes = {
        "loss": graph.output["loss"],
        "features/encoder": graph.get_layer("decoder_embed").input,
        "features/decoder": graph.get_layer("decoder_pred").input,
        "features/pred": graph.output["prediction"],
    }
    ours = numpy(keras.Model(graph.input, nodes)({"image": image, "noise": -noise}))
    order = np.argsort(noise, axis=1, kind="stable")
    ours["features/encoder"] = ours["features/encoder"][:, ::-1]  # the lowest first
    ours["features/pred"] = np.take_along_axis(ours["features/pred"], order[:, :masked, None], axis=1)
    if masked_first:
        ours["features/decoder"] = np.take_along_axis(ours["features/decoder"], order[:, :, None], axis=1)
    kept = orders(-noise)["ids_shuffle"][:, ::-1]
    return {**ours, "masked_indices": kept[:, :masked], "unmasked_indices": kept[:, masked:]}


_LAYERS = (
    (r"decoder_block_(\d+)_norm1", "decoder.layers.{0}.0.norm"),
    (r"decoder_block_(\d+)_attn_qkv", "decoder.layers.{0}.0.to_qkv"),
    (r"decoder_block_(\d+)_attn_proj", "decoder.layers.{0}.0.to_out.0"),
    (r"decoder_block_(\d+)_norm2", "decoder.layers.{0}.1.net.0"),
    (r"decoder_block_(\d+)_mlp_fc1", "decoder.layers.{0}.1.net.1"),
    (r"decoder_block_(\d+)_mlp_fc2", "decoder.layers.{0}.1.net.4"),
)
_LAYERS_2022 = layers_of_2022(r"decoder_block_(\d+)_", "decoder.layers.{0}.")

OBJECTIVES = {
    "official_mae": official_mae,
    "lucid_mae": lucid_mae(patches_alone, _LAYERS, norm=True),
    "lucid25_mae": lucid_mae(patches_alone, _LAYERS, norm=True),
    "lucid22_mae": lucid_mae(patches_alone_2022, _LAYERS_2022, norm=False, masked_first=True),
}
