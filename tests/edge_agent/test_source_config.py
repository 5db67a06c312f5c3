"""Sources in the configuration: every kind, and everything that is wrong at once."""

from __future__ import annotations

import typing
from pathlib import Path

import msgspec
import pytest

from edge_agent import config, source_config
from edge_agent.source_config import SourceSettings
from firmware_profiles.errors import InputError

EVERY_KIND = """
device = "d1"
[[source]]
name = "replay"
kind = "replay"
path = "data/d.npz"
[[source]]
name = "folder"
kind = "folder"
path = "/srv/pictures"
rate = 5
[[source]]
name = "imu"
kind = "serial"
port = "/dev/ttyACM0"
baud = 921600
format = { kind = "binary", fields = ["uint32", "int16", "int16"], sync = "aa55", checksum = "crc16" }
window = { length = 128, hop = 64, time_channel = 0, max_step = 15 }
[[source]]
name = "microphone"
kind = "command"
command = ["arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "16000"]
format = { kind = "pcm" }
window = { length = 16000, hop = 8000 }
[[source]]
name = "camera"
kind = "camera"
address = "rtsp://camera/stream"
[[source]]
name = "video"
kind = "camera"
address = "video.mp4"
[[source]]
name = "stdin"
kind = "stdin"
format = { kind = "csv", channels = 3, separator = ";" }
[[source]]
name = "others"
kind = "mqtt"
topic = "sensors/+/raw/#"
format = { kind = "json", fields = ["x", "y"] }
"""


def load(tmp_path: Path, text: str) -> config.Config:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return config.load(path)


def problems_of(tmp_path: Path, source: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(tmp_path, f'device = "d1"\n[[source]]\nname = "s"\n{source}')
    return [str(problem).partition("agent.toml: ")[2] for problem in caught.value.problems]


def test_every_kind_can_be_declared_and_sent_to_the_worker(tmp_path: Path) -> None:
    sources = load(tmp_path, EVERY_KIND).source
    assert [type(source).__name__.lower() for source in sources] == [
        *("replay", "folder", "serial", "command", "camera", "camera", "stdin", "mqtttopic"),
    ]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(sources), type=list[SourceSettings]) == sources


def test_the_documented_configuration_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "howto" / "sources.md").read_text()
    kinds = {type(source) for source in load(tmp_path, page.partition("```toml\n")[2].partition("```")[0]).source}
    assert kinds == set(typing.get_args(SourceSettings))


def test_only_paths_become_absolute(tmp_path: Path) -> None:
    found = [source_config.absolute(source, tmp_path) for source in load(tmp_path, EVERY_KIND).source]
    assert [getattr(source, "path", getattr(source, "address", "")) for source in found] == [
        *(str(tmp_path / "data/d.npz"), "/srv/pictures", "", "", "rtsp://camera/stream"),
        *(str(tmp_path / "video.mp4"), "", ""),
    ]


def test_a_wrong_kind_names_the_near_one(tmp_path: Path) -> None:
    (line,) = problems_of(tmp_path, 'kind = "camra"\naddress = "/dev/video0"')
    assert line.startswith("source[0].kind: expected one of replay, folder, serial, command, stdin, camera, mqtt, ")
    assert line.endswith("found 'camra'; did you mean 'camera'?")


def test_every_mistake_inside_a_source_is_told_at_once(tmp_path: Path) -> None:
    lines = problems_of(
        tmp_path,
        'kind = "serial"\nprot = "/dev/ttyUSB0"\nbaud = 9\nformat = { kind = "binary", fields = ["int17"] }\n'
        "window = { hop = 5 }",
    )
    assert sorted(line.partition(":")[0] for line in lines) == [
        *("source[0].baud", "source[0].format.fields", "source[0].port", "source[0].prot", "source[0].window.length"),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            'kind = "serial"\nport = "p"\nformat = { kind = "binary", fields = ["int8"], checksum = "sum8" }',
            "sync bytes",
        ),
        ('kind = "command"\ncommand = ["arecord"]\nformat = { kind = "pcm" }', "a window: one sample is no input"),
        ('kind = "stdin"\nformat = { kind = "mjpeg" }\nwindow = { length = 2 }', "no window"),
        (
            'kind = "stdin"\nformat = { kind = "csv", channels = 4096 }\nwindow = { length = 5000 }',
            "at most 16777216 values",
        ),
        (
            'kind = "stdin"\nformat = { kind = "csv", channels = 2 }\nwindow = { length = 2, time_channel = 2 }',
            "a channel from 0 to 1",
        ),
        (
            'kind = "stdin"\nformat = { kind = "json" }\nwindow = { length = 2, max_step = 1 }',
            "a time_channel beside it",
        ),
        ('kind = "mqtt"\ntopic = "a/#/b"\nformat = { kind = "npy" }', "an MQTT topic filter"),
        ('kind = "mqtt"\ntopic = "a+/b"\nformat = { kind = "npy" }', "an MQTT topic filter"),
        ('kind = "mqtt"\ntopic = "t"\nformat = { kind = "mjpeg" }', "one of csv, json, raw, image, npy"),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, source: str, expected: str) -> None:
    (line,) = problems_of(tmp_path, source)
    assert expected in line
