"""Windows, groups and regions of a map."""
