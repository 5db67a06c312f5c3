"""The self-test of an update: every runtime that it may fall back to, by real interpreters and a real delegate."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.ota import testing
from edge_agent.runtime_config import External
from firmware_profiles import bundle
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import RefusedError
from firmware_profiles.manifest import Limits, RuntimeClaim
from tests.edge_agent.delegates import reshaper
from tests.edge_agent.ota.fleet_of_one import Updated
from tests.edge_agent.support import MODELS, golden, manifest, model

XNNPACK, NOT_HERE, OWN = (
    RuntimeClaim(runtime, delegate, "2.1.0", 1e-4)  # type: ignore[arg-type]
    for runtime, delegate in (("litert", "xnnpack"), ("tflite", "none"), ("litert", "external"))
)
WRONG = {"builtin": "25"}  # SOFTMAX: its input is handed on


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    return reshaper(tmp_path_factory.mktemp("delegate"))


def claiming(folder: Path, *claims: RuntimeClaim) -> Path:
    """A bundle with XNNPACK's answers that claims these runtimes."""
    of, content = model(runtimes=list(claims)), (MODELS / "tiny-float32.tflite").read_bytes()
    members = {of.file: content, of.golden: golden(model(), content)}
    bundle.write(folder / "2.godwit", manifest(of, version="2", limits=Limits(100, 500)), members)
    return folder / "2.godwit"


def outcome(folder: Path, external: External, *claims: RuntimeClaim) -> dict[str, str]:
    with Bundle(claiming(folder, *claims)) as opened:
        (folder / "slot").mkdir()
        opened.extract(folder / "slot")
    return testing.check(folder / "slot", external)


def test_what_was_tested_is_told_and_what_is_not_here_is_named(library: str, tmp_path: Path) -> None:
    device = Updated(tmp_path)
    device.configure(f'[runtime.external]\npath = "{library}"')
    device.repository.add(claiming(tmp_path, XNNPACK, NOT_HERE, OWN))
    done = device.install()
    assert done.returncode == 0, done.stderr
    assert device.says("mark-good").returncode == 0
    found = device.history()["entries"][-1]["tested"]
    assert list(found) == ["litert/xnnpack", "tflite/none", "litert/external"]
    assert (found["litert/xnnpack"], found["litert/external"]) == ("passed", "passed")
    assert found["tflite/none"].startswith("runtime tflite/none: ")
    told = device.says("history").stdout.splitlines()[-1]
    assert told.endswith("; tested on litert/xnnpack, litert/external, not on tflite/none")


def test_a_fallback_with_other_answers_rejects_the_version(library: str, tmp_path: Path) -> None:
    device = Updated(tmp_path)
    device.configure(f'[runtime.external]\npath = "{library}"\noptions = {{ builtin = "25" }}')
    device.repository.add(claiming(tmp_path, XNNPACK, OWN))
    done = device.install()
    assert done.returncode == 5
    assert "model tiny on litert/external: expected outputs within 0.0001, found golden input 0" in done.stderr
    assert device.active() == "1"
    assert device.history()["entries"][-1]["event"] == "update_rejected"


def test_a_fallback_that_crashes_is_no_crash_of_the_first(library: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"self-test on litert/external: .* found ended by SIGABRT"):
        outcome(tmp_path, External(library, {"crash": ""}), XNNPACK, OWN)


def test_what_a_fallback_costs_is_told_and_no_more(library: str, tmp_path: Path) -> None:
    found = outcome(tmp_path, External(library, {"hoard": "600"}), XNNPACK, OWN)
    assert found["litert/xnnpack"] == "passed"
    assert found["litert/external"].startswith("at most 500 MB: ")


def test_what_comes_first_is_not_passed_over_for_what_comes_next(library: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="model tiny on litert/external"):
        outcome(tmp_path, External(library, WRONG), OWN, XNNPACK)


def test_a_delegate_that_only_the_device_names_is_passed_over(library: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, External(library, WRONG), XNNPACK) == {"litert/xnnpack": "passed"}
