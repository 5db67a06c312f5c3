"""The conformance client downloads: through delegations, and never what was not signed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile

from tests.conformance.trial import LATER, Tree, Trial, encoded
from tests.edge_agent.ota.hostile import Handler, Server
from tests.edge_agent.ota.signing import DAY


def test_a_file_is_downloaded_once_and_again_when_it_changed(trial: Trial, repository: Tree) -> None:
    repository.put("targets", "deep/in/file.txt", b"one")
    repository.publish()
    assert trial.download("deep/in/file.txt") == 0
    trial.asked()
    assert trial.download("deep/in/file.txt") == 0
    assert trial.asked() == ["2.root", "timestamp"]
    repository.put("targets", "deep/in/file.txt", b"two")
    repository.publish()
    assert trial.download("deep/in/file.txt") == 0
    assert trial.downloaded() == [b"two"]


@pytest.mark.parametrize("evil", [b"evil", b"longer than what was signed", b""])
def test_arbitrary_software(trial: Trial, repository: Tree, server: Server, evil: bytes) -> None:
    def swapped(handler: Handler, content: bytes) -> None:
        handler.answer(200, evil, {})

    repository.put("targets", "good", b"good")
    repository.put("targets", "other", b"fine")
    repository.publish()
    assert trial.download("good") == 0
    server.tricks |= {".good": swapped, ".other": swapped}
    trial.download("good")
    assert trial.download("other") == 1
    assert trial.downloaded() == [b"good"]


GRAPHS: dict[str, tuple[list[tuple[str, str, str, bool]], list[str]]] = {
    "one": ([("targets", "A", "*", False)], ["A"]),
    "two beside each other": ([("targets", "A", "*", False), ("targets", "B", "*", False)], ["A", "B"]),
    "depth first": (
        [("targets", "A", "*", False), ("targets", "B", "*", False), ("A", "C", "*", False), ("C", "D", "*", False)],
        ["A", "C", "D", "B"],
    ),
    "a last word": (
        [("targets", "A", "*", False), ("targets", "B", "*", False), ("A", "C", "*", True), ("A", "D", "*", False)],
        ["A", "C"],
    ),
    "below a last word": (
        [("targets", "A", "*", False), ("targets", "B", "*", False), ("A", "C", "*", True), ("C", "D", "*", False)],
        ["A", "C", "D"],
    ),
    "other paths": (
        [("targets", "A", "*.py", False), ("targets", "B", "*", False), ("A", "C", "*", False)],
        ["B"],
    ),
    "a circle": (
        [("targets", "A", "*", False), ("A", "B", "*", False), ("B", "C", "*", False), ("C", "A", "*", False)],
        ["A", "B", "C"],
    ),
    "one by two ways": (
        [("targets", "A", "*", False), ("targets", "B", "*", False), ("B", "C", "*", False), ("A", "C", "*", False)],
        ["A", "C", "B"],
    ),
    "by the way that matches": (
        [("targets", "A", "*", False), ("targets", "B", "*", False), ("B", "C", "*", False), ("A", "C", "*.py", False)],
        ["A", "B", "C"],
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_delegations_are_walked_in_order(trial: Trial, repository: Tree, name: str) -> None:
    edges, order = GRAPHS[name]
    for parent, child, path, is_last in edges:
        repository.delegate(parent, child, [path], is_last=is_last)
    repository.publish_all()
    assert trial.download("missing") == 1
    assert trial.asked()[4:] == [f"1.{role}" for role in order]


def test_a_target_is_found_where_it_was_delegated_to(trial: Trial, repository: Tree) -> None:
    repository.delegate("targets", "docs", ["*.md"])
    repository.delegate("targets", "releases", ["releases/*/*"])
    repository.delegate("releases", "x", ["releases/x/*"])
    repository.put("docs", "README.md", b"docs")
    repository.put("x", "releases/x/1", b"x one")
    repository.put("x", "releases/y/1", b"not x's to give")
    repository.publish_all()
    assert trial.download("README.md") == 0
    assert trial.download("releases/x/1") == 0
    assert trial.download("releases/y/1") == 1
    assert trial.downloaded() == [b"docs", b"x one"]


@pytest.mark.parametrize("fault", ["expired", "wrong key", "not in the snapshot", "another version"])
def test_a_delegated_role_that_is_not_right(trial: Trial, repository: Tree, fault: str) -> None:
    role = repository.delegate("targets", "A")
    repository.put("A", "file", b"content")
    if fault == "expired":
        role.expires = LATER - 90 * DAY
    elif fault == "wrong key":
        repository.signers["A"] = repository.signers["targets"]
    repository.publish_all()
    if fault == "not in the snapshot":
        del repository.snapshot.meta["A.json"]
    elif fault == "another version":
        repository.snapshot.meta["A.json"] = MetaFile(2)
        metadata = repository.folder / "metadata"
        (metadata / "1.A.json").rename(metadata / "2.A.json")
    if fault in ("not in the snapshot", "another version"):
        repository.publish("snapshot")
    assert trial.refresh() == 0
    assert trial.download("file") == 1
    assert trial.downloaded() == []
    assert "A" not in trial.trusted()


@pytest.mark.parametrize("role", ["?", "#", "/role", "../role", "ä"])
def test_names_of_roles_lead_nowhere_else(trial: Trial, repository: Tree, role: str, tmp_path: Path) -> None:
    repository.delegate("targets", role)
    repository.publish_all()
    before = {path for path in tmp_path.rglob("*") if trial.metadata not in path.parents}
    assert trial.download("missing") == 1
    assert trial.asked()[4:] == [f"1.{encoded(role)}"]
    assert len(trial.trusted()) == 5
    assert {path for path in tmp_path.rglob("*") if trial.metadata not in path.parents} == before
