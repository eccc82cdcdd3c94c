"""What a user may write, in one script: `mypy --strict` has nothing to say about it."""

import pathlib

import keras
import numpy as np

import vitgraph
from vitgraph import export, images, plots, training
from vitgraph.builders.efficient_vit import nystrom_attention
from vitgraph.training import train


def backbones() -> list[keras.Model]:
    """Builds, by numbers and by name."""
    closed = vitgraph.build_pvt_v2((64, 96, 3), include_top=False, dims=(16, 32), depths=[1, 1], num_heads=(1, 2))
    by_name = vitgraph.create("swin_tiny_patch4_window7_224", input_shape=(256, 192, 3), num_classes=10)
    opened = vitgraph.build_vit((None, None, 3), img_size=(64, 96), patch_size=(16, 8), pooling=None, dim=48, depth=2)
    efficient = vitgraph.build_efficient_vit((32, 32, 3), attention=nystrom_attention, num_classes=5)
    windows = vitgraph.build_swin((64, 64, 3), depths=(2, 2), num_heads=(2, 4), window_sizes=(4, (2, 4)))
    return [closed, by_name, opened, efficient, windows]


def composed(images: keras.KerasTensor) -> keras.Model:
    """Wires a graph onto another, with layers between and after."""
    stem = keras.layers.Conv2D(3, 3, padding="same")(images)
    body = vitgraph.build_levit(input_tensor=stem, include_top=False, pooling="avg", dtype="mixed_bfloat16")
    scores = keras.layers.Dense(7, activation="softmax", dtype="float32")(body.output)
    return keras.Model(images, scores)


def features(model: keras.Model, image: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> None:
    """Graph to graph, and pictures."""
    maps = vitgraph.pyramid(model, ("P3", "P4"))(image[None])
    blocks = vitgraph.pyramid(model, blocks=[0, -1])
    detector = vitgraph.simple_feature_pyramid(model, dim=128, norm_eps=1e-5)
    both = vitgraph.attention(vitgraph.fold_batchnorm(vitgraph.reparameterize(model)), predictions=True)
    rolled = vitgraph.attention_rollout(model)
    turned = vitgraph.channels_first(vitgraph.interop.as_mit(detector))
    plots.plot_pyramid(image, maps, "maps.png")
    plots.plot_attention(model, image, pathlib.Path("attention.png"), layer="rollout", mean=0.5, std=(0.5, 0.5, 0.5))
    for net in (blocks, both, rolled, turned):
        net.summary()


def weights(name: str, folder: pathlib.Path) -> keras.Model:
    """Reads and writes checkpoints, and lists them."""
    for tag, entry in vitgraph.list_weights(name).items():
        print(tag, entry.license, entry.mean[0] * 255)
    model = vitgraph.create(name, "in1k", num_classes=5, skip_head=True)
    path = vitgraph.save_weights(model, folder / "tuned.safetensors", skip_head=True)
    print(path.name, vitgraph.load_weights(model, str(path), source="pvt_v2/timm", skip_head=True))
    print(vitgraph.load_weights(model, {"head/bias": np.zeros(5)}), sorted(vitgraph.list_models("pvt*")))
    return model


def trained(folder: pathlib.Path) -> keras.Model:
    """Trains: by Keras, by a recipe, without labels, with a teacher, on several devices."""
    pixels, labels = np.zeros((8, 32, 32, 3), "float32"), np.arange(8) % 2
    net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=2)
    net.compile("adamw", "sparse_categorical_crossentropy")
    net.fit(pixels, labels)
    result = train(net, (pixels, labels), folder, validation=0.25, recipe="deit", epochs=1, mixup=0.0)
    print(result.history["loss"][-1], result.weights)
    training.train("pvt_v2_b0", "flowers", "out", input_size=(96, 64), weights="in1k", seed=1, jit_compile="auto")
    unlabelled = images.from_folder(folder / "photographs", labelled=False, unreadable="skip")
    train(net, images.from_manifest("flowers.csv", label_column="kind"), "out")
    training.pretrain(net, unlabelled, "mae", objective="simmim", objective_arguments={"mask_ratio": 0.5})
    encoder = vitgraph.build_vit((32, 32, 3), include_top=False, dim=16, depth=1, num_heads=2)
    for model in (vitgraph.masked_autoencoder(encoder), vitgraph.byol(encoder, momentum=0.9), vitgraph.dino(encoder)):
        model.compile("adamw")
        model.fit(pixels)
    vitgraph.distill(net, vitgraph.build_pvt_v2((32, 32, 3), num_classes=2), hard=True).compile("adamw")
    mesh = keras.distribution.DeviceMesh((1, 2), ("batch", "model"))
    keras.distribution.ModelParallel(layout_map=vitgraph.layout_map(net, mesh, axis="model"))
    return net


def exported(model: keras.Model, folder: pathlib.Path) -> float:
    """Writes an artifact and asks it."""
    raw = export.with_preprocessing(model, mean=[0.5, 0.5, 0.5], std=0.5)
    report = export.to_litert(raw, folder / "net.tflite", batch_size=1, image_size=(64, 64))
    answers = export.load(report.path)(np.zeros((1, 64, 64, 3), "uint8"))
    print(answers["output_0"].shape, report.size, ", ".join(report.ops))
    return vitgraph.export.to_onnx(model, "net.onnx").difference
