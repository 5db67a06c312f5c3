"""The command `godwit` and the package of that name: one table, loaded on use."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import click
import pytest

import godwit
from godwit.cli import COMMANDS


def run(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "godwit", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def test_help_imports_no_command() -> None:
    program = "import sys; from godwit.cli import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ended.stderr.split()}
    assert not loaded & {"converter", "fleet", "edge_agent", "numpy", "paho", "rich", "msgspec", "tensorflow"}
    assert all(entry.name in ended.stdout and entry.help in ended.stdout for entry in COMMANDS)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_row_of_the_table_is_a_command(entry: godwit.cli.Entry) -> None:
    module, _, attribute = entry.target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == entry.name


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["profiels"], "godwit: expected a known command, found 'profiels'; did you mean 'profiles'?"),
        (["profiles", "shwo"], "godwit profiles: expected a known command, found 'shwo'; did you mean 'show'?"),
        (["profiles", "--jsn"], "godwit profiles: expected a known option, found --jsn; did you mean '--json'?"),
        (["profiles", "show"], "godwit profiles show: expected NAME|PATH, found nothing;"),
        (["profiles", "show", "linux-x86"], "found 'linux-x86'; did you mean 'linux-x86_64'?"),
        (["profiles", "show", "/nowhere/x.toml"], "/nowhere/x.toml: expected a readable profile file, found no such"),
    ],
)
def test_mistakes_are_one_line_with_a_next_step(words: list[str], told: str) -> None:
    ended = run(*words)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_without_arguments_it_helps() -> None:
    assert run().stdout == run("--help").stdout
    assert run().returncode == 0


def test_version() -> None:
    assert run("--version").stdout == f"godwit {godwit.__version__}\n"


def test_a_missing_package_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['paho'] = None; from godwit.cli import run;"
        "sys.exit(run(['watch', '--broker', 'mqtt://localhost']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 4
    assert ended.stderr.startswith("error: godwit watch: expected the Python package paho")
    assert ended.stderr.endswith("pip install 'godwit[fleet]'\n")


def test_profiles_list_and_show() -> None:
    listed = json.loads(run("profiles", "--json").stdout)
    assert {"linux-x86_64", "raspberry-pi-5"} <= {row["name"] for row in listed}
    table = run("profiles").stdout.splitlines()
    assert len(table) == len(listed) + 1
    shown = run("profiles", "show", "linux-x86_64").stdout
    assert shown.startswith("#")
    assert 'name = "linux-x86_64"' in shown
    assert json.loads(run("profiles", "show", "linux-x86_64", "--json").stdout) in listed


def test_the_public_names_exist_and_only_they() -> None:
    assert dir(godwit) == sorted(godwit.__all__)
    assert all(getattr(godwit, name) is not None for name in godwit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = godwit.nothing
