"""Names in the checkpoints of vit-pytorch's SimpleViT; timm's are read by ViT's table."""

from vitgraph.checkpoints.names.vit import lucidrains

SOURCES = {"lucidrains": lucidrains(proj="0.to_out", fc2="1.net.3", head="linear_head")}
