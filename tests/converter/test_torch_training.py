"""PyTorch networks in recipes that train: in their toolchain, with the same names, rules and evidence as Keras models.

A small network is trained on real digits for seconds. Without the toolchain litert-torch, and no network to make it,
all of this is left out, and pytest says so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from converter import lent, toolchain
from tests.converter.conftest import Godwit, report

HERE = Path(__file__).parent
TRAINED_ON = 1200
ONE_AT_A_TIME = """\
from digits_net import Digits

class OneAtATime(Digits):
    def forward(self, x):
        return super().forward(x.reshape(1, 1, 8, 8))

def one_at_a_time():
    return OneAtATime()
"""
PROJECT = """
[model]
name = "digits"
version = "1.0"
source = "digits_net:network"
state = "digits.th"
input_shape = [1, 8, 8]
task = "classification"
[input]
kind = "tensor"
[data]
calibration = "calibration.npz"
evaluation = "evaluation.npz"
training = "training.npz"
[training]
epochs = 3
learning_rate = 0.003
seed = 5
[goal]
max_drop_points = 8
[targets]
profiles = ["linux-x86_64"]
"""


@pytest.fixture(scope="module")
def folder(once: Callable[[str, Callable[[Path], str]], str], made: Callable[[str], None]) -> Path:
    """A project of a network that was trained on digits."""
    made("litert-torch")
    return Path(once("torch-training", _project))


def _project(folder: Path) -> str:
    digits = load_digits()
    x, y = (digits.images / 16).astype(np.float32)[:, None], digits.target.astype(np.int64)
    np.savez(folder / "training.npz", x=x[:TRAINED_ON], y=y[:TRAINED_ON])
    np.savez(folder / "evaluation.npz", x=x[TRAINED_ON:], y=y[TRAINED_ON:])
    np.savez(folder / "calibration.npz", x=x[:200], y=y[:200])
    shutil.copy(HERE / "digits_net.py", folder)
    (folder / "odd_nets.py").write_text(ONE_AT_A_TIME, encoding="utf-8")
    (folder / "godwit.toml").write_text(PROJECT, encoding="utf-8")
    in_toolchain("make_torch_digits.py", folder)
    return str(folder)


@pytest.fixture(scope="module")
def facts(folder: Path, once: Callable[[str, Callable[[Path], str]], str]) -> Any:
    found = once("torch-training-facts", lambda _: in_toolchain("facts_of_torch_training.py", folder))
    return json.loads(found.splitlines()[-1])


def in_toolchain(script: str, folder: Path) -> str:
    """What a script beside this file prints."""
    python = toolchain.prepare("litert-torch", print)
    # One thread: so small a network only waits for the others.
    variables = {**lent.variables(folder), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    finished = subprocess.run([python, HERE / script, folder], env=variables, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


@pytest.mark.parametrize("criterion", ["l1", "l2", "norm", "taylor"])
def test_dead_channels_go_without_changing_an_answer(facts: Any, criterion: str) -> None:
    found = facts["channels"][criterion]
    assert found["difference"] < 1e-5
    expected = ["first, second: 4 of 8", "inner: 8 of 16", "left: 4 of 8", "right: 4 of 8", "hidden: 8 of 16"]
    assert found["said"] == [f"{each} channels" for each in expected]
    assert found["weights"][1] < 0.4 * found["weights"][0]


def test_channels_go_by_what_the_settings_say(facts: Any) -> None:
    assert facts["by_size"]["said"][1] == "inner: 8 of 16 channels"
    left = [said.split(": ")[1].split(" of ") for said in facts["sensitive"]["said"]]
    parts = [int(kept) / int(whole.split(" ")[0]) for kept, whole in left]
    assert min(parts) < 0.5 < max(parts), "those that hurt least lose more"


def test_hints_are_part_of_the_loss(facts: Any) -> None:
    without, with_hints = (told.split("loss ")[1].split(",")[0] for told in facts["hinted"])
    assert float(with_hints) > float(without)


def test_an_exported_program_teaches_as_its_network_does(facts: Any) -> None:
    own, exported = facts["taught"]
    assert exported == pytest.approx(own, rel=1e-4), "the same operators, in an order of their own"


def test_channels_beside_padded_zeros_stay_and_it_is_said(facts: Any) -> None:
    assert facts["padded"] == [
        "free: 8 of 16 channels",
        "first, wide: whole, since zeros are padded beside its channels",
    ]


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("empty", "channels: left: expected at least one channel left"),
        ("fixed", "channels: expected code that works with fewer channels"),
        ("hint", "hint second: expected a layer of both with answers of one shape, found (8, 8, 8) of the teacher"),
        ("hint", "hint no: expected a layer of both with answers of one shape, found None of the teacher"),
        ("batch", "odd_nets:one_at_a_time: expected a network that takes batches, to be trained"),
        ("teacher", "teacher.pt2: expected a network that takes batches, to be trained"),
        ("labels", "training data: y: expected labels 0 to 9"),
        ("shape", "training data: x: expected items of 1×8×8, found 1×4×8"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(facts: Any, case: str, told: str) -> None:
    assert any(told in problem for problem in facts["bad"][case]), facts["bad"][case]


def test_the_form_of_outputs_is_told_by_them(facts: Any) -> None:
    assert facts["form"] == ["logits", "probabilities", "logits", "sigmoid", "logits"]


def test_the_same_seed_gives_the_same_weights_after_a_power_cut_too(facts: Any) -> None:
    assert facts["again"]
    assert facts["after_power_cut"]
    assert not facts["other_seed"]


def test_zeros_are_as_many_as_asked(facts: Any) -> None:
    assert facts["zeros"] == pytest.approx(0.5, abs=0.01)
    assert facts["qat"]["zeros"] >= 0.5, "folding and rounding keep them"


def test_each_epoch_is_told(facts: Any) -> None:
    assert facts["told"][0].startswith("prune50+distil+finetune-float32: float, epoch 1 of 2: loss ")
    assert "s left" in facts["told"][0]


def test_the_export_computes_as_training_simulated(facts: Any) -> None:
    """Of 1,200 items; the difference is of the logits, in steps of the last int8 answer."""
    assert facts["qat"]["same"] >= 0.995
    assert facts["qat"]["steps"] <= 8
    assert facts["qat"]["said"] == ["8 layers and 9 ranges are trained as int8"], "none stays in float"


def test_the_export_has_the_learned_ranges(facts: Any) -> None:
    assert facts["qat"]["ranges"] >= 8
    assert facts["qat"]["missing"] == []


def test_a_trained_recipe_is_a_candidate_with_its_seed_and_curve(
    godwit: Godwit, folder: Path, made: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made("torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    recipe = "channels50+distil+qat-int8"
    code, out, err = godwit("convert", folder, "--recipe", recipe, "--json")
    assert code == 0, err
    found = report(out).candidate(recipe)
    assert found.outcome == "measured", found.reason
    assert found.trained is not None
    assert (found.trained.seed, [phase.name for phase in found.trained.phases]) == (5, ["float", "qat"])
    assert "first, second: 4 of 8 channels" in found.trained.said
    assert (found.precision, found.made_by.calibration, found.left_nodes) == ("int8", "learned", [])
    assert found.chosen_on is not None
    assert f"{recipe}: qat, epoch 1 of" in err


def test_an_exported_program_is_told_what_to_bring(godwit: Godwit, folder: Path) -> None:
    text = PROJECT.replace('"digits_net:network"\nstate = "digits.th"', '"program.pt2"')
    with zipfile.ZipFile(folder / "program.pt2", "w") as archive:  # a plan reads no more of it
        archive.writestr("program/archive_format", "pt2")
    (folder / "program.toml").write_text(text, encoding="utf-8")
    code, _, err = godwit("convert", folder / "program.toml", "--recipe", "qat-int8", "--dry-run")
    assert code == 2
    assert "found an exported program, whose batch and normalizations are fixed; bring what it was exported from" in err


def test_a_student_of_keras_is_refused_before_anything_runs(godwit: Godwit, folder: Path) -> None:
    code, _, err = godwit("convert", folder, "--recipe", "mobilenet25+distil-int8", "--dry-run")
    assert code == 2
    assert "found mobilenet; give the small network as [[model.candidate]]" in err


def test_the_plan_names_the_toolchain_and_what_is_trained(godwit: Godwit, folder: Path) -> None:
    code, out, _ = godwit("convert", folder, "--budget", "20m", "--dry-run")
    assert code == 0
    assert "training   distil+qat-int8" in out
    assert "toolchain  litert-torch" in out
