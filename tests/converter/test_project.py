"""The project file: every problem at once, and flags that override it."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter import project
from firmware_profiles.errors import InputError
from tests.converter.conftest import tiny_project


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        project.load(path)
    return str(caught.value).splitlines()


def test_a_whole_project_loads_from_its_file_or_folder(tmp_path: Path) -> None:
    path = tiny_project(tmp_path)
    for given in (path, tmp_path):
        loaded = project.load(given)
        assert loaded.file.model.name == "tiny"
        assert loaded.evaluation.is_file()
        assert [profile.name for profile in loaded.profiles] == ["linux-x86_64"]


def test_flags_override_the_file(tmp_path: Path) -> None:
    loaded = project.load(tiny_project(tmp_path), ["raspberry-pi-5", "raspberry-pi-5"], 0.25)
    assert [profile.name for profile in loaded.profiles] == ["raspberry-pi-5"]
    assert loaded.file.goal.max_drop_points == 0.25


def test_all_problems_are_told_at_once_with_near_matches(tmp_path: Path) -> None:
    path = tiny_project(
        tmp_path,
        model={"sorce": "x", "task": "clasification", "name": None, "source": "absent.onnx"},
        input={"kind": "image", "colour": "red"},
        data={"evaluation": "absent.npz"},
        goal={"max_drop_points": -1},
        golden={"count": 4},
        targets={"profiles": ["raspberry-pi-6", "linux-x86_64"]},
        surprise={"key": 1},
    )
    told = problems(path)
    for part in (
        "model.sorce: expected a known key, found an unknown one; did you mean 'source'?",
        "anomaly, embedding, raw, found 'clasification'; did you mean 'classification'?",
        "model.name: expected text, found nothing",
        "input.colour: expected one of rgb, bgr, gray",
        "model.source: expected a path relative to the project file, found 'absent.onnx', which does not exist",
        "data.evaluation: expected a path",
        "goal.max_drop_points",
        "golden.count",
        "'raspberry-pi-6'; did you mean 'raspberry-pi-5'?",
        "surprise: expected a known key",
    ):
        assert sum(part in line for line in told) == 1, (part, told)
    assert len(told) == 10


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    assert "godwit.toml: expected a readable project file, found no such file" in problems(tmp_path)[0]
    (tmp_path / "godwit.toml").write_text("[model\n")
    assert "expected TOML" in problems(tmp_path)[0]


def test_a_profile_of_the_users_own_is_found_beside_the_project(tmp_path: Path) -> None:
    from firmware_profiles.profile import DATA

    text = (DATA / "linux-x86_64.toml").read_text().replace('name = "linux-x86_64"', 'name = "my-box"')
    (tmp_path / "my.toml").write_text(text)
    loaded = project.load(tiny_project(tmp_path, targets={"profiles": ["my.toml"]}))
    assert [profile.name for profile in loaded.profiles] == ["my-box"]


def test_declarations_that_contradict_themselves_are_told_before_anything_is_loaded(tmp_path: Path) -> None:
    path = tiny_project(
        tmp_path,
        model={"task": "detection"},
        input={"kind": "audio", "crop": [0.5, 0.0, 0.6, 1.0], "statistics": ["mean"], "standardise": True},
        output={"detection": {"decoder": "yolo"}},
    )
    told = problems(path)
    for part in (
        'input.audio: expected a table [input.audio] where kind is "audio", and only there, found kind = "audio" with',
        "input.crop: expected left, top, width, height inside the image, as shares of it, found [0.5, 0.0, 0.6, 1.0]",
        'input.kind: expected "image", for crop and fit, found "audio"',
        'input.statistics: expected kind = "tensor", found "audio"',
        "input.statistics: expected statistics or standardise, found both",
        "output.detection: expected labels in [model], for the decoder yolo, found none",
    ):
        assert sum(part in line for line in told) == 1, (part, told)


def test_sound_that_cannot_be_declared(tmp_path: Path) -> None:
    audio = {"features": "mfcc", "sample_rate": 8000, "high_hz": 5000, "coefficients": 50, "window_ms": 0.1}
    told = problems(tiny_project(tmp_path, input={"kind": "audio", "audio": audio}))
    for part in ("at most half of sample_rate (4000)", "at most bands (40), found 50", "at least two samples"):
        assert sum(part in line for line in told) == 1, (part, told)
