"""A repository or kit in a folder: a stick, or what flash brought."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import quote

from firmware_profiles.errors import Problem, UnavailableError

_CHUNK_BYTES = 1 << 20
_STEP = "is it a repository, or a whole kit? copy it again"


class FolderCarrier:
    """Reads from a folder that holds `metadata/` and `targets/`."""

    is_network = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def metadata(self, name: str, limit_bytes: int) -> bytes | None:
        """As in `Carrier`."""
        path = self.folder / "metadata" / quote(name, safe="")
        try:
            with path.open("rb") as stream:
                data = stream.read(limit_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from None
        if len(data) > limit_bytes:
            raise UnavailableError(Problem(str(path), f"at most {limit_bytes} bytes", "more", _STEP))
        return data

    def fetch(self, path: str, size_bytes: int, into: Path) -> None:
        """As in `Carrier`."""
        source = self.folder / path
        try:
            with source.open("rb") as stream, into.open("ab") as out:
                size = os.fstat(stream.fileno()).st_size
                if size != size_bytes:
                    raise UnavailableError(Problem(str(source), f"{size_bytes} bytes", f"{size}", _STEP))
                if out.tell() > size_bytes:
                    out.truncate(0)
                stream.seek(out.tell())
                shutil.copyfileobj(stream, out, _CHUNK_BYTES)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise _unreadable(source, error) from None


def _unreadable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(Problem(str(path), "a readable file", (error.strerror or str(error)).lower(), _STEP))
