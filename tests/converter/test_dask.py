"""`--dask`: candidates are tried by a real cluster of two worker processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from converter.candidate import Candidate
from tests.converter.conftest import Godwit, report, tiny_project

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two workers of one thread, each in a process and a folder of its own."""
    folder = tmp_path_factory.mktemp("dask")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(folder)
    ) as cluster:
        yield cluster


def found(candidate: Candidate) -> tuple[Any, ...]:
    """What does not vary from run to run."""
    return candidate.key, candidate.outcome, candidate.size_bytes, candidate.chosen_on, candidate.confirmed_on


def test_two_workers_find_what_this_machine_finds(cluster: Any, tmp_path: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path, goal={"max_drop_points": 100})
    with distributed.Client(cluster, set_as_default=False) as client:
        client.get_task_stream()  # from now on
        code, out, err = godwit("convert", project, "--dask", cluster.scheduler_address, "--no-cache", "--json")
        assert code == 0, err
        done = [(task["key"].partition("-")[0], task["worker"]) for task in client.get_task_stream()]
    there, here = report(out), report(godwit("convert", project, "--json")[1])
    assert [found(each) for each in there.candidates] == [found(each) for each in here.candidates]
    assert there.profiles[0].chosen
    assert there.candidate(there.profiles[0].chosen).costs

    count = len(there.candidates)
    kinds = [kind for kind, _ in done]
    assert (kinds.count("export"), kinds.count("run")) == (count, count)  # and no latency among them
    assert len({worker for _, worker in done}) == 2


def test_a_worker_that_is_killed_is_done_without(cluster: Any, tmp_path: Path) -> None:
    project = tiny_project(tmp_path, goal={"max_drop_points": 100})
    options = ["--dask", cluster.scheduler_address, "--no-cache"]
    command = [sys.executable, "-m", "godwit", "convert", str(project), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        next(line for line in running.stderr if "trying" in line)
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
        out, err = running.communicate()
    assert running.returncode == 0, err
    assert "failed" not in out


def test_a_worker_with_other_versions_is_refused(tmp_path: Path, godwit: Godwit) -> None:
    other = tmp_path / "other" / "onnx-0.0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: onnx\nVersion: 0.0.1\n")
    project = tiny_project(tmp_path)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as alone:
        worker = [sys.executable, "-m", "dask", "worker", alone.scheduler_address]
        options = ["--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path), "--death-timeout", "60"]
        environment = {**os.environ, "PYTHONPATH": str(other.parent)}
        with subprocess.Popen([*worker, *options], env=environment, stderr=subprocess.DEVNULL) as running:
            try:
                with distributed.Client(alone, set_as_default=False) as client:
                    client.wait_for_workers(1, timeout=60)
                code, _, err = godwit("convert", project, "--dask", alone.scheduler_address)
            finally:
                running.terminate()
    assert code == 4
    assert err.startswith("error: worker tcp://127.0.0.1:")
    assert ": expected onnx " in err
    assert "found onnx 0.0.1; install there what is installed here" in err


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path, godwit: Godwit) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        code, _, err = godwit("convert", tiny_project(tmp_path), "--dask", address)
    assert code == 4
    assert err.startswith(f"error: --dask {address}: expected a Dask scheduler, found ")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "build").exists()
