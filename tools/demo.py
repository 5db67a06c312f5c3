"""`make demo`: a trained model becomes predictions over MQTT, on real input, on this machine.

`python -m tools.demo [FOLDER]` leaves everything in FOLDER, `build/demo` by default; the trained model
lies in `build/digits`, as its project file says.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from firmware_profiles import atomic, profile
from firmware_profiles.errors import UnavailableError, guarded
from tools.amqtt import SecondBest
from tools.broker import Broker
from tools.demo_live import OUTAGE_S, Commands, Demo, Live
from tools.demo_score import Score, score, summarise
from tools.terminal import ROOT, console, run, say, show, step

DIGITS = ROOT / "build" / "digits"
PROJECT = ROOT / "examples" / "digits"
BIN = Path(sys.executable).parent
AGENT = ROOT / "build" / "agent-venv" / "bin" / "edge-agent"
RATE_PER_S = 50
SOURCE = "replay"
_COLUMNS_OF_A_FILE = "120"


def train(folder: Path) -> None:
    """Step 1, left out where its outcome is newer than its program."""
    program = PROJECT / "train.py"
    made = [DIGITS / name for name in ("model.keras", "calibration.npz", "evaluation.npz")]
    if all(path.exists() and path.stat().st_mtime > program.stat().st_mtime for path in made):
        say(f"{made[0].relative_to(ROOT)} is there already, and newer than {program.relative_to(ROOT)}")
        return
    run([sys.executable, program], folder / "train.log")


def convert(folder: Path) -> dict[str, Any]:
    """Step 2; the report as it was written."""
    bundles = folder / "bundles"
    shutil.rmtree(bundles, ignore_errors=True)
    run([BIN / "godwit", "convert", PROJECT, "--out", bundles])
    report: dict[str, Any] = json.loads((bundles / "report.json").read_text(encoding="utf-8"))
    return report


def find_broker(folder: Path) -> Broker:
    """mosquitto; else the second best, after saying so."""
    try:
        return Broker(folder)
    except UnavailableError as error:
        say(str(error))
        say("second best: the pure-Python broker amqtt; it may lose messages for a subscriber that is away,")
        say("so the agent is held for the moments in which this broker stops and starts")
        return SecondBest(folder)


def flash(folder: Path, report: dict[str, Any], broker_url: str) -> None:
    """Step 3, and what a person would then write into the device's own configuration."""
    root = folder / "device"
    shutil.rmtree(root, ignore_errors=True)
    here = f"linux-{profile.userland_arch()}"
    bundle = next(each["bundle"] for each in report["profiles"] if each["profile"] == here)
    run([BIN / "godwit", "flash", bundle, f"dir://{root}", "--device-id", "demo", "--broker", broker_url])
    with (root / "etc" / "agent.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(
            f'\n[[source]]\nname = "{SOURCE}"\nkind = "replay"\n'
            f"path = {json.dumps(str(DIGITS / 'evaluation.npz'))}\nrate = {RATE_PER_S}\n"
        )


def fly(folder: Path, broker: Broker, produced: int) -> Live:
    """Step 4."""
    root = folder / "device"
    commands = Commands(
        watch=[str(BIN / "godwit"), "watch", "--broker", broker.url, "--json"],
        agent=[str(AGENT), "run", "--root", str(root)],
    )
    show(commands.watch)
    show(commands.agent)
    columns = (TextColumn("  predictions received"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=produced)
        demo = Demo(folder, root, broker, produced, say, lambda count: bar.update(task, completed=count))
        return demo.run(commands)


def conclude(summary: dict[str, Any], live: Live, counted: Score, broker: Broker) -> None:
    """The last words, honest ones."""
    rows = [
        ("bundles", "  ".join(f"{row['profile']}: {row['recipe']}" for row in summary["profiles"])),
        ("inputs", f"{counted.produced} replayed, {counted.received} answered, {counted.lost} lost"),
        ("outage", f"{live.made_in_outage} predictions made while the broker was away for {OUTAGE_S:g} s"),
        ("repeats", f"{counted.duplicated} came twice, {counted.repeats} of them recognised by identity"),
        ("accuracy", f"{100 * counted.accuracy:.2f} % over MQTT, by the labels in the replayed file"),
        ("cold start", f"{live.cold_start_ms:.0f} ms from exec to the first prediction, self-test included"),
        ("memory", f"supervisor {live.supervisor_pss_mb:.1f} MB, worker {live.worker_pss_mb:.1f} MB (PSS)"),
        ("report", summary["report"]),
    ]
    for name, text in rows:
        console.print(f"  [bold]{name:<11}[/bold]{text}")
    if counted.lost and not broker.keeps_messages:
        say(f"{broker.name}, the second-best broker, acknowledged messages and lost them; mosquitto would not have")
    say("Latencies of the other devices were measured on this machine: they rank recipes, no more.")


def main() -> int:
    """The five steps."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that everything started is stopped
    if not console.is_terminal:
        os.environ.setdefault("COLUMNS", _COLUMNS_OF_A_FILE)
    started = time.monotonic()
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build" / "demo"
    for old in ("broker", "summary.json"):
        shutil.rmtree(folder / old, ignore_errors=True)
    (folder / "broker").mkdir(parents=True)
    os.environ["XDG_DATA_HOME"] = str(folder / "data")  # flash makes a repository of this user's own there
    with step(1, "A user trains a model: handwritten digits, a small Keras network"):
        train(folder)
    with step(2, "One proven bundle for each device"):
        report = convert(folder)
    with step(3, "Flash one of them: into a device root on this machine"):
        broker = find_broker(folder / "broker")
        flash(folder, report, broker.url)
    with step(4, "Run it: unseen digits in, predictions out over MQTT; the broker goes away in the middle"):
        labels = [int(label) for label in np.load(DIGITS / "evaluation.npz")["y"]]
        live = fly(folder, broker, len(labels))
    counted = score(SOURCE, labels, live.predictions)
    summary = summarise(report, counted, live) | {"report": str(folder / "bundles" / "report.html")}
    atomic.write_bytes(folder / "summary.json", json.dumps(summary, indent=2).encode() + b"\n")
    with step(5, "What came of it"):
        conclude(summary, live, counted, broker)
    console.print(f"\n  {time.monotonic() - started:.0f} s in all; {folder / 'summary.json'}")
    return 0 if counted.lost == 0 else 1


if __name__ == "__main__":
    sys.exit(guarded(main))
