"""The pictures that stand for explorers are of the explorers as they are; fonts may differ."""

import sys

import pytest

from tests.browser.harness import chromium_path
from tools import pictures

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(chromium_path() is None, reason="no chromium on the PATH"),
    pytest.mark.skipif(sys.platform != "linux", reason="drawn with the fonts of Linux"),
]


def test_no_picture_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert pictures.main(["--check"]) == 0, capsys.readouterr().out
