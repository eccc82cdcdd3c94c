"""Is a file that isn't a checkpoint, or one of another net, refused with its reason, and nothing loaded?"""

import itertools
import json
import pickle
import random
import struct
import zipfile

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import vitgraph
from tests.variants import TINY, shared, value


def damage(path, kind):
    """Writes a file of this kind that is not a checkpoint."""
    vitgraph.save_weights(shared("vit"), path.with_name("whole.safetensors"))
    whole = path.with_name("whole.safetensors").read_bytes()
    if path.suffix == ".npz":
        arrays = {"cls_token": np.array([{}], dtype=object)} if kind == "pickled" else {"cls_token": np.zeros(1000)}
        np.savez(path, **arrays)
        whole = path.read_bytes()
    elif path.suffix == ".keras":
        shared("vit").save(path)
        whole = path.read_bytes()
    elif path.suffix == ".pth":
        whole = pickle.dumps(print, protocol=2)
    content = {"cut_off": whole[: len(whole) // 2], "empty": b"", "noise": b"\xff\x00" * 50}
    path.write_bytes(content.get(kind, whole))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whole.txt", "a file that ends in .safetensors, "),
        ("whole", "a file that ends in .safetensors, "),
        ("cut_off.safetensors", "a whole safetensors file"),
        ("empty.safetensors", "a whole safetensors file"),
        ("noise.safetensors", "a whole safetensors file"),
        ("cut_off.npz", "a whole .npz file of plain arrays"),
        ("empty.npz", "a whole .npz file of plain arrays"),
        ("noise.npz", "a whole .npz file of plain arrays"),
        ("pickled.npz", "a whole .npz file of plain arrays"),
        ("cut_off.keras", "a whole .keras file"),
        ("empty.keras", "a whole .keras file"),
        ("noise.keras", "a whole .keras file"),
        ("pickled.pth", "a whole file of plain tensors"),
        ("noise.pth", "a whole file of plain tensors"),
        ("empty.pth", "a whole file of plain tensors"),
    ],
)
def test_damaged_file(name, message, tmp_path):
    path = tmp_path / name
    damage(path, path.stem)
    with pytest.raises(ValueError, match=f"load_weights: checkpoint='.*{name}'; allowed: {message}"):
        vitgraph.load_weights(shared("vit"), path)


def written(path):
    """The shared ViT's weights in a file of the ending, and of the kind that the name says."""
    import torch

    values = weights(shared("vit"))
    if path.suffix == ".safetensors":
        return vitgraph.save_weights(shared("vit"), path)
    if path.suffix == ".keras":
        shared("vit").save(path)
    elif path.suffix == ".npz":
        (np.savez_compressed if path.stem == "compressed" else np.savez)(path, **values)
    else:
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in values.items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=path.stem != "legacy")
    return path


def refused(model, path, **options):
    """The message of a refusal that names the file and leaves the model as it was."""
    before = model.get_weights()
    with pytest.raises((ValueError, OSError)) as caught:
        vitgraph.load_weights(model, path, **options)
    assert str(path) in str(caught.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["own.safetensors", "plain.npz", "compressed.npz", "zip.pth", "legacy.pth", "whole.keras"]
)
def test_no_damage_gets_through(name, tmp_path):
    """Flipped bits, cuts, other bytes: refused or, where the bytes matter to nobody, read as if nothing were."""
    whole, draw = written(tmp_path / name).read_bytes(), random.Random(0)
    model, expected = TINY["vit"].build(), weights(shared("vit"))
    size, path = len(whole), tmp_path / f"damaged.{name.split('.')[1]}"
    for i in range(20 if name == "whole.keras" else 100):
        data = bytearray(whole)
        if i % 4 == 0:
            del data[draw.randrange(size) :]
        elif i % 4 == 1:
            data[draw.randrange(size)] ^= 1 << draw.randrange(8)
        else:  # where the headers of most formats are
            data[draw.choice([draw.randrange(min(size, 2000)), -1 - draw.randrange(min(size, 5000))])] ^= 0xFF
        path.write_bytes(data)
        try:
            vitgraph.load_weights(model, path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017 - some damage is none
        else:  # a legacy file has no checksums
            same = all(np.array_equal(value(v), expected[v.path]) for v in model.weights)
            assert same or name == "legacy.pth"


def zipped(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)


def member(kind, shape, content=b""):
    """A `.npy` file with this header."""
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def torch_content(kind):
    import torch

    tensors = {name: torch.from_numpy(np.array(array)) for name, array in weights(shared("vit")).items()}
    return {
        "list": list(tensors.values()),
        "tensor": tensors["head/bias"],
        "nothing": None,
        "numbered": dict(enumerate(tensors.values())),
        "lists": {name: tensor.tolist() for name, tensor in tensors.items()},
        "complex": {name: tensor.to(torch.complex64) for name, tensor in tensors.items()},
        "sparse": {name: tensor.to_sparse() for name, tensor in tensors.items()},
        "meta": {name: tensor.to("meta") for name, tensor in tensors.items()},
        "int8": {name: tensor.to(torch.int8) for name, tensor in tensors.items()},
    }[kind]


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("list", "a dictionary of them by name, not a list"),
        ("tensor", "a dictionary of them by name, not a Tensor"),
        ("nothing", "a dictionary of them by name, not a NoneType"),
        ("numbered", "missing: patch_embed/kernel"),
        ("lists", "missing: patch_embed/kernel"),
        ("complex", "isn't dense and real"),
        ("sparse", "isn't dense and real"),
        ("meta", "no data"),
        ("int8", "dtype: patch_embed/kernel int8 for patch_embed/kernel float32"),
    ],
)
def test_other_things_that_torch_saves(kind, message, legacy, tmp_path):
    import torch

    torch.save(torch_content(kind), tmp_path / "other.pth", _use_new_zipfile_serialization=not legacy)
    assert message in refused(TINY["vit"].build(), tmp_path / "other.pth", source="vitgraph")


def test_parameters_of_torch_are_tensors(tmp_path):
    import torch

    state = {name: torch.nn.Parameter(torch.tensor(array)) for name, array in weights(shared("vit")).items()}
    torch.save(state, tmp_path / "parameters.pth")
    assert vitgraph.load_weights(TINY["vit"].build(), tmp_path / "parameters.pth") == "vitgraph"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.npy": member("<f4", (1,), b"0000"), "read.me": b"text"}, "'read.me' in it isn't one"),
        ({"a.npy": member("<f4", (10**12,))}, "MemoryError"),
        ({"a.npy": member("<f4", (2**62, 2**62))}, "ValueError"),
        ({"a.npy": member("<f4", (1,)).replace(b"(1,)", b"((((")}, "Error"),
        ({"a.npy": member("|O", (1,), pickle.dumps([None]))}, "allow_pickle"),
    ],
    ids=["text", "terabytes", "overflow", "syntax", "object"],
)
def test_npz_of_other_things(members, message, tmp_path):
    zipped(tmp_path / "other.npz", **members)
    assert message in refused(TINY["vit"].build(), tmp_path / "other.npz")


def test_encrypted_archive(tmp_path):
    """Every member says that it is encrypted, which Python's own writer can't do."""
    data = bytearray(written(tmp_path / "plain.npz").read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(signature, at + 4)
    (tmp_path / "encrypted.npz").write_bytes(data)
    assert "encrypted" in refused(TINY["vit"].build(), tmp_path / "encrypted.npz")


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize(
    "config",
    [DEEP, b"null", b"[]", b"{", b"\xff", {"config": 3}, {"config": {}}, {"class_name": "X"}, {"module": "no.where"}],
    ids=lambda config: str(config)[:20],
)
def test_keras_files_of_other_things(config, tmp_path):
    with zipfile.ZipFile(written(tmp_path / "whole.keras")) as file:
        members = {name: file.read(name) for name in file.namelist()}
    if isinstance(config, dict):
        config = json.dumps({**json.loads(members["config.json"]), "registered_name": "X", **config})
    zipped(tmp_path / "other.keras", **{**members, "config.json": config})
    assert "a whole .keras file" in refused(TINY["vit"].build(), tmp_path / "other.keras")


def test_keras_file_that_promises_petabytes(tmp_path):
    with zipfile.ZipFile(written(tmp_path / "whole.keras")) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["config.json"] = members["config.json"].replace(b'"units": 5', b'"units": 1000000000000000')
    zipped(tmp_path / "other.keras", **members)
    assert "a whole .keras file" in refused(TINY["vit"].build(), tmp_path / "other.keras")


def test_absent_file(tmp_path):
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(OSError, match=f"no checkpoint at '{path}'"):
            vitgraph.load_weights(shared("vit"), path)


def weights(model):
    return {variable.path: value(variable) for variable in model.weights}


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda w: weights(shared("pvt_v2")), ["it has this package's names, of another net"]),
        (lambda w: {k: v for k, v in w.items() if k != "norm/gamma"}, ["missing: norm/gamma"]),
        (lambda w: {**w, "extra/kernel": np.ones(3)}, ["unused: extra/kernel (3,)"]),
        (lambda w: {**w, "norm/beta": np.ones(3)}, ["misfit: norm/beta (3,) for norm/beta (16,)"]),
        (lambda w: {**w, "head/bias": np.ones(9)}, ["misfit: head/bias (9,) for head/bias (5,)", "skip_head=True"]),
        (
            lambda w: {**w, "pos_embed/table": np.ones((1, 8, 16))},
            ["misfit: pos_embed/table (1, 8, 16) for pos_embed/"],
        ),
        (lambda w: {}, ["missing: "]),
    ],
    ids=["architecture", "missing", "unused", "misfit", "classes", "positions", "empty"],
)
def test_checkpoint_that_does_not_fit(change, messages, tmp_path):
    """It says all that is wrong, and nothing is loaded, not even what fits."""
    model = TINY["vit"].build()
    before = model.get_weights()
    save_file(change(weights(shared("vit"))), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors'; .* doesn't fit model 'vit'; nothing was ") as caught:
        vitgraph.load_weights(model, tmp_path / "other.safetensors")
    for message in messages:
        assert message in str(caught.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


DTYPES = {
    "int8": "dtype", "uint8": "dtype", "bool": "dtype", "int64": "dtype", "complex64": "dtype", "<U9": "dtype",
    "S4": "dtype", "V4": "dtype",
}  # fmt: skip


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("path", ["patch_embed/kernel", "pos_embed/table", "head/bias"])
def test_dtypes_that_are_not_floating(kind, path, tmp_path):
    values = weights(shared("vit"))
    values[path] = np.zeros(values[path].shape, kind)
    np.savez(tmp_path / "other.npz", **values)
    message = refused(TINY["vit"].build(), tmp_path / "other.npz")
    assert f"dtype: {path} {values[path].dtype} for {path} float32" in message


@pytest.mark.parametrize("kind", ["float16", "float64", "longdouble", "bfloat16"])
def test_floating_dtypes_that_fit(kind, tmp_path):
    values = {name: array.astype(kind) for name, array in weights(shared("vit")).items()}
    model = TINY["vit"].build()
    vitgraph.load_weights(model, values)
    for variable in model.weights:
        np.testing.assert_array_equal(value(variable), values[variable.path].astype("float32"))


@pytest.mark.parametrize(("number", "problem"), [(1e39, "too large"), (np.inf, "not finite"), (np.nan, "not finite")])
@pytest.mark.parametrize("path", ["patch_embed/kernel", "pos_embed/table", "block_1_norm2/gamma"])
def test_numbers_beyond_float32(number, problem, path, tmp_path):
    values = {name: array.astype("float64") for name, array in weights(shared("vit")).items()}
    values[path].flat[3] = number
    np.savez(tmp_path / "other.npz", **values)
    assert f"{problem}: {path} float64 for {path} float32" in refused(TINY["vit"].build(), tmp_path / "other.npz")


def test_numbers_beyond_float16(tmp_path):
    values = weights(shared("vit"))
    values["norm/gamma"] = np.full(16, 1e5, "float32")
    save_file(values, tmp_path / "large.safetensors")
    message = refused(TINY["vit"].build(dtype="float16"), tmp_path / "large.safetensors")
    assert "too large: norm/gamma float32 for norm/gamma float16" in message


def test_numbers_that_are_not_finite_can_be_asked_for():
    values = weights(shared("vit"))
    values["norm/gamma"] = np.full(16, np.nan, "float32")
    model = TINY["vit"].build()
    vitgraph.load_weights(model, values, check_finite=False)
    np.testing.assert_array_equal(value(model.get_layer("norm").gamma), values["norm/gamma"])
    values["norm/beta"] = np.full(16, 1e300)
    with pytest.raises(ValueError, match="too large: norm/beta"):
        vitgraph.load_weights(model, values, check_finite=False)


def test_what_is_not_read_may_be_anything():
    """A buffer without a counterpart, and a head that is left alone."""
    values = weights(shared("vit"))
    values |= {"norm/num_batches_tracked": np.array(3), "head/bias": np.full(5, np.nan)}
    vitgraph.load_weights(TINY["vit"].build(), values, skip_head=True)


def test_checksum_of_our_own_files(tmp_path):
    """Every byte of the data counts; files of others, and ours from before, have none."""
    path = written(tmp_path / "own.safetensors")
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    assert "checksum" in refused(TINY["vit"].build(), path)
    save_file(weights(shared("vit")), path, metadata={"format": "vitgraph"})
    vitgraph.load_weights(TINY["vit"].build(), path)


@pytest.mark.parametrize(("error", "is_late"), [(MemoryError, False), (KeyboardInterrupt, True)])
def test_a_failure_at_any_variable_changes_nothing(error, is_late, monkeypatch):
    """Also one that comes after the variable has its new value."""
    model, values = TINY["vit"].build(), weights(shared("vit"))
    before, assign = model.get_weights(), keras.Variable.assign

    def failing(variable, new):
        due = next(countdown, None) == 0
        if is_late or not due:
            assign(variable, new)
        if due:
            raise error("injected")

    for place in range(len(before)):
        countdown = iter(range(place, -1, -1))
        with monkeypatch.context() as patch, pytest.raises(error, match="injected"):
            patch.setattr(keras.Variable, "assign", failing)
            vitgraph.load_weights(model, values)
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_a_spoilt_tensor_at_any_place_changes_nothing(tmp_path):
    values, model = weights(shared("vit")), TINY["vit"].build()
    spoilings = itertools.cycle([lambda a: a.astype("<U9"), lambda a: a.astype("S4"), lambda a: a.view("V4")])
    for path, spoil in zip(values, spoilings, strict=False):
        np.savez(tmp_path / "spoilt.npz", **{**values, path: spoil(values[path])})
        assert f"dtype: {path} " in refused(model, tmp_path / "spoilt.npz")


def test_load_weights_arguments():
    with pytest.raises(ValueError, match="load_weights: source='timm'; allowed: None, a Source, vitgraph, .*vit/timm"):
        vitgraph.load_weights(shared("vit"), {}, source="timm")


def test_save_weights_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"save_weights: path=.*weights.h5'.*; allowed: .* ends in .safetensors"):
        vitgraph.save_weights(shared("vit"), tmp_path / "weights.h5")
    with pytest.raises(OSError, match="absent"):
        vitgraph.save_weights(shared("vit"), tmp_path / "absent" / "weights.safetensors")
    assert not list(tmp_path.iterdir())
