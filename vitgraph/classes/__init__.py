"""The names of classes, and answers in words.

`synsets.csv.gz` has the synsets of ImageNet (Russakovsky et al., arXiv:1409.0575; fall 2011 release), the words of each
from WordNet 3.0, and which lists of classes it belongs to. In every list classes stand in the order of their ids, which
is the order of a checkpoint's scores. Which synsets the lists of 12k and of 21k classes hold is stated by timm (Apache
2.0). WordNet's words come with the licence in `WORDNET-LICENSE`.
"""

from vitgraph.classes.lists import LISTS, Class, class_list, list_with
from vitgraph.classes.predictions import Prediction, decode_predictions

__all__ = ["LISTS", "Class", "Prediction", "class_list", "decode_predictions", "list_with"]
