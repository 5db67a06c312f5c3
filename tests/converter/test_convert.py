"""`godwit convert` from end to end on small real models."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from converter.report import Report
from firmware_profiles import bundle as bundles
from firmware_profiles import profile as profiles
from firmware_profiles.bundle import Bundle
from tests.converter.conftest import MODELS, TINY_MULTIPLY_ADDS, Godwit, alive, images, report, tiny_project, wait_for

TFLITE = MODELS / "tiny-float32.tflite"
PROFILES = ("linux-x86_64", "raspberry-pi-5", "jetson-orin-nano", "android-phone")


def bundle_of(result: Report, profile: str) -> Path:
    return Path(next(each.bundle for each in result.profiles if each.profile == profile))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The small TFLite model, converted for four profiles by every recipe."""
    folder = tmp_path_factory.mktemp("converted")
    project = tiny_project(folder, TFLITE, targets={"profiles": list(PROFILES)})
    command = [sys.executable, "-m", "godwit", "convert", str(project), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "trying tflite-int8" in done.stderr
    return report(done.stdout)


def test_every_recipe_is_measured_and_every_profile_gets_a_bundle(converted: Report) -> None:
    assert {each.recipe: each.outcome for each in converted.candidates} == dict.fromkeys(
        [
            *("tflite-float32", "tflite-float16", "tflite-int8", "tflite-int8-stem", "tflite-int8-dynamic"),
            *("onnx-float32", "onnx-float16", "onnx-int8", "onnx-int8-symmetric"),
        ],
        "measured",
    )
    sizes = {each.recipe: each.size_bytes for each in converted.candidates}
    assert sizes["tflite-int8"] < sizes["tflite-float16"] < sizes["tflite-float32"]
    assert sizes["onnx-int8"] < sizes["onnx-float16"] < sizes["onnx-float32"]
    assert {each.multiply_adds for each in converted.candidates} == {TINY_MULTIPLY_ADDS}
    assert [profile.profile for profile in converted.profiles] == list(PROFILES)
    for profile in converted.profiles:
        assert profile.chosen
        assert profile.bundle_sha256 == Bundle(Path(profile.bundle)).sha256
        assert sum(verdict.chosen for verdict in profile.verdicts) == 1
    assert {profile.profile for profile in converted.profiles if profile.measured_on} == {"linux-x86_64"}


def test_only_runtimes_that_ran_here_are_claimed_and_the_others_are_named(converted: Report) -> None:
    jetson = next(profile for profile in converted.profiles if profile.profile == "jetson-orin-nano")
    assert jetson.chosen == "onnx-int8-symmetric"
    assert [(claim.runtime, claim.delegate) for claim in jetson.claims] == [("onnx", "cpu")]
    assert [(left.runtime, left.delegate) for left in jetson.left_out] == [("onnx", "tensorrt"), ("onnx", "cuda")]
    with Bundle(Path(jetson.bundle)) as bundle:
        assert bundle.manifest.models[0].runtimes == jetson.claims
    assert all(claim.min_version[0].isdigit() for claim in jetson.claims)


def test_the_golden_vectors_are_varied_and_none_is_the_users(tmp_path: Path, godwit: Godwit) -> None:
    # In float: of this small model most synthetic inputs of another class are too close to call in int8.
    code, out, err = godwit("convert", tiny_project(tmp_path, TFLITE), "--recipe", "tflite-float32", "--json")
    assert code == 0, err
    with Bundle(bundle_of(report(out), "linux-x86_64")) as bundle:
        arrays = np.load(io.BytesIO(bundle.read("golden.npz")))
        assert bundle.manifest.models[0].golden == "golden.npz"
    assert arrays["x"].shape == (16, 6, 6)
    assert arrays["x"].dtype == np.uint8
    assert len({item.tobytes() for item in arrays["x"]}) == 16
    assert len(set(arrays["y0"].argmax(axis=1))) > 1
    assert not {item.tobytes() for item in arrays["x"]} & {item.tobytes() for item in images(120)}


def test_evidence_lies_beside_and_the_page_needs_nothing_else(converted: Report) -> None:
    path = bundle_of(converted, "raspberry-pi-5")
    evidence = json.loads(path.with_suffix(".evidence.json").read_text())
    assert evidence["bundle_sha256"] == Bundle(path).sha256
    assert evidence["measured_on_device"] is False
    page = (path.parent / "report.html").read_text()
    assert "<svg" in page
    assert all(profile in page for profile in PROFILES)
    assert not any(word in page for word in ("http://", "https://", "<script", "<link", "url("))


def test_inspect_and_verify_read_the_bundle(converted: Report, godwit: Godwit) -> None:
    path = bundle_of(converted, "linux-x86_64")
    code, out, _ = godwit("inspect", path)
    assert code == 0
    assert "tiny 1.0.0" in out
    assert "golden.npz" in out
    code, out, _ = godwit("inspect", path, "--json")
    assert json.loads(out)["manifest"]["name"] == "tiny"
    code, out, _ = godwit("verify", path)
    assert code == 0
    assert "whole and unchanged" in out


def test_the_model_of_an_app_carries_its_labels(converted: Report) -> None:
    with Bundle(bundle_of(converted, "android-phone")) as bundle:
        content = io.BytesIO(bundle.read(bundle.manifest.models[0].file))
        labels = bundle.manifest.models[0].labels
    with zipfile.ZipFile(content) as archive:
        assert archive.read("labels.txt").decode().split() == labels
    with Bundle(bundle_of(converted, "raspberry-pi-5")) as bundle:
        assert not zipfile.is_zipfile(io.BytesIO(bundle.read(bundle.manifest.models[0].file)))


def test_one_changed_byte_is_refused(converted: Report, godwit: Godwit, tmp_path: Path) -> None:
    content = bytearray(bundle_of(converted, "linux-x86_64").read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "damaged.godwit"
    damaged.write_bytes(content)
    for command in ("inspect", "verify"):
        code, out, err = godwit(command, damaged)
        assert code == 2
        assert out == ""
        assert err.startswith(f"error: {damaged}: expected ")
        assert len(err.splitlines()) == 1


def test_other_weights_with_right_hashes_are_refused_by_verify(
    converted: Report, godwit: Godwit, tmp_path: Path
) -> None:
    with Bundle(bundle_of(converted, "android-phone")) as bundle:  # its rules always give tflite-int8
        manifest, members = bundle.manifest, {name: bundle.read(name) for name in bundle.manifest.files}
    file = manifest.models[0].file
    members[file] = _other_weights(members[file])
    bundles.write(tmp_path / "wrong.godwit", manifest, members)
    code, _, err = godwit("verify", tmp_path / "wrong.godwit")
    assert code == 5
    assert "golden input" in err


def _other_weights(content: bytes) -> bytes:
    """The model with the bytes of its longest run of weights turned round."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    largest = max((buffer.data for buffer in model.buffers if buffer.data is not None), key=len)
    start = content.index(bytes(largest))
    return content[:start] + bytes(largest)[::-1] + content[start + len(largest) :]


def test_a_float_model_is_proved_closely(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, source=TFLITE, goal={"max_drop_points": 100})
    _, out, _ = godwit("convert", project, "--recipe", "tflite-float32", "--json")
    profile = next(profile for profile in report(out).profiles if profile.profile == "linux-x86_64")
    with Bundle(Path(profile.bundle)) as bundle:
        manifest, members = bundle.manifest, {name: bundle.read(name) for name in bundle.manifest.files}
    file = manifest.models[0].file
    interpreter = Interpreter(model_content=members[file])
    weights = next(
        interpreter.get_tensor(entry["index"])
        for entry in interpreter.get_tensor_details()
        if tuple(entry["shape"]) == (3, 64)
    )
    members[file] = members[file].replace(weights.tobytes(), (weights * np.float32(1.05)).tobytes())
    bundles.write(tmp_path / "wrong.godwit", manifest, members)
    assert godwit("verify", tmp_path / "wrong.godwit")[0] == 5  # five in a hundred of one layer


@pytest.mark.parametrize("recipe", ["onnx-float32", "onnx-int8"])
def test_a_named_recipe_gives_the_same_bytes_again(tmp_path: Path, godwit: Godwit, recipe: str) -> None:
    found = set()
    for run in ("first", "second"):
        project = tiny_project(tmp_path / run, goal={"max_drop_points": 100})
        code, out, err = godwit("convert", project, "--recipe", recipe, "--no-cache", "--json")
        assert code == 0, err
        found.add(report(out).profiles[0].bundle_sha256)
    assert len(found) == 1


def test_a_quantized_source_is_passed_through(tmp_path: Path, godwit: Godwit) -> None:
    source = MODELS / "tiny-int8.tflite"
    code, out, err = godwit("convert", tiny_project(tmp_path, source), "--json")
    assert code == 0, err
    result = report(out)
    with Bundle(Path(result.profiles[0].bundle)) as bundle:
        assert bundle.read("models/tiny.tflite") == source.read_bytes()
    reasons = {each.recipe: each.reason for each in result.candidates if each.outcome == "declined"}
    assert len(reasons) == len(profiles.load("linux-x86_64").recipes) - 1
    assert set(reasons.values()) == {"the source is int8 already, so it is only passed through"}


def test_without_labels_agreement_is_the_yardstick_and_it_says_so(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path)
    np.savez(tmp_path / "evaluation.npz", x=images(80, seed=2))
    code, out, err = godwit("convert", project)
    assert code == 0, err
    assert "agreement" in out
    assert "the data has no labels" in out


def test_a_goal_that_nothing_meets_ends_with_3_a_report_and_no_bundle(tmp_path: Path, godwit: Godwit) -> None:
    out = tmp_path / "out"
    profile = (MODELS.parent.parent.parent / "firmware_profiles" / "data" / "linux-x86_64.toml").read_text()
    (tmp_path / "small.toml").write_text(profile.replace("model_mb = 500", "model_mb = 0.005"))
    project = tiny_project(tmp_path, targets={"profiles": ["small.toml"]})
    code, _, err = godwit("convert", project, "--out", out)
    assert code == 3
    assert "error: profile linux-x86_64: expected a bundle, found no candidate" in err
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json"]


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, targets={"profiles": list(PROFILES)})
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = godwit("convert", project, "--dry-run")
    assert code == 0
    assert "jetson-orin-nano" in out
    assert "onnx/tensorrt" in out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_names_the_device_and_does_not_connect_to_it(tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, targets={"profiles": list(PROFILES)})
    code, out, _ = godwit("convert", project, "--dry-run", "--measure-on", "ssh://pi@nowhere.invalid")
    assert code == 0
    assert "nowhere.invalid" in out


def test_ctrl_c_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    project = tiny_project(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-m", "godwit", "convert", str(project), "--no-cache"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "trying" in line:
                break
        children = _children(running.pid)
        assert children
        running.send_signal(signal.SIGINT)
        assert running.wait() == 130
    wait_for(lambda: not any(map(alive, children)))
    assert sorted(tmp_path.rglob("*")) == before


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
