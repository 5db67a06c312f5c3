"""One tool's attempts at one model: each leaves a file, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

_FAILED = ".failed"
_DIED = "its process died"


def attempt(folder: Path, builders: Mapping[str, Callable[[], bytes]]) -> None:
    """Write `folder/NAME` for each; what was attempted before is left alone, so that one crash costs one file."""
    for name, build in builders.items():
        failed = folder / (name + _FAILED)
        if failed.exists() or (folder / name).exists():
            continue
        failed.write_text(_DIED, encoding="utf-8")
        try:
            content = build()
        except Exception as error:  # noqa: BLE001  # peers raise whatever they meet
            text = " ".join(str(error).split()) or type(error).__name__
            failed.write_text(text[:120], encoding="utf-8")
        else:
            (folder / name).write_bytes(content)
            failed.unlink()


def failures(folder: Path) -> dict[str, str]:
    """File → why it is not there."""
    found = sorted(folder.glob(f"*{_FAILED}"))
    return {path.name.removesuffix(_FAILED): path.read_text(encoding="utf-8") for path in found}
