"""The detectors, segmenters and classifiers of keras-cv and keras-hub, themselves, around a backbone of this package.

Each function takes a backbone as it is and gives the library's model, as small as the library lets it be.
"""

import keras
import keras_cv
import keras_hub
import numpy as np

import vitgraph
from vitgraph.interop import as_mit

TASK = {"num_classes": 2, "bounding_box_format": "xyxy"}


def compiled(model, learning_rate=0.1, **options):
    """Eager: a graph of one of these takes longer to trace than to train for a while. The guide's are not eager."""
    model.compile(optimizer=keras.optimizers.SGD(learning_rate, global_clipnorm=1.0), run_eagerly=True, **options)
    return model


def cv_retinanet(backbone):
    model = keras_cv.models.RetinaNet(backbone=backbone, **TASK)
    return compiled(model, 0.15, box_loss="smoothl1", classification_loss="focal")


def cv_yolo(backbone):
    model = keras_cv.models.YOLOV8Detector(backbone=backbone, fpn_depth=1, **TASK)
    return compiled(model, 0.5, box_loss="ciou", classification_loss="binary_crossentropy")


def cv_deeplab(backbone):
    model = keras_cv.models.DeepLabV3Plus(num_classes=3, backbone=backbone)
    return compiled(model, loss="sparse_categorical_crossentropy")


def cv_segformer(backbone):
    model = keras_cv.models.SegFormer(num_classes=3, backbone=as_mit(backbone), projection_filters=16)
    return compiled(model, loss="sparse_categorical_crossentropy")


def cv_classifier(backbone):
    model = keras_cv.models.ImageClassifier(backbone=backbone, num_classes=2)
    return compiled(model, loss="sparse_categorical_crossentropy")


def cv_faster_rcnn(backbone):
    """Not among keras-cv's public names: what it has of it lies under `legacy`."""
    from keras_cv.src.models.legacy.object_detection.faster_rcnn.faster_rcnn import FasterRCNN

    return FasterRCNN(backbone=backbone, **TASK)


def hub_retinanet(backbone):
    pyramid = keras_hub.models.RetinaNetBackbone(
        backbone, min_level=3, max_level=5, use_p5=False, image_shape=backbone.input_shape[1:]
    )
    return compiled(keras_hub.models.RetinaNetObjectDetector(pyramid, **TASK))


def hub_deeplab(backbone):
    features = keras_hub.models.DeepLabV3Backbone(
        backbone, "P5", 8, [1, 2, 3], low_level_feature_key="P2", image_shape=backbone.input_shape[1:]
    )
    model = keras_hub.models.DeepLabV3ImageSegmenter(features, num_classes=3, activation="softmax")
    return compiled(model, loss="sparse_categorical_crossentropy", metrics=[])


def hub_segformer(backbone):
    features = keras_hub.models.SegFormerBackbone(as_mit(backbone), projection_filters=16)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return compiled(keras_hub.models.SegFormerImageSegmenter(features, num_classes=3), loss=loss, metrics=[])


def hub_d_fine(backbone):
    """It takes a model whose output is {level: map}, which `pyramid` and `with_levels` give."""
    levels = {level: x for level, x in vitgraph.pyramid(backbone).output.items() if level in ("P4", "P5")}
    shape = backbone.input_shape[1:]
    features = keras_hub.models.DFineBackbone(
        backbone=vitgraph.pyramid(backbone, ("P4", "P5")), out_features=["P4", "P5"], feat_strides=[16, 32],
        encoder_in_channels=[levels["P4"].shape[-1], levels["P5"].shape[-1]], image_shape=shape,
        anchor_image_size=shape[:2], decoder_in_channels=[16, 16], encoder_hidden_dim=16, hidden_dim=16,
        encoder_ffn_dim=16, decoder_ffn_dim=16, num_attention_heads=2, decoder_attention_heads=2,
        num_encoder_layers=1, num_decoder_layers=1, encode_proj_layers=[1], decoder_n_points=[2, 2],
        num_feature_levels=2, num_queries=4, num_denoising=0, num_labels=2, learn_initial_query=False,
        hidden_expansion=0.5, depth_multiplier=0.5, eval_idx=-1, lqe_hidden_dim=8, num_lqe_layers=2, seed=0,
    )  # fmt: skip
    return keras_hub.models.DFineObjectDetector(backbone=features, **TASK)


def hub_classifier(backbone):
    model = keras_hub.models.ImageClassifier(backbone=backbone, num_classes=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return compiled(model, loss=loss, metrics=[])


def hub_sam(backbone):
    """Its image encoder ends in one map of stride 16, as wide as the prompts' embeddings."""
    levels = vitgraph.with_levels(backbone, ("P4",), width=32)
    encoder, sides = keras.Model(levels.input, levels.output["P4"]), backbone.input_shape[1:3]
    prompts = keras_hub.layers.SAMPromptEncoder(
        hidden_size=32, image_embedding_size=encoder.output_shape[1:3], input_image_size=sides, mask_in_channels=16
    )
    decoder = keras_hub.layers.SAMMaskDecoder(
        num_layers=1, hidden_size=32, intermediate_dim=32, num_heads=2, embedding_dim=32, num_multimask_outputs=3,
        iou_head_depth=2, iou_head_hidden_dim=8,
    )  # fmt: skip
    parts = keras_hub.models.SAMBackbone(image_encoder=encoder, prompt_encoder=prompts, mask_decoder=decoder)
    return keras_hub.models.SAMImageSegmenter(parts)


def hub_depth_anything(backbone):
    dims = {"neck_hidden_dims": [8] * 4, "fusion_hidden_dim": 8, "head_hidden_dim": 8, "head_in_index": -1}
    return keras_hub.models.DepthAnythingBackbone(backbone, reassemble_factors=[4, 2, 1, 0.5], **dims)


def hub_basnet(backbone):
    return keras_hub.models.BASNetBackbone(backbone, num_classes=1, image_shape=backbone.input_shape[1:])


LEVELS = {
    cv_retinanet: ("P3", "P4", "P5"),
    cv_yolo: ("P3", "P4", "P5"),
    cv_deeplab: ("P2", "P5"),
    cv_segformer: ("P2", "P3", "P4", "P5"),
    cv_classifier: (),
    cv_faster_rcnn: ("P2", "P3", "P4", "P5"),
    hub_retinanet: ("P3", "P4", "P5"),
    hub_deeplab: ("P2", "P5"),
    hub_segformer: ("P2", "P3", "P4", "P5"),
    hub_d_fine: ("P4", "P5"),
    hub_classifier: (),
    hub_sam: (),
    hub_depth_anything: (),
    hub_basnet: ("P2", "P3", "P4", "P5"),
}
"""{consumer: the levels that it reads of a backbone}."""


def backbone_for(consumer, net):
    """The net as it is where it has the levels that a consumer reads; else with these levels."""
    levels = LEVELS[consumer]
    return net if set(levels) <= set(net.pyramid_level_inputs) else vitgraph.with_levels(net, levels)


def answers(model, images):
    """What a model gives for images, as arrays; SAM is also told a point and a box."""
    if isinstance(model, keras_hub.models.SAMImageSegmenter):
        count, (height, width) = len(images), images.shape[1:3]
        box = np.tile(np.array([[[0, 0], [width / 2, height / 2]]], "float32"), (count, 1, 1, 1))
        points = {"points": np.full((count, 1, 2), height / 4, "float32"), "labels": np.ones((count, 1), "float32")}
        masks = np.zeros((count, 0, height, width, 1), "float32")
        images = {"images": images, **points, "boxes": box, "masks": masks}
    return [keras.ops.convert_to_numpy(tensor) for tensor in keras.tree.flatten(model(images))]
