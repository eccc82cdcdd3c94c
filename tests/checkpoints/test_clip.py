"""CLIP's image tower as OpenAI and open_clip save it, made of PyTorch's own modules."""

import collections

import numpy as np
import torch

import vitgraph
from tests.variants import images
from vitgraph.checkpoints import load_weights

DIM, HEADS, DEPTH, PATCH, OUT = 24, 3, 2, 8, 10


class QuickGELU(torch.nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = torch.nn.LayerNorm(DIM), torch.nn.LayerNorm(DIM)
        self.attn = torch.nn.MultiheadAttention(DIM, HEADS, batch_first=True)
        layers = {"c_fc": torch.nn.Linear(DIM, 4 * DIM), "gelu": QuickGELU(), "c_proj": torch.nn.Linear(4 * DIM, DIM)}
        self.mlp = torch.nn.Sequential(collections.OrderedDict(layers))

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, DIM, PATCH, PATCH, bias=False)
        self.class_embedding = torch.nn.Parameter(torch.randn(DIM))
        self.positional_embedding = torch.nn.Parameter(torch.randn(17, DIM))
        self.ln_pre, self.ln_post = torch.nn.LayerNorm(DIM), torch.nn.LayerNorm(DIM)
        self.transformer = torch.nn.Module()
        self.transformer.resblocks = torch.nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.proj = torch.nn.Parameter(torch.randn(DIM, OUT))

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, DIM), x], dim=1) + self.positional_embedding
        x = self.transformer.resblocks(self.ln_pre(x))
        return self.ln_post(x[:, 0]) @ self.proj


def test_an_image_tower_among_all_of_clip(tmp_path):
    torch.manual_seed(0)
    clip = torch.nn.Module()
    clip.visual, clip.text_projection = Tower(), torch.nn.Parameter(torch.randn(DIM, OUT))
    clip.token_embedding, clip.logit_scale = torch.nn.Embedding(50, DIM), torch.nn.Parameter(torch.ones(()))
    with torch.no_grad():
        for parameter in clip.visual.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    torch.save(clip.state_dict(), tmp_path / "clip.pt")
    model = vitgraph.build_vit(
        (32, 32, 3), patch_size=PATCH, dim=DIM, depth=DEPTH, num_heads=HEADS, num_classes=OUT, pre_norm=True,
        act="quick_gelu", norm_eps=1e-5, classifier_activation=None,
    )  # fmt: skip
    assert load_weights(model, tmp_path / "clip.pt") == "vit/openai"
    pixels = images(2, 32)
    theirs = clip.visual(torch.from_numpy(pixels.transpose(0, 3, 1, 2))).detach().numpy()
    np.testing.assert_allclose(model(pixels), theirs, atol=3e-5)
