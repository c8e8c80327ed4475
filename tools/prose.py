"""Measure the prose of the notebooks: ``python tools/prose.py``.

It prints what each source in ``notebooks/source`` says of itself and what it is: reading time, long
sentences, terms used before they are defined, other spellings of "notebook 03", and a symbol T that
is not the temperature. ``python tools/prose.py --limits`` prints the counts alone.
tests/tools/test_prose.py allows none, and five minutes between what is said and measured.

**The rule of time.** Words at 119 a minute, half of the 238 at which adults read English
non-fiction in silence (Brysbaert, "How many words do we read per minute?", Journal of Memory and
Language 2019, doi 10.1016/j.jml.2019.104047; readers of English as a second language have fewer):
a learner goes back and forth between sentence, formula and picture. Code at 500 lines an hour, as
fast as reviewers prepare code in a high-level language (Humphrey 1989, quoted in McConnell, "Code
Complete"), of half of the lines: the others are run. An exercise takes 3 minutes and one for each
line of its solution, without a solution 4; an explorer 3 minutes; a prediction and a displayed
formula half a minute each. The halves and the last line are conventions of this project. No
learner's time was measured.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import jupytext
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

SOURCES = Path(__file__).parent.parent / "notebooks" / "source"
WORDS_A_MINUTE = 238 / 2
LINES_A_MINUTE = 500 / 60
SHARE_OF_LINES_READ = 0.5
MINUTES = {"explorer": 3.0, "prediction": 0.5, "displayed formula": 0.5}
MINUTES_TO_BEGIN, MINUTES_A_LINE, MINUTES_TO_THINK = 3, 1, 4  # of an exercise
ROUNDING = 5  # minutes: times are stated in steps of five
MOST_WORDS = 20  # of a sentence

FORMULA = "∎"  # stands for an inline formula, one word
ABBREVIATED = re.compile(r"\b(et al|e\.g|i\.e|cf|vs|Fig|No|St)\.")
END_OF_SENTENCE = re.compile(rf"(?<=[.!?])[\"”)]*\s+(?=[\"“(]?(?:[A-Z0-9`{FORMULA}]|t-R|k-N))")
QUOTED = re.compile(r"[\"“][^\"”]*[\"”]")
CELLS_THAT_NAME = 2  # of a row of a table: symbol and code, or name and what it stands for
FIRST_OF_OPENING = ("You will be able to", "Time ", "The question:")


class Term(NamedTuple):
    """A word of the tutorial, how it is found, and the notebook that says what it means."""

    name: str
    pattern: str
    notebook: str


GLOSSARY = (
    Term("embedding", r"embeddings?", "00"),
    Term("k-NN accuracy", r"k-NN", "00"),
    Term("prototype", r"prototypes?", "00"),
    Term("NSL", r"(?<![Rt-])NSL", "00"),
    Term("RNSL", r"(?<!t-)RNSL", "00"),
    Term("t-RNSL", r"t-RNSL", "00"),
    Term("symmetric noise", r"symmetric", "00"),
    Term("label-dependent noise", r"label-dependent", "00"),
    Term("memorized", r"memori[sz]\w+", "00"),
    Term("head", r"heads?", "00"),
    Term("fine-tuning", r"fine-tun\w+", "00"),
    Term("temperature", r"temperatures?", "00"),
    Term("pull", r"pull(?:s|ed|ing)?", "01"),
    Term("transition matrix", r"transition matri\w+", "02"),
    Term("noise rate", r"noise rates?", "02"),
    Term("pair flip", r"pair flips?", "02"),
    Term("instance-dependent noise", r"instance-dependent", "02"),
    Term("lost class", r"lost class\w*|class(?:es)? (?:is|are) lost", "02"),
    Term("logit", r"logits?", "03"),
    Term("mean absolute error", r"mean absolute error|MAE", "03"),
    Term("Box-Cox transform", r"Box-Cox", "04"),
    Term("down-weighting", r"down-weight\w+", "04"),
    Term("underfitting", r"underfit\w*", "04"),
    Term("pruning", r"prun(?:e|es|ed|ing)", "05"),
    Term("plateau", r"plateaus?", "05"),
    Term("truncation", r"truncat\w+", "05"),
    Term("precision", r"precision", "05"),
    Term("recall", r"recall", "05"),
    Term("AUROC", r"AUROC", "05"),
    Term("Holm's correction", r"Holm", "07"),
    Term("GCE", r"GCE", "07"),
    Term("margin", r"margins?", "08"),
    Term("stand-in", r"stand-ins?", "08"),
    Term("trustworthiness", r"trustworthiness", "09"),
    Term("witness", r"witness\w*", "10"),
    Term("out of fold", r"out of fold", "10"),
    Term("average precision", r"average precision", "10"),
)


class Piece(NamedTuple):
    """A stretch of text, and whether it is emphasised (so that it may define a term)."""

    text: str
    defines: bool


class Block(NamedTuple):
    """A paragraph, heading, list item or cell of a table."""

    kind: str
    pieces: list[Piece]
    formulas: list[str]

    @property
    def text(self) -> str:
        """Its words; a formula and a stretch of code are one word each."""
        return re.sub(r"\s+", " ", "".join(piece.text for piece in self.pieces)).strip()

    @property
    def without_code(self) -> str:
        """The text as it stands, blanks in place of code that names nothing."""
        parts = (" " * len(t) if t.startswith("`") and not d else t for t, d in self.pieces)
        return "".join(parts)

    def emphasises(self, start: int, end: int) -> bool:
        """Whether something between these places of `without_code` may define a term."""
        place = 0
        for text, defines in self.pieces:
            if defines and place < end and start < place + len(text):
                return True
            place += len(text)
        return False


class Finding(NamedTuple):
    """What is wrong, and where: the words themselves, to be searched for."""

    kind: str
    words: str


@dataclass
class Source:
    """A notebook's source, read once."""

    path: Path

    @property
    def number(self) -> str:
        """What stands before the first underscore of its name."""
        return self.path.stem.split("_")[0]

    @cached_property
    def cells(self) -> list[NotebookNode]:
        """Its cells."""
        return list(jupytext.read(self.path, fmt="py:percent").cells)

    @cached_property
    def blocks(self) -> list[Block]:
        """All that is read as words, in order."""
        texts = (cell.source for cell in self.cells if cell.cell_type == "markdown")
        return [block for text in texts for block in blocks_of(text)]

    @cached_property
    def opening(self) -> str:
        """What the first two texts say, around the first picture."""
        texts = [cell.source for cell in self.cells if cell.cell_type == "markdown"][:2]
        return "\n".join(block.text for text in texts for block in blocks_of(text))

    @cached_property
    def prose(self) -> list[Block]:
        """The blocks without title, aims and question, which name what is explained later."""
        return [b for b in self.blocks[1:] if not b.text.startswith(FIRST_OF_OPENING)]

    @cached_property
    def code(self) -> list[NotebookNode]:
        """The code cells that a learner meets open."""
        cells = (cell for cell in self.cells if cell.cell_type == "code")
        return [cell for cell in cells if "hidden-assert" not in cell.metadata.get("tags", [])]

    @property
    def needs(self) -> set[str]:
        """The notebooks that its opening names as needed."""
        asked = self.opening.split("Needs")[1].split("Downloads")[0]
        named = re.findall(r"notebooks? ((?:\d{1,2}(?:, | and | or )?)+)", asked)
        return {f"{int(digits):02}" for digits in re.findall(r"\d+", " ".join(named))}

    @property
    def stated(self) -> int:
        """The minutes that it says it takes."""
        [minutes] = re.findall(r"Time (\d+) min", self.opening)
        return int(minutes)


# ------------------------------------------------------------------ reading markdown


def blocks_of(markdown: str) -> Iterator[Block]:
    """Yield the blocks of a markdown cell; fenced code is left out."""
    parser = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)
    kind, cell_of_row = "paragraph", 0
    for token in parser.parse(markdown):
        if token.type == "tr_open":
            cell_of_row = 0
        elif token.type in ("td_open", "th_open"):
            kind, cell_of_row = "cell", cell_of_row + 1
        elif token.type in ("heading_open", "paragraph_open"):
            kind = token.type.removesuffix("_open")
        elif token.type == "math_block":
            yield Block("formula", [], [token.content])
        elif token.type == "html_block":
            yield from _summary(token.content)
        elif token.type == "inline":
            yield _block(kind, token, names=kind == "cell" and cell_of_row <= CELLS_THAT_NAME)


def _summary(html: str) -> Iterator[Block]:
    words = re.sub(r"<[^>]+>", " ", html).strip()
    if words:
        yield Block("summary", [Piece(words, defines=False)], [])


def _block(kind: str, token: Token, *, names: bool) -> Block:
    pieces, formulas, depth = list[Piece](), list[str](), 0
    for child in token.children or []:
        if child.type in ("strong_open", "em_open"):
            depth += 1
        elif child.type in ("strong_close", "em_close"):
            depth -= 1
        elif child.type.startswith("math_"):
            formulas.append(child.content)
            pieces.append(Piece(FORMULA, defines=False))
        elif child.type == "code_inline":
            pieces.append(
                Piece(f"`{re.sub(r'[^A-Za-z0-9_]+', '_', child.content)}`", defines=names)
            )
        elif child.type in ("softbreak", "hardbreak"):
            pieces.append(Piece(" ", defines=False))
        elif child.type == "text":
            pieces.append(Piece(child.content, defines=depth > 0 or names))
    return Block(kind, pieces, formulas)


def words_of(text: str) -> list[str]:
    """The words of a text; what stands in quotation marks, as a title does, is one."""
    return [
        word for word in QUOTED.sub("quoted", text).split() if re.search(rf"\w|{FORMULA}", word)
    ]


def sentences_of(text: str) -> list[str]:
    """The sentences of a text."""
    kept = ABBREVIATED.sub(lambda found: found[0].replace(".", "\0"), text)
    return [part.replace("\0", ".") for part in END_OF_SENTENCE.split(kept)]


# ------------------------------------------------------------------ what is measured


def minutes(source: Source) -> dict[str, float]:
    """Minutes of each part by the rule of time."""
    parts = {
        "words": sum(len(words_of(block.text)) for block in source.blocks) / WORDS_A_MINUTE,
        "code": SHARE_OF_LINES_READ * _lines(source) / LINES_A_MINUTE,
        "exercises": _minutes_of_exercises(source),
    }
    counted = {
        "explorer": sum(
            len(re.findall(r"\bexplorers\.\w+\(|\bDashboard\(", cell.source))
            for cell in source.code
        ),
        "prediction": len(
            re.findall(r"\b(?:Predict|Guess)\b", "\n".join(b.text for b in source.blocks))
        ),
        "displayed formula": sum(block.kind == "formula" for block in source.blocks),
    }
    return parts | {what: MINUTES[what] * count for what, count in counted.items()}


def _lines(source: Source) -> int:
    """Lines of code that do something other than import."""
    return sum(
        len(_code_lines(cell.source))
        for cell in source.code
        if "exercise" not in cell.metadata.get("tags", [])
    )


def _code_lines(code: str) -> list[str]:
    tree = ast.parse(code)
    imported = {
        number
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(code.splitlines(), start=1)
    return [
        t for n, t in lines if n not in imported and t.strip() and not t.strip().startswith("#")
    ]


def _minutes_of_exercises(source: Source) -> int:
    """Of those with a solution in code by its lines, and of those that are only thought about."""
    tagged = [cell for cell in source.code if "exercise" in cell.metadata.get("tags", [])]
    solutions = (re.split(r"# (?:end )?solution\n", cell.source + "\n")[1] for cell in tagged)
    written = sum(
        MINUTES_TO_BEGIN + MINUTES_A_LINE * len(text.split("\n")[:-1]) for text in solutions
    )
    headings = {b.text for b in source.blocks if re.match(r"Exercise \d", b.text)}
    return written + MINUTES_TO_THINK * max(0, len(headings) - len(tagged))


def measured_minutes(source: Source) -> int:
    """The time by the rule, rounded to the steps in which times are stated."""
    return ROUNDING * round(sum(minutes(source).values()) / ROUNDING)


def long_sentences(source: Source) -> Iterator[Finding]:
    """Sentences of more than MOST_WORDS words."""
    for block in source.blocks:
        for sentence in sentences_of(block.text):
            if (count := len(words_of(sentence))) > MOST_WORDS:
                yield Finding(f"{count} words", sentence)


def early_terms(source: Source, known: set[str]) -> Iterator[Finding]:
    """Terms whose first use neither defines them nor follows a notebook that does.

    Args:
        source: a notebook.
        known: the numbers of the notebooks that this one needs, and of those that they need.
    """
    for term in GLOSSARY:
        first = _first_use(source, re.compile(rf"\b(?:{term.pattern})\b", re.IGNORECASE))
        if first and not first[1] and term.notebook not in known:
            where = "later" if term.notebook == source.number else f"in notebook {term.notebook}"
            yield Finding(f"{term.name}, defined {where}", first[0])


def _first_use(source: Source, pattern: re.Pattern[str]) -> tuple[str, bool] | None:
    """The sentence in which a term comes first, and whether the term is emphasised there."""
    for block in source.prose:
        found = pattern.search(block.without_code)
        if found:
            sentence = next((s for s in sentences_of(block.text) if pattern.search(s)), block.text)
            return sentence, block.emphasises(found.start(), found.end())
    return None


def needed(sources: dict[str, Source], number: str) -> set[str]:
    """The notebooks that a notebook needs, and those that these need."""
    found, ask = set[str](), [number]
    while ask:
        new = sources[ask.pop()].needs - found
        found |= new
        ask += sorted(new & sources.keys())
    return found - {number}


def other_spellings(source: Source) -> Iterator[Finding]:
    """Names of notebooks that are not written "notebook 03"."""
    wrong = re.compile(r"\b[Nn]otebooks? \d\b|\b(?:NB|nb) ?\d+\b")
    for block in source.blocks:
        for sentence in sentences_of(block.text):
            if wrong.search(sentence):
                yield Finding("spelling of a notebook's number", sentence)


def other_symbols_t(source: Source) -> Iterator[Finding]:
    """T with an index, in a product of matrices, or assigned something else than a temperature."""
    matrix = re.compile(r"(?<![\\\w^])T\s*_|\bN\s*(?:\\,)?\s*T\b|\bT\s*\(")
    for block in source.blocks:
        for formula in block.formulas:
            if matrix.search(formula):
                yield Finding("T, not the temperature", formula.strip())
    for cell in source.code:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Assign) and _assigns_t(node):
                yield Finding("T, not the temperature", ast.unparse(node))


def _assigns_t(node: ast.Assign) -> bool:
    names = (n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name))
    is_temperature = "temperature" in ast.unparse(node.value)
    return any(re.fullmatch(r"T\d*", name) for name in names) and not is_temperature


def findings(source: Source, known: set[str]) -> dict[str, list[Finding]]:
    """All that is found in a notebook, by kind."""
    return {
        "long": list(long_sentences(source)),
        "early": list(early_terms(source, known)),
        "spelling": list(other_spellings(source)),
        "symbol": list(other_symbols_t(source)),
    }


def counts(source: Source, known: set[str]) -> dict[str, int]:
    """How far off the stated time is, in minutes, and how many findings of each kind there are."""
    found = {kind: len(each) for kind, each in findings(source, known).items()}
    return {"minutes off": abs(source.stated - measured_minutes(source))} | found


def read_all() -> dict[str, Source]:
    """All sources by what stands before the first underscore of their names: a number."""
    return {path.stem.split("_")[0]: Source(path) for path in sorted(SOURCES.glob("*.py"))}


def main(arguments: list[str] | None = None) -> int:
    """Print what is found."""
    parser = argparse.ArgumentParser(description="Measure the prose of the notebooks.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="of these notebooks alone")
    parser.add_argument("--limits", action="store_true", help="the counts alone")
    options = parser.parse_args(arguments)
    sources = read_all()
    for number in options.numbers or sources:
        known = needed(sources, number)
        if options.limits:
            print(f'    "{number}": {counts(sources[number], known)},')
        else:
            _report(sources[number], known)
    return 0


def _report(source: Source, known: set[str]) -> None:
    parts = ", ".join(f"{what} {value:.1f}" for what, value in minutes(source).items())
    print(f"\n{source.path.stem}: says {source.stated} min, measured {measured_minutes(source)}")
    print(f"  ({parts})")
    for found in findings(source, known).values():
        for kind, words in found:
            print(f"  {kind}: {words}")


if __name__ == "__main__":
    sys.exit(main())
