"""Every profile that ships, every recipe on every profile, and a user's own file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles import profile
from firmware_profiles.errors import InputError
from firmware_profiles.profile import Profile

EXPECTED = [
    "android-phone",
    "jetson-nano",
    "jetson-orin-nano",
    "linux-arm64",
    "linux-x86_64",
    "raspberry-pi-3",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "raspberry-pi-zero-2w",
]
DELEGATES = {"litert": {"xnnpack", "gpu", "none"}, "onnx": {"cpu", "cuda", "tensorrt"}, "tflite": {"xnnpack", "none"}}
FORMATS = {"litert": "tflite", "tflite": "tflite", "onnx": "onnx", "null": "null"}


def each_recipe() -> list[tuple[str, str]]:
    """(profile, recipe) for every recipe of every profile that ships."""
    return [(name, recipe) for name in profile.names() for recipe in profile.load(name).recipes]


def user_file(folder: Path, old: str = "", new: str = "") -> Path:
    """The Raspberry Pi 5's profile as a user's own file, with one text replaced."""
    text = (profile.DATA / "raspberry-pi-5.toml").read_text(encoding="utf-8")
    assert old in text
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_promised_profiles_ship() -> None:
    assert profile.names() == EXPECTED


@pytest.mark.parametrize("name", EXPECTED)
def test_a_profile_makes_sense(name: str) -> None:
    device = profile.load(name)
    assert device.name == name
    assert {FORMATS[row.runtime] for row in device.runtimes} == set(device.formats)
    assert all(row.delegate in DELEGATES[row.runtime] for row in device.runtimes)
    assert len({(row.runtime, row.delegate) for row in device.runtimes}) == len(device.runtimes)
    assert len(set(device.recipes)) == len(device.recipes)
    assert device.limits.model_mb <= device.limits.peak_rss_mb <= device.hardware.ram_mb / 2
    assert device.flash.transports


@pytest.mark.parametrize("name", EXPECTED)
def test_a_profile_cites_its_sources(name: str) -> None:
    comments = [
        line for line in (profile.DATA / f"{name}.toml").read_text(encoding="utf-8").splitlines() if line[:1] == "#"
    ]
    assert len(comments) >= 3


@pytest.mark.parametrize(("name", "recipe"), each_recipe())
def test_a_recipe_has_a_runtime_that_gains_by_it(name: str, recipe: str) -> None:
    device = profile.load(name)
    model_format, precision, *detail = recipe.split("-")
    rows = [row for row in device.runtimes if FORMATS[row.runtime] == model_format]
    assert rows
    # float16 may be there for its size alone (see raspberry-pi-5.toml), and so may weights in int8.
    assert precision == "float16" or detail == ["dynamic"] or any(precision in row.accelerates for row in rows)


def test_only_an_agent_needs_a_userland() -> None:
    for device in map(profile.load, profile.names()):
        has_agent = device.os.agent != "none"
        assert bool(device.os.glibc and device.os.python) == has_agent
        assert has_agent or device.flash.transports == ["adb"]


def test_boards_are_told_apart_by_their_device_tree() -> None:
    models = [device.hardware.device_tree_model for device in map(profile.load, profile.names())]
    named = [model for model in models if model]
    assert not any(a != b and a.startswith(b) for a in named for b in named)
    assert len(set(named)) == len(named)


def test_a_users_own_file_is_loaded_by_path(tmp_path: Path) -> None:
    path = user_file(tmp_path, 'name = "raspberry-pi-5"', 'name = "camera-box"')
    assert profile.load(str(path)).name == "camera-box"


def test_an_unknown_name_is_answered_with_the_close_one() -> None:
    with pytest.raises(InputError, match="found 'raspberry-pi-6'; did you mean 'raspberry-pi-5'"):
        profile.load("raspberry-pi-6")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('formats = ["tflite", "onnx"]', 'formats = ["onnx"]', "expected formats among ['onnx'], found tflite-int8"),
        ('formats = ["tflite", "onnx"]', "formats = []", "formats: expected at least one, found none"),
        ('runtime = "onnx"\ndelegate = "cpu"', 'runtime = "litert"\ndelegate = "gpu"', "no runtime for onnx-int8"),
        ('name = "raspberry-pi-5"', 'name = "raspberry-pi-5\\n"', "name: expected"),
        ("p95_ms = 100", "p95_ms = inf", "limits.p95_ms: expected"),
        ("p95_ms = 100", "p95_ms = nan", "limits.p95_ms: expected"),
    ],
    ids=["format", "no format", "no runtime", "line break in a name", "infinite limit", "no number"],
)
def test_what_no_device_can_mean_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        profile.load(str(user_file(tmp_path, old, new)))
    assert expected in str(caught.value)


@given(st.text())
def test_any_other_name_is_an_input_error(name: str) -> None:
    if name not in EXPECTED:
        with pytest.raises(InputError):
            profile.load(name)


def test_this_machine_is_no_raspberry_pi_and_no_phone() -> None:
    assert not profile.is_this_machine(profile.load("android-phone"))
    if profile.userland_arch() == "x86_64":
        assert [n for n in profile.names() if profile.is_this_machine(profile.load(n))] == ["linux-x86_64"]


@pytest.mark.parametrize(("agent", "expected"), [("service", True), ("container", False), ("none", False)])
def test_figures_of_this_machine_are_those_of_a_service_on_its_architecture(
    tmp_path: Path, agent: str, expected: bool
) -> None:
    text = (profile.DATA / "linux-x86_64.toml").read_text(encoding="utf-8")
    path = tmp_path / "here.toml"
    here = text.replace('arch = "x86_64"', f'arch = "{profile.userland_arch()}"')
    path.write_text(here.replace('agent = "service"', f'agent = "{agent}"'), encoding="utf-8")
    assert profile.is_this_machine(profile.load(str(path))) is expected


@pytest.mark.parametrize(
    ("arch", "board", "fitting"),
    [
        ("aarch64", "Raspberry Pi 5 Model B Rev 1.0", {"linux-arm64", "raspberry-pi-5"}),
        ("aarch64", "", {"linux-arm64"}),
        ("x86_64", "", {"linux-x86_64"}),
        ("riscv64", "", set()),
    ],
)
def test_a_machine_is_recognised_by_its_userland_and_its_board(arch: str, board: str, fitting: set[str]) -> None:
    assert {name for name in profile.names() if profile.fits(profile.load(name), arch, board)} == fitting


def test_a_profile_is_immutable() -> None:
    device: Profile = profile.load("linux-x86_64")
    with pytest.raises(AttributeError):
        device.name = "other"  # type: ignore[misc]  # that is what is tested
