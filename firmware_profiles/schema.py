"""Check a TOML document against msgspec structs and tell all its problems at once.

msgspec stops at the first mistake; a person editing a file wants every one. So this walks the
structs itself and leaves the leaves (numbers, choices, bounds) to msgspec.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from firmware_profiles.errors import InputError, Problem, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_TOML_BYTES = 1 << 20
_MAX_SHOWN = 60

S = TypeVar("S", bound=msgspec.Struct)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Parse the TOML file at `path`; `what` names it in errors ("profile", "project").

    Raises:
        InputError: it is missing, larger than 1 MiB, not UTF-8 or not TOML.
    """
    try:
        if path.stat().st_size > MAX_TOML_BYTES:
            found = f"{path.stat().st_size} bytes"
            raise InputError(Problem(str(path), f"a {what} of at most 1 MiB", found, "is it the right file?"))
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Problem(str(path), f"a readable {what} file", found, "check the path")) from None
    except UnicodeDecodeError as error:
        found = f"byte {error.start} that is not UTF-8"
        raise InputError(Problem(str(path), "UTF-8 text", found, "save it as UTF-8")) from None
    except RecursionError:
        raise InputError(
            Problem(str(path), "TOML", "lists or tables nested too deep", "is it the right file?")
        ) from None
    except ValueError as error:  # a TOMLDecodeError, a number of thousands of digits, a NUL in the path
        raise InputError(Problem(str(path), "TOML", str(error), "mend the line named")) from None


def load_toml(path: Path, kind: type[S], what: str) -> S:
    """Read the TOML file at `path` as a `kind`, or raise InputError with every problem in it."""
    return convert(read_toml(path, what), kind, str(path))


def convert(document: Mapping[str, Any], kind: type[S], where: str) -> S:
    """Turn `document` into a `kind`, or raise InputError with every problem found in it."""
    problems = list(_check(document, kind, where, ""))
    if problems:
        raise InputError(*problems)
    return msgspec.convert(document, kind)


def _check(value: Any, kind: Any, where: str, path: str) -> typing.Iterator[Problem]:
    structs = _structs_in(kind)
    if structs and isinstance(value, Mapping):
        yield from _check_tagged(value, structs, where, path)
        return
    element = _struct_list_in(kind)
    if element is not None and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check(item, element, where, f"{path}[{index}]")
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        expected, _, _ = str(error).partition(" - at `")
        expected = expected.removeprefix("Expected ").partition(", got ")[0].replace("`", "")
        if expected.startswith("Invalid enum value"):
            expected = "one of " + ", ".join(_choices(kind))
        step = did_you_mean(value, _choices(kind)) if isinstance(value, str) and _choices(kind) else "correct the value"
        yield Problem(f"{where}: {path}", expected, _shown(value), step)


def _check_tagged(table: Mapping[str, Any], structs: list[type], where: str, path: str) -> typing.Iterator[Problem]:
    """Check a table against the struct that its tag names, or the only one there is."""
    key = _tag_field(structs[0])
    if key is None:
        yield from _check_table(table, structs[0], where, path)
        return
    tags = {struct.__struct_config__.tag: struct for struct in structs}  # type: ignore[attr-defined]
    word = table.get(key)
    if isinstance(word, str) and word in tags:
        yield from _check_table(table, tags[word], where, path)
        return
    expected = "one of " + ", ".join(tags)
    if key not in table:
        yield Problem(f"{where}: {_join(path, key)}", expected, "nothing", "add the key")
    else:
        step = did_you_mean(word, tags) if isinstance(word, str) else "correct the value"
        yield Problem(f"{where}: {_join(path, key)}", expected, _shown(word), step)


def _check_table(table: Mapping[str, Any], struct: type, where: str, path: str) -> typing.Iterator[Problem]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    tag = _tag_field(struct)
    known = {*fields, tag} if tag else set(fields)
    for key in table:
        if key not in known:
            yield Problem(f"{where}: {_join(path, key)}", "a known key", "an unknown one", did_you_mean(key, known))
    for name, field in fields.items():
        if name in table:
            yield from _check(table[name], field.type, where, _join(path, name))
        elif field.required:
            yield Problem(f"{where}: {_join(path, name)}", _describe(field.type), "nothing", "add the key")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a number too long to show"
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _members(kind: Any) -> tuple[Any, ...]:
    """The alternatives of a union, or the type alone."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return (kind,)


def _structs_in(kind: Any) -> list[type]:
    """The structs among the alternatives; msgspec sees to it that several of them have tags."""
    return [member for member in _members(kind) if isinstance(member, type) and issubclass(member, msgspec.Struct)]


def _tag_field(struct: type) -> str | None:
    tag_field: str | None = struct.__struct_config__.tag_field  # type: ignore[attr-defined]  # every struct has it
    return tag_field


def _struct_list_in(kind: Any) -> Any:
    """What a list among the alternatives holds, if that is structs."""
    for member in _members(kind):
        if typing.get_origin(member) in (list, tuple):
            element = typing.get_args(member)[0]
            return element if _structs_in(element) else None
    return None


def _choices(kind: Any) -> list[str]:
    """The words that a Literal (or a list of Literals) admits."""
    words: list[str] = []
    for member in _members(kind):
        if typing.get_origin(member) is typing.Literal:
            words += [word for word in typing.get_args(member) if isinstance(word, str)]
        elif typing.get_origin(member) in (list, tuple):
            words += _choices(typing.get_args(member)[0])
    return words


def _describe(kind: Any) -> str:
    if words := _choices(kind):
        return "one of " + ", ".join(words)
    if _structs_in(kind):
        return "a table"
    origin = typing.get_origin(kind) or kind
    if origin is typing.Annotated:
        return _describe(typing.get_args(kind)[0])
    return {str: "text", int: "an integer", float: "a number", bool: "true or false", list: "a list"}.get(
        origin, getattr(origin, "__name__", str(origin))
    )
