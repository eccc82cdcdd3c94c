"""Graph -> graph: the same layers and weights, with another ending or in another form."""

from vitgraph.graphs.attention import attention, attention_rollout
from vitgraph.graphs.channels import channels_first
from vitgraph.graphs.distillation import without_distillation
from vitgraph.graphs.folding import fold_batchnorm
from vitgraph.graphs.pyramid import pyramid
from vitgraph.graphs.segformer import as_mit
from vitgraph.graphs.simple_pyramid import simple_feature_pyramid

__all__ = [
    "as_mit",
    "attention",
    "attention_rollout",
    "channels_first",
    "fold_batchnorm",
    "pyramid",
    "simple_feature_pyramid",
    "without_distillation",
]
