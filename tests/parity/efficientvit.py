"""timm's EfficientViT of MIT, both classes -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.initial import default
from tests.parity.timm import activation_of, bare_name, begin, finish
from vitgraph import build_efficientvit


def small(config, image_shape, weights):
    kwargs, ours = begin(config, {"head_dim": "head_dim"})
    depths = depths_of(kwargs, ours)
    stages = range(len(depths))
    ours["attention"] = ours["fewer_norms"] = [i >= 2 for i in stages]
    ours["depths"] = [depth if i >= 2 else max(depth - 1, 0) for i, depth in enumerate(depths)]
    ratio = kwargs.pop("expand_ratio", 4)
    ours["embed_ratios"] = ours["expansions"] = [ratio for _ in stages]
    ours["block_types"] = ["mbconv" for _ in stages]
    ours["act"] = activation_of(kwargs.pop("act_layer", "hard_swish"))
    ours["norm_eps"] = epsilon_of(kwargs, 1e-5)
    ours.setdefault("head_dim", 32)
    return port(image_shape, kwargs, ours)


def large(config, image_shape, weights):
    kwargs, ours = begin(config, {"head_dim": "head_dim"})
    ours["depths"] = depths_of(kwargs, ours)
    stages = range(len(ours["depths"]))
    ours["attention"] = [i >= 3 for i in stages]
    ours["fewer_norms"] = [i >= 2 for i in stages]
    ours["block_types"] = ["mbconv" if i >= 2 else "fused" for i in stages]
    ours["embed_ratios"] = [24 if i >= 3 else 16 for i in stages]
    ours["expansions"] = [6 if i >= 3 else 4 for i in stages]
    ours["stem_type"] = "conv"
    ours["act"] = ours["head_act"] = activation_of(kwargs.pop("act_layer", "gelu_tanh"))
    epsilon = kwargs.pop("norm_eps", 1e-7)
    ours["head_norm_eps"], ours["norm_eps"] = epsilon, epsilon
    epsilon_of(kwargs, epsilon)
    ours.setdefault("head_dim", 32)
    return port(image_shape, kwargs, ours)


def depths_of(kwargs, ours):
    """The numbers of the stages' blocks; widths and the stem's numbers are put into ours."""
    (stem, *widths), (stem_depth, *depths) = kwargs.pop("widths"), kwargs.pop("depths")
    stages = min(len(widths), len(depths))
    ours.update(stem_dim=stem, stem_depth=stem_depth, dims=widths[:stages], head_widths=kwargs.pop("head_widths"))
    return depths[:stages]


def epsilon_of(kwargs, default_eps):
    name, options = bare_name(kwargs.pop("norm_layer", "BatchNorm2d"))
    assert name == "BatchNorm2d" and not set(options) - {"eps"}
    return options.get("eps", default_eps)


def port(image_shape, kwargs, ours):
    if kwargs.pop("global_pool", "avg") != "avg" or not ours["num_classes"]:
        raise NotImplementedError("another pooling than means, or no head: the convolution before pooling is its own")
    finish(kwargs)
    model = build_efficientvit(image_shape, classifier_activation=None, **ours)
    return Port(
        model,
        "efficientvit/timm",
        {
            **{f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)},
            "forward_features": (model.stages[-1].name, channels_first),
            "pre_logits": ("head_act", same),
            "logits": ("predictions", same),
        },
    )


PARAMETERS = {
    "efficientvit_b0": 3_410_008,
    "efficientvit_b1": 9_102_024,
    "efficientvit_b2": 24_330_712,
    "efficientvit_b3": 48_646_056,
    "efficientvit_l1": 52_654_088,
    "efficientvit_l2": 63_707_016,
    "efficientvit_l3": 246_037_288,
}

INITIAL = {
    "efficientvit_b0": {r".*attn_mixed_sums/kernel": lambda kernel: ((3 * 16) ** -0.5, "uniform"), r".*": default}
}

TRANSLATIONS = {
    "timm.models.efficientvit_mit.EfficientVit": small,
    "timm.models.efficientvit_mit.EfficientVitLarge": large,
}
