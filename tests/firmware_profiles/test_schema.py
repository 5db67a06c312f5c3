"""Checking a TOML document: everything that is wrong, told at once, and never a traceback."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles import profile, schema
from firmware_profiles.errors import InputError
from firmware_profiles.profile import Profile
from firmware_profiles.words import Positive

PI_5 = profile.DATA / "raspberry-pi-5.toml"
LIMITED = pytest.mark.skipif(
    not hasattr(sys, "get_int_max_str_digits"), reason="this Python, before 3.10.7, reads and writes any number"
)

KEYS = ["kind", "side"] + [
    field
    for struct in (Profile, profile.Hardware, profile.Limits, profile.RuntimeRow)
    for field in struct.__struct_fields__
]
SCALARS = (
    st.sampled_from(["circle", "square"])
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.datetimes()
    | st.dates()
    | st.times()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=6),
    max_leaves=20,
)


def problems_of(document: dict[str, Any]) -> list[str]:
    """What the schema says is wrong with a profile, a line each."""
    with pytest.raises(InputError) as caught:
        schema.convert(document, Profile, "p.toml")
    return str(caught.value).splitlines()


@pytest.fixture
def document() -> dict[str, Any]:
    """A right profile, to be damaged."""
    return schema.read_toml(PI_5, "profile")


def test_a_right_document_becomes_the_struct(document: dict[str, Any]) -> None:
    assert schema.convert(document, Profile, "p.toml").hardware.cpu == "Cortex-A76"


def test_all_problems_are_told_at_once(document: dict[str, Any]) -> None:
    document["hardwear"] = document.pop("hardware")
    document["os"]["agent"] = "servise"
    document["limits"]["p95_ms"] = -1
    document["runtimes"][1]["delegate"] = "xnpack"
    document["recipes"] = "tflite-int8"
    del document["title"]
    lines = problems_of(document)
    places = sorted(line.split(": ")[1] for line in lines)
    assert places == ["hardware", "hardwear", "limits.p95_ms", "os.agent", "recipes", "runtimes[1].delegate", "title"]


def test_near_matches_are_named(document: dict[str, Any]) -> None:
    document["hardwear"] = document.pop("hardware")
    document["os"]["agent"] = "servise"
    text = "\n".join(problems_of(document))
    assert "did you mean 'hardware'?" in text
    assert "did you mean 'service'?" in text


def test_a_problem_says_where_what_was_expected_and_what_was_found(document: dict[str, Any]) -> None:
    document["hardware"]["cores"] = "four"
    assert problems_of(document) == ["p.toml: hardware.cores: expected int, found 'four'; correct the value"]


@LIMITED
def test_a_number_longer_than_python_shows_is_one_line(document: dict[str, Any]) -> None:
    document["name"] = 16**5000
    (line,) = problems_of(document)
    assert "found a number too long to show" in line


@given(VALUES.filter(lambda value: isinstance(value, dict)))
def test_no_document_raises_anything_but_input_error(document: dict[str, Any]) -> None:
    for line in problems_of(document):
        assert line.startswith("p.toml:")


@given(st.data(), VALUES)
def test_no_value_in_a_right_document_raises_anything_but_input_error(data: st.DataObject, value: Any) -> None:
    document = schema.read_toml(PI_5, "profile")
    table = document
    key: Any = data.draw(st.sampled_from(sorted(document)))
    while table[key] and isinstance(table[key], dict | list) and data.draw(st.booleans()):
        table = table[key]
        key = data.draw(st.sampled_from(range(len(table)) if isinstance(table, list) else sorted(table)))
    table[key] = value
    with contextlib.suppress(InputError):
        schema.convert(document, Profile, "p.toml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name = ", "expected TOML"),
        (b'name = "\xff"', "expected UTF-8 text, found byte 8"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "expected TOML"),
        pytest.param(b"a = " + b"9" * 5000, "expected TOML", marks=LIMITED),
        (b"#" * (schema.MAX_TOML_BYTES + 1), "expected a profile of at most 1 MiB"),
    ],
    ids=["half a line", "not UTF-8", "nested too deep", "a number too long", "too large"],
)
def test_a_file_that_is_no_toml_is_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        schema.read_toml(path, "profile")
    (line,) = str(caught.value).splitlines()
    assert expected in line


@pytest.mark.parametrize("path", ["missing.toml", ".", "a\0b.toml"])
def test_a_path_that_cannot_be_read_is_one_line(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError) as caught:
        schema.read_toml(tmp_path / path, "profile")
    assert len(str(caught.value).splitlines()) == 1


class Circle(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="circle"):
    radius: Positive


class Square(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="square"):
    side: Positive


class Drawing(msgspec.Struct, forbid_unknown_fields=True):
    main: Circle | Square
    shapes: list[Circle | Square] = []
    frame: Square | None = None


def test_a_tag_says_which_struct_a_table_is() -> None:
    document = {"main": {"kind": "square", "side": 1}, "shapes": [{"kind": "circle", "radius": 2}]}
    drawing = schema.convert(document, Drawing, "d.toml")
    assert drawing == Drawing(Square(1), [Circle(2)])


def test_all_problems_of_tagged_tables_are_told_at_once() -> None:
    shapes = [{"kind": "circle", "side": -1}, {"kind": "sqare", "side": 1}, {"side": 1}, {"kind": ["square"]}, "round"]
    document = {"main": {"kind": "square", "side": 0}, "shapes": shapes, "frame": {"kind": "circle", "side": 1}}
    with pytest.raises(InputError) as caught:
        schema.convert(document, Drawing, "d.toml")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "main.side",
        "shapes[0].side",
        "shapes[0].radius",
        "shapes[1].kind",
        "shapes[2].kind",
        "shapes[3].kind",
        "shapes[4]",
        "frame.kind",
    ]
    assert "expected one of circle, square, found 'sqare'; did you mean 'square'?" in lines[3]


@given(VALUES | st.fixed_dictionaries({"main": VALUES, "shapes": st.lists(VALUES, max_size=3), "frame": VALUES}))
def test_no_tagged_document_raises_anything_but_input_error(document: Any) -> None:
    if isinstance(document, dict):
        with contextlib.suppress(InputError):
            schema.convert(document, Drawing, "d.toml")
