"""What a power cut leaves on a disk that has promised nothing but what fsync says: POSIX.1-2017, fsync(3p).

The model. A file's content is on the disk when the file was fsynced, and until then none, some or all of what was
written since is. A name (created, removed, renamed) is on the disk when its folder was fsynced, and until then it
may or may not be; those of one folder come in their order, those of two folders in any. A rename is one change: after
it either name leads to the old or the new content. A symbolic link is its name. A mode is on the disk as a content
is. So a disk may lose more than ext4, xfs or f2fs would; none of them may lose what this one keeps.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.powercut.trace import Call

Loss = str
LOSSES: tuple[Loss, ...] = ("all", "content", "names", "some-1", "some-2")
"""What is lost of all that was not fsynced: all, only content, only names, or a part by chance."""


class Node:
    """A file, a folder or a symbolic link. `kept` is what a power cut leaves for sure."""

    def __init__(self, mode: int, target: str | None = None) -> None:
        self.mode = self.kept_mode = mode
        self.target = target
        self.content = bytearray()
        self.kept_content = b""
        self.names: dict[str, Node] = {}
        self.kept_names: dict[str, Node] = {}
        self.pending: list[dict[str, Node]] = []

    @property
    def is_folder(self) -> bool:
        """Whether it holds names."""
        return stat.S_ISDIR(self.mode)

    def changed(self) -> None:
        """Remember the names after one more change of them."""
        self.pending.append(dict(self.names))

    def synced(self) -> None:
        """It is on the disk as it is now."""
        self.kept_mode, self.kept_content = self.mode, bytes(self.content)
        self.kept_names, self.pending = dict(self.names), []


class _Open(NamedTuple):
    node: Node
    appends: bool


class Disk:
    """The tree that `folder` holds now, to which calls that were made below `root` are applied one by one."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._root = str(root)
        self._top = _read(folder)
        self._open: dict[int, _Open] = {}
        self._at: dict[int, int] = {}

    def apply(self, call: Call) -> bool:
        """Do what `call` did; whether that was something below the root.

        Raises:
            NotImplementedError: it may change something in a way that this model does not know.
        """
        if call.result < 0:
            return False
        handler: Callable[..., object] | None = getattr(self, f"_{call.name}", None)
        if handler is None:
            raise NotImplementedError(f"{call.name}{call.arguments}")
        return bool(handler(call, *call.arguments))

    def write(self, folder: Path, loss: Loss | None) -> None:
        """Make `folder` what the disk holds after a power cut now; without a loss, what was there before it."""
        _write(self._top, folder, _Chooser(loss))

    def _openat(self, call: Call, where: str, path: str, flags: str, mode: str = "0") -> bool:
        found = self._find(where, path)
        if found is None:
            self._open.pop(call.result, None)
            return False
        folder, name = found
        node = folder.names.get(name) if name else folder
        if node is None:
            node = folder.names[name] = Node(stat.S_IFREG | int(mode, 8) & ~_UMASK)
            folder.changed()
        if "O_TRUNC" in flags:
            node.content.clear()
        self._open[call.result], self._at[call.result] = _Open(node, "O_APPEND" in flags), 0
        return True

    def _close(self, _: Call, handle: str) -> None:
        self._open.pop(int(handle), None)

    def _lseek(self, call: Call, handle: str, *_: str) -> None:
        self._at[int(handle)] = call.result

    def _write(self, call: Call, handle: str, content: str, _: str) -> bool:
        opened = self._open.get(int(handle))
        if opened:
            at = len(opened.node.content) if opened.appends else self._at[int(handle)]
            raw = content.encode("latin-1")[: call.result]
            opened.node.content[at : at + len(raw)] = raw
            self._at[int(handle)] = at + len(raw)
        return opened is not None

    def _ftruncate(self, _: Call, handle: str, size: str) -> bool:
        opened = self._open.get(int(handle))
        if opened:
            del opened.node.content[int(size) :]
        return opened is not None

    def _fsync(self, _: Call, handle: str) -> bool:
        opened = self._open.get(int(handle))
        if opened:
            opened.node.synced()
        return opened is not None

    _fdatasync = _fsync

    def _fchmod(self, _: Call, handle: str, mode: str) -> bool:
        opened = self._open.get(int(handle))
        if opened:
            opened.node.mode = stat.S_IFMT(opened.node.mode) | int(mode, 8)
        return opened is not None

    def _chmod(self, _: Call, path: str, mode: str) -> bool:
        found = self._find("AT_FDCWD", path)
        if found:
            folder, name = found
            node = folder.names[name] if name else folder
            node.mode = stat.S_IFMT(node.mode) | int(mode, 8)
        return found is not None

    def _mkdir(self, _: Call, path: str, mode: str) -> bool:
        return self._put(path, Node(stat.S_IFDIR | int(mode, 8) & ~_UMASK))

    def _symlink(self, _: Call, target: str, path: str) -> bool:
        return self._put(path, Node(stat.S_IFLNK | 0o777, target))

    def _rename(self, _: Call, old: str, new: str) -> bool:
        before, after = self._find("AT_FDCWD", old), self._find("AT_FDCWD", new)
        if before is None or after is None:
            if before or after:
                raise NotImplementedError("a rename from or to another file system")
            return False
        (folder, name), (goal, wanted) = before, after
        goal.names[wanted] = folder.names.pop(name)
        goal.changed()
        if folder is not goal:
            folder.changed()
        return True

    def _unlink(self, _: Call, path: str) -> bool:
        return self._remove("AT_FDCWD", path)

    _rmdir = _unlink

    def _unlinkat(self, _: Call, where: str, path: str, __: str) -> bool:
        return self._remove(where, path)

    def _remove(self, where: str, path: str) -> bool:
        found = self._find(where, path)
        if found:
            found[0].names.pop(found[1])
            found[0].changed()
        return found is not None

    def _put(self, path: str, node: Node) -> bool:
        found = self._find("AT_FDCWD", path)
        if found:
            folder, name = found
            folder.names[name] = node
            folder.changed()
        return found is not None

    def _find(self, where: str, path: str) -> tuple[Node, str] | None:
        """Folder and name of `path`; None outside the root."""
        if where != "AT_FDCWD" and not path.startswith("/"):
            opened = self._open.get(int(where))
            return self._walk(opened.node, path) if opened else None
        if path == self._root:
            return self._top, ""
        if not path.startswith(self._root + "/"):
            return None
        return self._walk(self._top, path[len(self._root) + 1 :])

    def _walk(self, folder: Node, path: str) -> tuple[Node, str]:
        *parts, name = path.split("/")
        for part in parts:
            folder = self._followed(folder, part)
        return folder, name

    def _followed(self, folder: Node, part: str) -> Node:
        node = folder.names[part]
        return folder.names[node.target] if node.target is not None else node


class _Chooser:
    """Which of what may be on the disk is."""

    def __init__(self, loss: Loss | None) -> None:
        self._loss = loss
        self._random = random.Random(loss)  # noqa: S311  # nothing secret

    def names(self, node: Node) -> dict[str, Node]:
        """The names of a folder."""
        if self._loss in (None, "content"):
            return node.names
        if self._loss in ("all", "names"):
            return node.kept_names
        return self._random.choice([node.kept_names, *node.pending])

    def content(self, node: Node) -> tuple[bytes, int]:
        """Content and mode of a file."""
        whole, kept = bytes(node.content), node.kept_content
        if self._loss in (None, "names"):
            return whole, node.mode
        if self._loss in ("all", "content"):
            return kept, node.kept_mode
        some = whole if whole == kept else whole[: self._random.randint(0, len(whole))]
        return self._random.choice([whole, kept, some]), self._random.choice([node.mode, node.kept_mode])


_UMASK = os.umask(0o022)
os.umask(_UMASK)


def _read(path: Path) -> Node:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return Node(mode, str(path.readlink()))
    node = Node(mode)
    if node.is_folder:
        node.names = {each.name: _read(each) for each in path.iterdir()}
    else:
        node.content += path.read_bytes()
    node.synced()
    return node


def _write(node: Node, path: Path, chooser: _Chooser) -> None:
    if node.target is not None:
        path.symlink_to(node.target)
    elif node.is_folder:
        path.mkdir()
        for name, child in chooser.names(node).items():
            _write(child, path / name, chooser)
        path.chmod(stat.S_IMODE(node.mode))
    else:
        content, mode = chooser.content(node)
        path.write_bytes(content)
        path.chmod(stat.S_IMODE(mode))
