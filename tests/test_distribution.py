"""Training on several devices, each time in processes of their own, gives what one device gives."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests import ROOT

NETS = """
import json, os, sys
import numpy as np
import keras
import vitgraph

IMAGES = np.random.default_rng(0).random((16, 32, 32, 3)).astype("float32")
LABELS = np.arange(16) % 4
CLASSIFIERS = {
    "vit": lambda: vitgraph.build_vit((32, 32, 3), patch_size=8, dim=16, depth=1, num_heads=4, num_classes=4),
    "swin": lambda: vitgraph.build_swin((32, 32, 3), dim=8, depths=(2,), num_heads=(4,), mlp_ratios=(4,),
                                        window_sizes=4, num_classes=4),
    "pvt_v2": lambda: vitgraph.build_pvt_v2((32, 32, 3), dims=(8,), depths=(1,), num_heads=(4,), mlp_ratios=(4,),
                                            sr_ratios=(2,), num_classes=4),
}

def objective():
    encoder = vitgraph.build_vit((32, 32, 3), include_top=False, patch_size=8, dim=16, depth=1, num_heads=4)
    return vitgraph.masked_patch_prediction(encoder, 1.0, 1.0, 0.0, bits=1)  # all is masked: nothing depends on draws

def losses(model):
    model.compile(keras.optimizers.SGD(0.1), None if hasattr(model, "graph") else "sparse_categorical_crossentropy")
    return model.fit(IMAGES, None if hasattr(model, "graph") else LABELS, batch_size=8, epochs=2, shuffle=False,
                     verbose=0).history["loss"]

def trained(make):
    keras.utils.set_random_seed(0)
    model = make()
    return losses(model), [keras.ops.convert_to_numpy(v).tolist() for v in model.trainable_variables]
"""

MIRRORED = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
def clipped():
    model = CLASSIFIERS["vit"]()
    for variable in model.trainable_variables:  # so that the devices' gradients are of unlike lengths
        variable.assign(variable * 3)
    return model

def trained_by_a_recipe():
    # Two steps whose gradients are clipped.
    keras.utils.set_random_seed(0)
    model = clipped()
    recipe = vitgraph.training.recipe("swin", base_learning_rate=0.005, warmup_epochs=0, clip_norm=0.01,
                                        epsilon=1e-5)  # what no loss depends on has gradients of rounding alone
    optimizer = make_optimizer(recipe, 2, model, model)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.fit(IMAGES * np.linspace(0, 1, 16).reshape(-1, 1, 1, 1), LABELS, batch_size=8, verbose=0)
    return [], [keras.ops.convert_to_numpy(v).tolist() for v in model.trainable_variables]

from vitgraph.training.optimizer import make_optimizer
alone = [trained(make) for make in (CLASSIFIERS["vit"], objective)] + [trained_by_a_recipe()]
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
with strategy.scope():
    together = [trained(make) for make in (CLASSIFIERS["vit"], objective)] + [trained_by_a_recipe()]
print(json.dumps([alone, together]))
"""

JAX = """
import jax
assert len(jax.devices()) == 8
distribution = keras.distribution
mesh = distribution.DeviceMesh((2, 4), ("batch", "model"))
found, sharded = {}, {}
for name, make in {**CLASSIFIERS, "objective": objective}.items():
    found[name] = [trained(make)]
    layouts = vitgraph.layout_map(make(), mesh)
    model_parallel = distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
    for parallel in (distribution.DataParallel(), model_parallel):
        distribution.set_distribution(parallel)
        found[name].append(trained(make))
        if parallel is model_parallel:
            model = make()
            model.compile("adam")
            model.optimizer.build(model.trainable_variables)
            spread = lambda v: any(v.value.sharding.spec)
            sharded[name] = [v.path for v in model.trainable_variables if spread(v)]
            sharded[name + " slots"] = sum(map(spread, model.optimizer.variables))
        distribution.set_distribution(None)
student, teacher = (vitgraph.build_vit((32, 32, 3), patch_size=8, dim=dim, depth=1, num_heads=2, num_classes=4)
                    for dim in (16, 6))
both = vitgraph.layout_map(vitgraph.distill(student, teacher), mesh)
sharded["two nets of one name"] = [key for key in both if "attn" in key]
print(json.dumps([found, sharded]))
"""


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", NETS + code], env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def assert_alike(one, other):
    for (losses, weights), (others, other_weights) in zip(one, other, strict=True):
        np.testing.assert_allclose(losses, others, rtol=1e-5)
        for a, b in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_two_devices_of_one_machine():
    assert_alike(*run(MIRRORED))


@pytest.mark.heavy
def test_eight_devices_of_jax():
    """Copies of the model, and a model whose weights are spread."""
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    found, sharded = run(JAX, KERAS_BACKEND="jax", XLA_FLAGS=flags)
    for alone, data_parallel, model_parallel in found.values():
        assert_alike([alone], [data_parallel])
        assert_alike([alone], [model_parallel])
    block = ["attn_qkv/kernel", "attn_qkv/bias", "attn_proj/kernel", "mlp_fc1/kernel", "mlp_fc1/bias", "mlp_fc2/kernel"]
    assert sharded["vit"] == [f"block_0_{name}" for name in block]
    assert sharded["objective"] == sharded["vit"]
    assert sharded["vit slots"] == 2 * len(block)
    assert {name.split("_attn_")[-1] for name in sharded["pvt_v2"]} >= {"q/kernel", "kv/kernel", "proj/kernel"}
    assert len(sharded["swin"]) == 2 * len(block)
    assert sharded["two nets of one name"] == []  # the teacher's width can't be cut in four


WORKER = """
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
assert strategy.num_replicas_in_sync == 2
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8).with_options(options)

def losses(model):
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)

    def step(images, labels):
        with tf.GradientTape() as tape:
            scores = model(images, training=True)
            loss = tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(labels, scores)) / 8
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    @tf.function
    def everywhere(images, labels):
        return strategy.reduce("SUM", strategy.run(step, args=(images, labels)), axis=None)

    return [float(sum(everywhere(*b) for b in strategy.experimental_distribute_dataset(data))) / 2 for _ in range(2)]

with strategy.scope():
    print(json.dumps(trained(CLASSIFIERS["vit"])))
"""


@pytest.mark.heavy
def test_two_processes_of_a_cluster():
    """By a loop of one's own: Keras 3.15's `fit` reduces a batch over the workers before the first step, and fails."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("localhost", 0))
        other.bind(("localhost", 0))
        workers = [f"localhost:{s.getsockname()[1]}" for s in (one, other)]
    processes = []
    for index in range(2):
        cluster = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": cluster}
        command = [sys.executable, "-c", NETS + WORKER]
        processes.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    answers = [process.communicate(timeout=300) for process in processes]
    for process, (_, errors) in zip(processes, answers, strict=True):
        assert process.returncode == 0, errors[-3000:]
    first, second = (json.loads(out.splitlines()[-1]) for out, _ in answers)
    assert_alike([first], [second])
    assert_alike([first], [run("print(json.dumps(trained(CLASSIFIERS['vit'])))")])
