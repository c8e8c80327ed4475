import importlib.metadata
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
import torch
from packaging.requirements import Requirement

from rnsl_tutorial import _files as paths
from rnsl_tutorial.cli import doctor


def by_name() -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.report()}


def test_every_line_that_is_not_ok_has_advice_and_the_rest_has_none() -> None:
    for check in doctor.report():
        assert check.detail
        assert bool(check.advice) == (check.status != "ok"), check


def test_every_dependency_and_no_development_tool_is_listed() -> None:
    checks = by_name()
    assert checks["torch"] == ("torch", "ok", importlib.metadata.version("torch"), "")
    assert {"anywidget", "plotly", "jupyterlab", "torchvision"} <= checks.keys()
    assert "ruff" not in checks


def test_a_package_that_is_absent_or_too_old_is_missing() -> None:
    absent = doctor._package(Requirement("no-such-package>=1"))
    assert absent.status == "missing"
    assert absent.advice == 'pip install "no-such-package>=1"'
    old = doctor._package(Requirement("numpy>=1000"))
    assert old.status == "missing"
    assert ">=1000 is needed" in old.detail


def test_a_torch_that_cannot_be_imported_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    broken = doctor.report()
    assert any(c.status == "missing" and "cannot be found out" in c.detail for c in broken)
    assert not doctor.ready(broken)


def test_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = namedtuple("Gpu", "name total_memory")("Some GPU", 8e9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpu)
    assert by_name()["GPU"].detail == "Some GPU, 8 GB (CUDA)"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert "MPS" in by_name()["GPU"].detail
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert by_name()["GPU"].status == "optional"


def test_too_little_memory_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = namedtuple("Memory", "available total")(0.5e9, 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert by_name()["memory"] == doctor.Check(
        "memory", "missing", "0.5 GB free of 1.0 GB", by_name()["memory"].advice
    )


def test_a_full_disk_and_a_cache_that_does_not_exist_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path / "not" / "yet"))
    assert str(tmp_path) in by_name()["disk"].detail
    usage = namedtuple("Usage", "free")(1e6)
    monkeypatch.setattr(psutil, "disk_usage", lambda folder: usage)
    assert by_name()["disk"].status == "optional"
    assert "RNSL_CACHE" in by_name()["disk"].advice


def test_shipped_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "shipped", lambda *parts: tmp_path.joinpath(*parts))
    assert by_name()["AID features"] == doctor.Check("AID features", "ok", "features.npz")
    assert by_name()["AID maps"] == doctor.Check("AID maps", "ok", "embedding_maps.npz")

    def absent(*parts: str) -> Path:
        raise FileNotFoundError("install again")

    monkeypatch.setattr(paths, "shipped", absent)
    checks = doctor.report()
    assert doctor.Check("AID features", "missing", "not found", "install again") in checks


def test_aid_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNSL_AID", raising=False)
    assert by_name()["AID images"].status == "optional"
    monkeypatch.setenv("RNSL_AID", str(tmp_path / "gone"))
    assert "gone, which is not there" in by_name()["AID images"].detail
    monkeypatch.setenv("RNSL_AID", str(tmp_path))
    assert by_name()["AID images"] == doctor.Check("AID images", "ok", str(tmp_path))


def test_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    missing = by_name()["resnet18 weights"]
    assert missing.status == "optional"
    name = next(word for word in missing.advice.split() if word.endswith(".pth"))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).touch()
    assert by_name()["resnet18 weights"] == doctor.Check("resnet18 weights", "ok", name)


def test_show_prints_the_table_the_advice_and_the_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks = [doctor.Check("this", "ok", "[1.0]"), doctor.Check("that", "missing", "no", "get it")]
    doctor.show(checks)
    text = capsys.readouterr().out
    assert "[1.0]" in text
    assert text.endswith("that (missing): get it\nThe tutorial cannot run yet.\n")
    doctor.show(checks[:1])
    assert capsys.readouterr().out.endswith("The tutorial can run.\n")
