"""From a finished model to SavedModel, LiteRT and ONNX files, which are checked, and to a graph that takes raw pixels.

from vitgraph import export

export.to_litert(export.with_preprocessing(model), "model.tflite", batch_size=1)
logits = export.load("model.tflite")(images)["output_0"]
"""

from vitgraph.export.artifacts import load
from vitgraph.export.graphs import with_preprocessing
from vitgraph.export.writing import Report, to_litert, to_onnx, to_saved_model

__all__ = ["Report", "load", "to_litert", "to_onnx", "to_saved_model", "with_preprocessing"]
