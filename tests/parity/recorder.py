"""vit-pytorch's Recorder -> `attention`."""

import keras

from tests.parity.objectives import channels_last
from tests.parity.vit import lucid_vit
from vitgraph import attention, load_weights


def recorder(config, tensors, weights):
    image = channels_last(tensors["input"])
    port = lucid_vit(config, image.shape[1:], weights)
    load_weights(port.model, {k.removeprefix("vit."): v for k, v in weights.items()}, source=port.source)
    ours = attention(port.model, predictions=True)(image)
    return {"logits": ours["predictions"], "attentions": keras.ops.stack(list(ours["attention"].values()), axis=1)}


OBJECTIVES = {"lucid_recorder": recorder}
