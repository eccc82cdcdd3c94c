"""SimMIM, official and vit-pytorch's, -> ours."""

import keras
import numpy as np

from tests.parity import as_tokens, channels_first
from tests.parity.beit import official_simmim_vit
from tests.parity.mae import patches_alone, patches_alone_2022, without_class_token
from tests.parity.objectives import channels_last, load, numpy
from tests.parity.official import no_more
from tests.parity.swin import from_microsoft
from vitgraph import build_swin, simmim
from vitgraph.objectives.base import replay


def official(config, tensors, weights):
    no_more(config, ("type", "norm_eps", "encoder", "encoder_stride", "mask_patch_size", "mask_ratio"))
    image, hidden = channels_last(tensors["input"]), tensors["mask"]
    make, source = {"vit": (vit, "beit/timm"), "swin": (swin, "swin/microsoft")}[config["type"]]
    model = simmim(make(config, image.shape[1:]), config.get("mask_ratio", 0.6), config.get("mask_patch_size", 32))
    stride, channels = config["encoder_stride"], image.shape[-1]

    def channels_to_the_end(arrays, shape):
        values = arrays[0].reshape(channels, stride, stride, -1).transpose(3, 1, 2, 0)
        return values.reshape(shape)

    renames = (
        (r"hide/token", "mask_token", lambda arrays, shape: arrays[0].reshape(shape)),
        (r"decoder/kernel", "decoder.0.weight", channels_to_the_end),
        (r"decoder/bias", "decoder.0.bias", channels_to_the_end),
    )
    load(model, weights, source, "encoder.", renames)

    graph, stages = model.graph, model.encoder.stages
    nodes = {"loss": graph.output["loss"], "reconstruction": graph.output["prediction"]}
    nodes["encoded"] = graph.get_layer("decoder").input
    start, hide = graph.get_layer("hide").input[0], graph.get_layer("hide").output
    for i, stage in enumerate(stages):
        nodes[f"features/{i}"] = replay(start, stage.output, hide, f"up_to_{i}")
    ours = numpy(keras.Model(graph.input, nodes)({"image": image, "mask": hidden.astype("float32")}))
    for name, value in ours.items():
        if name.startswith("features/"):
            ours[name] = as_tokens(value) if value.ndim == 4 else value
        elif value.ndim == 4:
            ours[name] = channels_first(value)
    return ours


def vit(config, image_shape):
    encoder = {**config["encoder"], "norm_eps": config.get("norm_eps", 1e-6), "num_classes": 0}
    return official_simmim_vit(encoder, image_shape, {}).model


def swin(config, image_shape):
    ours = from_microsoft(config["encoder"], image_shape)
    return build_swin(image_shape, include_top=False, norm_eps=config.get("norm_eps", 1e-5), **ours)


def lucid(translate):
    """vit-pytorch hides single patches, and divides the loss once more by their number."""

    def compute(config, tensors, weights):
        no_more(config, ("encoder", "masking_ratio"))
        image, noise = channels_last(tensors["input"]), tensors["draws/0_rand"]
        count = noise.shape[1]
        masked = int(config.get("masking_ratio", 0.5) * count)
        port = translate(config["encoder"], image.shape[1:], weights)
        side = port.model.stages[-1].stride
        model = simmim(port.model, (masked - 0.5) / count, side)
        weights = without_class_token({k.removeprefix("encoder."): v for k, v in weights.items()}, count)
        renames = (
            (r"hide/token", "mask_token", lambda arrays, shape: arrays[0].reshape(shape)),
            (r"decoder", "to_pixels"),
        )
        load(model, weights, port.source, "", renames, ignored=r"(patch_to_emb|to_patch)\..*")

        highest = np.argsort(-noise, axis=1, kind="stable")[:, :masked]
        hidden = np.zeros_like(noise)
        np.put_along_axis(hidden, highest, 1.0, axis=1)
        grid, graph = model.embedded, model.graph
        nodes = {"loss": graph.output["loss"], "features/encoder": graph.get_layer("decoder").input}
        nodes["features/pred"] = graph.get_layer("pixels").output
        ours = numpy(keras.Model(graph.input, nodes)({"image": image, "mask": hidden.reshape(-1, *grid)}))
        ours["loss"] /= masked
        ours["features/encoder"] = as_tokens(ours["features/encoder"])
        ours["features/pred"] = np.take_along_axis(ours["features/pred"], highest[:, :, None], axis=1)
        return {**ours, "masked_indices": highest}

    return compute


OBJECTIVES = {
    "official_simmim": official,
    "lucid_simmim": lucid(patches_alone),
    "lucid25_simmim": lucid(patches_alone),
    "lucid22_simmim": lucid(patches_alone_2022),
}
