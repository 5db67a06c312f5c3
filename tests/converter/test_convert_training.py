"""Recipes that train, through the front door: named, planned, trained, measured and told like every other."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from converter.report import Report
from tests.converter.conftest import ROOT, Godwit

_PROJECT = """
[model]
name = "digits"
version = "1.0"
source = "model.keras"
task = "classification"
[input]
kind = "tensor"
[data]
calibration = "calibration.npz"
evaluation = "evaluation.npz"
training = "training.npz"
[training]
epochs = 4
seed = 5
[goal]
max_drop_points = 5
[targets]
profiles = ["linux-x86_64"]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("make_digits", tmp_path_factory.mktemp("digits"))


def made(script: str, folder: Path) -> Path:
    """What a script beside this file writes, and a project file for it."""
    subprocess.run(
        [sys.executable, "-m", f"tests.converter.{script}", folder], cwd=ROOT, check=True, capture_output=True
    )
    (folder / "godwit.toml").write_text(_PROJECT, encoding="utf-8")
    return folder


def changed(project: Path, name: str, old: str, new: str) -> Path:
    path = project / name
    path.write_text(_PROJECT.replace(old, new), encoding="utf-8")
    return path


def test_a_trained_recipe_is_a_candidate_with_its_seed_and_curve(godwit: Godwit, project: Path) -> None:
    code, out, err = godwit("convert", project, "--recipe", "qat-int8", "--json")
    assert code == 0, err
    report = msgspec.json.decode(out, type=Report)
    found = report.candidate("qat-int8")
    assert found.outcome == "measured", found.reason
    assert found.trained is not None
    assert found.trained.seed == 5
    assert found.precision == "int8"
    assert found.made_by.calibration == "learned"
    assert [phase.name for phase in found.trained.phases] == ["qat"]
    assert all(point.held_out_loss > 0 for point in found.trained.phases[0].curve)
    assert {verdict.key for verdict in report.profiles[0].verdicts} >= {"qat-int8"}
    assert "epoch 1 of" in err
    page = (project / "build" / "godwit" / "report.html").read_text(encoding="utf-8")
    assert "What training did" in page


def test_ctrl_c_stops_a_training_and_the_next_run_goes_on_at_its_epoch(project: Path) -> None:
    path = changed(project, "long.toml", "epochs = 4", "epochs = 20")  # 4 of them for qat
    command = [sys.executable, "-m", "godwit", "convert", str(path), "--recipe", "qat-int8", "--json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        assert any("epoch 1 of 4" in line for line in running.stderr)
        running.send_signal(signal.SIGINT)
        assert running.wait() == 130
    second = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "epoch 1 of 4" not in second.stderr
    assert "epoch 4 of 4" in second.stderr
    trained = msgspec.json.decode(second.stdout, type=Report).candidate("qat-int8").trained
    assert trained is not None
    assert [point.epoch for point in trained.phases[0].curve] == [0, 1, 2, 3]


def test_zeros_of_1x1_are_stored_as_such_where_all_profiles_have_kernels_for_them(
    godwit: Godwit, tmp_path: Path
) -> None:
    path = changed(made("make_pointwise", tmp_path), "pi.toml", '"linux-x86_64"', '"raspberry-pi-5"')
    path.write_text(path.read_text().replace("max_drop_points = 5", "max_drop_points = 100").replace("= 4", "= 1"))
    code, out, err = godwit("convert", path, "--recipe", "prune80+finetune-float32", "--json")
    assert code == 0, err
    found = msgspec.json.decode(out, type=Report).candidate("prune80+finetune-float32")
    assert any("2 layers of 1 × 1 stored sparse" in said for said in found.said), found.said


def test_the_plan_names_what_is_trained(godwit: Godwit, project: Path) -> None:
    code, out, _ = godwit("convert", project, "--budget", "20m", "--dry-run")
    assert code == 0
    assert "training   distil+qat-int8, channelsinside35+distil+qat-int8" in out
    assert "in at most 20 minutes together" in out


def test_without_training_data_what_could_be_gained_is_told(godwit: Godwit, project: Path) -> None:
    path = changed(project, "without.toml", 'training = "training.npz"\n', "")
    code, out, _ = godwit("convert", path, "--dry-run")
    assert code == 0
    assert "training   none: int8 without loss, half the channels" in out
    code, _, err = godwit("convert", path, "--recipe", "qat-int8", "--dry-run")
    assert code != 0
    assert "expected training data, found none" in err


def test_evaluation_items_are_never_trained_on(godwit: Godwit, project: Path) -> None:
    path = changed(project, "same.toml", 'training = "training.npz"', 'training = "evaluation.npz"')
    code, _, err = godwit("convert", path, "--recipe", "qat-int8")
    assert code != 0
    assert "items that evaluation does not use" in err


def test_unknown_steps_are_told_with_the_near_one(godwit: Godwit, project: Path) -> None:
    path = changed(project, "odd.toml", "seed = 5", 'recipes = ["prun70-int8", "channels100-int8"]')
    code, _, err = godwit("convert", path, "--dry-run")
    assert code != 0
    assert "prune70" in err
    assert "channels100" in err
