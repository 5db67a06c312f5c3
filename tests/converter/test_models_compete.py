"""Several sources in one project: `[[model.candidate]]`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from converter.report import Report
from firmware_profiles.bundle import Bundle
from tests.converter.conftest import MODELS, Godwit, images, report, tiny_project
from tests.converter.make_brightness import classes, net


def project_of(folder: Path, **others: Path) -> Path:
    """A heavy net, and others that compete with it, on labelled images that it gets right."""
    folder.mkdir(parents=True, exist_ok=True)
    path = tiny_project(folder, net(folder / "heavy.onnx", hidden=1024))
    items = images(300, seed=2)
    np.savez(folder / "evaluation.npz", x=items, y=classes(items))
    tables = [f'[[model.candidate]]\nname = "{name}"\nsource = "{source}"\n' for name, source in others.items()]
    path.write_text("\n".join([path.read_text(), *tables]))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a net that does the same by a thousandth of the work, and one that errs."""
    folder = tmp_path_factory.mktemp("models")
    project_of(folder, small=net(folder / "small.onnx"), rough=net(folder / "rough.onnx", shift=25))
    return folder


@pytest.fixture
def found(folder: Path, godwit: Godwit) -> Report:
    """What the conversion told; after the first time it is remembered."""
    code, out, err = godwit("convert", folder, "--json")
    assert code == 0, err
    return report(out)


def test_every_recipe_of_every_model_is_a_candidate_under_a_name_of_its_own(found: Report) -> None:
    recipes = {each.recipe for each in found.candidates}
    wanted = [f"{name}{recipe}" for name in ("", "small/", "rough/") for recipe in recipes]
    assert sorted(each.key for each in found.candidates) == sorted(wanted)
    assert {each.model for each in found.candidates} == {"", "small", "rough"}
    assert found.reference == "onnx-float32"
    assert set(found.others) == {"small", "rough"}
    (profile,) = found.profiles
    assert sorted(verdict.key for verdict in profile.verdicts) == sorted(wanted)


def test_the_small_model_wins_by_latency_within_the_goal(found: Report, folder: Path, godwit: Godwit) -> None:
    (profile,) = found.profiles
    assert profile.chosen
    assert profile.chosen.startswith("small/")
    winner, heavy = found.candidate(profile.chosen), found.candidate("onnx-float32")
    assert winner.confirmed_on
    assert winner.costs[0].ratio < heavy.costs[0].ratio  # 108 multiplications against a million
    assert profile.chosen in found.front
    with Bundle(Path(profile.bundle)) as bundle:
        (model,) = bundle.manifest.models
        assert (model.recipe, model.multiply_adds) == (winner.recipe, winner.multiply_adds)
        assert f"- Source: small ({folder / 'small.onnx'})" in bundle.read("readme.md").decode()
    assert godwit("verify", profile.bundle)[0] == 0


def test_one_that_loses_too_much_against_the_projects_own_model_is_refused(found: Report) -> None:
    reasons = {verdict.key: verdict.reason for verdict in found.profiles[0].verdicts}
    rough = found.candidate("rough/onnx-float32")
    assert rough.chosen_on
    assert rough.chosen_on.reference_score == 1.0  # the judge is the heavy net's own float, on the labels
    assert reasons["rough/onnx-float32"] == f"loses {rough.chosen_on.drop_points:.2f} points, at most 5 may be lost"
    assert not rough.costs


def test_the_report_page_and_the_table_name_the_models(found: Report, folder: Path, godwit: Godwit) -> None:
    _, out, _ = godwit("convert", folder)
    assert "✗ rough/onnx-int8 " in out
    page = (folder / "build" / "godwit" / "report.html").read_text()
    assert f"<code>{found.profiles[0].chosen}</code>" in page
    assert f"which competed with small <code>{folder / 'small.onnx'}</code>, rough <code>" in page


def test_a_dry_run_lists_the_models(folder: Path, godwit: Godwit) -> None:
    _, out, _ = godwit("convert", folder, "--dry-run")
    assert [line for line in out.splitlines() if line.startswith("source")] == [
        f"source     {folder / 'heavy.onnx'} (onnx)",
        f"source     small: {folder / 'small.onnx'} (onnx)",
        f"source     rough: {folder / 'rough.onnx'} (onnx)",
    ]


def test_models_of_different_formats_compete(tmp_path: Path, godwit: Godwit) -> None:
    project = project_of(tmp_path, tiny=MODELS / "tiny-float32.tflite")
    code, out, err = godwit("convert", project, "--recipe", "onnx-float32", "--max-drop", "100", "--json")
    assert code == 0, err
    outcomes = {each.key: each.outcome for each in report(out).candidates}
    assert outcomes == {"onnx-float32": "measured", "tiny/onnx-float32": "measured"}


def test_what_fails_or_is_declined_for_one_model_concerns_no_other(tmp_path: Path, godwit: Godwit) -> None:
    odd = onnx.load(net(tmp_path / "odd.onnx"))
    odd.graph.node[-1].domain = "org.example"  # which no runtime knows
    odd.opset_import.append(onnx.helper.make_opsetid("org.example", 1))
    onnx.save(odd, tmp_path / "odd.onnx")
    project = project_of(tmp_path, odd=tmp_path / "odd.onnx", tiny=MODELS / "tiny-int8.tflite")
    code, out, err = godwit("convert", project, "--json")
    assert code == 0, err
    result = report(out)
    outcomes = {
        name: {each.outcome for each in result.candidates if each.model == name} for name in ("", "odd", "tiny")
    }
    assert outcomes == {"": {"measured"}, "odd": {"failed"}, "tiny": {"declined"}}
    assert result.profiles[0].chosen in ("onnx-float32", "onnx-int8")


def test_without_labels_models_cannot_be_compared(tmp_path: Path, godwit: Godwit) -> None:
    project = project_of(tmp_path, small=net(tmp_path / "small.onnx"))
    np.savez(tmp_path / "evaluation.npz", x=images(80, seed=2))
    code, _, err = godwit("convert", project)
    assert code == 2
    assert "error: " + str(tmp_path / "evaluation.npz") + ": expected labels, since several models compete" in err


def test_models_that_do_not_fit_are_refused_all_at_once(tmp_path: Path, godwit: Godwit) -> None:
    project = project_of(
        tmp_path,
        large=net(tmp_path / "large.onnx", size=8),
        finer=net(tmp_path / "finer.onnx", extra_classes=2),
    )
    code, _, err = godwit("convert", project)
    assert code == 2
    told = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(told) == 2
    assert f"{tmp_path / 'large.onnx'}: input image: expected 6×6×1, as heavy.onnx takes, found 8×8×1" in told[0]
    assert f"{tmp_path / 'finer.onnx'}: output scores: expected 3 values, as heavy.onnx gives, found 5" in told[1]
    assert not (tmp_path / "build").exists()


def test_models_that_cannot_be_loaded_are_told_all_at_once(tmp_path: Path, godwit: Godwit) -> None:
    damaged = [tmp_path / "one.onnx", tmp_path / "two.onnx"]
    for path in damaged:
        path.write_bytes(net(tmp_path / "whole.onnx").read_bytes()[:-20])
    code, _, err = godwit("convert", project_of(tmp_path, one=damaged[0], two=damaged[1]))
    assert code == 2
    told = [line for line in err.splitlines() if line.startswith("error:")]
    assert [str(path) in line for path, line in zip(damaged, told, strict=True)] == [True, True]


def test_names_are_told_apart_and_paths_exist(tmp_path: Path, godwit: Godwit) -> None:
    project = project_of(tmp_path, small=tmp_path / "absent.onnx")
    project.write_text(f'{project.read_text()}[[model.candidate]]\nname = "small"\nsource = "heavy.onnx"\n')
    code, _, err = godwit("convert", project)
    assert code == 2
    assert f"{project}: model.candidate small: expected a name of its own, found one that is taken" in err
    assert f"{project}: model.candidate small.source: expected a path relative to the project file" in err
