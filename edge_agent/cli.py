"""`edge-agent`: the command on the device. Only the standard library until a command is chosen."""

from __future__ import annotations

import argparse
import importlib
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from firmware_profiles import VERSION
from firmware_profiles.errors import InputError, Problem, guarded
from firmware_profiles.serial_link import DEFAULT_BAUD, LEAST_BAUD, MOST_BAUD
from firmware_profiles.words import DelegateName, RuntimeName

_RUN_EXAMPLE = "example: edge-agent run --root /var/lib/godwit"


class _Parser(argparse.ArgumentParser):
    """Tells usage errors in the one-line form of every other error."""

    def error(self, message: str) -> NoReturn:
        raise InputError(Problem("arguments", "a command as in --help", message, f"see {self.prog} --help"))


if typing.TYPE_CHECKING:  # it takes no parameter at run time
    _Commands = argparse._SubParsersAction[_Parser]


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = _Parser(
        prog="edge-agent",
        description="Runs a deployment on this device: offline inference, predictions over MQTT.",
        epilog=_RUN_EXAMPLE,
    )
    root.add_argument("--version", action="version", version=f"edge-agent {VERSION}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_of_devices(commands)
    _add_of_support(commands)
    _add_identity(commands)
    _add_of_bundles(commands)
    _add_of_measuring(commands)
    return root


def _add_of_devices(commands: _Commands) -> None:
    install = _add(
        commands,
        "install",
        "unpack a kit's or a bundle's deployment into a device root and make it the active one",
        "example: edge-agent install /media/stick/kit --root /var/lib/godwit",
    )
    install.add_argument("what", type=Path, metavar="KIT|BUNDLE")
    _add_root(install)
    install.add_argument(
        "--trust-root", type=Path, metavar="FILE", help="signed root metadata that this device trusts from now on"
    )
    install.add_argument(
        "--profile", metavar="P", help="take what a kit has for it (default: the active deployment's, or what fits)"
    )
    install.add_argument(
        "--device-id", metavar="ID", help="name of this device (first install only; default: its host name)"
    )
    install.add_argument(
        "--deployment-only",
        action="store_true",
        help="leave the agent's own code as it is, though the kit has newer one",
    )
    install.add_argument("--broker", metavar="URL", help="mqtt[s]://[user:password@]host[:port] (first install only)")
    _add_json(install)

    verify = _add(
        commands,
        "verify",
        "tell whether a kit is signed by whom this device trusts; nothing changes",
        "example: edge-agent verify /media/stick/godwit --root /var/lib/godwit",
    )
    verify.add_argument("kit", type=Path, metavar="KIT")
    _add_root(verify)
    verify.add_argument(
        "--trust-root", type=Path, metavar="FILE", help="as of install, on a device that trusts nobody yet"
    )
    verify.add_argument(
        "--agent", metavar="SHA256", help="the agent's list of files (agent.json) of that hash must be signed, too"
    )
    _add_json(verify)

    receive = _add(
        commands,
        "receive",
        "take what `godwit flash serial://…` sends, and install it",
        "example: edge-agent receive --serial /dev/ttyGS0 --root /var/lib/godwit",
    )
    receive.add_argument("--serial", metavar="DEV", help="the port (default: standard input and output)")
    receive.add_argument("--baud", type=_baud, default=DEFAULT_BAUD, metavar="N", help=f"default: {DEFAULT_BAUD}")
    receive.add_argument("--once", action="store_true", help="end after one transfer")
    _add_root(receive)

    run_ = _add(commands, "run", "run the active deployment until told to stop", _RUN_EXAMPLE)
    _add_root(run_)
    run_.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where HTTP listens, instead of [http] listen; beyond this machine a token is made and logged,"
        " unless the variable GODWIT_HTTP_TOKEN or [http] token_file gives one",
    )

    status = _add(commands, "status", "what a running agent does")
    _add_root(status)
    _add_json(status)
    _add_of_updates(commands)


def _add_of_updates(commands: _Commands) -> None:
    update = _add(
        commands,
        "update",
        "look for a newer deployment, bring it, and judge how it does",
        "example: edge-agent update --now --root /var/lib/godwit",
    )
    _add_root(update)
    when = update.add_mutually_exclusive_group()
    when.add_argument("--now", action="store_true", help="look into the repository even if it is not time yet")
    when.add_argument(
        "--at-boot",
        action="store_true",
        help="before the agent starts: leave a version that took the device down again and again, and look nowhere",
    )
    _add_json(update)
    for name, text in (
        ("rollback", "make the deployment before the active one again"),
        ("mark-good", "let the deployment on probation stay"),
        ("history", "what became of the updates"),
    ):
        command = _add(commands, name, text)
        _add_root(command)
        _add_json(command)


def _add_identity(commands: _Commands) -> None:
    identity = _add(
        commands,
        "identity",
        "a certificate for this device, whose key never leaves it",
        "example: edge-agent identity request --root /var/lib/godwit > door-7.csr",
    )
    actions = identity.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    _add_root(_add(actions, "request", "print a signing request for `godwit ca sign`"))
    accept = _add(actions, "accept", "use the certificate that was signed for it, from the next connection on")
    accept.add_argument("certificate", type=Path, metavar="PEM")
    accept.add_argument(
        "--ca", type=Path, metavar="PEM", help="who signed it, and the broker's (default: that of the present one)"
    )
    show = _add(actions, "show", "name the certificate in use, and until when it holds")
    for action in (accept, show):
        _add_root(action)
        _add_json(action)


def _add_of_support(commands: _Commands) -> None:
    service = _add(
        commands,
        "service",
        "make the agent a hardened systemd service of this device, started at every boot (as root)",
        "example: sudo edge-agent service --root /var/lib/godwit --grant serial",
    )
    _add_root(service)
    service.add_argument(
        "--grant",
        action="append",
        default=[],
        choices=("serial", "camera", "gpu"),
        help="a kind of device that it may open, as the profile names its nodes; may be given again",
    )
    service.add_argument("--profile", metavar="NAME|PATH", help="default: the first one of the active deployment")
    service.add_argument("--program", type=Path, metavar="PATH", help="what the units start (default: this program)")
    service.add_argument("--dry-run", action="store_true", help="name the files that would change, write nothing")
    _add_json(service)

    stick = _add(commands, "stick", "install the kit in the folder godwit of a stick, and write the outcome onto it")
    stick.add_argument("stick", type=Path, metavar="DIR", help="where the stick is mounted")
    _add_root(stick)
    _add_json(stick)

    doctor = _add(
        commands,
        "doctor",
        "check what a support engineer would ask about, and say what to do",
        "example: edge-agent doctor --root /var/lib/godwit; exit code 1 if something fails",
    )
    _add_root(doctor)
    _add_json(doctor)


def _add_of_bundles(commands: _Commands) -> None:
    predict = _add(
        commands, "predict", "answer some inputs, offline", "example: edge-agent predict cats.godwit cat.png"
    )
    predict.add_argument("bundle", type=Path, metavar="BUNDLE")
    predict.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help="an image, .npy, .npz or .csv file")
    _add_json(predict)

    selftest = _add(commands, "selftest", "compare a bundle's model with its golden vectors, here")
    selftest.add_argument("bundle", type=Path, metavar="BUNDLE")
    _add_runtime(selftest)
    _add_json(selftest)

    tensors = _add(commands, "tensors", "check data against a model and write its input tensors")
    tensors.add_argument("model", type=Path, metavar="MODEL.json", help="a model as in a manifest")
    tensors.add_argument("--data", type=Path, required=True, metavar="D")
    tensors.add_argument("--out", type=Path, required=True, metavar="X.npz")
    tensors.add_argument("--limit", type=_count, metavar="N", help="at most N items, spread evenly")
    _add_json(tensors)


def _add_of_measuring(commands: _Commands) -> None:
    evaluate = _add(commands, "evaluate", "measure a bundle's accuracy, latency and memory, here")
    evaluate.add_argument("bundle", type=Path, metavar="BUNDLE")
    evaluate.add_argument("--data", type=Path, metavar="D", help=".npz (x, y), .csv or a folder of images")
    _add_runtime(evaluate)
    evaluate.add_argument("--threads", type=_count, metavar="N", help="default: the manifest's")
    evaluate.add_argument("--runs", type=_whole, default=100, metavar="N", help="timed runs; 0 for none (default: 100)")
    evaluate.add_argument(
        "--answers", type=Path, metavar="X.npz", help="write what a metric compares: answers, and the targets"
    )
    evaluate.add_argument("--outputs", type=Path, metavar="X.npz", help="write the raw outputs y0, y1, …")
    _add_json(evaluate)

    compare = _add(commands, "compare", "measure the latency of two bundles in turn, here")
    compare.add_argument("first", type=Path, metavar="A")
    compare.add_argument("second", type=Path, metavar="B")
    compare.add_argument("--on", nargs=2, metavar="R/D", help="runtime/delegate of each (default: the first claimed)")
    compare.add_argument("--threads", type=_count, metavar="N", help="default: each manifest's")
    compare.add_argument("--runs", type=_count, default=200, metavar="N", help="timed runs of each (default: 200)")
    _add_json(compare)

    bench = _add(
        commands,
        "bench",
        "measure every runtime that a bundle claims, here: latency, load time, memory, throughput, temperature",
        "example: edge-agent bench cats.godwit",
    )
    bench.add_argument("bundle", type=Path, metavar="BUNDLE")
    bench.add_argument("--runs", type=_count, default=200, metavar="N", help="timed runs of each (default: 200)")
    _add_json(bench)

    machine = _add(commands, "machine", "what this machine is: by it a profile is recognised")
    _add_json(machine)


def _add(commands: _Commands, name: str, text: str, example: str | None = None) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=example)


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the device root")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runtime", choices=typing.get_args(RuntimeName), help="default: the first one claimed")
    parser.add_argument("--delegate", choices=typing.get_args(DelegateName))


def _whole(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{number} is not between 0 and 1000000")
    return number


def _baud(text: str) -> int:
    number = int(text)
    if not LEAST_BAUD <= number <= MOST_BAUD:
        raise argparse.ArgumentTypeError(f"{number} is not between {LEAST_BAUD} and {MOST_BAUD}")
    return number


def _count(text: str) -> int:
    number = _whole(text)
    if number == 0:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and call the command's module."""
    arguments = parser().parse_args(argv)
    module = importlib.import_module(f"edge_agent.commands.{arguments.command.replace('-', '_')}")
    code: int = module.main(arguments)
    return code


def run() -> int:
    """The console script."""
    return guarded(main)
