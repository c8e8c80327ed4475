"""Files of somebody else: good ones of each type, ways to spoil them, and how each is used.

What comes of a try is told by `doors.outcome`; a refusal has to name the file besides.
"""

import copy
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import torch
from doors import ARCHIVE, SPLIT, outcome
from pyarrow import parquet
from rich.console import Console
from synthetic_features import make_features

from rnsl_tutorial import audit, datasets, experiments
from rnsl_tutorial.datasets import features
from rnsl_tutorial.experiments import config, heads, inference, report, sweep
from rnsl_tutorial.training import checkpoints, networks
from rnsl_tutorial.tutorial.playground import embeddings_address

ESCAPE = "\x1b]0;owned\x07"


class Type(NamedTuple):
    """A type of file.

    Attributes:
        name: of such a file.
        make: writes a good one.
        use: reads it, and does with it what a command does.
        spoil: returns spoiled bytes of a good one's.
    """

    name: str
    make: Callable[[Path], object]
    use: Callable[[Path], object]
    spoil: Callable[[bytes, np.random.Generator], bytes]


# ------------------------------------------------------------------ good files


def _results(path: Path) -> None:
    ran = [
        experiments.Result(
            config.Config(loss=loss, rate=0.3, seed=seed),
            {"knn_clean": 0.5, "recall": np.nan}, 1.0,
            curves={"knn_clean": [0.1, 0.2]}, hits={"knn_clean": np.arange(9) % 2 == 0},
        )
        for loss in ("nsl", "arcface")
        for seed in (0, 1)
    ]  # fmt: skip
    experiments.save_results(path, ran, {"backbone": "small"})


def _use_results(path: Path) -> None:
    record = experiments.load_results(path)
    Console(file=io.StringIO(), width=160, markup=False).print(report.table(record.results))
    report.caption(record.results, record.provenance)


def _features(path: Path) -> None:
    codes = np.random.default_rng(0).integers(-127, 128, size=(12, 3))
    features.save_features(path, make_features(0.5 * codes, ARCHIVE.labels, SPLIT))


def _use_features(path: Path) -> None:
    found = features.load_features(path)
    heads.corrupt(found, config.Config(dataset="own", rate=0.3))
    heads.standardized(found)


MODEL = config.Config(network="small", embedding_dim=4, image_size=32)


def _model(path: Path) -> None:
    torch.manual_seed(0)
    network = networks.embedding_network("small", 4)
    saved = {
        "rnsl_tutorial": "0.1.0", "config": {"network": "small", "embedding_dim": 4},
        "class_names": ["a", "b", "c"], "network": network.state_dict(),
        "prototypes": torch.zeros(3, 4),
    }  # fmt: skip
    torch.save(saved, path)


def _checkpoint(path: Path) -> None:
    state = {
        "rnsl_tutorial": "0.1.0", "config": {"q": 0.7, "loss": "nsl"}, "epoch": 1, "step": 0,
        "order": torch.arange(4), "history": [[0, 0.5, 1.0]], "network": {"w": torch.zeros(2)},
    }  # fmt: skip
    torch.save(state, path)


def _use_checkpoint(path: Path) -> None:
    small = path.is_file() and path.stat().st_size < 2**30
    digest = checkpoints.hashlib.sha256(path.read_bytes()).hexdigest() if small else ""
    beside = path.with_name(f"{path.name}.sha256")
    beside.write_bytes(f"{digest}  {path.name}\n".encode())
    checkpoints._load(path, {"q": 0.7, "loss": "nsl"})


def _decisions(path: Path) -> None:
    rows = [
        ["0f" * 16, "a/1.png", "a", "discard", ""], ["", "a/=1.png", "=a", "relabel", "b;=1"],
    ]  # fmt: skip
    head = ["digest", "file", "given", "decision", "label"]
    path.write_text(audit.outputs.csv_text([head, *rows]), encoding="utf-8")


def _grid(path: Path) -> None:
    path.write_text(
        'preset = "scenes"\nprecision = "32"\n[settings]\nepochs = 2\n[grid]\nloss = ["nsl", '
        '"rnsl"]\nrate = [0.0, 0.3]\nseed = [0, 1]\n[roots]\nscenes = "some/where"\n'
    )


def _embeddings(path: Path) -> None:
    files = np.array([f"{name}/{i}.png" for name in "ab" for i in range(4)])
    with path.open("wb") as file:
        np.savez(file, embeddings=np.random.default_rng(0).random((8, 4)), files=files)


def _own_features(path: Path) -> None:
    values = np.random.default_rng(0).random((len(ARCHIVE.files), 4))
    with path.open("wb") as file:
        np.savez(file, features=values, files=np.array(ARCHIVE.files))


def _own_parquet(path: Path) -> None:
    table = {"file": ARCHIVE.files, "v": np.random.default_rng(0).random(len(ARCHIVE.files))}
    parquet.write_table(pyarrow.table(table), path)


def _use_own_features(path: Path) -> None:
    features_NF = datasets.read_features(path).of(ARCHIVE.files)
    assert np.isfinite(features_NF).all()


# ------------------------------------------------------------------ spoiled ones

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2.5, 1e308, -1e308, 2**70, "", "x", ESCAPE, "\u202eevil", "$\\frac$",
    "..", [], [1], [[]], {}, {"a": 1}, {"\x1b": 1}, [None], "x" * 10_000,
)  # fmt: skip


def _bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, flipped, overwritten, with something put in, or something else altogether."""
    at, kind = int(rng.integers(len(data) + 1)), rng.integers(7)
    some = rng.bytes(int(rng.integers(1, 60)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + some + data[at:]
    if kind == 2:
        return data[:at] + some + data[at + len(some) :]
    if kind == 3:
        flipped = bytearray(data)
        for place in rng.integers(len(data), size=8):
            flipped[place] ^= 1 << int(rng.integers(8))
        return bytes(flipped)
    if kind == 4:
        return (b"", b"\0" * 100, b"[" * 50_000, b"\xff\xfe" + "x,y".encode("utf-16-le"))[at % 4]
    if kind == 5:
        return b"\xef\xbb\xbf" + data
    return some + data


def _elsewhere(found: Any, rng: np.random.Generator, odd: Callable[[Any], Any]) -> Any:
    """A copy in which one thing, anywhere inside, is replaced, removed or new."""
    changed = copy.copy(found)
    if isinstance(found, dict | list) and len(found) and rng.random() < 0.85:
        names = [*found] if isinstance(found, dict) else [*range(len(found))]
        name = names[int(rng.integers(len(names)))]
        kind = rng.random()
        if kind < 0.15:
            del changed[name]
        elif kind < 0.25 and isinstance(found, dict):
            changed[(ESCAPE, "new", "", "\ud800")[int(rng.integers(4))]] = 1
        else:
            changed[name] = _elsewhere(found[name], rng, odd)
        return changed
    return odd(found)


def _odd(rng: np.random.Generator) -> Any:
    return ODD[int(rng.integers(len(ODD)))]


def spoil_json(data: bytes, rng: np.random.Generator) -> bytes:
    """Other bytes, or another document."""
    if rng.random() < 0.3:
        return _bytes(data, rng)
    return json.dumps(_elsewhere(json.loads(data), rng, lambda _: _odd(rng))).encode()


def _odd_array(found: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kinds: list[Callable[[], Any]] = [
        lambda: found[:-1] if found.ndim else found,
        lambda: found[None],
        lambda: np.zeros(0, found.dtype),
        lambda: np.array(_odd(rng), dtype=object),
        lambda: np.array([ESCAPE] * 3),
        lambda: np.full(found.shape, np.nan) if found.dtype.kind in "iuf" else found[None],
        lambda: np.full(found.shape, -7) if found.dtype.kind in "iuf" else np.array(3),
        lambda: np.full(found.shape, 2**40) if found.dtype.kind in "iuf" else np.array("a"),
        lambda: found.astype(np.float64) if found.dtype.kind in "iuf" else np.array("a\na"),
        lambda: np.zeros((3, 0, 2)),
        lambda: found.astype(complex) if found.dtype.kind in "iuf" else np.array("[1, 2"),
    ]
    made: np.ndarray = np.asarray(kinds[int(rng.integers(len(kinds)))]())
    return made


def spoil_npz(data: bytes, rng: np.random.Generator) -> bytes:
    """Other bytes, another array, or one that says of itself that it is huge."""
    if rng.random() < 0.3:
        return _bytes(data, rng)
    with np.load(io.BytesIO(data)) as opened:
        members = dict(opened)
    name = [*members][int(rng.integers(len(members)))]
    if rng.random() < 0.1:
        del members[name]
    elif rng.random() < 0.9:
        members[name] = _odd_array(members[name], rng)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **members)
    if rng.random() < 0.1:
        return _bomb(buffer.getvalue(), name)
    return buffer.getvalue()


def _bomb(data: bytes, name: str) -> bytes:
    """The same with a member of 8 TB, by its header."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            if info.filename != f"{name}.npy":
                new.writestr(info, old.read(info))
        header = io.BytesIO()
        huge = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
        np.lib.format.write_array_header_1_0(header, huge)
        new.writestr(f"{name}.npy", header.getvalue() + bytes(100))
    return out.getvalue()


def spoil_pt(data: bytes, rng: np.random.Generator) -> bytes:
    """Other bytes, or another state: with NaN, other shapes, other things."""
    if rng.random() < 0.3:
        return _bytes(data, rng)

    def odd(found: Any) -> Any:
        if not isinstance(found, torch.Tensor):
            return (_odd(rng), torch.zeros(2), Path("x"))[int(rng.integers(3))]
        none = found.reshape(-1)[:0]
        kinds = (found * np.nan, found[None], none, found.int(), torch.zeros(1).expand(2**40))
        return (*kinds, found.to_sparse(), _odd(rng))[int(rng.integers(len(kinds) + 2))]

    buffer = io.BytesIO()
    torch.save(_elsewhere(torch.load(io.BytesIO(data)), rng, odd), buffer)
    return buffer.getvalue()


def _spoil_lines(data: bytes, rng: np.random.Generator, odd: Callable[[bytes], bytes]) -> bytes:
    if rng.random() < 0.3:
        return _bytes(data, rng)
    lines = data.splitlines(keepends=True)
    place = int(rng.integers(len(lines)))
    lines[place] = odd(lines[place])
    return b"".join(lines)


def spoil_csv(data: bytes, rng: np.random.Generator) -> bytes:
    """Other bytes, another separator, or another line."""
    kinds: list[Callable[[bytes], bytes]] = [
        lambda line: line.replace(b",", (b";", b"\t", b"|", b"")[int(rng.integers(4))]),
        lambda line: line.rstrip() + b",more,cells,than,columns\r\n",
        lambda line: b'"' + line,
        lambda line: ESCAPE.encode() + line,
        lambda line: b"x" * 200_000 + line,
        lambda line: b"\0" + line,
        lambda line: b"",
        lambda line: line.replace(b"file", b"given"),
    ]
    return _spoil_lines(data, rng, kinds[int(rng.integers(len(kinds)))])


def spoil_toml(data: bytes, rng: np.random.Generator) -> bytes:
    """Other bytes, or another value, such as a path of Windows."""

    def odd(line: bytes) -> bytes:
        values = (
            r'"C:\data\new"', r'"C:\new"', "inf", "nan", "[]", "[[1]]", "1979-05-27", "-1", "true",
            '"x"', "{}", '"""\n"""', "10" * 3000, '"\\u001b[2J"', "[" * 500,
        )  # fmt: skip
        name = line.partition(b"=")[0].strip() or b"x"
        chosen = values[int(rng.integers(len(values)))].encode()
        return (name + b" = " + chosen + b"\n", line + line, b"[odd]\n")[int(rng.integers(3))]

    return _spoil_lines(data, rng, odd)


TYPES = {
    "results": Type("results.json", _results, _use_results, spoil_json),
    "features": Type("features.npz", _features, _use_features, spoil_npz),
    "model": Type("model.pt", _model, inference.load_model, spoil_pt),
    "checkpoint": Type("epoch-0001-step-00000000.pt", _checkpoint, _use_checkpoint, spoil_pt),
    "decisions": Type("decisions.csv", _decisions, audit.read_decisions, spoil_csv),
    "grid": Type("grid.toml", _grid, sweep.read_grid, spoil_toml),
    "embeddings": Type("own.npz", _embeddings, embeddings_address, spoil_npz),
    "own features": Type("features.npz", _own_features, _use_own_features, spoil_npz),
    "own parquet": Type("features.parquet", _own_parquet, _use_own_features, _bytes),
}


# ------------------------------------------------------------------ tries


def odd_places(folder: Path, name: str, good: bytes) -> Iterator[Path]:
    """Paths at which there is no such file, but something else, or a file that is too large."""
    os.mkfifo(folder / f"pipe {name}")
    (folder / f"folder {name}").mkdir()
    (folder / f"loop {name}").symlink_to(f"loop {name}")
    (folder / f"zero {name}").symlink_to("/dev/zero")
    (folder / f"\x1b[2J {name}").write_bytes(good[: len(good) // 2])
    with (folder / f"huge {name}").open("wb") as file:
        file.truncate(2**40)
    yield from sorted(folder.glob(f"* {name}"))
    yield folder / f"missing {name}"
    yield Path("/dev/null")


def tried(kind: str, path: Path) -> tuple[str, str]:
    """What comes of reading a file: see `doors.outcome`; the file has to stay as it was."""
    before = path.read_bytes() if path.is_file() and path.stat().st_size < 2**30 else b""
    found, said = outcome(lambda: TYPES[kind].use(path))
    after = path.read_bytes() if before else b""
    if after != before:
        return "lost", said
    return found, said
