"""The bootstrap is root, and asks for a watch in a folder that is the agent's: what lies there is not followed."""

from __future__ import annotations

import os
from pathlib import Path

from fleet.bootstrap import install


def test_a_request_is_made_and_made_again(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for _ in range(2):
        install.ask(tmp_path)
        assert (tmp_path / "run" / "request").read_bytes() == b""


def test_a_link_is_not_followed_and_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    request = tmp_path / "run" / "request"
    request.symlink_to(tmp_path / "nologin")
    install.ask(tmp_path)
    assert not (tmp_path / "nologin").exists()
    request.unlink()
    os.mkfifo(request)
    install.ask(tmp_path)


def test_without_a_place_for_it_the_timer_comes(tmp_path: Path) -> None:
    install.ask(tmp_path)
    assert list(tmp_path.iterdir()) == []
