"""The monitor reads a device's files, here a folder that looks like /sys and /proc; and this machine's own."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.monitor.readings import Monitor, Places, Readings
from firmware_profiles import profile, wire
from firmware_profiles.profile import Sensors

MEMINFO = "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:     600 kB\nBuffers: 1 kB\n"


class Machine:
    """A folder with the files of a device, each as the kernel writes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sensors = Sensors(
            temperature=str(folder / "temp"),
            power=str(folder / "power"),
            throttled=str(folder / "soc*" / "get_throttled"),
            cpu_frequency=str(folder / "policy0"),
            fan=str(folder / "hwmon*" / "fan1_input"),
        )
        self.monitor = Monitor(self.sensors, Places(folder, folder / "proc"))

    def write(self, **files: str) -> None:
        """Keys are paths with __ for /."""
        for name, content in files.items():
            path = self.folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def read(self) -> Readings:
        return self.monitor.read()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_everything_is_told_in_its_unit(machine: Machine) -> None:
    machine.write(temp="51540\n", power="2500000\n", hwmon3__fan1_input="2980\n", proc__meminfo=MEMINFO)
    machine.write(
        policy0__scaling_cur_freq="1500000\n",
        policy0__cpuinfo_max_freq="2400000\n",
        policy0__scaling_max_freq="2400000\n",
    )
    found = machine.read()
    assert (found.temperature_c, found.power_w, found.fan_rpm) == (51.54, 2.5, 2980)
    assert (found.cpu_mhz, found.cpu_max_mhz, found.throttled) == (1500, 2400, [])
    assert (found.memory_available_bytes, found.memory_total_bytes) == (600 * 1024, 1000 * 1024)
    assert found.disk_free_bytes is not None
    assert found.disk_free_bytes > 0


@pytest.mark.parametrize(
    ("bits", "flags"),
    [
        ("0", []),
        ("50000", []),  # there was something since boot, and now there is nothing
        ("50005", ["under_voltage", "throttled"]),
        ("80008", ["soft_temperature_limit"]),
        ("e0006", ["frequency_capped", "throttled"]),
        ("not hexadecimal", []),
    ],
)
def test_the_vendors_throttling_bits_are_named(bits: str, flags: list[str], machine: Machine) -> None:
    machine.write(soc1__get_throttled=f"{bits}\n")
    assert machine.read().throttled == flags


def test_a_frequency_that_the_kernel_capped_is_told_once(machine: Machine) -> None:
    machine.write(policy0__cpuinfo_max_freq="2400000", policy0__scaling_max_freq="1500000", soc__get_throttled="2")
    assert machine.read().throttled == ["frequency_capped"]


def test_processor_time_is_told_since_the_reading_before(machine: Machine) -> None:
    machine.write(proc__stat="cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n")
    assert machine.read().cpu_percent is None
    machine.write(proc__stat="cpu  160 0 110 710 120 0 0 0 0 0\ncpu0 1 1 1 1\n")
    assert machine.read().cpu_percent == 70.0
    assert machine.read().cpu_percent is None, "no time has passed"


def test_a_hwmon_device_that_gets_another_number_is_found_again(machine: Machine) -> None:
    machine.write(hwmon3__fan1_input="1000")
    assert machine.read().fan_rpm == 1000
    (machine.folder / "hwmon3").rename(machine.folder / "hwmon4")
    machine.read()
    assert machine.read().fan_rpm == 1000


def test_a_device_without_any_of_them_has_no_readings(tmp_path: Path) -> None:
    found = Monitor(Sensors(), Places(tmp_path / "gone", tmp_path)).read()
    assert found == Readings()


@given(st.binary(max_size=64))
def test_nonsense_in_the_files_is_no_reading_and_no_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    machine = Machine(tmp_path_factory.mktemp("noise"))
    machine.write(proc__stat="", proc__meminfo="", soc__get_throttled="", policy0__scaling_cur_freq="")
    for path in machine.folder.rglob("*"):
        if path.is_file():
            path.write_bytes(noise)
    assert isinstance(machine.read(), Readings)


def test_this_machine_tells_its_memory_and_how_busy_it_is(tmp_path: Path) -> None:
    monitor = Monitor(profile.load("linux-x86_64").sensors, Places(tmp_path))
    monitor.read()
    deadline = time.monotonic() + 10
    found = Readings()
    while found.cpu_percent is None and time.monotonic() < deadline:
        found = monitor.read()
    assert found.cpu_percent is not None
    assert 0 <= found.cpu_percent <= 100
    assert found.memory_total_bytes
    assert found.memory_total_bytes > (found.memory_available_bytes or 0) > 0


def test_telemetry_has_every_reading() -> None:
    assert {field.name for field in msgspec.structs.fields(Readings)} <= {
        field.name for field in msgspec.structs.fields(wire.Telemetry)
    }
