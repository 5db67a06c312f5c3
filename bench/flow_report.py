"""The flow on the device, measured and told: own cost, throughput, a steady rate, HTTP."""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from bench import drain, flow, outage, over_http
from bench.flight import PYTHON, replay
from bench.models import BENCHMARKS, DATA
from bench.report import here
from bench.say import say
from edge_agent.flow.preprocess import Preprocessor
from firmware_profiles.bundle import Bundle, write
from tools import demo
from tools.broker import free_port

REPEATS = 3
RATE = 500
SECONDS = 12
_BIN = Path(sys.executable).parent
_LARGER = """
import sys, keras, numpy as np, tensorflow as tf
keras.utils.set_random_seed(1)
layers = [keras.layers.Conv2D(128, 3, padding="same", activation="relu") for _ in range(int(sys.argv[3]))]
pooled = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(int(sys.argv[4]), activation="softmax")]
shape = tuple(map(int, sys.argv[2].split(",")))
model = keras.Sequential([keras.Input(shape), *layers, *pooled])
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([np.random.rand(1, *shape).astype(np.float32)] for _ in range(20))
open(sys.argv[1], "wb").write(converter.convert())
"""
_CONVOLUTIONS = 3


class Subject(NamedTuple):
    """A model to measure with: its bundle, its file, raw inputs to replay, and the same as tensors."""

    title: str
    bundle: Path
    file: Path
    model: str
    raw: Path
    tensors: Path
    items: int


def report() -> list[str]:
    """Measure everything, in turn."""
    with tempfile.TemporaryDirectory(prefix="godwit-bench-") as name:
        folder = Path(name)
        small = _resnet8 if DATA.is_dir() else _digits
        first = small(folder / "small")
        subjects = [first, _larger(first, folder / "large")]
        lines = [
            "## What the flow on the device costs",
            "",
            f"On {here()}.",
            "",
            *_throughput(subjects),
            "",
            *_steady(subjects[0]),
        ]
        say("flow: HTTP")
        lines += ["", "### Over HTTP", "", *_http(first, folder)]
    return [*lines, ""]


def _throughput(subjects: list[Subject]) -> list[str]:
    lines = [
        "Inputs replayed as fast as they go, everything ends in the spool, no broker; the model alone is",
        f"set_tensor + invoke + get_tensor in the bare runtime, in the same run. Medians of {REPEATS} turns.",
        "",
        "| model, one thread | alone, µs | in the agent, µs | of raw throughput | worker's own µs | supervisor's µs |",
        "|---|---|---|---|---|---|",
    ]
    for subject in subjects:
        turns: list[tuple[float, flow.Throughput]] = []
        for turn in range(REPEATS):
            say(f"flow: {subject.title}, turn {turn + 1} of {REPEATS}")
            turns.append((_alone_us(subject), flow.throughput(subject.bundle, subject.raw, subject.items)))
        alone_us = statistics.median(alone for alone, _ in turns)
        each_us = statistics.median(found.each_us for _, found in turns)
        share = statistics.median(alone / found.each_us for alone, found in turns)
        own_us = statistics.median(found.each_us - alone for alone, found in turns)
        supervisor_us = statistics.median(found.supervisor_us for _, found in turns)
        figures = (f"{alone_us:.0f}", f"{each_us:.0f}", f"{100 * share:.0f} %", f"{own_us:.0f}", f"{supervisor_us:.0f}")
        lines.append(f"| {' | '.join((subject.title, *figures))} |")
    return lines


def _steady(subject: Subject) -> list[str]:
    say(f"flow: {RATE} predictions a second for {SECONDS} s")
    found = flow.steady(subject.bundle, subject.raw, RATE * SECONDS, RATE)
    slow_ms = flow.durable_on_a_slow_disk(subject.bundle, subject.raw, RATE * SECONDS, RATE)
    return [
        f"At {RATE} predictions a second to a mosquitto on loopback, for {SECONDS} s: the supervisor takes "
        f"{100 * found.supervisor:.1f} % of a core, a bare paho publisher of as many messages "
        f"{100 * found.publisher:.1f} % (×{found.supervisor / found.publisher:.2f}). From a prediction to its commit: "
        f"p95 {found.durable_p95_ms:.0f} ms; where each fsync takes {flow.SLOW_FSYNC_MS} ms (an SD card, imitated by "
        f"strace), {slow_ms:.0f} ms.",
        "",
        *_outage(subject),
        "",
        *_drain(),
    ]


def _outage(subject: Subject) -> list[str]:
    say("flow: an outage and two SIGKILLs")
    found = outage.run(subject.bundle, subject.raw)
    return [
        f"{outage.RATE} a second, ten seconds without a broker, the agent killed by SIGKILL in the outage and while it "
        f"catches up: of {found.produced} inputs {found.lost} lost, {found.disordered} out of order, {found.twice} "
        f"messages came twice (20 are in flight at most), {found.repeated} inputs were answered twice.",
    ]


def _drain() -> list[str]:
    say("flow: after an outage")
    spools, alone = zip(*drain.in_turn(), strict=True)
    ours, theirs = (statistics.median(each.per_s for each in runs) for runs in (spools, alone))
    return [
        f"After an outage, from the spool to PUBACK: {ours:.0f} messages a second; bare paho {theirs:.0f} "
        f"(×{ours / theirs:.2f})."
    ]


def _http(subject: Subject, folder: Path) -> list[str]:
    work = folder / "http"
    work.mkdir()
    listening = replay(subject.raw, 1).replace('listen = ""', 'listen = "127.0.0.1:0"')
    with flow.running(subject.bundle, work, f"mqtt://127.0.0.1:{free_port()}", listening) as root:
        status = flow.wait_for(root, 1)
        port = int(status["listens"].rpartition(":")[2])
        pids = {"supervisor": status["supervisor_pid"], "worker": status["worker_pid"]}
        return over_http.report(over_http.measure(port, subject.model, pids, subject.file, subject.tensors, REPEATS))


def _alone_us(subject: Subject) -> float:
    done = subprocess.run([PYTHON, over_http.BARE, subject.file, subject.tensors], check=True, capture_output=True)
    return float(json.loads(done.stdout)["mean_us"])  # as throughput is a mean


def _resnet8(folder: Path) -> Subject:
    folder.mkdir()
    benchmark = next(each for each in BENCHMARKS if each.name == "resnet8")
    project = benchmark.write(folder)
    images = np.resize(benchmark.items().evaluation, (20_000, 32, 32, 3))
    return _subject("ResNet8 int8", folder, project, images)


def _digits(folder: Path) -> Subject:
    folder.mkdir()
    demo.train(folder)
    images = np.load(demo.DIGITS / "evaluation.npz")["x"]
    return _subject("digits int8", folder, demo.PROJECT, np.resize(images, (20_000, *images.shape[1:])))


def _larger(small: Subject, folder: Path) -> Subject:
    """The same bundle around a net of some milliseconds, with random weights: no time depends on them."""
    folder.mkdir()
    say("flow: a larger net")
    file, path = folder / "model.tflite", folder / "larger.godwit"
    with Bundle(small.bundle) as bundle:
        of = bundle.manifest
        model = of.models[0]
        with np.load(io.BytesIO(bundle.read(model.golden))) as arrays:
            inputs = arrays["x"]
    shape, classes = ",".join(map(str, model.inputs[0].shape[1:])), str(model.outputs[0].shape[-1])
    command: list[str | Path] = [sys.executable, "-c", _LARGER, file, shape, str(_CONVOLUTIONS), classes]
    subprocess.run(command, check=True, capture_output=True)
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    preprocess = Preprocessor(model.pre, model.inputs[0])
    answers = [_outputs(interpreter, preprocess(raw)) for raw in inputs]
    golden = io.BytesIO()
    np.savez(golden, x=inputs, y0=np.concatenate(answers))
    claims = [msgspec.structs.replace(claim, tolerance=1.0) for claim in model.runtimes if claim.runtime == "litert"]
    model = msgspec.structs.replace(model, runtimes=claims)
    whole = msgspec.structs.replace(of, models=[model], files={})
    write(path, whole, {model.file: file.read_bytes(), model.golden: golden.getvalue()})
    title = f"{_CONVOLUTIONS} convolutions of 128 channels, int8"
    return small._replace(title=title, bundle=path, file=file, items=2000)


def _outputs(interpreter: Any, tensor: Any) -> Any:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _subject(title: str, folder: Path, project: Path, images: Any) -> Subject:
    say(f"flow: {title}: a bundle")
    out = folder / "out"
    command: list[str | Path] = [_BIN / "godwit", "convert", project, "--target", "linux-x86_64"]
    subprocess.run(
        [*command, "--recipe", "tflite-int8", "--max-drop", "100", "--out", out], check=True, stdout=subprocess.DEVNULL
    )
    (path,) = out.glob("*.godwit")
    with Bundle(path) as bundle:
        model = bundle.manifest.models[0]
        file = folder / "model.tflite"
        file.write_bytes(bundle.read(model.file))
        (folder / "model.json").write_bytes(msgspec.json.encode(model))
    raw, tensors = folder / "raw.npz", folder / "tensors.npz"
    np.savez(raw, x=images)
    tensors_of: list[str | Path] = [PYTHON, "-m", "edge_agent", "tensors", folder / "model.json", "--data", raw]
    subprocess.run([*tensors_of, "--out", tensors, "--limit", "1000"], check=True, stdout=subprocess.DEVNULL)
    return Subject(title, path, file, model.name, raw, tensors, len(images))
