"""The commands that need no broker: evaluate, predict, tensors, install, status; and their errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from firmware_profiles.errors import InputError, from_process
from firmware_profiles.evaluation import Evaluation, Machine, SideBySide
from firmware_profiles.manifest import RuntimeClaim
from firmware_profiles.profile import userland_arch
from tests.edge_agent.support import agent, images, model, null_bundle, write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "b.godwit")


@pytest.fixture
def data(tmp_path: Path, bundle: Path) -> Path:
    """Images labelled with what the model says, but for the last of ten."""
    path = tmp_path / "d.npz"
    np.savez(path, x=images(10))
    done = agent("evaluate", bundle, "--data", path, "--json", "--runs", "0", check=True)
    labels = np.array(json.loads(done.stdout)["predicted"])
    labels[-1] = (labels[-1] + 1) % 3
    np.savez(path, x=images(10), y=labels)
    return path


def test_evaluate_measures_accuracy_latency_and_golden(bundle: Path, data: Path) -> None:
    done = agent("evaluate", bundle, "--data", data, "--json", "--runs", "20", check=True)
    found = msgspec.json.decode(done.stdout, type=Evaluation)
    assert (found.metric, found.value, found.items) == ("top1", 0.9, 10)
    assert found.latency.runs == 20
    assert 0 < found.latency.p50_ms <= found.latency.p95_ms
    assert (found.runtime.delegated_nodes, found.runtime.nodes) == (5, 5)
    assert found.golden_max_difference is not None
    assert found.golden_max_difference <= 1e-6


def test_evaluate_without_labels_says_so(bundle: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "u.npz", x=images(3))
    done = agent("evaluate", bundle, "--data", tmp_path / "u.npz", check=True)
    assert "no labels" in done.stdout


def test_evaluate_without_data_measures_only_latency(bundle: Path) -> None:
    found = msgspec.json.decode(agent("evaluate", bundle, "--json", check=True).stdout, type=Evaluation)
    assert (found.items, found.metric, found.value) == (0, "none", None)
    assert found.latency.p50_ms > 0


def test_evaluate_writes_raw_outputs(bundle: Path, data: Path, tmp_path: Path) -> None:
    agent("evaluate", bundle, "--data", data, "--outputs", tmp_path / "o.npz", check=True)
    outputs = np.load(tmp_path / "o.npz")["y0"]
    assert outputs.shape == (10, 3)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)  # float32 softmax


def test_a_regression_is_measured_by_its_mean_absolute_error(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "r.godwit", model(task="regression", labels=[]))
    agent("tensors", dump(tmp_path, model(task="regression")), "--data", save(tmp_path), "--out", tmp_path / "t.npz")
    agent("evaluate", bundle, "--data", save(tmp_path), "--outputs", tmp_path / "o.npz", check=True)
    targets = np.load(tmp_path / "o.npz")["y0"] + 0.25
    np.savez(tmp_path / "d.npz", x=images(4), y=targets)
    done = agent("evaluate", bundle, "--data", tmp_path / "d.npz", "--json", check=True)
    found = msgspec.json.decode(done.stdout, type=Evaluation)
    assert found.metric == "mae"
    assert found.value == pytest.approx(0.25, abs=1e-5)  # float32


def save(folder: Path) -> Path:
    np.savez(folder / "x.npz", x=images(4))
    return folder / "x.npz"


def dump(folder: Path, of: object) -> Path:
    path = folder / "model.json"
    path.write_bytes(msgspec.json.encode(of))
    return path


def test_tensors_are_what_the_model_gets(tmp_path: Path, data: Path) -> None:
    done = agent("tensors", dump(tmp_path, model()), "--data", data, "--out", tmp_path / "t.npz", "--json", check=True)
    assert json.loads(done.stdout) == {"items": 10, "labelled": True}
    arrays = np.load(tmp_path / "t.npz")
    np.testing.assert_array_equal(arrays["x"], images(10))
    np.testing.assert_allclose(arrays["t0"][..., 0], images(10) / 255, atol=1e-6)
    assert arrays["y"].dtype == np.int64


def test_tensors_of_wrong_data_writes_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=images(3), y=np.array([0, 1, 3]))
    done = agent("tensors", dump(tmp_path, model()), "--data", tmp_path / "d.npz", "--out", tmp_path / "t.npz")
    assert done.returncode == 2
    assert "labels from 0 to 2, found 0 to 3" in done.stderr
    assert not (tmp_path / "t.npz").exists()


def test_predict_answers_each_input(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", images(1)[0])
    np.savez(tmp_path / "two.npz", x=images(2))
    done = agent("predict", bundle, tmp_path / "one.npy", tmp_path / "two.npz", "--json", check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 3
    assert answers[0]["result"] == answers[1]["result"]
    assert {entry["label"] for entry in answers[0]["result"]["top"]} == {"ant", "bee", "cat"}


def test_install_twice_changes_nothing(bundle: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = agent("install", bundle, "--root", root, "--device-id", "d1", "--json", check=True)
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    second = agent("install", bundle, "--root", root, "--json", check=True)
    assert [json.loads(done.stdout)["changed"] for done in (first, second)] == [True, False]
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before


def test_another_version_goes_into_the_other_slot_and_the_configuration_stays(bundle: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    agent("install", bundle, "--root", root, "--device-id", "d1", check=True)
    configuration = (root / "etc" / "agent.toml").read_bytes()
    newer = write_bundle(tmp_path / "n.godwit", version="1.1")
    done = agent("install", newer, "--root", root, "--json", check=True)
    assert json.loads(done.stdout)["slot"] == "b"
    assert (root / "slots" / "active").readlink() == Path("b")
    assert (root / "etc" / "agent.toml").read_bytes() == configuration


def test_install_refuses_what_was_made_for_another_device(tmp_path: Path) -> None:
    for changes in ({"arch": "armv7l"}, {"device_tree_model": "Raspberry Pi 5"}):
        bundle = write_bundle(tmp_path / "b.godwit", profiles=["other"], **changes)
        done = agent("install", bundle, "--root", tmp_path / "root")
        assert done.returncode == 2
        assert "one for other" in done.stderr
    assert not (tmp_path / "root").exists()


def test_install_of_a_damaged_bundle_changes_nothing(bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    done = agent("install", bundle, "--root", tmp_path / "root")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("flags", [["--device-id", "Door 7"], ["--broker", "http://x"]])
def test_install_refuses_wrong_flags(flags: list[str], bundle: Path, tmp_path: Path) -> None:
    assert agent("install", bundle, "--root", tmp_path / "root", *flags).returncode == 2
    assert not (tmp_path / "root").exists()


def test_flags_never_change_a_configured_device(bundle: Path, tmp_path: Path) -> None:
    agent("install", bundle, "--root", tmp_path / "root", "--device-id", "d1", check=True)
    done = agent("install", bundle, "--root", tmp_path / "root", "--device-id", "d2")
    assert done.returncode == 2
    assert "agent.toml" in done.stderr


def test_errors_are_one_line_and_can_be_read_back(bundle: Path, tmp_path: Path) -> None:
    done = agent("evaluate", bundle, "--data", tmp_path / "missing.npz")
    error = from_process(done.returncode, done.stderr)
    assert isinstance(error, InputError)
    assert error.problems[0].found == "no such file or folder"


@pytest.mark.parametrize("arguments", [["fly"], [], ["run"], ["evaluate", "x", "--threads", "0"]])
def test_usage_errors_are_one_line(arguments: list[str]) -> None:
    done = agent(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: arguments: expected")
    assert len(done.stderr.splitlines()) == 1


def test_status_without_an_agent(bundle: Path, tmp_path: Path) -> None:
    assert agent("status", "--root", tmp_path / "nowhere").returncode == 2
    agent("install", bundle, "--root", tmp_path / "root", check=True)
    assert agent("status", "--root", tmp_path / "root").returncode == 4


def test_an_unclaimed_runtime_may_be_evaluated_but_is_not_chosen(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b.godwit", model(runtimes=[RuntimeClaim("litert", "none", "2.1.0", 1e-4)]))
    done = agent("evaluate", bundle, "--runtime", "litert", "--delegate", "xnnpack", "--json", check=True)
    assert json.loads(done.stdout)["runtime"]["delegate"] == "xnnpack"
    done = agent("selftest", bundle, "--json", check=True)
    assert json.loads(done.stdout)["runtime"]["delegate"] == "none"


def test_help_imports_neither_numpy_nor_a_runtime() -> None:
    code = "import sys, edge_agent.cli as c; c.parser(); print('numpy' in sys.modules, 'paho' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_two_bundles_are_measured_in_turn(bundle: Path, tmp_path: Path) -> None:
    other = null_bundle(tmp_path / "null.godwit")
    done = agent("compare", bundle, other, "--runs", "30", "--json", check=True)
    found = msgspec.json.decode(done.stdout, type=SideBySide)
    assert (found.first.runs, found.second.runs) == (30, 30)
    assert 0 < found.second.p50_ms < found.first.p50_ms  # no model at all against a real one
    done = agent("compare", bundle, other, "--on", "litert/none", "null/none", "--runs", "3", check=True)
    assert "3 runs in turn" in done.stdout


def test_compare_wants_a_runtime_and_a_delegate(bundle: Path) -> None:
    done = agent("compare", bundle, bundle, "--on", "litert/none", "litert")
    assert done.returncode == 2
    assert "RUNTIME/DELEGATE" in done.stderr


def test_the_targets_lie_beside_the_answers(bundle: Path, data: Path, tmp_path: Path) -> None:
    written = tmp_path / "a.npz"
    agent("evaluate", bundle, "--data", data, "--runs", "0", "--answers", written, check=True)
    np.testing.assert_array_equal(np.load(written)["targets"], np.load(data)["y"])
    assert np.load(written)["answers"].shape == (10, 3)


def test_a_disk_that_refuses_the_outputs_is_one_line(bundle: Path, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "t.npz"
    tensors = [sys.executable, "-m", "edge_agent", "tensors", dump(tmp_path, model()), "--data", data, "--out", target]
    command = ["bash", "-c", 'ulimit -f 1 && exec "$@"', "bash", *map(str, tensors)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert (
        done.stderr == f"error: {target}: expected room to write, found file too large; free some, or write elsewhere\n"
    )
    assert not target.exists()


def test_a_machine_tells_what_it_is() -> None:
    found = msgspec.json.decode(agent("machine", "--json", check=True).stdout, type=Machine)
    assert found.arch == userland_arch()
    assert found.cores >= 1
    assert found.cpu in agent("machine", check=True).stdout
