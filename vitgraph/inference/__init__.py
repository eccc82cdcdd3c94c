"""From images to answers: what a checkpoint wants of an image, and how good its answers are."""

from vitgraph.inference.embedding import Embedded, embed
from vitgraph.inference.evaluation import Evaluation, evaluate
from vitgraph.inference.preparation import preprocessing

__all__ = ["Embedded", "Evaluation", "embed", "evaluate", "preprocessing"]
