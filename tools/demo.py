"""`make demo`: a trained model becomes predictions over MQTT, on real input, on this machine."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from firmware_profiles import atomic, profile
from firmware_profiles.errors import GodwitError, Problem, guarded
from tools import processes
from tools.broker import Broker
from tools.demo_live import OUTAGE_S, Commands, Demo, Live
from tools.demo_score import Score, score

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "demo"
DIGITS = ROOT / "build" / "digits"
PROJECT = Path("examples/digits")
BIN = Path(sys.executable).parent
AGENT = ROOT / "build" / "agent-venv" / "bin" / "edge-agent"
DEVICE = BUILD / "device"
RATE_PER_S = 50
SOURCE = "replay"

console = Console(highlight=False, soft_wrap=True)


def train() -> None:
    """Step 1, left out where its outcome is newer than its program."""
    program, model = ROOT / PROJECT / "train.py", DIGITS / "model.keras"
    made = (model, DIGITS / "calibration.npz", DIGITS / "evaluation.npz")
    if all(path.exists() and path.stat().st_mtime > program.stat().st_mtime for path in made):
        say(f"{model.relative_to(ROOT)} is there already, and newer than {PROJECT / 'train.py'}")
        return
    run([sys.executable, PROJECT / "train.py"], BUILD / "train.log")


def convert() -> dict[str, Any]:
    """Step 2; the report as it was written."""
    bundles = BUILD / "bundles"
    shutil.rmtree(bundles, ignore_errors=True)
    run([BIN / "godwit", "convert", PROJECT, "--out", bundles.relative_to(ROOT)])
    report: dict[str, Any] = json.loads((bundles / "report.json").read_text(encoding="utf-8"))
    return report


def flash(report: dict[str, Any], broker_url: str) -> None:
    """Step 3, and what a person would then write into the device's own configuration."""
    shutil.rmtree(DEVICE, ignore_errors=True)
    here = f"linux-{profile.userland_arch()}"
    bundle = next(Path(each["bundle"]) for each in report["profiles"] if each["profile"] == here)
    run([BIN / "godwit", "flash", bundle, f"dir://{DEVICE}", "--device-id", "demo", "--broker", broker_url])
    with (DEVICE / "etc" / "agent.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(
            f'\n[[source]]\nname = "{SOURCE}"\nkind = "replay"\n'
            f"path = {json.dumps(str(DIGITS / 'evaluation.npz'))}\nrate = {RATE_PER_S}\n"
        )


def fly(broker: Broker, labels: list[int]) -> Live:
    """Step 4."""
    commands = Commands(
        watch=[str(BIN / "godwit"), "watch", "--broker", broker.url, "--json"],
        agent=[str(AGENT), "run", "--root", str(DEVICE)],
    )
    show(commands.watch)
    show(commands.agent)
    return Demo(BUILD, DEVICE, broker, len(labels), say).run(commands)


def summarise(report: dict[str, Any], live: Live, counted: Score) -> dict[str, Any]:
    """Step 5: `summary.json`. Where a bundle was not measured on its device, `p50_ms` is this machine's."""
    candidates = {each["recipe"]: each for each in report["candidates"]}
    chosen = [(each["profile"], candidates[each["chosen"]]) for each in report["profiles"] if each["chosen"]]
    return {
        "profiles": [
            {
                "profile": name,
                "recipe": candidate["recipe"],
                "format": candidate["format"],
                "accuracy": candidate["score"],
                "float_accuracy": candidates[report["reference"]]["score"],
                "size_bytes": candidate["size_bytes"],
                "p50_ms": candidate["costs"][0]["p50_ms"],
            }
            for name, candidate in chosen
        ],
        "predictions": {key: getattr(counted, key) for key in ("produced", "received", "lost", "duplicated")},
        "accuracy_over_mqtt": counted.accuracy,
        "cold_start_ms": round(live.cold_start_ms, 1),
        "supervisor_pss_mb": round(live.supervisor_pss_mb, 2),
        "worker_pss_mb": round(live.worker_pss_mb, 2),
        "report": str(BUILD / "bundles" / "report.html"),
    }


def conclude(summary: dict[str, Any], live: Live, counted: Score, seconds: float) -> None:
    """The last words, honest ones."""
    rows = [
        ("bundles", ", ".join(f"{row['profile']} ({row['recipe']})" for row in summary["profiles"])),
        ("inputs", f"{counted.produced} replayed, {counted.received} answered, {counted.lost} lost"),
        ("outage", f"{live.made_in_outage} predictions made while the broker was away for {OUTAGE_S:g} s"),
        ("repeats", f"{counted.duplicated} deliveries came twice; {counted.repeats} of them known by identity"),
        ("accuracy", f"{100 * counted.accuracy:.2f} % over MQTT, by the labels in the replayed file"),
        ("cold start", f"{live.cold_start_ms:.0f} ms from exec to the first prediction, golden check included"),
        ("memory", f"supervisor {live.supervisor_pss_mb:.1f} MB, worker {live.worker_pss_mb:.1f} MB (PSS)"),
        ("report", str(Path(summary["report"]).relative_to(ROOT))),
        ("summary", str((BUILD / "summary.json").relative_to(ROOT))),
        ("time", f"{seconds:.0f} s"),
    ]
    for name, text in rows:
        console.print(f"  [bold]{name:<11}[/bold]{text}")
    say("Latencies of the other devices were measured on this machine: they rank recipes, no more.")


def run(argv: list[Any], log: Path | None = None) -> None:
    """Show a command, run it from the repository's root, and stop the demo if it fails."""
    show(argv)
    if log is None:
        status = processes.run(argv)
    else:
        with log.open("wb") as stream:
            status = processes.run(argv, stderr=stream)
    if status != 0:
        step = f"read {log}" if log else "its own message is above"
        raise GodwitError(Problem(Path(argv[0]).name, "exit status 0", str(status), step))


def show(argv: list[Any]) -> None:
    """A command, as a person would type it."""
    words = [Path(argv[0]).name, *(str(word).replace(f"{ROOT}/", "") for word in argv[1:])]
    console.print(f"  [dim]$[/dim] [cyan]{shlex.join(words)}[/cyan]")


def say(text: str) -> None:
    """A remark."""
    console.print(f"  [dim]{text}[/dim]")


def step(number: int, title: str) -> None:
    """A heading."""
    console.print(f"\n[bold green]{number}[/bold green] [bold]{title}[/bold]")


def main() -> int:
    """The five steps."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that everything started is stopped
    started = time.monotonic()
    for folder in (BUILD / "broker", BUILD / "summary.json"):
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink(missing_ok=True)
    (BUILD / "broker").mkdir(parents=True)
    step(1, "A user trains a model: handwritten digits, a small Keras network")
    train()
    step(2, "One proven bundle for each device")
    report = convert()
    step(3, "Flash one of them: into a device root on this machine")
    broker = Broker(BUILD / "broker")
    flash(report, broker.url)
    step(4, "Run it: held-out digits in, predictions out over MQTT; the broker goes away in the middle")
    labels = [int(label) for label in np.load(DIGITS / "evaluation.npz")["y"]]
    live = fly(broker, labels)
    step(5, "What came of it")
    counted = score(SOURCE, labels, live.predictions)
    summary = summarise(report, live, counted)
    atomic.write_bytes(BUILD / "summary.json", json.dumps(summary, indent=2).encode() + b"\n")
    conclude(summary, live, counted, time.monotonic() - started)
    return 0 if counted.lost == 0 else 1


if __name__ == "__main__":
    sys.exit(guarded(main))
