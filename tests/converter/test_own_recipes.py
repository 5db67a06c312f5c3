"""`[[recipe]]` in a project: tried like any other, kept in the bundle; all that is wrong is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter import layers
from tests.converter.conftest import MODELS, Godwit, report, tiny_project

TFLITE = MODELS / "tiny-float32.tflite"


def with_recipes(folder: Path, text: str) -> Path:
    project = tiny_project(folder, TFLITE, goal={"max_drop_points": 100})
    project.write_text(project.read_text() + text)
    return project


def test_a_recipe_of_the_users_own_keeps_what_its_scope_names(tmp_path: Path, godwit: Godwit) -> None:
    text = """
[[recipe]]
name = "tflite-mine"
base = "tflite-int8"
calibration = "mse"
scope = [{ layers = "conv|Conv|Relu", recipe = "tflite-float32" }]
"""
    project = with_recipes(tmp_path, text)
    code, out, err = godwit("convert", project, "--recipe", "tflite-mine", "--json")
    assert code == 0, err
    result = report(out)
    assert result.profiles[0].chosen == "tflite-mine"
    made_by = layers.read(Path(result.profiles[0].bundle))
    assert (made_by.recipe.name, made_by.recipe.calibration) == ("tflite-mine", "mse")
    noise = {layer.operator: layer.snr_db for layer in made_by.layers}
    # A layer in float32 computes the same from the same input; the next rounds.
    assert noise["CONV_2D"] > 100
    assert noise["FULLY_CONNECTED"] < 80


@pytest.mark.parametrize("recipe", ["tflite-int4-weights", "tflite-int16x8", "onnx-int4-weights", "onnx-a16w8"])
def test_precisions_that_no_profile_lists_can_be_asked_for(tmp_path: Path, godwit: Godwit, recipe: str) -> None:
    project = tiny_project(tmp_path, TFLITE, goal={"max_drop_points": 100})
    code, out, err = godwit("convert", project, "--recipe", recipe, "--json")
    assert code == 0, err
    assert report(out).profiles[0].chosen == recipe


def test_everything_wrong_is_told_at_once(tmp_path: Path, godwit: Godwit) -> None:
    text = """
[[recipe]]
name = "tflite-int8"
base = "tflite-int8"
[[recipe]]
name = "tflite-a"
base = "tflite-imt8"
[[recipe]]
name = "onnx-b"
base = "tflite-float16"
calibration = "mse"
scope = [{ layers = "(", recipe = "onnx-float32" }]
"""
    code, out, err = godwit("convert", with_recipes(tmp_path, text))
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 6
    for told in (
        "recipe tflite-int8: expected a name of its own",
        "did you mean 'tflite-int8'?",
        "a name that begins with tflite-",
        "a base with static activations",
        "a regular expression",
        "a known tflite recipe",
    ):
        assert sum(told in line for line in lines) == 1, (told, err)


def test_every_recipe_is_listed(godwit: Godwit) -> None:
    code, out, _ = godwit("recipes")
    assert code == 0
    assert "tflite-int8-equalized" in out
    assert '"activations": "uint16"' in godwit("recipes", "--json")[1]
