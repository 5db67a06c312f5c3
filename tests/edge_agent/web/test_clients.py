"""The server, judged by other people's programs: NVIDIA's client, and Prometheus' linter."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from firmware_profiles.errors import UnavailableError
from tests.edge_agent.web.served import Served
from tools import environment, unpacked


def test_triton_s_own_client_is_content(served: Served) -> None:
    try:
        environment.make_triton()
    except UnavailableError as error:
        pytest.skip(f"tritonclient cannot be installed here: {error}")
    script = Path(__file__).with_name("triton_client.py")
    command = [environment.TRITON / "bin" / "python", script, f"127.0.0.1:{served.port}"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stdout) == (0, ""), told.stderr


def test_the_metrics_are_what_prometheus_wants(served: Served) -> None:
    try:
        promtool = unpacked.command("promtool")
    except UnavailableError as error:
        pytest.skip(f"no promtool here: {error}")
    answer = served.ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    told = subprocess.run([*promtool, "check", "metrics"], input=answer.body, capture_output=True, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, b"")
    for line in (b'godwit_info{device="door-7"', b"godwit_predictions_total 1234", b'process="worker"} 48234496'):
        assert line in answer.body
