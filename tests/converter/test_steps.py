"""Names of recipes that train."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import durations
from converter.training.steps import USUAL, Steps, is_trained, parse
from firmware_profiles.errors import InputError
from firmware_profiles.words import RecipeName


def test_a_name_says_what_is_done() -> None:
    found = parse("channels50+distil+qat-int8", "here")
    assert found == Steps("int8", channels=50, distil=True, qat=True)
    assert found.phases == ["float", "qat"]


def test_channels_may_go_where_no_addition_joins_them() -> None:
    assert parse("channelsinside35+qat-int8", "here") == Steps("int8", channels=35, inside=True, qat=True)
    with pytest.raises(InputError, match="each step once"):
        parse("channelsinside35+channels50-int8", "here")


def test_the_order_of_a_name_does_not_matter() -> None:
    assert parse("qat+prune70+distil-int8", "here") == parse("prune70+distil+qat-int8", "here")


@pytest.mark.parametrize(
    ("name", "phases"),
    [
        ("qat-int8", ["qat"]),
        ("distil+qat-int8", ["qat"]),
        ("finetune-float16", ["float"]),
        ("cluster16+qat-int8", ["cluster", "qat"]),
        ("prune2of4+cluster16-float16", ["float", "cluster"]),
        ("mobilenet25+distil-float32", ["float"]),
    ],
)
def test_what_is_trained(name: str, phases: list[str]) -> None:
    assert parse(name, "here").phases == phases


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_ones_are_names_of_recipes(name: str) -> None:
    assert is_trained(name)
    assert msgspec.convert(name, RecipeName) == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("chanels50+qat-int8", "channels50"),
        ("prune70+prune80-int8", "each step once"),
        ("channels100-float32", "below 100 %"),
        ("qat-float16", "-int8 after qat"),
        ("distil+qat", "-float32, -float16 or -int8"),
        ("tflite-int8+qat", "steps joined by"),
    ],
)
def test_what_is_wrong_is_told(name: str, told: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(name, "here")
    assert told in str(raised.value)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789+-", max_size=40))
def test_no_name_is_anything_but_steps_or_an_input_error(name: str) -> None:
    with contextlib.suppress(InputError):
        assert isinstance(parse(name, "here"), Steps)


def test_names_of_plain_recipes_are_not_taken() -> None:
    assert not is_trained("tflite-int8")
    assert not is_trained("onnx-float32")


def test_budgets() -> None:
    assert [durations.seconds(text, "--budget") for text in ("90s", "20m", "2h", "0")] == [90, 1200, 7200, 0]
    with pytest.raises(InputError, match="as in 90s"):
        durations.seconds("soon", "--budget")
