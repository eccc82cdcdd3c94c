"""Downloads, against a real server on loopback: what arrives is loaded whole, and what doesn't is said in a line."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import save

import vitgraph
from tests import ROOT
from tests.hub import Repository, serve

NET = {"input_shape": (32, 32, 3), "patch_size": 8, "dim": 24, "depth": 2, "num_heads": 3}
TAGGED = "timm/vit_base_patch16_224."

CALLS = """
import contextlib, functools, json, os, pathlib, signal, sys, threading, time, vitgraph
from huggingface_hub import constants
from vitgraph.checkpoints import hub

net, web, site = json.loads(sys.argv[1]), constants.ENDPOINT + "/web/", constants.ENDPOINT + "/me/"
create = functools.partial(vitgraph.create, "vit_base_patch16_224", **net)

@contextlib.contextmanager
def offline():
    constants.HF_HUB_OFFLINE = True
    yield
    constants.HF_HUB_OFFLINE = False

def of(model):
    return float(model.get_layer("norm").gamma[0])

def at_once():
    found = []
    threads = [threading.Thread(target=lambda: found.append(hub.fetch(web + "slow.safetensors"))) for _ in range(2)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    return len(set(found)), [path.name for path in found[0].parent.iterdir()]

def killed():
    child = os.fork()
    if child == 0:
        hub.fetch(web + "killed.safetensors")
        os._exit(0)
    folder = hub.cache()
    while not any(path.stat().st_size for path in folder.glob("*/.killed.safetensors.*/*")):
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL), os.waitpid(child, 0)
    before = list(folder.glob("*/killed.safetensors"))
    return len(before), hub.fetch(web + "killed.safetensors").stat().st_size

for name, call in {
    "tag": lambda: of(create("augreg_in21k_ft_in1k")), "absent": lambda: create("sam_in1k"),
    "cut off": lambda: create("orig_in21k_ft_in1k"), "damaged": lambda: create("augreg_in1k"),
    "classes": lambda: create("sam_in1k", num_classes=10), "bad argument": lambda: create("sam_in1k", depth=-1),
    "bin": lambda: of(create("hf-hub:me/bin")), "sharded": lambda: of(create("hf-hub:me/sharded")),
    "redirect": lambda: of(create("hf-hub:me/redirect@main")), "gated": lambda: create("hf-hub:me/gated"),
    "unauthorized": lambda: create("hf-hub:me/unauthorized"), "forbidden": lambda: create("hf-hub:me/forbidden"),
    "empty": lambda: create("hf-hub:me/empty"),
    "lacking": lambda: create("hf-hub:me/lacking"), "revision": lambda: create("hf-hub:me/bin@v2"),
    "name": lambda: create("hf-hub:me"), "config": lambda: of(vitgraph.from_hub("me/timm")),
    "no config": lambda: vitgraph.from_hub("me/bin"),
    "url": lambda: of(create(site + "timm/resolve/main/model.safetensors")),
    "absent url": lambda: create(web + "nowhere.safetensors"), "at once": at_once, "killed": killed,
    "checksum": lambda: str(hub.fetch(site + "redirect/resolve/main/model.safetensors", sha256="0123")),
    "size": lambda: str(hub.fetch(site + "redirect/resolve/main/model.safetensors", size=7)),
    "cut url": lambda: str(hub.fetch(site + "cut/resolve/main/model.safetensors")),
    "no server": lambda: create("http://127.0.0.1:9/vit.safetensors"),
}.items():
    try:
        print(json.dumps([name, call()]))
    except (OSError, ValueError) as error:
        print(json.dumps([name, f"{type(error).__name__}: {error}"]))
with offline():
    print(json.dumps(["cached", of(create("augreg_in21k_ft_in1k"))]))
    try:
        create("sam_in1k")
    except OSError as error:
        print(json.dumps(["offline", str(error)]))
print(json.dumps(["left", [path.name for path in hub.cache().rglob(".*")]]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """{call: what it gave or said}."""
    folder = tmp_path_factory.mktemp("hub")
    tensors = _timm_tensors()
    whole = save(tensors)
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, folder / "vit.bin")
    names = sorted(tensors)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    index = json.dumps({"weight_map": {name: part for part, names in halves.items() for name in names}}).encode()
    sharded = {part: save({name: tensors[name] for name in names}) for part, names in halves.items()}
    sharded["model.safetensors.index.json"] = index
    model_args = {"patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "global_pool": "token"}
    config = {"architecture": "vit_base_patch16_224", "num_classes": 1000, "model_args": model_args}
    config = json.dumps({**config, "pretrained_cfg": {"input_size": [3, 32, 32]}}).encode()
    one = {"model.safetensors": whole}
    repositories = {
        TAGGED + "augreg_in21k_ft_in1k": Repository(one),
        TAGGED + "orig_in21k_ft_in1k": Repository(one, "cut off"),
        TAGGED + "augreg_in1k": Repository(one, "damaged"),
        "me/bin": Repository({"pytorch_model.bin": (folder / "vit.bin").read_bytes()}),
        "me/sharded": Repository(sharded),
        "me/lacking": Repository({k: v for k, v in sharded.items() if k != "b.safetensors"}),
        "me/empty": Repository({}),
        "me/cut": Repository(one, "cut off"),
        "me/timm": Repository({**one, "config.json": config}),
        **{f"me/{kind}": Repository(one, kind) for kind in ("redirect", "gated", "unauthorized", "forbidden")},
        "web": Repository({"slow.safetensors": whole, "killed.safetensors": whole}, "slow"),
    }
    with serve(repositories) as endpoint:
        places = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hf"), "VITGRAPH_CACHE": str(folder / "cache")}
        python = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", CALLS, json.dumps(NET)]
        environment = {**os.environ, **python, **places, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return {"gamma": float(tensors["norm.weight"][0]), **dict(map(json.loads, run.stdout.splitlines()))}


def _timm_tensors():
    """A tiny ViT's random weights under timm's names."""
    model = vitgraph.build_vit(**NET, num_classes=1000)
    draw, source = np.random.default_rng(0), vitgraph.checkpoints.names.SOURCES["vit/timm"]
    tensors = {}
    for variable in model.weights:
        (name,), _ = source.names(variable.path)
        axes = {2: (1, 0), 4: (3, 2, 0, 1)}.get(len(variable.shape)) if variable.path.endswith("kernel") else None
        array = draw.normal(size=variable.shape).astype("float32")
        tensors[name] = np.ascontiguousarray(array.transpose(axes) if axes else array)
    return tensors


@pytest.mark.parametrize("call", ["tag", "bin", "sharded", "redirect", "config", "url", "cached"])
def test_what_arrives_is_loaded(call, answers):
    assert answers[call] == pytest.approx(answers["gamma"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("absent", "model.safetensors of 'timm/vit_base_patch16_224.sam_in1k' from the hub: there is no such"),
        ("absent", "no such repository; or it is private, and `hf auth login` or the variable HF_TOKEN"),
        ("cut off", "could not download"),
        ("damaged", "arrived damaged"),
        ("classes", "ValueError: create: num_classes=10; allowed: 1000, as the weights have; or skip_head=True"),
        ("bad argument", "ValueError: build_vit: depth=-1"),
        ("gated", "it is gated; accept its terms on http"),
        ("unauthorized", "the server refuses it (401); log in"),
        ("forbidden", "the server refuses it (403); log in"),
        ("empty", "'me/empty' has no checkpoint: none of model.safetensors, "),
        ("lacking", "'me/lacking' lacks b.safetensors"),
        ("revision", "there is no revision 'v2'"),
        ("name", "allowed: a repository as owner/name"),
        ("no config", "'me/bin' has no config.json"),
        ("absent url", "nowhere.safetensors: the server answers 404"),
        ("checksum", "not 0123 as it should"),
        ("size", "bytes, not 7 as it should"),
        ("cut url", "was cut off after"),
        ("no server", "is there a network, or a proxy?"),
        ("offline", "it isn't in the cache, and HF_HUB_OFFLINE forbids"),
    ],
)
def test_what_does_not_arrive_is_said(call, message, answers):
    assert message in answers[call]
    assert len(answers[call].splitlines()) <= 2


def test_two_at_once_and_one_killed(answers):
    """Of a file of the web there is nothing or all."""
    assert answers["at once"] == [1, ["slow.safetensors"]]
    assert answers["killed"][0] == 0 and answers["killed"][1] > 1000
    assert len(answers["left"]) <= 1  # what the killed process left, which nobody reads


def test_a_tag_comes_before_a_folder_of_its_name(tmp_path, monkeypatch):
    """And "./mae" is the folder."""
    monkeypatch.chdir(tmp_path)
    vitgraph.save_weights(vitgraph.build_vit(**NET, num_classes=3), "whole.safetensors")
    pathlib.Path("augreg_in1k").mkdir()
    pathlib.Path("whole.safetensors").rename("augreg_in1k/model.safetensors")
    model = vitgraph.create("vit_base_patch16_224", "./augreg_in1k", **NET, num_classes=3)
    assert model.output_shape == (None, 3)
    with pytest.raises(ValueError, match="num_classes=3; allowed: 1000"):
        vitgraph.create("vit_base_patch16_224", "augreg_in1k", **NET, num_classes=3)


def test_weights_of_other_types():
    for weights in (True, 3, b"in1k", ""):
        with pytest.raises((TypeError, ValueError), match="create: weights=.*; allowed: None, or a path, a repo"):
            vitgraph.create("pvt_v2_b0", weights)
    with pytest.raises(ValueError, match="weights='imagenet'; allowed: another: vit_small_patch14_dinov2 has no"):
        vitgraph.create("vit_small_patch14_dinov2", "imagenet")
    tags = vitgraph.list_weights("deit_tiny_patch16_224")
    assert [tag for tag, entry in tags.items() if entry.default] == ["fb_in1k"]
