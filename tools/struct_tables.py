"""Message types as tables of a document: their docstrings say what each field means."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Collection
from datetime import datetime

import msgspec


def table(kind: type[msgspec.Struct], told_elsewhere: Collection[type] = ()) -> list[str]:
    """A struct's sentences and the table of its own fields; those of `told_elsewhere` are not repeated."""
    prose, told = described(kind)
    inherited = {
        field.name for base in kind.__mro__[1:] if base in told_elsewhere for field in msgspec.structs.fields(base)
    }
    rows = [
        f"| `{field.encode_name}` | `{in_words(field.type)}` | {told.get(field.name, '')} |"
        for field in msgspec.structs.fields(kind)
        if field.name not in inherited
    ]
    if tag := kind.__struct_config__.tag:
        rows.insert(0, f'| `{kind.__struct_config__.tag_field}` | `"{tag}"` | tells what it is |')
    return [prose, "\n".join(["| field | type | means |", "|---|---|---|", *rows])]


def described(kind: type[msgspec.Struct]) -> tuple[str, dict[str, str]]:
    """What a struct's docstring says of it, and of its fields by their names."""
    prose, _, attributes = (inspect.getdoc(kind) or "").partition("\nAttributes:\n")
    return prose.strip(), _told(attributes)


def _told(attributes: str) -> dict[str, str]:
    """Field → its words, of the `Attributes:` of a docstring; several fields may share one entry."""
    told = {}
    for entry in re.split(r"\n(?=    \w)", "\n" + inspect.cleandoc(attributes).replace("\n", "\n    ")):
        names, _, words = entry.strip().partition(": ")
        told.update(dict.fromkeys(names.split(", "), " ".join(words.split()).replace("None", "null")))
    return told


def in_words(kind: typing.Any) -> str:
    """A type as a reader of JSON would say it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return in_words(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f'"{word}"' for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(in_words, arguments))
    if origin is list:
        return f"list of {in_words(arguments[0])}"
    if origin is dict:
        return f"object: {in_words(arguments[0])} to {in_words(arguments[1])}"
    plain = {str: "text", int: "integer", float: "number", bool: "true or false", datetime: "time", type(None): "null"}
    return plain.get(kind) or str(kind.__name__)
