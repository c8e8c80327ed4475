"""The file that `make soak` writes: whole tables, and parts that were not tried stay."""

import reliability


def section(name: str, *, failed: bool = False) -> str:
    part = reliability.Part("How it\nwas tried.")
    part.tests, part.examples = 2, 80
    part.rows = [{"command": "rnsl train", "killed": 20}, {"command": "rnsl audit", "killed": 18}]
    part.failed = ["- test_one: ValueError"] * failed
    return part.section(name)


def test_a_section_says_what_was_tried_how_when_and_where() -> None:
    lines = section("kills", failed=True).splitlines()
    assert lines[:6] == [
        "## kills", "", "**Tried 2 tests and 80 drawn examples, failed 1.**", "",
        "How it was tried.", "",
    ]  # fmt: skip
    assert lines[6:10] == [
        "| command | killed |", "| --- | --- |", "| rnsl train | 20 |", "| rnsl audit | 18 |",
    ]  # fmt: skip
    assert "- test_one: ValueError" in lines
    assert "processors" in lines[-1]


def test_a_file_keeps_the_sections_that_were_not_made_again() -> None:
    before = reliability.merged(
        "", {"kills": section("kills", failed=True), "data": section("data")}
    )
    assert "| [kills](#kills) | 2 tests and 80 drawn examples | 1 |" in before
    after = reliability.merged(before, {"kills": section("kills")})
    assert "| [kills](#kills) | 2 tests and 80 drawn examples | 0 |" in after
    assert after.split("## data")[1] == before.split("## data")[1]
    assert after.count("\n## ") == 2


def test_the_file_of_today_is_read() -> None:
    text = (reliability.ROOT / "benchmarks" / "RELIABILITY.md").read_text(encoding="utf-8")
    rows = [line for line in reliability.merged(text, {}).splitlines() if line.startswith("| [")]
    assert [row.split("]")[0].removeprefix("| [") for row in rows] == list(reliability.PARTS)
