"""The losses of DeiT's and of vit-pytorch's distillation -> ours."""

import keras

from tests.parity.deit import official_deit_distilled
from tests.parity.objectives import channels_last, load, numpy
from tests.parity.official import no_more
from tests.parity.vit import lucid22_vit, lucid_vit
from vitgraph import distill, load_weights


def losses(student, tensors, prepare=lambda model: None, **options):
    """Both losses with a teacher that says what the reference's said, and the last model with its answer."""
    image, said = channels_last(tensors["input"]), keras.ops.convert_to_tensor(tensors["teacher_logits"])
    pixels = keras.Input(image.shape[1:])
    teacher = keras.Model(pixels, keras.layers.Lambda(lambda x: said, output_shape=said.shape[1:])(pixels))
    found = {}
    for name, hard in (("loss_soft", False), ("loss_hard", True)):
        model = distill(student, teacher, hard=hard, **options)
        prepare(model)
        answer = model(image)
        found[name] = model.compute_loss(image, tensors["labels"], answer)
    return found, answer


def official_deit(config, tensors, weights):
    image = channels_last(tensors["input"])
    port = official_deit_distilled(config, image.shape[1:], weights)
    load_weights(port.model, weights, source=port.source)
    ours, answer = losses(port.model, tensors, temperature=config.get("tau", 1.0), alpha=config.get("alpha", 0.5))
    ours |= {"logits_cls": answer["class"], "logits_dist": answer["distillation"], "logits": answer["predictions"]}
    nodes = {name: port.model.get_layer(port.outputs[name][0]).output for name in port.outputs if "features" in name}
    return numpy({**ours, **keras.Model(port.model.input, nodes)(image)})


def lucid_distill(translate, norm_always):
    def compute(config, tensors, weights):
        no_more(config, ("student", "temperature", "alpha", "mlp_layernorm"))
        image = channels_last(tensors["input"])
        port = translate(config["student"], image.shape[1:], weights)
        norm = norm_always or config.get("mlp_layernorm", False)
        renames = (
            (r"distill_token/token", "distillation_token"),
            (r"distill_norm", "distill_mlp.0"),
            (r"distill_head", "distill_mlp.1"),
        )
        ours, answer = losses(
            port.model,
            tensors,
            lambda model: load(model, weights, port.source, "student.", renames),
            temperature=config.get("temperature", 1.0),
            alpha=config.get("alpha", 0.5),
            reduction="batchmean",
            add_token=True,
            add_token_norm=norm,
        )
        ours |= {"logits": answer["class"], "distill_logits": answer["distillation"]}
        return numpy({**ours, "logits_without_token": port.model(image)})

    return compute


OBJECTIVES = {
    "official_deit_distilled": official_deit,
    "lucid_distill": lucid_distill(lucid_vit, norm_always=False),
    "lucid22_distill": lucid_distill(lucid22_vit, norm_always=True),
}
