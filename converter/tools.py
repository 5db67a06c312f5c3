"""What took part in a conversion besides the user's files: packages, our own code, this machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from functools import cache
from pathlib import Path

TOOLS = (
    "godwit",
    "tensorflow",
    "keras",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "numpy",
)
OURS = ("converter", "edge_agent", "firmware_profiles")


def versions() -> dict[str, str]:
    """Installed versions of the tools that take part."""
    found = {}
    for tool in TOOLS:
        try:
            found[tool] = importlib.metadata.version(tool)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def fingerprint() -> str:
    """Another one wherever a result could be another: versions, our own code, the processor."""
    digest = hashlib.sha256(repr((sorted(versions().items()), platform.python_version(), _cpu())).encode())
    root = Path(__file__).parent.parent
    for package in OURS:
        for file in sorted((root / package).rglob("*")):
            if file.is_file() and file.suffix in (".py", ".txt"):
                digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith(("model name", "Model"))), platform.machine())
