"""What is read from disk: right, or refused in one sentence, whatever the bytes are."""

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damages import damages, same_folder
from hypothesis import assume, given
from hypothesis import strategies as st
from synthetic_features import make_features
from synthetic_maps import small_maps

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial._tables import load_table, save_table
from rnsl_tutorial.datasets import features
from rnsl_tutorial.experiments import config
from rnsl_tutorial.training import checkpoints
from rnsl_tutorial.tutorial.tables import EmbeddingMaps


def feature_set() -> features.FeatureSet:
    codes = np.random.default_rng(0).integers(-127, 128, size=(12, 3))
    parts = datasets.Split(*(np.arange(start, start + 4) for start in (0, 4, 8)))
    return make_features(0.5 * codes, np.arange(12) % 2, parts)


def save_features(path: Path) -> None:
    features.save_features(path, feature_set())


def save_maps(path: Path) -> None:
    save_table(path, small_maps())


def load_maps(path: Path) -> EmbeddingMaps:
    return load_table(path, EmbeddingMaps, "maps", "Make it again.")


def save_results(path: Path) -> None:
    result = experiments.Result(config.Config(), {"knn_clean": 0.5, "recall": float("nan")}, 1.0)
    experiments.save_results(path, [result], {"backbone": "small"})


SAVED: dict[str, tuple[Callable[[Path], None], Callable[[Path], object], str]] = {
    "features": (save_features, features.load_features, "is damaged or no feature set"),
    "maps": (save_maps, load_maps, "is damaged or holds no maps"),
    "results": (save_results, experiments.load_results, "holds no results"),
}


@cache
def saved_bytes(kind: str, folder: Path) -> bytes:
    path = folder / "good"
    SAVED[kind][0](path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", SAVED)
@given(damage=damages() | st.binary(max_size=200).map(lambda data: lambda _: data))
@same_folder
def test_a_damaged_file_is_read_or_refused_by_name(
    kind: str, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    _, load, said = SAVED[kind]
    path = tmp_path / "file"
    path.write_bytes(damage(saved_bytes(kind, tmp_path)))
    try:
        load(path)  # what was hit may not have mattered
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017
        assert said in str(error)  # noqa: PT017


@pytest.mark.parametrize("kind", SAVED)
def test_a_good_file_is_read(kind: str, tmp_path: Path) -> None:
    """So that the test above damages what would have been read."""
    path = tmp_path / "file"
    path.write_bytes(saved_bytes(kind, tmp_path))
    SAVED[kind][1](path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "results": JSON | st.lists(st.fixed_dictionaries({"config": JSON, "metrics": JSON})),
            "provenance": JSON,
        },
    )
    | JSON
)
@same_folder
def test_json_that_holds_no_results_is_refused(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match=r"results.json holds no results"):
        experiments.load_results(path)


@given(damages(), st.booleans())
@same_folder
def test_a_damaged_checkpoint_is_passed_over(
    tmp_path: Path, damage: Callable[[bytes], bytes], right_checksum: bool
) -> None:
    """Also where the checksum fits: nothing but ValueError comes out of the unpickler."""
    buffer = io.BytesIO()
    torch.save({"config": {"q": 0.7}, "epoch": 1, "weights": torch.ones(3)}, buffer)
    data = damage(buffer.getvalue())
    assume(data != buffer.getvalue())
    path = tmp_path / "epoch-0001-step-000000.pt"
    path.write_bytes(data)
    digest = checkpoints.hashlib.sha256(data if right_checksum else b"").hexdigest()
    path.with_name(f"{path.name}.sha256").write_bytes(f"{digest}  {path.name}\n".encode())
    with pytest.raises(ValueError, match=r"None of the checkpoints|no checkpoint|is damaged"):
        checkpoints._load(path, {"q": 0.7})
