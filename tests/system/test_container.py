"""`Dockerfile.arm64`, built by buildah without a Docker engine, and run: for this machine, and for Arm by qemu."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.edge_agent.support import images, wait_until, write_bundle
from tests.system import userland
from tests.system.userland import BUILD, ROOT
from tools import processes

pytestmark = pytest.mark.system

ARCHITECTURES = ["amd64", "arm64"]
START_S = 900.0  # under qemu, on a busy machine
MOST_MB = 300
STORAGE = ["--storage-driver", "overlay", "--root", f"{BUILD}/containers", "--runroot", f"{BUILD}/containers-run"]
CHROOT = ["--isolation", "chroot"]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CPUS = Path("/sys/devices/system/cpu")


def buildah(*line: str | Path) -> str:
    """What it says on stdout."""
    done = subprocess.run(["buildah", *STORAGE, *map(str, line)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line[0]}: {done.stderr[-3000:]}"
    return done.stdout.strip()


def base(architecture: str) -> str:
    """An image of Debian 13 with Python, of that architecture."""
    name = f"localhost/godwit-debian:{architecture}"
    if name not in buildah("images", "--format", "{{.Name}}:{{.Tag}}"):
        container = buildah("from", "scratch")
        buildah("copy", "-q", container, userland.make("trixie", architecture), "/")
        buildah("config", "--arch", architecture, container)
        buildah("commit", "-q", container, name)
        buildah("rm", container)
    return name


def bases(architecture: str) -> str:
    """This machine's and that one under one name, as a registry has them."""
    name = f"localhost/godwit-base:{architecture}"
    if name not in buildah("images", "--format", "{{.Name}}:{{.Tag}}"):
        made = buildah("manifest", "create", name).split(":")[0]
        for each in sorted({userland.NATIVE, architecture}):
            buildah("manifest", "add", made, f"containers-storage:{base(each)}")
    return name


@pytest.fixture(scope="module", params=ARCHITECTURES)
def image(request: pytest.FixtureRequest) -> str:
    """The image as `docker build` makes it, but for where the base comes from."""
    userland.want(buildah="buildah", crun="crun", curl="curl", nsenter="util-linux", ss="iproute2")
    architecture: str = request.param
    name = f"localhost/godwit-agent:{architecture}"
    arguments = {"BASE": bases(architecture), "PLATFORM": f"linux/{architecture}"}
    given = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    trusted = ["--volume", f"{CERTIFICATES}:/usr/local/share/ca-certificates/host.crt:ro"]  # by this machine
    options = ["--layers", "--format", "docker", "--network", "host", "--pull-never", *CHROOT]
    buildah("build", *options, *given, *trusted, "-f", ROOT / "Dockerfile.arm64", "-t", name, ROOT)
    return name


@pytest.fixture
def container(image: str) -> Iterator[str]:
    """A fresh one."""
    made = buildah("from", "--pull-never", image)
    yield made
    buildah("rm", made)


def inspected(image: str) -> Any:
    """Its configuration, as Docker has it."""
    return json.loads(buildah("inspect", "--type", "image", image))["Docker"]


@pytest.fixture
def run(container: str, tmp_path: Path) -> Callable[..., list[str]]:
    """What runs a command line in it. Of /sys it sees what qemu can live with: `userland` says why."""
    seen = tmp_path / "cpu"
    seen.mkdir()
    for name in ("possible", "present"):
        (seen / name).write_bytes((CPUS / name).read_bytes())
    within = ["unshare", "--mount", "sh", "-c", f'mount --bind {seen} {CPUS} && exec "$@"', "sh"]
    mounts = [f"--volume={tmp_path}/volume:/var/lib/godwit", f"--volume={tmp_path}/bundles:/bundles:ro"]
    return lambda *line: [*within, "buildah", *STORAGE, "run", *CHROOT, *mounts, container, "--", *line]


@contextmanager
def running(line: Sequence[str], log: Path) -> Iterator[list[str]]:
    """It, on a network of its own; the start of a command line on that network."""
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    with log.open("wb") as stream:
        process = processes.start([*alone, *line], stream, stream)
    try:
        yield ["nsenter", f"--target={process.pid}", "--net", "--"]
    finally:
        processes.stop(process)


def test_it_is_small_without_a_compiler_and_not_root(image: str, container: str) -> None:
    config = inspected(image)["config"]
    assert config["User"] == "godwit"
    assert config["Volumes"] == {"/var/lib/godwit": {}}
    looking = "id -u; ls /usr/bin /opt/godwit/bin; find / -xdev -name 'cc1*' 2> /dev/null || true"
    words = buildah("run", *CHROOT, container, "--", "sh", "-c", looking).split()
    assert words[0] == "10001"
    assert not {"cc", "gcc", "ld", "as", "make", "pip", "pip3"} & set(words)
    assert not [word for word in words if "cc1" in word]
    used = subprocess.run(["du", "-sm", buildah("mount", container)], capture_output=True, text=True, check=True)
    size_mb = int(used.stdout.split()[0])
    print(f"{image}: {size_mb} MB unpacked")
    assert size_mb < MOST_MB


def test_all_is_compiled_and_nothing_is_run_for_another_processor(container: str) -> None:
    last = (ROOT / "Dockerfile.arm64").read_text().rpartition("\nFROM ")[2]
    assert "\nRUN " not in last
    importing = "python3 -v -c 'import edge_agent.supervisor, edge_agent.worker' 2>&1"
    told = buildah("run", *CHROOT, container, "--", "sh", "-c", importing)
    loaded = re.findall(r"code object from '?([^'\s]+)", told)
    assert [path for path in loaded if "/supervisor" in path]
    assert [path for path in loaded if not path.endswith(".pyc")] == []


def test_it_predicts_on_every_address_for_who_has_the_token(
    image: str, run: Callable[..., list[str]], tmp_path: Path
) -> None:
    config = inspected(image)["config"]
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume").chmod(0o777)
    (tmp_path / "bundles").mkdir()
    tmp_path.chmod(0o755)
    architecture = {"amd64": "x86_64", "arm64": "aarch64"}[image.rpartition(":")[2]]
    write_bundle(tmp_path / "bundles" / "tiny.godwit", arch=architecture)
    install = ["install", "/bundles/tiny.godwit", "--root", "/var/lib/godwit", "--device-id", "box-1"]
    installed = subprocess.run(run(*config["Entrypoint"], *install), capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    log = tmp_path / "log"
    with running(run(*config["Entrypoint"], *config["Cmd"]), log) as beside:
        link = re.compile(r"http://localhost:8000/\?token=([\w-]+)")
        wait_until(lambda: bool(link.search(log.read_text())), "the link in the log", START_S)
        healthy = config["Healthcheck"]["Test"][1:]
        deadline = time.monotonic() + START_S
        checking = [*beside, *run(*healthy)]
        while subprocess.run(checking, capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < deadline, log.read_text()
        told = link.search(log.read_text())
        assert told
        (tmp_path / "row.npy").write_bytes(_npy())
        url = "http://localhost:8000/api/predict/tiny"
        asking = [*beside, "curl", "-s", url, "--data-binary", f"@{tmp_path}/row.npy"]
        refused = subprocess.run(asking, capture_output=True, text=True, check=True).stdout
        assert "a token is needed" in refused
        asking += ["-H", f"Authorization: Bearer {told[1]}"]
        answer = json.loads(subprocess.run(asking, capture_output=True, text=True, check=True).stdout)
        assert answer["result"]["top"][0]["label"] in {"ant", "bee", "cat"}
        listening = subprocess.run([*beside, "ss", "-ltn"], capture_output=True, text=True, check=True).stdout
        assert "0.0.0.0:8000" in listening


def _npy() -> bytes:
    import io

    import numpy as np

    stream = io.BytesIO()
    np.save(stream, images(1)[0])
    return stream.getvalue()
