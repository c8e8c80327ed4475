"""What the site needs beside Sphinx: formulas without a script, explorers, links that hold.

- Formulas become MathML (`mathml`).
- A relative link to a file of the repository that is no page of the site leads to the repository.
- A picture from elsewhere, such as a badge, gives way to its words: pages load nothing.
- ``NAME.head.html`` and ``NAME.end.html`` beside a page's source come into its head and to its end.
- A line ``% modules of ROOM`` of an API page becomes a section for each module of that room.
- The Content-Security-Policy of each page forbids it to ask another machine for anything.
"""

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from docs.mathml import mathml
from notebooks import build

ROOT = Path(__file__).parent.parent
REPOSITORY = str(build.PROJECT["urls"]["Repository"])
BRANCH = "main"
POLICY = "default-src 'self' 'unsafe-inline' data: blob:"
FIGURE = "Figure that the code above draws."

_logger = logging.getLogger(__name__)


def in_repository(path: Path) -> str:
    """Return where a file or folder of the working tree stands on the web."""
    kind = "tree" if path.is_dir() else "blob"
    return f"{REPOSITORY}/{kind}/{BRANCH}/{path.relative_to(ROOT).as_posix()}"


class LinksToRepository(SphinxTransform):
    """Let relative links to what is no page of the site lead to the repository."""

    default_priority = 300

    def apply(self, **_: Any) -> None:
        """Replace the references of a document that MyST finds no page for."""
        folder = (ROOT / self.env.docname).parent
        for link in list(self.document.findall(addnodes.pending_xref)):
            target = folder.joinpath(link["reftarget"].partition("#")[0]).resolve()
            is_open = link["reftype"] == "myst" and not link["refdomain"]
            if is_open and target != folder and target.exists() and target.is_relative_to(ROOT):
                made = nodes.reference("", "", *link.children, refuri=in_repository(target))
                link.replace_self(made)


class WordsForPictures(SphinxTransform):
    """Say what pictures show: in the place of one from elsewhere, and of figures without words."""

    default_priority = 300

    def apply(self, **_: Any) -> None:
        """Go through the images of a document."""
        for image in list(self.document.findall(nodes.image)):
            image.setdefault("alt", FIGURE)
            if "://" in image["uri"]:
                image.replace_self(nodes.Text(image["alt"]))


def _visit_math(writer: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    try:
        writer.body.append(mathml(node.astext(), display=isinstance(node, nodes.math_block)))
    except ValueError as error:
        _logger.warning(str(error), location=node)
    raise nodes.SkipNode


def _complete(app: Sphinx, name: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Put into a page its policy and what its explorers need."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    context["metatags"] = policy + context.get("metatags", "") + _beside(app, f"{name}.head.html")
    context["body"] = context.get("body", "") + _beside(app, f"{name}.end.html")


def _beside(app: Sphinx, name: str) -> str:
    path = app.srcdir / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


# ------------------------------------------------------------------ docstrings


def linkcode_resolve(_domain: str, of: dict[str, str]) -> str | None:
    """Return where the code of a documented object stands, with its lines."""
    module = importlib.import_module(of["module"])
    found = functools.reduce(
        lambda at, name: getattr(at, name, None), of["fullname"].split("."), module
    )
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(found))
        file = Path(inspect.getsourcefile(inspect.unwrap(found)) or "")
    except TypeError:  # a value has no code of its own
        return None
    return f"{in_repository(file)}#L{first}-L{first + len(lines) - 1}"


LITERAL = re.compile(r"(``.*?``|`.*?`)")
MARKUP = re.compile(r"\*\*?|\||(?<=\w)_(?=\W|$)")


def _plain(_app: Sphinx, _what: str, _name: str, _of: Any, _options: Any, lines: list[str]) -> None:
    lines[:] = plain(lines)


def plain(lines: list[str]) -> Iterator[str]:
    """Yield a docstring's lines so that reStructuredText reads them as its reader does.

    ``p**q``, ``|x|`` and ``labels_`` are no markup; and what a colon announces, set apart by an
    empty line and an indent, is shown as it stands.
    """
    shown_beyond = None  # this indent
    for number, line in enumerate(lines):
        indent = _indent(line)
        if not line.strip() or (shown_beyond is not None and indent > shown_beyond):
            yield line
            continue
        following = next((later for later in lines[number + 2 :] if later.strip()), "")
        is_apart = not "".join(lines[number + 1 : number + 2]).strip()
        announces = line.endswith(":") and is_apart and _indent(following) > indent
        shown_beyond = indent if announces else None
        yield _escaped(line) + ":" * (announces and not line.endswith("::"))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _escaped(line: str) -> str:
    parts = LITERAL.split(line)
    return "".join(p if p.startswith("`") else MARKUP.sub(r"\\\g<0>", p) for p in parts)


def _skip_noise(_app: Sphinx, _what: str, _name: str, member: Any, skip: bool, _: Any) -> bool:
    """Leave out what NamedTuple says of its fields; the class says it better."""
    return skip or (getattr(member, "__doc__", None) or "").startswith("Alias for field number")


def _find_in_package(
    app: Sphinx, env: BuildEnvironment, link: addnodes.pending_xref, words: nodes.TextElement
) -> nodes.reference | None:
    """Find what a docstring calls by its module's short name, such as `losses.rnsl`."""
    if link["refdomain"] != "py":
        return None
    name = f"rnsl_tutorial.{link['reftarget']}"
    domain = env.domains.python_domain
    return domain.resolve_xref(env, link["refdoc"], app.builder, "obj", name, link, words)


def _list_modules(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = re.sub(
        r"^% modules of (\w+)$", lambda room: modules_of(room[1]), source[0], flags=re.M
    )


def modules_of(room: str) -> str:
    """Return what a room says of itself, and a section for each of its public modules.

    A folder in it that names what it exports is described as a whole, any other by its modules.
    """
    package = importlib.import_module(f"rnsl_tutorial.{room}")
    sections = [_automodule(f"{package.__name__}\n   :no-members:")]
    for found in pkgutil.iter_modules(package.__path__):
        name = f"{package.__name__}.{found.name}"
        if found.ispkg and not hasattr(importlib.import_module(name), "__all__"):
            sections.append(f"## {found.name}\n\n{modules_of(f'{room}.{found.name}')}")
        elif not found.name.startswith("_"):
            sections.append(f"## {found.name}\n\n{_automodule(name)}")
    return "\n\n".join(sections)


def _automodule(name: str) -> str:
    return f"```{{eval-rst}}\n.. automodule:: {name}\n```"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all of it."""
    StandaloneHTMLBuilder.supported_image_types += ["image/webp"]  # browsers have known it for long
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_math, None))
    app.add_transform(LinksToRepository)
    app.add_transform(WordsForPictures)
    app.connect("source-read", _list_modules)
    app.connect("html-page-context", _complete)
    app.connect("missing-reference", _find_in_package)
    app.connect("autodoc-process-docstring", _plain, priority=100)  # before napoleon reads them
    app.connect("autodoc-skip-member", _skip_noise)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
