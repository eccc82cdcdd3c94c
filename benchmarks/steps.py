"""What is timed: an inference and a training step of a net, in its framework's own idiom.

A training step: logits, sparse categorical cross-entropy in float32, the gradients of all weights, plain SGD. Below
float32, inference has its weights in that dtype too; training keeps them in float32 ("mixed"), without loss scaling.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

RATE = 0.001
"""Step length of SGD."""


@dataclasses.dataclass
class Step:
    """A step that can be run again and again.

    Attributes:
        run: starts a step on the same images; what it gives may still be computing.
        read: waits for what `run` gave: scores (B, classes) of inference, the loss of training, as float32 arrays.
        weights: the trainable weights as they are now, one array at a time.
    """

    run: Callable[[], Any]
    read: Callable[[Any], np.ndarray]
    weights: Callable[[], Iterable[np.ndarray]]


def policy(task, dtype):
    """Keras' dtype policy for a task in "float32", "bfloat16" or "float16"."""
    return dtype if task == "inference" or dtype == "float32" else f"mixed_{dtype}"


def make(network, mode, task, dtype, images, labels):
    """A `Step` for a net of any framework.

    Args:
        network: a `keras.Model`, a `tf_keras.Model` or a `torch.nn.Module`.
        mode: of `candidates.MODES`.
        task: "inference" or "training".
        images: (B, H, W, C) float32.
        labels: (B,) int32.
    """
    way = mode.split("_")[0]
    if way == "frozen":
        return _frozen(network, dtype, images)
    if way == "openvino":
        from benchmarks.runtime import openvino_step  # which gives a `Step` itself

        return openvino_step(network, dtype, images, in_int8=mode == "openvino_int8")
    if way in ("eager", "compile"):
        return _pytorch(network, way == "compile", task, dtype, images, labels)
    if way == "torch":
        return _keras_torch(network, task, images, labels)
    if way == "jax":
        return (_jax_training if task == "training" else _jax_inference)(network, images, labels)
    return _tensorflow(network, mode, task, images, labels)


def _tensorflow(model, mode, task, images, labels):
    import tensorflow as tf

    if mode == "graph_as_written":
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    images, labels = tf.constant(images), tf.constant(labels)
    weights = model.trainable_variables

    def inference(images, labels):
        return model(images, training=False)

    def training(images, labels):
        with tf.GradientTape() as tape:
            logits = tf.cast(model(images, training=True), "float32")
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    if task == "training":
        optimizer = _optimizer(model)
        optimizer.build(weights)
    function = training if task == "training" else inference
    step = tf.function(function, jit_compile=mode.startswith("xla"), autograph=False)
    return Step(
        lambda: step(images, labels),
        lambda given: tf.cast(given, "float32").numpy(),
        lambda: (np.asarray(weight) for weight in weights),
    )


def _frozen(model, dtype, images):
    from vitgraph import export

    run = export.freeze(model, len(images), "float32" if dtype == "float32" else "bfloat16")
    return Step(lambda: run(images), lambda given: np.asarray(given, "float32"), lambda: ())


def _optimizer(model):
    """SGD of the Keras that the model is of."""
    import importlib

    legacy = any(kind.__module__.startswith("tf_keras") for kind in type(model).__mro__)
    return importlib.import_module("tf_keras" if legacy else "keras").optimizers.SGD(RATE)


def _jax_inference(model, images, labels):
    import jax

    state = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
    forward = jax.jit(lambda state, images: model.stateless_call(*state, images, training=False)[0])
    images = jax.device_put(images)
    return Step(
        lambda: forward(state, images), lambda given: np.asarray(given, "float32"), lambda: map(np.asarray, state[0])
    )


def _jax_training(model, images, labels):
    import jax
    import jax.numpy as jnp

    optimizer = _optimizer(model)
    optimizer.build(model.trainable_variables)
    state = [[v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables)]
    state.append([v.value for v in optimizer.variables])
    images, labels = jax.device_put(images), jax.device_put(labels)

    def loss(trainable, others, images, labels):
        logits, others = model.stateless_call(trainable, others, images, training=True)
        logs = jax.nn.log_softmax(logits.astype("float32"))
        return -jnp.mean(jnp.take_along_axis(logs, labels[:, None], axis=1)), others

    def step(state, images, labels):
        trainable, others, slots = state
        (value, others), gradients = jax.value_and_grad(loss, has_aux=True)(trainable, others, images, labels)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return [trainable, others, slots], value

    compiled = jax.jit(step, donate_argnums=0)

    def run():
        state[:], value = compiled(state, images, labels)
        return value

    return Step(run, lambda given: np.asarray(given, "float32"), lambda: map(np.asarray, state[0]))


def _keras_torch(model, task, images, labels):
    import keras
    import torch

    torch.set_float32_matmul_precision("high")  # as the other frameworks, where the device has a faster product
    images, labels = keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(labels).long()
    weights = model.trainable_variables

    def inference():
        with torch.inference_mode():
            return model(images, training=False)

    def training():
        model.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images, training=True).float(), labels)
        loss.backward()
        with torch.no_grad():
            optimizer.apply([v.value.grad for v in weights], weights)
        return loss

    if task == "training":
        optimizer = _optimizer(model)
        optimizer.build(weights)
    return Step(
        training if task == "training" else inference,
        lambda given: given.detach().float().cpu().numpy(),
        lambda: (v.value.detach().float().cpu().numpy() for v in weights),
    )


def _pytorch(network, compiled, task, dtype, images, labels):
    """Channels last throughout."""
    import torch

    torch.set_float32_matmul_precision("high")
    device, kind = "cuda" if torch.cuda.is_available() else "cpu", getattr(torch, dtype)
    network.train(task == "training")
    network.to(device, memory_format=torch.channels_last)
    images = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)  # as a view this is channels last
    labels = torch.from_numpy(labels).long().to(device)
    if task == "inference":
        network.to(kind)
        images = images.to(kind)
    forward = torch.compile(network) if compiled else network
    weights = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=RATE)

    def inference():
        with torch.inference_mode():
            return forward(images)

    def training():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, kind, enabled=dtype != "float32"):
            logits = forward(images)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        return loss

    return Step(
        training if task == "training" else inference,
        lambda given: given.detach().float().cpu().numpy(),
        lambda: (p.detach().float().cpu().numpy() for p in weights),
    )
