"""DINO, official and vit-pytorch's, -> ours."""

import keras
import numpy as np
from keras import layers

from tests.parity.objectives import channels_last, load, numpy
from tests.parity.official import no_more
from tests.parity.vit import lucid22_vit, lucid_vit
from vitgraph import attention, build_vit, dino
from vitgraph.blocks import CentredCrossEntropy


def official(config, tensors, weights):
    known = "backbone norm_eps head ncrops teacher_temp student_temp center_momentum"
    no_more(config, known.split())
    image = channels_last(tensors["input"])
    encoder = backbone(config, image.shape[1:])
    head = dict(config["head"])
    if head.pop("use_bn", False):
        raise NotImplementedError("a head with batch norms")
    model = dino(
        encoder,
        out_dim=head["out_dim"],
        hidden_dim=head.get("hidden_dim", 2048),
        bottleneck_dim=head.get("bottleneck_dim", 256),
        num_layers=head.get("nlayers", 3),
        student_temp=config["student_temp"],
        teacher_temp=config["teacher_temp"],
        center_momentum=config.get("center_momentum", 0.9),
        local_crops=config["ncrops"] - 2,
    )
    renames = [(f"projector_fc{i}", f"head.mlp.{2 * i - 2}") for i in range(1, model.num_layers + 1)]
    renames.append((r"projector_last/kernel", "head.last_layer.weight_v", lambda arrays, shape: arrays[0].T))
    renames.append((r"projector_last/scale", "head.last_layer.weight_g", lambda arrays, shape: arrays[0][:, 0]))
    load(model.online, weights, "vit/timm", "backbone.", renames)

    nodes = {f"features/{i}": stage.output for i, stage in enumerate(encoder.stages)}
    nodes |= {"cls": encoder.output, "projection": model.online.output}
    ours = numpy(keras.Model(encoder.input, nodes)(image))
    ours["last_attention"] = list(attention(encoder)(image).values())[-1]
    ours["pos_embed_resized"] = encoder.get_layer("pos_embed").table
    loss = model.graph.get_layer("loss")
    loss.center.assign(tensors["center"])
    ours["loss"] = loss(tensors["student_output"], tensors["teacher_output"], training=True)
    return numpy({**ours, "new_center": loss.center})


def backbone(config, image_shape):
    kwargs = dict(config["backbone"])
    names = {"embed_dim": "dim", "patch_size": "patch_size", "depth": "depth", "num_heads": "num_heads"}
    names |= {"mlp_ratio": "mlp_ratio", "qkv_bias": "qkv_bias"}
    no_more(kwargs, (*names, "img_size", "in_chans", "num_classes", "drop_path_rate"))
    ours = {"qkv_bias": False, **{mine: kwargs[theirs] for theirs, mine in names.items() if theirs in kwargs}}
    top = {"include_top": False, "pooling": "token", "pos_resampling": "dino"}
    return build_vit(image_shape, norm_eps=config.get("norm_eps", 1e-6), **top, **ours)


def lucid(translate):
    """vit-pytorch: two crops for each network, a plain linear layer last, a centre that keeps nothing."""

    def compute(config, tensors, weights):
        known = "net image_size hidden_layer projection_hidden_size num_classes_K projection_layers"
        no_more(config, (*known.split(), "student_temp", "teacher_temp"))
        if config["hidden_layer"] != "to_latent":
            raise NotImplementedError("another representation than the head's")
        shape = channels_last(tensors["input"]).shape[1:]
        port = translate(config["net"], shape, weights)
        x = port.model.get_layer("pool").output  # in 2022 the norm was the head's
        for i in range(1, config["projection_layers"]):
            x = layers.Dense(config["projection_hidden_size"], activation="gelu", name=f"projector_fc{i}")(x)
        x = layers.UnitNormalization(name="unit")(x)
        network = keras.Model(port.model.input, layers.Dense(config["num_classes_K"], name="projector_last")(x))
        count = config["projection_layers"]
        ours = {}
        for side, crop in (("student", "local"), ("teacher", "global")):
            renames = [(f"projector_fc{i}", f"{side}_encoder.projector.net.{2 * i - 2}") for i in range(1, count)]
            renames.append(("projector_last", f"{side}_encoder.projector.net.{2 * count - 1}"))
            ignored = r"(net|student_encoder|teacher_encoder)\..*|.*teacher_centers"
            load(network, weights, port.source, f"{side}_encoder.net.", renames, ignored)
            ours |= {f"{side}_{i}": network(channels_last(tensors[f"{crop}_{i}"])) for i in ("one", "two")}
        loss = CentredCrossEntropy(2, config.get("student_temp", 0.9), config.get("teacher_temp", 0.04), 0.0)
        pairs = [np.concatenate([ours[f"{side}_{i}"] for i in ("one", "two")]) for side in ("student", "teacher")]
        loss.build(*(pair.shape for pair in pairs))
        loss.center.assign(weights["teacher_centers"])
        ours["loss"] = loss(*pairs, training=True)
        return numpy({**ours, "new_last_teacher_centers": loss.center})

    return compute


OBJECTIVES = {
    "official_dino": official,
    "lucid_dino": lucid(lucid_vit),
    "lucid22_dino": lucid(lucid22_vit),
}
