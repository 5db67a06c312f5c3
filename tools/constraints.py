"""`make constraints`: resolve the newest versions that go together, one file per Python.

tflite-runtime is the last of its kind and wants old versions of the rest, so it has files of its own.
amqtt, a broker in pure Python, and Triton's client share no environment with us: one file each for every Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_UV = _ROOT / ".venv" / "bin" / "uv"
_FILES = {
    "py310-tflite": ("3.10", "agent-tflite"),
    "py311-tflite": ("3.11", "agent-tflite"),
    "py310": ("3.10", "convert"),
    "py311": ("3.11", "convert"),
    "py312": ("3.12", "convert"),
    "py313": ("3.13", "convert"),
}
_ALONE = {"amqtt": b"amqtt", "triton": b"tritonclient[http]"}
# On Python 3.11, what is measured with either runtime is measured with one numpy.
_ALSO = {"py311": ["--constraints", "constraints/py311-tflite.txt"]}


def main() -> int:
    """Write every file of `constraints/`; uv says on stderr what does not resolve."""
    environment = os.environ | {"UV_CUSTOM_COMPILE_COMMAND": "make constraints"}
    wanted = {
        name: ["--python-version", version, "--extra", extra, "--extra", "fleet", "--group", "dev", "pyproject.toml"]
        for name, (version, extra) in _FILES.items()
    }
    wanted |= {name: ["--python-version", "3.10", "--universal", "-"] for name in _ALONE}
    for name, arguments in wanted.items():
        line = [str(_UV), "pip", "compile", "--quiet", "--upgrade", "--no-annotate", "-o", f"constraints/{name}.txt"]
        line += [*_ALSO.get(name, []), *arguments]
        finished = subprocess.run(line, cwd=_ROOT, env=environment, input=_ALONE.get(name), stdout=subprocess.DEVNULL)
        if finished.returncode != 0:
            return finished.returncode
        print(f"constraints/{name}.txt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
