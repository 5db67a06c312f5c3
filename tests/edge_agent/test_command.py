"""The command source with real programs: what they give, how they end, and that none outlives its worker."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.flow import attempts
from edge_agent.flow.source import Ended
from edge_agent.format_config import Csv, Frames, Mjpeg, Pcm, StreamFormat, Window
from edge_agent.source_config import Command
from firmware_profiles.errors import InputError
from tests.edge_agent.polling import contents, failure, next_item, opened
from tests.edge_agent.support import wait_until
from tests.edge_agent.test_mjpeg import jpeg, shades


def python(code: str, layout: StreamFormat, **settings: object) -> Command:
    """A program that runs `code`, with `out` for its standard output."""
    script = f"import os, sys, time\nout = sys.stdout.buffer\n{code}"
    return Command(name="c", command=[sys.executable, "-c", script], format=layout, **settings)  # type: ignore[arg-type]


def shell(script: str) -> Command:
    return Command(name="c", command=["sh", "-c", script], format=Csv(1))


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_pictures_without_compression_until_it_ends() -> None:
    with opened(python("out.write(bytes(range(12)) + bytes(12))", Frames(2, 2))) as source:
        first, second = contents(source, 2)
        with pytest.raises(Ended):
            next_item(source)
    assert first == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert second == [[[0] * 3] * 2] * 2


def test_a_stream_of_jpeg(tmp_path: Path) -> None:
    (tmp_path / "v.mjpeg").write_bytes(jpeg(10) + jpeg(20) + jpeg(30))
    with opened(Command(name="c", command=["cat", str(tmp_path / "v.mjpeg")], format=Mjpeg())) as source:
        assert shades([next_item(source).content for _ in range(3)]) == [10, 20, 30]


def test_sound_in_windows() -> None:
    code = "import array\nout.write(array.array('h', range(0, 16384 * 2, 4096)).tobytes())"
    with opened(python(code, Pcm(), window=Window(4))) as source:
        assert contents(source, 2) == [[[0], [0.125], [0.25], [0.375]], [[0.5], [0.625], [0.75], [0.875]]]


def test_a_program_that_fails_is_told_with_its_last_line_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_FIRST_DELAY_S", 0.05)
    with opened(shell("echo 1; echo first >&2; printf '\\033[1mno camera\\n' >&2; exit 3")) as source:
        assert contents(source, 1) == [[1]]
        assert "sh: expected a program that runs on, found ended with exit code 3: [1mno camera;" in failure(source)
        assert next_item(source).position == 1
        assert "exit code 3" in failure(source)


def test_restart_always_starts_what_ended_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_FIRST_DELAY_S", 0.05)
    with opened(python("out.write(b'5\\n')", Csv(1), restart="always")) as source:
        assert contents(source, 1) == [[5]]
        assert "exit code 0" in failure(source)
        assert contents(source, 1) == [[5]]


def test_half_a_row_is_not_put_together_with_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_FIRST_DELAY_S", 0.05)
    with opened(shell("printf '1\\n2'; exit 1")) as source:
        assert "exit code 1" in failure(source)
        assert contents(source, 1) == [[1]]


@pytest.mark.parametrize("word", ["no-such-program", "/etc/passwd"])
def test_what_is_no_program_is_told(word: str) -> None:
    with opened(Command(name="c", command=[word], format=Csv(1))) as source:
        assert f"{word}: expected a program that runs on, found ended with exit code 127: " in failure(source)


def test_a_program_that_writes_much_to_stderr_does_not_stand_still() -> None:
    """It is waited for by the descriptor alone: nobody polls by time."""
    with opened(python("sys.stderr.write('x' * 1_000_000)\nout.write(b'5\\n')", Csv(1))) as source:
        while (item := source.poll()) is None:
            descriptor = source.fileno()
            assert descriptor is not None
            assert select.select([descriptor], [], [], 30)[0]
    assert not isinstance(item.content, InputError)
    assert item.content.tolist() == [5]


def test_a_program_that_closes_its_output_and_stays_is_ended() -> None:
    with opened(python("out.close()\nos.close(1)\ntime.sleep(1000)", Csv(1))) as source:
        assert "closed its standard output and went on" in failure(source)


def test_arguments_reach_no_shell() -> None:
    with opened(Command(name="c", command=["echo", "$(echo 7)"], format=Csv(1))) as source:
        (rejected,) = contents(source, 1)
    assert isinstance(rejected, InputError)


def test_closing_ends_the_whole_group() -> None:
    with opened(shell("sleep 1000 & echo $!; wait")) as source:
        ((pid,),) = contents(source, 1)
        assert alive(int(pid))
    wait_until(lambda: not alive(int(pid)), "the program's own child ends")


@pytest.mark.parametrize(
    "script",
    ["sleep 1000 & echo $!; echo $$; wait", "trap '' HUP; echo $$; echo $$; exec sleep 1000"],
    ids=["with a child of its own", "deaf to hang-ups"],
)
def test_the_group_dies_with_its_worker(script: str) -> None:
    """A process of its own opens the source and is killed: nobody is left to close anything."""
    code = (
        "from tests.edge_agent.test_command import *\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"  # as under nohup
        f"with opened(shell({script!r})) as source:\n"
        "    print(*contents(source, 2), flush=True)\n"
        "    signal.pause()\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    pids = [int(float(word.strip("[]"))) for word in worker.stdout.readline().split()]
    assert [alive(pid) for pid in pids] == [True, True]
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    wait_until(lambda: not any(map(alive, pids)), "the program and its child end")
