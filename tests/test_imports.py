"""The import rules of docs/architecture.md, held by walking every import in every module, nested ones too."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PEERS = {"converter", "fleet", "edge_agent"}
PACKAGES = {*PEERS, "firmware_profiles", "godwit"}
TRAINING = {"tensorflow", "keras", "tf_keras", "tf2onnx", "torch"}
CONTRACTS_MAY = {
    *sys.stdlib_module_names,
    "firmware_profiles",
    "msgspec",
    "tomli",
    "tomllib",
}  # tomllib: new in Python 3.11
HEAVY = {
    *("numpy", "ai_edge_litert", "onnxruntime", "tflite_runtime", "PIL", "cv2", "serial", "click", "tensorflow"),
    *("tuf", "securesystemslib", "cryptography", "bsdiff4"),
}


def imported(source: str, package: str, types_too: bool = True) -> set[str]:
    """Top-level names of all that `source`, a module of `package`, imports, also inside functions and by name.

    Args:
        types_too: whether imports under `if TYPE_CHECKING:`, which never run, count.
    """
    names = set()
    for node in _nodes(ast.parse(source), types_too):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0] if node.level == 0 else package)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "importlib.import_module",
            "import_module",
            "__import__",
        ):
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant):
                names.add(str(argument.value).partition(".")[0])
    return names


def _nodes(tree: ast.AST, types_too: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if not types_too and isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from _nodes(child, types_too)


def broken_rules(root: Path) -> list[str]:
    """`package/module.py imports name` for every import that the rules forbid, below `root`."""
    found = []
    for package in sorted(PACKAGES):
        for path in sorted((root / package).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            bad = imported(source, package) & (PEERS - {package} if package in PEERS else set())
            if package == "firmware_profiles":
                bad |= imported(source, package, types_too=False) - CONTRACTS_MAY
                bad |= imported(source, package) & (PACKAGES - {package})
            if package != "converter":
                bad |= imported(source, package) & TRAINING
            found += [f"{path.relative_to(root)} imports {name}" for name in sorted(bad)]
    return found


def test_no_module_breaks_a_rule() -> None:
    assert all(list((ROOT / package).rglob("*.py")) for package in PACKAGES)
    assert broken_rules(ROOT) == []


@pytest.mark.parametrize(
    ("module", "source", "name"),
    [
        ("edge_agent/a.py", "from converter.passes import fold", "converter"),
        ("converter/a.py", "def f():\n    import edge_agent.flow.images", "edge_agent"),
        ("fleet/a.py", "if TYPE_CHECKING:\n    from edge_agent import ota", "edge_agent"),
        ("fleet/a.py", "import importlib\nimportlib.import_module('converter.cli')", "converter"),
        ("firmware_profiles/a.py", "try:\n    import numpy\nexcept ImportError:\n    pass", "numpy"),
        ("firmware_profiles/a.py", "import godwit", "godwit"),
        ("edge_agent/deep/down/a.py", "class C:\n    def f(self):\n        from tensorflow import lite", "tensorflow"),
        ("godwit/a.py", "import keras.models", "keras"),
    ],
)
def test_a_broken_rule_is_seen(tmp_path: Path, module: str, source: str, name: str) -> None:
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert broken_rules(tmp_path) == [f"{module} imports {name}"]


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "firmware_profiles").mkdir()
    allowed = (
        "import json\nimport msgspec\nfrom . import words\nif TYPE_CHECKING:\n    from typing_extensions import Self"
    )
    (tmp_path / "firmware_profiles" / "a.py").write_text(allowed, encoding="utf-8")
    assert broken_rules(tmp_path) == []


def loaded_by(module: str) -> set[str]:
    """Top-level names of what a fresh Python holds after importing `module`."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(finished.stdout.split())


def test_the_supervisor_stays_small() -> None:
    assert loaded_by("edge_agent.supervisor") & HEAVY == set()


def test_at_a_boot_the_updater_loads_no_more_than_it_needs() -> None:
    assert loaded_by("edge_agent.commands.update") & {*HEAVY, "ssl"} == set()


def test_the_front_door_loads_no_command() -> None:
    assert loaded_by("godwit.cli") & {*HEAVY - {"click"}, *PEERS} == set()


def test_a_heavy_import_is_seen() -> None:
    assert loaded_by("PIL.Image") & HEAVY == {"PIL"}
