"""The pictures that stand for explorers are of the explorers as they are; fonts may differ."""

import sys

import pytest

from tools import pictures


@pytest.mark.skipif(sys.platform != "linux", reason="drawn with the fonts of Linux")
def test_no_picture_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert pictures.main(["--check"]) == 0, capsys.readouterr().out
