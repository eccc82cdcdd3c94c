"""A good and quick call of each public function beside the builders, and what its result must do."""

import functools
import json
import shutil

import keras
import numpy as np

import vitgraph
from tests.contract.battery import Battery, answers
from tests.public import FUNCTIONS

FIT = keras.Model.fit
"""As it is where no training is to begin."""

IMAGE = np.random.default_rng(0).random((32, 32, 3))
IMAGES = np.random.default_rng(1).random((4, 32, 32, 3)).astype("float32")
PIXELS = (255 * IMAGES).astype("uint8")
CLASSES = np.arange(4) % 2
ARRAYS = [
    PIXELS, PIXELS[:0], PIXELS[0], PIXELS[..., 0], IMAGES * np.nan, IMAGES.astype("float16"), IMAGES.tolist(),
    np.zeros((4, 32, 32, 3), complex), np.zeros((4, 32, 32, 4)), np.zeros((4, 0, 32, 3)), np.full((4, 32, 32, 3), "x"),
    (PIXELS, CLASSES), (PIXELS, CLASSES[:2]), (PIXELS, CLASSES - 5), (PIXELS, CLASSES / 3), (PIXELS, None), IMAGE,
    CLASSES, CLASSES.tolist(), CLASSES * 0, CLASSES[:, None], CLASSES.astype("float32"),
]  # fmt: skip

NAMES = ["a", "b", "c", "d", "e"]


@functools.cache
def net(name="vit", **overrides):
    """A tiny net, one for all calls."""
    arguments = {"patch_size": 8, "dim": 16, "depth": 1, "num_heads": 2, "num_classes": 2, **overrides}
    return getattr(vitgraph, f"build_{name}")((32, 32, 3), **arguments)


@functools.cache
def backbone(**overrides):
    """The same, of a hierarchical net."""
    arguments = {"dims": (8,), "depths": (1,), "num_heads": (1,), "mlp_ratios": (2,), "sr_ratios": (1,), **overrides}
    return vitgraph.build_pvt_v2((32, 32, 3), include_top=False, **arguments)


@functools.cache
def models():
    """What functions of models may be given: ours, foreign ones, unfinished ones."""
    image, vector = keras.Input((32, 32, 3)), keras.Input((8,))
    return [
        net(), net(include_top=False), net(include_top=False, pooling="avg"), net("deit", distilled=True), backbone(),
        vitgraph.build_vit((None, None, 3), img_size=32, patch_size=8, dim=16, depth=1, num_heads=2),
        vitgraph.pyramid(net()), vitgraph.masked_autoencoder(net(), decoder_dim=8, decoder_depth=1, decoder_heads=2),
        keras.Sequential([image, keras.layers.Conv2D(4, 3)]), keras.Sequential([vector, keras.layers.Dense(2)]),
        keras.Sequential([keras.layers.Dense(2)]), keras.Sequential(), keras.Model(),
        keras.Model(image, [image, image]), keras.Model([image, vector], keras.layers.Dense(2)(vector)),
        keras.layers.Conv2D(4, 3), keras.Model,
    ]  # fmt: skip


def _repository(folder, weights):
    """A folder with a net's weights, as such a repository is cloned."""
    repository = folder / "repository"
    repository.mkdir(exist_ok=True)
    shutil.copy(weights, repository / "model.safetensors")
    numbers = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 2, "input_size": [3, 32, 32]}
    (repository / "config.json").write_text(json.dumps({**config, "model_args": numbers}))
    return repository


def trains(objective, argument):
    """A step of training, whose loss is finite."""
    labels = {"y": CLASSES[:2], "loss": "sparse_categorical_crossentropy"} if hasattr(objective, "teacher") else {}
    objective.compile(keras.optimizers.SGD(0.0), loss=labels.pop("loss", None), run_eagerly=True)
    before = objective.get_weights()
    loss = FIT(objective, IMAGES[:2], **labels, batch_size=2, verbose=0).history["loss"]
    objective.set_weights(before)  # the net is the next call's, too
    assert np.isfinite(loss).all(), loss


def attends(layer, argument):
    """An attention layer on tokens that have the width it was made for."""
    layer(keras.Input((16, 16)))


def prepares(preprocessing, argument):
    """Finite numbers of the size that it says."""
    prepared = preprocessing(PIXELS[:1])
    assert prepared.shape[1:3] == preprocessing.size and np.isfinite(prepared).all()


def yields(dataset, argument):
    """Batches of finite numbers."""
    assert all(np.isfinite(images).all() for images, *_ in dataset.as_numpy_iterator())


class Taken(Exception):
    """All that is asked was right, and what takes long would begin."""


def take(*args, **kwargs):
    raise Taken


def numbers(argument, value, place):
    """The n-th good number of each argument is asked for at once; a path, say, might hide what comes after it."""
    return place if isinstance(value, (bool, float, int, np.generic)) else None


def batteries(folder):
    """{name: Battery} of all public functions but the builders; files are in `folder`, which is the current one."""
    stream, image = keras.Input((16, 16)), keras.Input((32, 32, 3))
    weights = vitgraph.save_weights(net(), folder / "weights.safetensors")
    mesh = keras.distribution.DeviceMesh((1, 2), ("batch", "model"), ["cpu:0", "cpu:1"])
    opened = vitgraph.images.from_arrays(PIXELS, CLASSES)
    manifest = folder / "manifest.csv"
    for kind in "ab":
        (folder / "images" / kind).mkdir(parents=True)
        keras.utils.save_img(folder / "images" / kind / "0.png", IMAGE)
    manifest.write_text("image,label\nimages/a/0.png,a\nimages/b/0.png,b\n")
    short = {"recipe": "mae", "epochs": 1, "warmup_epochs": 0, "batch_size": 4, "silent": True}
    train = {"images": (PIXELS, CLASSES), "out": "out", **short}
    attention = {"dim": 16, "num_heads": 2, "name": "attn"}
    rows = {
        "vitgraph.attention": (answers, {"model": net()}),
        "vitgraph.attention_rollout": (answers, {"model": net()}),
        "vitgraph.byol": (trains, {"encoder": net(), "projection_dim": 8, "projection_hidden_dim": 8}),
        "vitgraph.change_channels": (answers, {"model": net(), "channels": 1}),
        "vitgraph.change_input_shape": (answers, {"model": net(), "shape": (32, 48, 3)}),
        "vitgraph.channels_first": (answers, {"model": backbone()}),
        "vitgraph.create": (answers, {"name": "pvt_v2_b0", "input_shape": (32, 32, 3), "depths": (1, 1, 1, 1)}),
        "vitgraph.decode_predictions": (None, {"scores": np.eye(5, dtype="float32"), "top": 2, "classes": NAMES}),
        "vitgraph.dino": (
            trains,
            {"encoder": net(), "out_dim": 8, "hidden_dim": 8, "bottleneck_dim": 8, "local_crops": 1, "num_layers": 2},
        ),
        "vitgraph.distill": (trains, {"student": net("deit", distilled=True), "teacher": net()}),
        "vitgraph.evaluate": (None, {"model": net(), "images": (PIXELS, CLASSES), "batch_size": 4, "silent": True}),
        "vitgraph.fold_batchnorm": (answers, {"model": net()}),
        "vitgraph.reparameterize": (answers, {"model": net()}),
        "vitgraph.from_hub": (answers, {"repository": _repository(folder, weights)}),
        "vitgraph.freeze": (answers, {"model": net(), "until": "block_0"}),
        "vitgraph.layout_map": (None, {"model": net(), "device_mesh": mesh}),
        "vitgraph.list_models": (None, {}),
        "vitgraph.list_weights": (None, {"name": "pvt_v2_b0"}),
        "vitgraph.load": (answers, {"path": weights}),
        "vitgraph.load_weights": (None, {"model": net(), "checkpoint": weights}),
        "vitgraph.masked_autoencoder": (
            trains, {"encoder": net(), "decoder_dim": 8, "decoder_depth": 1, "decoder_heads": 2},
        ),
        "vitgraph.masked_patch_prediction": (trains, {"encoder": net(), "bits": 1}),
        "vitgraph.preprocessing": (prepares, {"model": net(), "input_size": 8}),
        "vitgraph.push_to_hub": (None, {"model": net(), "repository": "me/flowers", "license": "mit"}),
        "vitgraph.pyramid": (answers, {"model": net()}),
        "vitgraph.replace_head": (answers, {"model": net(), "num_classes": 3}),
        "vitgraph.save_to_folder": (None, {"model": net(), "folder": "mine", "license": "mit"}),
        "vitgraph.save_weights": (None, {"model": net(), "path": "saved.safetensors"}),
        "vitgraph.segformer_head": (answers, {"model": backbone(), "num_classes": 3, "dim": 4}),
        "vitgraph.simmim": (trains, {"encoder": net(), "mask_patch_size": 8}),
        "vitgraph.simple_feature_pyramid": (answers, {"model": net(), "dim": 4}),
        "vitgraph.to_timm": (None, {"model": net()}),
        "vitgraph.truncate": (answers, {"model": net(), "at": "block_0"}),
        "vitgraph.with_levels": (answers, {"model": net(), "levels": ("P3", "P4"), "width": 4}),
        "vitgraph.without_distillation": (answers, {"model": net("deit", distilled=True)}),
        "vitgraph.export.freeze": (None, {"model": net()}),
        "vitgraph.export.load": (None, {"path": "absent.tflite"}),
        "vitgraph.export.to_litert": (None, {"model": net(), "path": "net.tflite"}),
        "vitgraph.export.to_onnx": (None, {"model": net(), "path": "net.onnx"}),
        "vitgraph.export.to_openvino": (None, {"model": net(), "path": "net.xml"}),
        "vitgraph.export.to_saved_model": (None, {"model": net(), "path": "net"}),
        "vitgraph.export.with_preprocessing": (answers, {"model": net()}),
        "vitgraph.interop.as_mit": (answers, {"model": backbone()}),
        "vitgraph.objectives.sincos_positions": (answers, {"encoder": net()}),
        "vitgraph.plots.plot_attention": (None, {"model": net(), "image": IMAGE, "path": "picture.png"}),
        "vitgraph.plots.plot_boxes": (None, {"image": IMAGE, "boxes": [[1.0, 2.0, 9.0, 8.0]], "path": "picture.png"}),
        "vitgraph.plots.plot_confusion": (None, {"confusion": np.eye(2, dtype="int64"), "path": "picture.png"}),
        "vitgraph.plots.plot_gradcam": (None, {"model": net(depth=2), "image": IMAGE, "path": "picture.png"}),
        "vitgraph.plots.plot_history": (None, {"history": {"loss": [2.0, 1.0]}, "path": "picture.png"}),
        "vitgraph.plots.plot_masks": (
            None, {"image": IMAGE, "masks": {"truth": PIXELS[0, ..., 0]}, "path": "picture.png"},
        ),
        "vitgraph.plots.plot_probabilities": (
            None,
            {"image": IMAGE, "probabilities": np.full((2, 17, 17), 1 / 17), "grid": (4, 4), "path": "picture.png"},
        ),
        "vitgraph.plots.plot_pyramid": (None, {"image": IMAGE, "maps": {"P2": IMAGES[0]}, "path": "picture.png"}),
        "vitgraph.plots.plot_reconstruction": (
            None, {"model": models()[7], "images": IMAGES, "path": "picture.png"},
        ),
        "vitgraph.training.batches": (
            yields,
            {
                "images": opened, "batch_size": 2, "image_size": 16, "normalization": (0.5, 0.5), "training": True,
                "seed": 0, "epoch": 0,
            },
        ),
        "vitgraph.embed": (
            None, {"model": net(), "images": PIXELS, "out": "embedded", "batch_size": 1, "silent": True},
        ),
        "vitgraph.training.depths": (None, {"model": net()}),
        "vitgraph.training.list_recipes": (None, {}),
        "vitgraph.training.pretrain": (
            None,
            {"model": net(), "objective": "simmim", "objective_arguments": {"mask_patch_size": 8}, **train},
        ),
        "vitgraph.training.preview": (
            None,
            {
                "images": vitgraph.images.from_arrays(np.tile(PIXELS, (4, 1, 1, 1))), "path": "picture.png",
                "augmentation": vitgraph.images.Augmentation(), "image_size": 8,
            },
        ),
        "vitgraph.training.recipe": (None, {"name_or_path": "deit"}),
        "vitgraph.training.train": (None, {"model": net(), **train}),
        "vitgraph.builders.patch_merger_vit.patch_merger": (None, {"x": stream}),
        "vitgraph.checkpoints.derived.plain_weights": (None, {"model": net("deit", distilled=True)}),
        "vitgraph.checkpoints.derived.weights_per_block": (None, {"model": net("beit", rel_pos_bias="shared")}),
        "vitgraph.checkpoints.files.read_checkpoint": (None, {"path": weights}),
        "vitgraph.checkpoints.inverse.to_source": (None, {"model": net(), "names": "vit/timm"}),
        "vitgraph.classes.lists.class_list": (None, {"name": "imagenet-1k"}),
        "vitgraph.demo.run": (None, {"out": "demonstration", "epochs": 1, "accuracy": 0.0}),
        "vitgraph.images.arrays.from_arrays": (None, {"images": PIXELS, "labels": CLASSES}),
        "vitgraph.images.folders.from_folder": (None, {"folder": "images"}),
        "vitgraph.images.manifests.from_manifest": (None, {"manifest": manifest}),
        "vitgraph.registry.variant": (None, {"name": "pvt_v2_b0"}),
        "vitgraph.wiring.efficient_attention.nystrom_attention": (attends, attention),
        "vitgraph.wiring.efficient_attention.performer_attention": (attends, attention),
        "vitgraph.wiring.efficient_attention.residual_attention": (attends, attention),
        "vitgraph.wiring.shifted_patches.shifted_patch_tokenization": (
            None, {"x": image, "patch_size": 8, "dim": 8, "name": "spt"},
        ),
    }  # fmt: skip
    besides = {
        **dict.fromkeys(("model", "encoder", "student", "teacher"), models()),
        **dict.fromkeys(("image", "images", "labels", "probabilities", "x", "validation"), ARRAYS),
        "maps": [{}, {"P2": IMAGE}, {"P2": IMAGES}, {"P2": IMAGES[0] * np.nan}, {2: IMAGES[0]}, {"P2": "x"}],
        "history": [
            {},
            {"loss": []},
            {"loss": [1.0, 2.0, 3.0]},
            {"loss": ["x"]},
            {1: [1.0]},
            {"a": [1.0], "b": [1, 2]},
        ],
        "checkpoint": [{}, {"x": 1}, {1: IMAGE}, {"x": IMAGE}, {v.path: v.numpy() for v in net().weights}, ["x"]],
        "levels": [["P3"], ("P3", "P3"), "P3", ["P9"], {"P3"}],
        "blocks": [(0,), (-1,), (0, 0), (1,), 0],
        "path": ["new.png", "new.safetensors", "new.tflite", "new.onnx", "absent/new.png", ".", "new.jpg"],
        "normalization": [((0.5,) * 3, (0.5,) * 3), (0.5, 0), ((0.5, 0.5), (0.5, 0.5, 0.5)), (0.5,)],
        "seed": [2**31, 2**63],
    }
    return {
        name: Battery(
            FUNCTIONS[name], good, use or (lambda result, argument: None), besides, (OSError, Taken), clear, numbers
        )
        for name, (use, good) in rows.items()
    }


def clear():
    """Each training begins anew."""
    shutil.rmtree("out", ignore_errors=True)
