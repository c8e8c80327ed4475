"""Ways take turns, the first turn does not count, and the table says what was measured."""

import pytest
from tiny_scenes import tiny_run

from rnsl_tutorial.tutorial import throughput as speed
from rnsl_tutorial.tutorial.throughput import Speed


def test_ways_take_turns_and_the_first_turn_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([9.0, 8.0, 1.0, 2.0, 0.5, 4.0, 2.0, 1.0])  # seconds, turn by turn
    turns: list[str] = []

    class Watch:
        def __init__(self, device: object) -> None:
            self.seconds = next(clock)

        def __enter__(self) -> "Watch":
            return self

        def __exit__(self, *error: object) -> None: ...

    def step(name: str) -> int:
        turns.append(name)
        return 100

    monkeypatch.setattr(speed, "Stopwatch", Watch)
    found = speed.compare({"a": lambda: step("a"), "b": lambda: step("b")}, "cpu", repeats=3)
    assert turns == ["a", "b"] * 4
    assert found == {"a": Speed(100, 50, 200), "b": Speed(50, 25, 100)}


def test_a_step_is_an_epoch_and_says_when_there_are_no_more() -> None:
    run = tiny_run(epochs=2)
    step = speed.epochs_of(run)
    assert [step(), step()] == [112, 112]
    assert run.training.finished
    with pytest.raises(RuntimeError, match="done all of its 2 epochs; give its config more"):
        step()


def test_repeats_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="repeats is 0; at least 1"):
        speed.compare({}, "cpu", repeats=0)


def test_the_table_puts_each_beside_the_first() -> None:
    lines = speed.table({"plain": Speed(1000, 900, 1200), "faster": Speed(1500, 1400, 1600)})
    first, second = lines.splitlines()[1:]
    assert first.split() == ["plain", "1,000", "900", "to", "1,200", "1.00"]
    assert second.split() == ["faster", "1,500", "1,400", "to", "1,600", "1.50"]
