"""What the device's own files tell about it, for telemetry: a few small reads under /sys and /proc. No numpy here."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from firmware_profiles.profile import Sensors

_MAX_BYTES = 4096
# Raspberry Pi Ltd, "vcgencmd", get_throttled: bits 0 to 3 hold now; 16 to 19 say the same of the time since boot.
# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
_FLAGS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the device now; None where no file tells it. The fields are those of `wire.Telemetry`."""

    temperature_c: float | None = None
    power_w: float | None = None
    throttled: list[str] = []
    cpu_mhz: float | None = None
    cpu_max_mhz: float | None = None
    fan_rpm: int | None = None
    cpu_percent: float | None = None
    memory_available_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_free_bytes: int | None = None


class Places(NamedTuple):
    """Where to look besides the profile's sensors; `disk` is a folder on the disk that may fill up."""

    disk: Path
    proc: Path = Path("/proc")


class _Work(NamedTuple):
    """Processor time of all cores since boot, in ticks."""

    busy: int
    total: int


class Monitor:
    """Reads the device again and again; how busy it is, is told over the time since the reading before.

    Attributes:
        sensors: may be replaced at any time.
    """

    def __init__(self, sensors: Sensors, places: Places) -> None:
        self.sensors = sensors
        self._places = places
        self._found: dict[str, str] = {}
        self._before: _Work | None = None

    def temperature_c(self) -> float | None:
        """Degrees Celsius now; None where no sensor tells them."""
        return _scaled(self._number(self.sensors.temperature), 1e-3)

    def read(self) -> Readings:
        """The state of the device now."""
        sensors, (available, total) = self.sensors, self._memory()
        frequency = sensors.cpu_frequency
        highest, allowed = (
            _scaled(self._number(frequency and f"{frequency}/{name}"), 1e-3)
            for name in ("cpuinfo_max_freq", "scaling_max_freq")
        )
        throttled = _flags(self._text(sensors.throttled))
        if highest is not None and allowed is not None and allowed < highest and _FLAGS[1] not in throttled:
            throttled.append(_FLAGS[1])  # the kernel's cooling lowers the highest frequency that is allowed
        fan = self._number(sensors.fan)
        return Readings(
            temperature_c=self.temperature_c(),
            power_w=_scaled(self._number(sensors.power), 1e-6),
            throttled=throttled,
            cpu_mhz=_scaled(self._number(frequency and f"{frequency}/scaling_cur_freq"), 1e-3),
            cpu_max_mhz=highest,
            fan_rpm=None if fan is None else int(fan),
            cpu_percent=self._cpu_percent(),
            memory_available_bytes=available,
            memory_total_bytes=total,
            disk_free_bytes=self._disk_free(),
        )

    def _cpu_percent(self) -> float | None:
        now, before = self._work(), self._before
        self._before = now
        if now is None or before is None or now.total <= before.total:
            return None
        return round(100 * (now.busy - before.busy) / (now.total - before.total), 1)

    def _work(self) -> _Work | None:
        """The first line of /proc/stat: user nice system idle iowait irq softirq steal … (proc(5))."""
        try:
            ticks = [int(field) for field in _content(str(self._places.proc / "stat")).split("\n", 1)[0].split()[1:9]]
        except (OSError, ValueError):
            return None
        return _Work(sum(ticks) - sum(ticks[3:5]), sum(ticks))

    def _memory(self) -> tuple[int | None, int | None]:
        """MemAvailable and MemTotal."""
        try:
            lines = _content(str(self._places.proc / "meminfo")).splitlines()
            kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines[:3]}
        except (OSError, ValueError, IndexError):
            return None, None
        available, total = (kilobytes.get(name) for name in ("MemAvailable", "MemTotal"))
        return available and available * 1024, total and total * 1024

    def _disk_free(self) -> int | None:
        try:
            state = os.statvfs(self._places.disk)
        except OSError:
            return None
        return state.f_bavail * state.f_frsize

    def _number(self, path: str) -> float | None:
        try:
            return float(self._text(path))
        except ValueError:
            return None

    def _text(self, path: str) -> str:
        """What the file says; empty where there is none. A `*` in the path is looked up once it leads somewhere."""
        if "*" in path and path not in self._found:
            matches = sorted(glob.glob(path))  # noqa: PTH207  # the pattern is absolute, which Path.glob does not take
            if not matches:
                return ""
            self._found[path] = matches[0]
        try:
            return _content(self._found.get(path, path)).strip() if path else ""
        except OSError:
            self._found.pop(path, None)  # numbers under /sys may change when a driver is loaded again
            return ""


def _content(path: str) -> str:
    with open(path, "rb") as stream:  # noqa: PTH123  # in text mode Python asks each file for more than these give
        return stream.read(_MAX_BYTES).decode("ascii", errors="replace")


def _scaled(number: float | None, factor: float) -> float | None:
    return None if number is None else round(number * factor, 3)


def _flags(text: str) -> list[str]:
    try:
        bits = int(text, 16)
    except ValueError:
        return []
    return [flag for bit, flag in enumerate(_FLAGS) if bits >> bit & 1]
