"""From a finished model to files for other runtimes, which are checked, and to a function for serving.

from vitgraph import export

export.to_litert(export.with_preprocessing(model), "model.tflite", batch_size=1)
logits = export.load("model.tflite")(images)["output_0"]
scores = export.freeze(model, batch_size=8)(eight_images)
"""

from vitgraph.export.artifacts import load
from vitgraph.export.checking import Report
from vitgraph.export.frozen import Frozen, freeze
from vitgraph.export.graphs import with_preprocessing
from vitgraph.export.litert import to_litert
from vitgraph.export.onnx import to_onnx
from vitgraph.export.openvino import to_openvino
from vitgraph.export.saved_model import to_saved_model

__all__ = [
    "Frozen",
    "Report",
    "freeze",
    "load",
    "to_litert",
    "to_onnx",
    "to_openvino",
    "to_saved_model",
    "with_preprocessing",
]
