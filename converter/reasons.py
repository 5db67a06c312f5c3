"""A library's exception, told in one line."""

from __future__ import annotations

import re

_LACKING = re.compile(r"^(?:Custom|Flex|TF Select) ops: (.+)$", re.MULTILINE)
_MAX = 300


def short(error: Exception) -> str:
    """The first line that says something: TensorFlow puts a traceback of the user's code before it."""
    if lacking := _LACKING.search(str(error)):
        return f"TFLite has no operator {lacking[1]}; an ONNX recipe may"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("in user code", "File "))]
    return f"{type(error).__name__}: {telling[0] if telling else ''}"[:_MAX]
