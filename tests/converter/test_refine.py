"""Where int8 loses too much: channels equalized, other ranges, and precision given back to few layers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from converter import layers as debugger
from converter.passes import equalize, modern, noise
from converter.passes.quantize_tflite import TfliteQuantizer, layers
from converter.recipes import BY_NAME, Scope
from converter.report import Report
from tests.converter.conftest import ROOT, Godwit, report, tiny_project
from tests.converter.make_separable import items

Project = Callable[[str, float], Path]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fair.tflite, uneven.tflite and wild.tflite."""
    folder = tmp_path_factory.mktemp("separable")
    command = [sys.executable, "-m", "tests.converter.make_separable", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return folder


@pytest.fixture
def project(models: Path, tmp_path: Path) -> Project:
    """`project(model, points that may be lost)`, labelled with what the model itself answers in float."""

    def make(name: str, most_points: float) -> Path:
        source = models / f"{name}.tflite"
        tensor = {"kind": "tensor", "colour": None, "scale": 1.0}
        path = tiny_project(tmp_path, source, input=tensor, goal={"max_drop_points": most_points})
        x = items(600, seed=1)
        np.savez(tmp_path / "calibration.npz", x=items(200, seed=2))
        np.savez(tmp_path / "evaluation.npz", x=x, y=noise.answers(source.read_bytes(), x).argmax(axis=1))
        return path

    return make


def converted(godwit: Godwit, project: Path) -> Report:
    code, out, err = godwit("convert", project, "--recipe", "tflite-int8", "--json")
    assert code == 0, err
    return report(out)


def test_int8_that_holds_is_left_as_it_is(project: Project, godwit: Godwit) -> None:
    result = converted(godwit, project("fair", 3.0))
    assert [each.key for each in result.candidates] == ["tflite-float32", "tflite-int8"]
    # The old operator codes and the missing signature make other quantizers leave it in float.
    assert result.candidate("tflite-int8").size_bytes < result.candidate("tflite-float32").size_bytes / 2
    assert result.sensitivity == []


def test_channels_of_uneven_range_are_equalized(project: Project, godwit: Godwit) -> None:
    result = converted(godwit, project("uneven", 5.0))
    plain, found = result.candidate("tflite-int8"), result.candidate("tflite-int8-equalized")
    assert plain.chosen_on is not None
    assert plain.chosen_on.drop_points > 10
    assert result.profiles[0].chosen == "tflite-int8-equalized"
    assert found.size_bytes <= plain.size_bytes + 64
    assert result.sensitivity == []


def test_of_several_models_each_is_refined_by_itself(project: Project, models: Path, godwit: Godwit) -> None:
    path = project("fair", 5.0)
    more = f'\n[[model.candidate]]\nname = "uneven"\nsource = "{models / "uneven.tflite"}"\n'
    path.write_text(path.read_text() + more)
    keys = [each.key for each in converted(godwit, path).candidates]
    assert keys == ["tflite-float32", "tflite-int8", "uneven/tflite-int8", "uneven/tflite-int8-equalized"]


def test_precision_is_given_back_to_the_fewest_layers_that_suffice(project: Project, godwit: Godwit) -> None:
    result = converted(godwit, project("uneven", 2.0))
    chosen = result.profiles[0].chosen or ""
    assert chosen.startswith("tflite-mixed-")
    (found,) = result.sensitivity
    assert found.layers == sorted(found.layers, key=lambda layer: layer.snr_db)
    kept = int(chosen.rpartition("-")[2])
    drops = {step.kept_float: step.drop_points for step in found.curve}
    enough = {count for count, drop in drops.items() if drop is not None and drop <= 2.0}
    assert kept == min(enough)
    assert all(drop is None or drop > 2.0 for count, drop in drops.items() if count < kept)
    assert result.candidate(chosen).size_bytes < result.candidate("tflite-float32").size_bytes * 3 / 4

    made_by = debugger.read(Path(result.profiles[0].bundle))
    assert [scope.layers for scope in made_by.recipe.scopes] == [layer.pattern for layer in found.layers[:kept]]
    worst = {layer.name for layer in found.layers[:kept]}
    assert worst < {layer.name for layer in made_by.layers}
    page = Path(result.profiles[0].bundle).with_name("report.html").read_text()
    assert "Precision given back" in page


def test_the_curve_is_printed(project: Project, godwit: Godwit) -> None:
    code, out, _ = godwit("convert", project("uneven", 2.0), "--recipe", "tflite-int8")
    assert code == 0
    told = out.partition("lost too much; with the operators that suffer most back in float32:\n")[2]
    assert re.match(r" +1 of 7 +\d+\.\d\d points lost +[\d.]+ kB\n", told)


def test_int8_that_a_delegate_refuses_is_one_failure_and_the_search_goes_on(project: Project, godwit: Godwit) -> None:
    result = converted(godwit, project("wild", 4.0))
    assert result.candidate("tflite-int8").outcome == "failed"
    assert "XNNPACK" in result.candidate("tflite-int8").reason
    assert result.profiles[0].chosen in {each.key for each in result.candidates[2:]}


def test_the_debugger_shows_every_layer(project: Project, godwit: Godwit, tmp_path: Path) -> None:
    bundle = converted(godwit, project("fair", 3.0)).profiles[0].bundle
    code, out, _ = godwit("inspect", bundle, "--layers")
    assert code == 0
    assert "tflite-int8" in out
    assert out.count(" dB  ") == 7  # 5 convolutions, the mean and the dense layer
    code, out, _ = godwit("inspect", bundle, "--layers", "--json")
    told = json.loads(out)
    assert told["recipe"]["calibration"] == "minmax"
    assert all(10 < layer["snr_db"] < 80 for layer in told["layers"])


@pytest.mark.parametrize("name", ["fair", "uneven", "wild"])
def test_equalizing_changes_nothing_in_float(models: Path, name: str) -> None:
    content = modern.modernised((models / f"{name}.tflite").read_bytes())
    equal = equalize.equalized(content, items(100, seed=2))
    x = items(50, seed=3)
    before, after = noise.answers(content, x), noise.answers(equal, x)
    # float32 sums of 32 to 96 products, in another scale.
    assert np.abs(after - before).max() < 1e-5 * np.abs(before).max()
    assert (equal == content) is False


def test_quantizing_one_layer_alone_keeps_inputs_and_outputs_float(models: Path) -> None:
    """The name of the last layer is that of the model's output."""
    work = TfliteQuantizer(modern.modernised((models / "fair.tflite").read_bytes()))
    last = layers(work.content)[-1]
    scopes = (Scope(".*", "tflite-float32"), Scope(noise.exactly(last), "tflite-int8"))
    recipe = msgspec.structs.replace(BY_NAME["tflite-int8"], scopes=scopes)
    x: Any = items(50, seed=3)
    found, expected = noise.answers(work.quantized(recipe, "", x), x), noise.answers(work.content, x)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
