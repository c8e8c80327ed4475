"""The prose of the notebooks: what is measured, on small sources, and that nothing is found."""

from pathlib import Path

import pytest

from tools import prose

MOST_MINUTES_OFF = 5
SOURCES = prose.read_all()

OPENING = """# %% [markdown]
# # 0. Small
# **You will be able to** judge RNSL, which is not yet defined. **Time** 5 min. **Needs** {needs}.
#
# {text}
"""


def source(
    tmp_path: Path, text: str, needs: str = "nothing", code: str = "", number: str = "03"
) -> prose.Source:
    path = tmp_path / f"{number}_small.py"
    markdown = OPENING.format(needs=needs, text=text.replace("\n", "\n# "))
    path.write_text(f"{markdown}\n{code}")
    return prose.Source(path)


def found(small: prose.Source, kind: str, *known: str) -> list[str]:
    return [finding.words for finding in prose.findings(small, {*known})[kind]]


@pytest.mark.parametrize("number", SOURCES)
def test_a_notebook_has_no_findings(number: str) -> None:
    counts = prose.counts(SOURCES[number], prose.needed(SOURCES, number))
    assert counts.pop("minutes off") <= MOST_MINUTES_OFF
    assert not any(counts.values()), f"python tools/prose.py {number} shows them: {counts}"


def test_a_long_sentence_is_found_and_one_of_twenty_words_is_not(tmp_path: Path) -> None:
    twenty = "Word" + " word" * 19 + "."
    one_more = "Other" + " word" * 20 + "."
    assert found(source(tmp_path, f"{twenty} {one_more} {twenty}"), "long") == [one_more]


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("A formula $p^q (1 - p)$ is one word.", 6),
        ("So is `losses.rnsl(x, w)`.", 3),
        ('So is "a title of a paper", here.', 4),
        ("A [link](https://a.example/b) has its words.", 5),
        ("Nine of 10 - not all.", 5),
    ],
)
def test_words_are_counted_as_they_are_read(tmp_path: Path, sentence: str, words: int) -> None:
    block = source(tmp_path, sentence).blocks[-1]
    assert len(prose.words_of(block.text)) == words


def test_sentences_end_where_they_end() -> None:
    text = "Kang et al. say so, e.g. here. t-RNSL stops. Why? (It is 0.5.) $p$ is it."
    assert prose.sentences_of(text.replace("$p$", prose.FORMULA)) == [
        "Kang et al. say so, e.g. here.",
        "t-RNSL stops.",
        "Why?",
        "(It is 0.5.",
        f"{prose.FORMULA} is it.",
    ]


def test_fenced_code_is_not_read_as_words(tmp_path: Path) -> None:
    small = source(tmp_path, "Run:\n\n```\n" + "rnsl " * 30 + "\n```")
    assert found(small, "long") == []
    assert [block.text for block in small.blocks[2:]] == ["Run:"]


def test_what_is_folded_is_read(tmp_path: Path) -> None:
    long = " ".join(["other"] * 21) + "."
    small = source(tmp_path, f"<details><summary>Answer</summary>\n\n{long}\n</details>")
    assert found(small, "long") == [long]
    assert "Answer" in [block.text for block in small.blocks]


def test_a_term_is_defined_where_it_is_first_used_or_in_a_notebook_that_is_needed(
    tmp_path: Path,
) -> None:
    early = source(tmp_path, "The logit grows. A **logit** is a score.")
    assert found(early, "early") == ["The logit grows."]
    assert found(source(tmp_path, "A **logit** is a score. The logit grows."), "early") == []
    assert found(source(tmp_path, "| `logit` | a score |\n|---|---|\n"), "early") == []
    assert found(source(tmp_path, "Each prototype moves."), "early") == ["Each prototype moves."]
    assert found(source(tmp_path, "Each prototype moves."), "early", "00") == []
    assert found(source(tmp_path, "`prototype` is an argument."), "early") == []


def test_what_a_needed_notebook_needs_is_known(tmp_path: Path) -> None:
    needs = {"00": "Python", "01": "2 hours", "03": "notebook 00 or 1", "05": "notebook 03, q = 1"}
    small = {n: source(tmp_path, "", asked, number=n) for n, asked in needs.items()}
    assert small["03"].needs == {"00", "01"}
    assert {n: prose.needed(small, n) for n in small} == {
        "00": set(),
        "01": set(),
        "03": {"00", "01"},
        "05": {"00", "01", "03"},
    }


def test_other_spellings_and_symbols_are_found(tmp_path: Path) -> None:
    text = "See notebook 3. See notebook 03. $T_{ij}$ is no temperature, $x / T$ and $x^\\top$ are."
    code = "# %%\nT = matrix(3)\nx, T = 1, config.temperature\nw = normalize(w).T\n"
    small = source(tmp_path, text, code=code)
    assert found(small, "spelling") == ["See notebook 3."]
    assert found(small, "symbol") == ["T_{ij}", "T = matrix(3)"]


def test_time_is_of_words_code_exercises_explorers_and_predictions(tmp_path: Path) -> None:
    code = (
        "# %%\nimport os\n\n# a remark\nx = [\n    1,\n]\nexplorers.Playground()\n"
        '# %% tags=["exercise"]\ndef f(p):\n    # solution\n    q = p\n    return q\n'
        '# %% tags=["hidden-assert"]\nassert x\n'
    )
    text = "**Predict.** Which?\n\n$$p^q$$\n\n## Exercise 1\nWrite.\n\n## Exercise 2\nThink."
    small = source(tmp_path, text, code=code)
    parts = prose.minutes(small)
    assert parts["code"] == pytest.approx(0.5 * 4 / prose.LINES_A_MINUTE)
    assert parts["exercises"] == 3 + 2 * 1 + 4
    assert (parts["explorer"], parts["prediction"], parts["displayed formula"]) == (3, 0.5, 0.5)
    words = sum(len(prose.words_of(block.text)) for block in small.blocks)
    assert parts["words"] == pytest.approx(words / 119)
    assert (small.stated, prose.measured_minutes(small)) == (5, 15)


def test_the_report_names_each_notebook_and_what_is_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert prose.main(["00"]) == 0
    printed = capsys.readouterr().out
    assert f"00_start_here: says {SOURCES['00'].stated} min" in printed
    assert prose.main(["--limits", "00"]) == 0
    counts = prose.counts(SOURCES["00"], set())
    assert capsys.readouterr().out == f'    "00": {counts},\n'
