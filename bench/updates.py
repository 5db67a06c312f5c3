"""What an update costs: the bytes that are fetched, by each way there is, and the time of each state.

A published model (MLPerf Tiny's ResNet8 in float32) on LiteRT, from a repository made by `godwit repo`, over HTTP on
this machine. Between two versions a share of the weights changes, as after training on. Run it alone:
`python -m bench --only updates`.
"""

from __future__ import annotations

import http.server
import io
import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.flight import AGENT, PYTHON
from bench.say import say
from firmware_profiles import bundle
from firmware_profiles.bundle import Bundle
from firmware_profiles.manifest import InputSpec, Limits, Manifest, Model, OutputSpec, RuntimeClaim, Tensor
from firmware_profiles.profile import userland_arch
from tools import demo, processes

MODEL = Path(__file__).parents[2] / "shared" / "data" / "cifar10" / "models" / "resnet8_mlperf_float.tflite"
SHARES = (0.0, 0.05, 0.5, 1.0)
"""Of the weights that change from one version to the next."""
STATES = ("fetching", "staging", "testing", "activating", "proving")


class Update(NamedTuple):
    """One update.

    Attributes:
        sizes: in bytes, of the whole, and of each transport that the repository has.
        way: by which it came.
        fetched_bytes: in all.
        spent_s: by state.
    """

    share: float
    sizes: dict[str, int]
    way: str
    fetched_bytes: int
    spent_s: dict[str, float]


def measure(folder: Path) -> list[Update]:
    """Each share in turn, on one device."""
    root, repository = folder / "device", folder / "repository"
    content = MODEL.read_bytes()
    _repo("init", repository, "--no-passphrase")
    first = _bundle(folder / "1.godwit", "1", content)
    _repo("add", first, "--repo", repository)
    _repo("kit", folder / "kit", "--repo", repository)
    trusted = repository / "public" / "metadata" / "1.root.json"
    _agent("install", folder / "kit", "--root", root, "--trust-root", trusted)
    updates = []
    with _served(repository / "public") as url, (root / "etc" / "agent.toml").open("a", encoding="utf-8") as config:
        source = f'[[source]]\nname = "replay"\nkind = "replay"\npath = "{_inputs(folder)}"\nrate = 100\n'
        config.write(f'\n[http]\nlisten = ""\n\n[update]\nurl = "{url}"\nprove_minutes = 0\n\n{source}')
        config.flush()
        with (folder / "log").open("wb") as log:
            running = processes.start([AGENT, "run", "--root", root], log, log)
            try:
                for number, share in enumerate(SHARES, 2):
                    say(f"updates: {100 * share:.0f} % of the weights")
                    content = _trained_on(content, share, number)
                    path = _bundle(folder / f"{number}.godwit", str(number), content)
                    updates.append(_update(repository, root, path, share))
            finally:
                processes.stop(running)
    return updates


def report(updates: Sequence[Update]) -> list[str]:
    """As Markdown."""
    lines = [
        "## What an update costs",
        "",
        f"{MODEL.name}, {MODEL.stat().st_size / 1e3:.0f} kB, by a repository of `godwit repo` over loopback, beside a",
        "running agent at 100 predictions a second; 20 good predictions prove it. `python -m bench --only updates`.",
        "",
        "| weights changed | whole, kB | xz, kB | patch, kB | taken | fetched, kB | "
        + " | ".join(f"{state}, s" for state in STATES)
        + " |",
        "|---" * (6 + len(STATES)) + "|",
    ]
    for each in updates:
        sizes = [f"{each.sizes[kind] / 1e3:.1f}" if kind in each.sizes else "–" for kind in ("full", "xz", "bsdiff4")]
        times = [f"{each.spent_s.get(state, 0):.2f}" for state in STATES]
        cells = [f"{100 * each.share:.0f} %", *sizes, each.way, f"{each.fetched_bytes / 1e3:.1f}", *times]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _update(repository: Path, root: Path, path: Path, share: float) -> Update:
    _repo("add", path, "--repo", repository)
    _agent("update", "--now", "--root", root)
    told: dict[str, Any] = json.loads(_agent("history", "--root", root, "--json"))["entries"][-1]
    newest = max(
        (repository / "public" / "metadata").glob("*.targets.json"), key=lambda each: int(each.name.split(".")[0])
    )
    (target,) = json.loads(newest.read_bytes())["signed"]["targets"].values()
    sizes: dict[str, int] = {}
    for each in target["custom"].get(
        "transports", []
    ):  # of patches, the one against the version before is the smallest
        sizes[each["kind"]] = min(each["size_bytes"], sizes.get(each["kind"], each["size_bytes"]))
    return Update(share, {"full": target["length"], **sizes}, told["way"], told["fetched_bytes"], told["spent_s"])


def _trained_on(content: bytes, share: float, seed: int) -> bytes:
    """The model with a share of its weights changed by up to a thousandth.

    Weights are what has a weight's size among neighbours that have one too; the file's own structure has not.
    """
    values = np.frombuffer(content[: len(content) // 4 * 4], np.float32).copy()
    size = np.abs(values)
    alike = ((size > 1e-6) & (size < 100)).astype(float)
    weights = np.flatnonzero((np.convolve(alike, np.ones(65) / 65, "same") > 0.98) & (alike > 0))
    chance = np.random.default_rng(seed)
    chosen = chance.choice(weights, int(share * len(weights)), replace=False)
    values[chosen] *= 1 + chance.uniform(-1e-3, 1e-3, len(chosen)).astype(np.float32)
    return values.tobytes() + content[len(values) * 4 :]


def _bundle(path: Path, version: str, content: bytes) -> Path:
    """A bundle whose golden answers are the model's own, here."""
    _write(path, version, content, {})
    data, outputs = path.with_suffix(".x.npz"), path.with_suffix(".y.npz")
    raw = np.random.default_rng(1).integers(0, 256, (16, 32, 32, 3), np.uint8)
    np.savez(data, x=raw)
    _agent("evaluate", path, "--data", data, "--outputs", outputs, "--runs", "0")
    stream = io.BytesIO()
    np.savez(stream, x=raw, y0=np.load(outputs)["y0"])
    _write(path, version, content, {"golden.npz": stream.getvalue()})
    return path


def _write(path: Path, version: str, content: bytes, golden: dict[str, bytes]) -> None:
    model = Model(
        name="resnet8",
        task="classification",
        file="models/resnet8.tflite",
        format="tflite",
        precision="float32",
        recipe="tflite-float32",
        inputs=[Tensor("image", [1, 32, 32, 3], "float32")],
        outputs=[Tensor("classes", [1, 10], "float32")],
        pre=InputSpec(kind="image", height=32, width=32),
        post=OutputSpec(),
        runtimes=[RuntimeClaim("litert", "xnnpack", "2.1.0", 1e-3)],
        golden="".join(golden),
    )
    arch = userland_arch()
    of = Manifest(
        name="resnet8",
        version=version,
        godwit="0",
        profiles=[f"linux-{arch}"],
        arch=arch,  # type: ignore[arg-type]  # this machine's is one of those that are known
        models=[model],
        limits=Limits(1000, 1000),
    )
    bundle.write(path, of, {model.file: content, **golden})
    with Bundle(path):
        pass


def _inputs(folder: Path) -> Path:
    path = folder / "inputs.npz"
    np.savez(path, x=np.random.default_rng(2).integers(0, 256, (20_000, 32, 32, 3), np.uint8))
    return path


def _repo(*arguments: str | Path) -> None:
    subprocess.run([demo.BIN / "godwit", "repo", *arguments], check=True, stdout=subprocess.DEVNULL)


def _agent(*arguments: str | Path) -> str:
    command = [str(PYTHON), "-m", "edge_agent", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr}")
    return done.stdout


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def run() -> list[str]:
    """Measure in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="godwit-bench-") as name:
        return report(measure(Path(name)))
