"""LaTeX as MathML, made while the site is built, by latex2mathml.

Browsers draw MathML without a script, screen readers read it, and a formula takes a few hundred
bytes. KaTeX or MathJax would add a script and fonts, 0.6 to 2 MB. LaTeX that latex2mathml does not
know is an error here, not a blank on the page.
"""

import html
import re

import latex2mathml.converter

UNKNOWN = re.compile(r"\\\w+")
# What latex2mathml leaves to the browser, which then sets "= -x" as if it were "a - x" and
# "q log p" as if it were one word.
SIGN = re.compile(r"(<mo>&#x000(?:3[CDE]|2C);</mo>|<mspace width=\"[12]em\" />)<mo>(?=&#x02212;)")
FUNCTION = r"<mi>(?:log|ln|exp|max|min|arg|sin|cos|tan|arccos|softmax|dim|lim)</mi>"
SPACE = '<mspace width="0.167em" />'
BEFORE_FUNCTION = re.compile(rf"(?<=</mi>|</mn>)(?={FUNCTION})|(?<=</msup>|</msub>)(?={FUNCTION})")
AFTER_FUNCTION = re.compile(rf"({FUNCTION})(?=<(?:mi|mn|mfrac|ms\w+|mover)\b)")


def mathml(latex: str, *, display: bool = False) -> str:
    """Return MathML for LaTeX without its dollars.

    Raises:
        ValueError: latex2mathml does not know or cannot read it.
    """
    if latex.count("{") - latex.count(r"\{") != latex.count("}") - latex.count(r"\}"):
        raise ValueError(f"This formula's braces do not match: {latex}")
    try:
        made = latex2mathml.converter.convert(latex, display="block" if display else "inline")
    except Exception as error:
        raise ValueError(f"This formula cannot be read ({error!r}): {latex}") from error
    if unknown := UNKNOWN.search(html.unescape(made)):
        raise ValueError(f"latex2mathml does not know {unknown[0]} in this formula: {latex}")
    made = made.replace("<mo>&#x0221E;</mo>", "<mi>&#x0221E;</mi>")  # infinity is no operator
    made = SIGN.sub(r'\1<mo form="prefix">', made)
    return AFTER_FUNCTION.sub(rf"\1{SPACE}", BEFORE_FUNCTION.sub(SPACE, made))
