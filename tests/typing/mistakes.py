"""What a user may not write: `mypy --strict` reports each marked line, as its comment says, and no other."""

import keras
import numpy as np

import vitgraph
from vitgraph import export, plots, training

net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2)
images = np.zeros((8, 32, 32, 3), "float32")

# builders: names
vitgraph.bild_vit()  # error: Module has no attribute "bild_vit"
vitgraph.build_pvt_v2(include_topp=False)  # error: Unexpected keyword argument "include_topp"
vitgraph.build_vit(reg_tokens=4)  # error: Unexpected keyword argument "reg_tokens"
vitgraph.build_swin(window_size=7)  # error: Unexpected keyword argument "window_size"
vitgraph.build_levit(drop_rate_path=0.1)  # error: Unexpected keyword argument "drop_rate_path"
vitgraph.build_cvt((224, 224, 3), True)  # error: Too many positional arguments

# builders: values
vitgraph.build_pvt_v2(224)  # error: Argument 1 to "build_pvt_v2" has incompatible type "int"
vitgraph.build_pvt_v2((224, 224))  # error: has incompatible type "tuple[int, int]"
vitgraph.build_pvt_v2(include_top="no")  # error: Argument "include_top" to "build_pvt_v2" has incompatible type "str"
vitgraph.build_pvt_v2(num_classes="5")  # error: Argument "num_classes" to "build_pvt_v2" has incompatible type "str"
vitgraph.build_pvt_v2(num_classes=5.0)  # error: Argument "num_classes" to "build_pvt_v2" has incompatible type "float"
vitgraph.build_pvt_v2(dims=64)  # error: Argument "dims" to "build_pvt_v2" has incompatible type "int"
vitgraph.build_pvt_v2(dims=("64", "128"))  # error: Argument "dims" to "build_pvt_v2" has incompatible type
vitgraph.build_pvt_v2(pooling="mean")  # error: Argument "pooling" to "build_pvt_v2" has incompatible type
vitgraph.build_pvt_v2(norm_eps="1e-6")  # error: Argument "norm_eps" to "build_pvt_v2" has incompatible type "str"
vitgraph.build_pvt_v2(norm_eps=(1e-6,))  # error: Argument "norm_eps" to "build_pvt_v2" has incompatible type
vitgraph.build_pvt_v2(drop_rate=None)  # error: Argument "drop_rate" to "build_pvt_v2" has incompatible type "None"
vitgraph.build_pvt_v2(dtype=16)  # error: Argument "dtype" to "build_pvt_v2" has incompatible type "int"
vitgraph.build_pvt_v2(name=3)  # error: Argument "name" to "build_pvt_v2" has incompatible type "int"
vitgraph.build_vit(patch_size=16.0)  # error: Argument "patch_size" to "build_vit" has incompatible type "float"
vitgraph.build_vit(act="gelu2")  # error: Argument "act" to "build_vit" has incompatible type
vitgraph.build_vit(global_pool="mean")  # error: Argument "global_pool" to "build_vit" has incompatible type
vitgraph.build_swin(window_sizes=7.0)  # error: Argument "window_sizes" to "build_swin" has incompatible type "float"

# the registry and checkpoints
vitgraph.create(5)  # error: Argument 1 to "create" has incompatible type "int"
vitgraph.create("pvt_v2_b0", weights=3)  # error: Argument "weights" to "create" has incompatible type "int"
vitgraph.create("pvt_v2_b0", skip_head="yes")  # error: Argument "skip_head" to "create" has incompatible type "str"
vitgraph.list_models(3)  # error: Argument 1 to "list_models" has incompatible type "int"
print(vitgraph.list_weights("pvt_v2_b0")["in1k"].licence)  # error: "Published" has no attribute "licence"
vitgraph.save_weights(net)  # error: Missing positional argument "path" in call to "save_weights"
vitgraph.save_weights(net, 3)  # error: Argument 2 to "save_weights" has incompatible type "int"
vitgraph.load_weights(net, [images])  # error: Argument 2 to "load_weights" has incompatible type
vitgraph.load_weights(net, "a.npz", skiphead=True)  # error: Unexpected keyword argument "skiphead"

# graph to graph
vitgraph.pyramid(net, levels=3)  # error: Argument "levels" to "pyramid" has incompatible type "int"
vitgraph.pyramid(net, blocks="0")  # error: Argument "blocks" to "pyramid" has incompatible type "str"
vitgraph.pyramid(net, None, (0, 1))  # error: Too many positional arguments for "pyramid"
vitgraph.attention(net, prediction=True)  # error: Unexpected keyword argument "prediction"
vitgraph.attention(net, predictions="x")  # error: Argument "predictions" to "attention" has incompatible type "str"
vitgraph.attention_rollout()  # error: Missing positional argument "model" in call to "attention_rollout"
vitgraph.simple_feature_pyramid(net, "256")  # error: Argument 2 to "simple_feature_pyramid" has incompatible type "str"
vitgraph.simple_feature_pyramid(net, norm_epsilon=1e-6)  # error: Unexpected keyword argument "norm_epsilon"
vitgraph.fold_batchnorm(net, net)  # error: Too many arguments for "fold_batchnorm"
vitgraph.channels_first(net, order="NCHW")  # error: Unexpected keyword argument "order"

# training
vitgraph.masked_autoencoder(net, mask_ratio=0.5)  # error: Unexpected keyword argument "mask_ratio"
vitgraph.byol(net, projection_dim="256")  # error: Argument "projection_dim" to "byol" has incompatible type "str"
vitgraph.distill(net)  # error: Missing positional argument "teacher" in call to "distill"
vitgraph.distill(net, net, hard="x")  # error: Argument "hard" to "distill" has incompatible type "str"
training.train(net, images)  # error: Missing positional argument "out" in call to "train"
training.train("pvt_v2_b0", "flowers", "out", input_size="224")  # error: Argument "input_size" to "train" has
training.train("pvt_v2_b0", "flowers", "out", silent=None)  # error: Argument "silent" to "train" has incompatible type
training.pretrain("pvt_v2_b0", "flowers", "out", weight="x.npz", seed="1")  # error: Argument "seed" to "pretrain" has
mesh = keras.distribution.DeviceMesh((1, 2), ("batch", "model"))
vitgraph.layout_map(net, mesh, axis=1)  # error: Argument "axis" to "layout_map" has incompatible type "int"

# export and pictures
export.to_litert(net, "a.tflite", "int8")  # error: Too many positional arguments for "to_litert"
export.to_litert(net, "a.tflite", batch="1")  # error: Unexpected keyword argument "batch"
export.to_litert(net, "a.tflite", batch_size="1")  # error: Argument "batch_size" to "to_litert" has incompatible type
export.to_onnx(net, 3)  # error: Argument 2 to "to_onnx" has incompatible type "int"
print(export.to_onnx(net, "a.onnx").bytes)  # error: "Report" has no attribute "bytes"
export.with_preprocessing(net, mean="0.5")  # error: Argument "mean" to "with_preprocessing" has incompatible type "str"
export.load(3)  # error: Argument 1 to "load" has incompatible type "int"
vitgraph.export.to_tensorrt(net)  # error: Module has no attribute "to_tensorrt"
plots.plot_attention(net, images[0], "a.png", layer="last")  # error: Argument "layer" to "plot_attention" has
plots.plot_attention(net, images[0], "a.png", head=1)  # error: Unexpected keyword argument "head"
plots.plot_history([1.0], "a.png")  # error: Argument 1 to "plot_history" has incompatible type
plots.plot_probabilities(images[0], images, "a.png")  # error: Missing named argument "grid"
