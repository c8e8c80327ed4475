"""A small network that trains live in the page, without a kernel, on labels that may be wrong.
"""
from pathlib import Path
ENGINE = (Path(__file__).parent / "engine.js").read_text(encoding="utf-8")
__all__ = ["ENGINE"]
