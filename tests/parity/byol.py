"""BYOL as byol-pytorch computes it -> ours."""

import keras
import numpy as np

from tests.parity.objectives import channels_last, load, numpy
from tests.parity.official import no_more
from tests.parity.vit import lucid_vit
from vitgraph import byol


def lucid_byol(config, tensors, weights):
    known = "net image_size hidden_layer projection_size projection_hidden_size use_simplicial_embeddings"
    no_more(config, known.split())
    if config["hidden_layer"] != "to_latent" or config.get("use_simplicial_embeddings", True):
        raise NotImplementedError("another representation than the head's, or simplicial embeddings")
    views = {f"view_{i}": channels_last(tensors[f"view_{word}"]) for i, word in ((1, "one"), (2, "two"))}
    port = lucid_vit(config["net"], views["view_1"].shape[1:], weights)
    model = byol(port.model, config["projection_size"], config["projection_hidden_size"])
    prediction = keras.Model(model.graph.input, model.graph.output["prediction"])

    def load_online(side):
        """The encoder and projector of one side, and the predictor, into the online network."""
        renames = [
            (f"{ours}_{layer}", f"{theirs}.{number}")
            for ours, theirs in (("projector", f"{side}_encoder.projector"), ("predictor", "online_predictor"))
            for layer, number in (("fc1", 0), ("norm", 1), ("fc2", 3))
        ]
        ignored = r"(net|online_encoder|target_encoder)\..*"
        load(prediction, weights, port.source, f"{side}_encoder.net.", renames, ignored)

    load_online("target")
    for target, online in zip(model.target.weights, model.online.weights, strict=True):
        target.assign(online)
    load_online("online")

    both = np.concatenate(list(views.values()))
    ours = model.graph(views)
    ours["target_projection"] = model.target(both)
    ours["representation"] = keras.Model(port.model.input, port.model.get_layer("head").input)(both)
    return numpy({**ours, "loss_train": model.graph(views, training=True)["loss"]})


OBJECTIVES = {"lucid_byol": lucid_byol}
