"""Graph -> graph: the same layers and weights, with another ending or in another form. One subject per file.

The functions are public as `vitgraph.pyramid`, `vitgraph.attention` and so on; a name of this package is a module.
"""
