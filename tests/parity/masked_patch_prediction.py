"""vit-pytorch's masked patch prediction -> ours."""

import functools

import keras
import numpy as np

from tests.parity.objectives import channels_last, load, numpy
from tests.parity.official import no_more
from tests.parity.vit import lucid22_vit, lucid_vit
from vitgraph import masked_patch_prediction


def mpp(translate):
    def compute(config, tensors, weights):
        known = "encoder patch_size dim output_channel_bits channels max_pixel_val mask_prob replace_prob"
        no_more(config, (*known.split(), "random_patch_prob", "mean", "std"))
        image = channels_last(tensors["input"])
        port = translate(config["encoder"], image.shape[1:], weights)
        model = masked_patch_prediction(
            port.model,
            masking_ratio=config.get("mask_prob", 0.15),
            mask_prob=config.get("replace_prob", 0.5),
            random_prob=config.get("random_patch_prob", 0.5),
            bits=config.get("output_channel_bits", 3),
            mean=config.get("mean") or 0.0,
            std=config.get("std") or 1.0,
            max_value=config.get("max_pixel_val", 1.0),
        )
        renames = ((r"corrupt/token", "mask_token"), (r"to_bits", "to_bits"))
        load(model, weights, port.source, "transformer.", renames, ignored=r"patch_to_emb\..*")
        return outputs(model.graph, image, tensors)

    return compute


def outputs(graph, image, tensors):
    """What the reference gives, of its own draws."""
    noise, second, others, first = (tensors[f"draws/{i}"] for i in ("0_rand", "1_uniform", "2_randint", "3_uniform"))
    hidden, corrupt, to_bits = (graph.get_layer(name) for name in ("hidden", "corrupt", "to_bits"))
    nodes = {"loss": graph.output["loss"], "mask": graph.output["chosen"], "features/encoder": hidden.input}
    draws = {"noise": noise, "first": first, "second": second, "others": others}
    ours = keras.Model(graph.input, nodes)({"image": image, **draws})
    ours["features/bits"] = to_bits(ours["features/encoder"])

    # Which tokens become what, seen on tokens that are their own numbers.
    count, never, always = noise.shape[1], np.ones_like(noise), np.zeros_like(noise)
    numbers = np.broadcast_to(np.arange(count)[:, None], (len(noise), count, corrupt.token.shape[-1])).astype("float32")
    neighbours = np.broadcast_to((np.arange(count) + 1) % count, noise.shape)
    becomes = functools.partial(corrupt, numbers)
    ours["mask_random"] = (becomes(ours["mask"], never, second, neighbours) != numbers)[:, :, 0]
    ours["mask_replace"] = (becomes(ours["mask"], first, never, neighbours) != numbers)[:, :, 0]
    ours["random_patches"] = becomes(never, never, always, others)[:, :, 0]
    return {name: value.astype("float32") for name, value in numpy(ours).items()}


OBJECTIVES = {"lucid22_mpp": mpp(lucid22_vit), "lucid_mpp": mpp(lucid_vit), "lucid25_mpp": mpp(lucid_vit)}
