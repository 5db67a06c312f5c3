"""Partition tables as the real sfdisk writes them, and anything else."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.flash.partitions import NoTableError, Partition, read
from tests.fleet.images import run

SCRIPTS = {
    "mbr": "label: dos\nstart=2048,size=4096,type=c\nstart=8192,size=8192,type=83\n",
    "logical": (
        "label: dos\nstart=2048,size=2048,type=c\nstart=4096,size=40000,type=5\n"
        "start=6144,size=4096,type=83\nstart=12288,size=8192,type=83\nstart=22528,size=4096,type=83\n"
    ),
    "gpt": "label: gpt\nstart=2048,size=4096,type=U\nstart=8192,size=8192,type=L\n",
    "gpt-hole": "label: gpt\n3: start=2048,size=4096,type=U\n9: start=8192,size=8192,type=L\n",
}
SIZE = 32 << 20


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tables")
    for name, script in SCRIPTS.items():
        with (folder / name).open("wb") as stream:
            stream.truncate(SIZE)
        run("sfdisk", "--quiet", folder / name, given=script)
    return {name: folder / name for name in SCRIPTS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_they_are_what_sfdisk_says(tables: dict[str, Path], name: str) -> None:
    told = json.loads(run("sfdisk", "--json", tables[name]))["partitiontable"]["partitions"]
    expected = [
        Partition(int(each["node"].removeprefix(str(tables[name]))), each["start"] * 512, each["size"] * 512)
        for each in told
        if each["type"] != "5"
    ]
    with tables[name].open("rb") as stream:
        assert read(stream, SIZE) == expected


def test_an_image_that_was_cut_off(tables: dict[str, Path]) -> None:
    content = tables["mbr"].read_bytes()[: 6 << 20]
    with pytest.raises(NoTableError, match="partition 2 outside of the image"):
        read(io.BytesIO(content), len(content))


def test_a_chain_that_goes_round(tables: dict[str, Path]) -> None:
    content = bytearray(tables["logical"].read_bytes())
    second = 4096 * 512  # the first link; its second entry leads on
    struct.pack_into("<I", content, second + 446 + 16 + 8, 0)
    with pytest.raises(NoTableError, match="goes round"):
        read(io.BytesIO(content), SIZE)


@given(st.binary(max_size=4096), st.sampled_from(["mbr", "gpt", "logical"]), st.integers(0, 1 << 13))
def test_anything_is_a_table_or_none(tables: dict[str, Path], noise: bytes, name: str, at: int) -> None:
    with tables[name].open("rb") as stream:
        content = bytearray(stream.read(4200 * 512))
    content[at : at + len(noise)] = noise
    try:
        found = read(io.BytesIO(content), SIZE)
    except NoTableError:
        return
    assert found
    assert all(0 < each.start_bytes <= each.start_bytes + each.size_bytes <= SIZE for each in found)


@given(st.integers(512, 1536))
def test_a_gpt_with_one_byte_changed_is_refused(tables: dict[str, Path], at: int) -> None:
    with tables["gpt"].open("rb") as stream:
        content = bytearray(stream.read(64 * 512))
    content[at] ^= 0x20
    covered = at < 512 + 92 or at >= 1024  # the header, then its entries; between them lies nothing
    if covered:
        with pytest.raises(NoTableError):
            read(io.BytesIO(content), SIZE)
    else:
        assert len(read(io.BytesIO(content), SIZE)) == 2
