"""The examples in docs/howto run, and show what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

HOWTO = sorted((Path(__file__).parent.parent / "docs" / "howto").glob("*.md"))
WITH_EXAMPLES = [path for path in HOWTO if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.name)
def test_examples(path: Path) -> None:
    failed, tried = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert tried > 0
    assert failed == 0
