"""Hardware: refused in time where it cannot be, launched quietly, its memory and time told."""

import mmap
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from torch import nn

from rnsl_tutorial.training import devices
from rnsl_tutorial.training.devices import Hardware, Stopwatch

CPU = Hardware(accelerator="cpu")
MIB = 2**20


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make torch find GPUs that are not there."""

    def found(count: int, capability: tuple[int, int] = (8, 0)) -> None:
        gigabyte = 10**9
        properties = SimpleNamespace(
            name="Fake GPU", total_memory=40 * gigabyte, major=capability[0], minor=capability[1]
        )
        answers = {
            "is_available": count > 0,
            "device_count": count,
            "get_device_capability": capability,
            "get_device_properties": properties,
            "mem_get_info": (30 * gigabyte, 40 * gigabyte),
            "memory_reserved": 3 * gigabyte,
            "memory_allocated": 2 * gigabyte,
            "max_memory_allocated": 5 * gigabyte,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)

    return found


@pytest.fixture
def apple(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make torch find Apple's GPU and nothing else."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    answers = {
        "recommended_max_memory": 12 * 10**9,
        "driver_allocated_memory": 3 * 10**9,
        "current_allocated_memory": 10**9,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.mps, name, lambda answer=answer: answer)


# ------------------------------------------------------------------ at the door


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"accelerator": "gpu"}, "accelerator is 'gpu'; it must be one of auto, cpu, cuda, mps"),
        ({"strategy": "fsdp"}, "strategy is 'fsdp'; it must be one of auto, ddp"),
        ({"precision": "16"}, "precision is '16'; it must be one of 32, bf16, fp16"),
        ({"devices": 0}, "devices is 0; it must be at least 1"),
        ({"num_nodes": 0}, "num_nodes is 0; it must be at least 1"),
        ({"memory_share": 0.0}, r"memory_share is 0.0; it must be in \(0, 1\]"),
        ({"memory_share": 1.1}, r"memory_share is 1.1"),
    ],
)
def test_hardware_that_cannot_be_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hardware(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gpus", "hardware", "message"),
    [
        (0, {"accelerator": "cuda"}, "accelerator is 'cuda', which torch does not find"),
        (0, {"accelerator": "mps"}, "accelerator is 'mps', which torch does not find"),
        (2, {"devices": 3}, "devices is 3, but torch finds 2 of kind 'cuda'"),
        (1, {"precision": "bf16"}, r"precision is 'bf16'.*choose one of 32, fp16"),
        (
            0,
            {"accelerator": "cpu", "precision": "fp16"},
            r"precision is 'fp16'.*this cpu.*choose one of 32, bf16",
        ),
    ],
)
def test_what_a_machine_with_old_gpus_cannot_do_is_refused(
    gpus: int, hardware: dict[str, Any], message: str, gpu: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    gpu(gpus, capability=(7, 5))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        devices.launch(Hardware(**hardware))


@pytest.mark.usefixtures("apple")
def test_mps_is_one_process() -> None:
    with pytest.raises(ValueError, match="MPS runs in one process only"):
        devices.launch(Hardware(num_nodes=2))


# ------------------------------------------------------------------ choosing and launching


def test_the_best_device_is_found(
    gpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for cuda, mps, expected in ((1, True, "cuda:0"), (0, True, "mps"), (0, False, "cpu")):
        gpu(cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert devices.find_device() == torch.device(expected)


def test_one_process_on_the_cpu_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    for precision in ("32", "bf16"):
        fabric = devices.launch(Hardware(accelerator="cpu", precision=precision))
        assert (fabric.device, fabric.world_size) == (torch.device("cpu"), 1)
    assert capfd.readouterr() == ("", "")


def test_a_single_process_looks_at_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "x", "SLURM_PROCID": "3"}.items():
        monkeypatch.setenv(name, value)
    fabric = devices.launch(CPU)
    assert (fabric.world_size, fabric.global_rank) == (1, 0)


@pytest.mark.parametrize(("precision", "dtype"), [("32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_precision_is_that_of_the_products_and_the_weights_stay_float32(
    precision: str, dtype: torch.dtype
) -> None:
    fabric = devices.launch(Hardware(accelerator="cpu", precision=precision))
    layer = nn.Linear(4, 4)
    with fabric.autocast():
        assert layer(torch.ones(1, 4)).dtype == dtype
    assert fabric.setup_module(layer).weight.dtype == torch.float32


def step(seed: int) -> torch.Tensor:
    fabric = devices.launch(CPU)
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, seed)
    model, optimizer = fabric.setup(layer, torch.optim.SGD(layer.parameters(), lr=1.0))
    fabric.backward(model(torch.ones(1, 2)).sum())
    optimizer.step()
    return layer.weight.detach()


def test_it_can_be_launched_from_several_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        weights = list(pool.map(step, range(12)))
    assert all(torch.equal(w, torch.full((1, 2), seed - 1.0)) for seed, w in enumerate(weights))


TWO_PROCESSES = """
from rnsl_tutorial.training.devices import Hardware, launch, memory
import torch
peak = memory("cpu").process_peak_bytes
fabric = launch(Hardware(accelerator="cpu", devices=2))
model = fabric.setup_module(torch.nn.BatchNorm1d(2))
total = fabric.all_reduce(torch.tensor(fabric.global_rank + 1.0), reduce_op="sum").item()
backend = torch.distributed.get_backend()
if fabric.is_global_zero:
    print(fabric.world_size, total, backend, model._forward_module.broadcast_buffers, peak)
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_speak_and_a_peak_is_not_that_of_the_parent(tmp_path: Path) -> None:
    """On Linux getrusage tells a child what its parent held when it forked."""
    held = bytearray(1_500_000_000)
    held[::4096] = b"x" * len(held[::4096])
    script = tmp_path / "script.py"
    script.write_text(TWO_PROCESSES)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    *told, peak = done.stdout.split()
    assert told == ["2", "3.0", "gloo", "False"]
    assert int(peak) < 1_200_000_000 < len(held)


# ------------------------------------------------------------------ reports


def test_the_report_of_the_cpu() -> None:
    report = devices.report("cpu")
    assert (report.kind, report.capability) == ("cpu", None)
    assert report.precisions == ("32", "bf16")
    assert 0 < report.free_bytes < report.total_bytes == psutil.virtual_memory().total
    assert re.match(rf"CPU, {torch.get_num_threads()} threads? \(cpu\), ", str(report))
    assert str(report).endswith("GB free, precisions 32, bf16")


def test_the_report_of_a_gpu(gpu: Callable[..., None]) -> None:
    gpu(1)
    report = devices.report("cuda")
    assert report.capability == (8, 0)
    assert str(report) == ("Fake GPU (cuda 8.0), 31.0 of 40.0 GB free, precisions 32, bf16, fp16")


@pytest.mark.usefixtures("apple")
def test_the_report_of_apples_gpu() -> None:
    assert str(devices.report("mps")) == (
        "Apple GPU (mps), 9.0 of 12.0 GB free, precisions 32, bf16, fp16"
    )
    assert devices.memory("mps")[2:] == (10**9, 3 * 10**9)


def test_the_memory_of_this_process_grows_with_what_it_holds() -> None:
    before = devices.memory("cpu")
    held = mmap.mmap(-1, 64 * MIB)  # new pages, where an allocator might have old ones left
    held.write(b"x" * (64 * MIB))
    during = devices.memory("cpu")
    assert during.process_bytes - before.process_bytes > 60 * MIB
    held.close()
    after = devices.memory("cpu")
    # The kernel counts the two apart, in steps of some pages.
    assert after.process_peak_bytes > during.process_bytes - 4 * MIB
    assert (after.device_bytes, after.device_peak_bytes) == (0, 0)


def test_the_memory_of_a_gpu(gpu: Callable[..., None]) -> None:
    gpu(1)
    assert devices.memory("cuda")[2:] == (2 * 10**9, 5 * 10**9)


# ------------------------------------------------------------------ time


def test_a_stopwatch_adds_up_the_time_of_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.5, 20.0, 22.0])
    monkeypatch.setattr(devices, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    watch = Stopwatch("cpu")
    for seconds in (1.5, 3.5):
        with watch:
            pass
        assert watch.seconds == seconds


def test_a_stopwatch_waits_for_a_gpu_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[object] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", events.append)
    with Stopwatch("cuda:1"):
        events.append("work")
    assert events == [torch.device("cuda:1"), "work", torch.device("cuda:1")]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_gpu() -> None:
    fabric = devices.launch(Hardware(accelerator="cuda"))
    assert fabric.device == torch.device("cuda:0")
    before = devices.memory(fabric.device)
    with Stopwatch(fabric.device) as watch:
        held = torch.ones(64 * MIB, dtype=torch.uint8, device=fabric.device)
        del held
    after = devices.memory(fabric.device)
    assert watch.seconds > 0
    assert after.device_peak_bytes >= before.device_bytes + 64 * MIB
    assert 0 < devices.free_memory(fabric.device) <= devices.report(fabric.device).total_bytes
