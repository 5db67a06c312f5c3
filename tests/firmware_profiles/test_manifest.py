"""The manifest: the same bytes for the same manifest, and nothing but a manifest of format 1 is read."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles import manifest
from firmware_profiles.manifest import InputSpec, Manifest, Model

FINITE = st.floats(-1e9, 1e9)
POSITIVE = st.floats(1e-9, 1e9)
INPUT_SPECS = st.builds(
    InputSpec,
    kind=st.sampled_from(["image", "tensor"]),
    height=st.integers(0, 8192),
    scale=FINITE,
    mean=st.lists(FINITE, max_size=3),
    std=st.lists(POSITIVE, max_size=3),
)


def changed(original: Manifest, key: str, value: Any) -> bytes:
    """The manifest's JSON with one top-level key set."""
    return json.dumps(json.loads(manifest.encode(original)) | {key: value}).encode()


def test_a_manifest_survives_its_file(pets: Manifest) -> None:
    assert manifest.decode(manifest.encode(pets)) == pets


@given(INPUT_SPECS, st.lists(st.text(), max_size=4), POSITIVE)
def test_any_numbers_and_labels_survive(spec: InputSpec, labels: list[str], p95_ms: float) -> None:
    model = Model(
        "m",
        "classification",
        "m.onnx",
        "onnx",
        "float32",
        "onnx-float32",
        [],
        [],
        spec,
        manifest.OutputSpec(),
        [],
        "",
        labels,
    )
    whole = Manifest(
        name="m",
        version="1",
        godwit="0.1.0",
        profiles=["p"],
        arch="x86_64",
        models=[model],
        limits=manifest.Limits(p95_ms, 1.0),
    )
    raw = manifest.encode(whole)
    assert manifest.decode(raw) == whole
    assert manifest.encode(manifest.decode(raw)) == raw


def test_keys_are_sorted_and_a_person_can_read_them(pets: Manifest) -> None:
    raw = manifest.encode(pets).decode()
    assert raw == json.dumps(json.loads(raw), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_an_unknown_key_is_left_for_later_versions(pets: Manifest) -> None:
    assert manifest.decode(changed(pets, "colour_of_the_box", "red")) == pets


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("name", "../etc"),
        ("name", "pets\n"),
        ("version", "1.0\n"),
        ("version", "one"),
        ("profiles", []),
        ("models", []),
        ("threads", 0),
        ("arch", "mips"),
        ("files", {"a": {"sha256": "f" * 64 + "\n", "size_bytes": 1}}),
    ],
)
def test_another_value_is_refused(pets: Manifest, key: str, value: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        manifest.decode(changed(pets, key, value))


DEEP = b'{"later": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"name": "\xff"}', DEEP], ids=["empty", "half", "list", "no UTF-8", "deep"]
)
def test_bytes_that_are_no_manifest_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # msgspec's errors are ValueErrors of many texts
        manifest.decode(raw)


@pytest.mark.parametrize("scale", [float("inf"), float("nan")])
def test_a_number_that_json_has_no_word_for_is_refused(scale: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "tensor", "scale": scale}, InputSpec)
