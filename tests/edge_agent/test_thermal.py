"""The policy of heat, as a table; and over a whole hot afternoon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.monitor.readings import Monitor, Places
from edge_agent.monitor.thermal import DOWN_EVERY_S, STEPS, UP_EVERY_S, Pace, Thermal, next_pace
from firmware_profiles import schema
from firmware_profiles.errors import InputError
from firmware_profiles.profile import Sensors

POLICY = Thermal(max_temp_c=75, resume_below_c=5)
LAST = len(STEPS) - 1


@pytest.mark.parametrize(
    ("step", "waited_s", "temperature_c", "next_step"),
    [
        (0, 1000, 74.9, 0),
        (0, 1000, 75.0, 1),
        (0, 1000, 80.0, 2),
        (1, DOWN_EVERY_S - 1, 78.0, 1),  # the last step has not shown its effect yet
        (1, DOWN_EVERY_S, 78.0, 2),
        (3, 1000, 72.0, 3),  # neither hot nor cool
        (3, UP_EVERY_S - 1, 60.0, 3),
        (3, UP_EVERY_S, 70.0, 2),
        (3, UP_EVERY_S, 20.0, 2),  # however cool, one step at a time
        (0, 1000, 20.0, 0),
        (LAST, 1000, 100.0, LAST),
        (LAST - 1, 1000, 100.0, LAST),
        (3, 1000, None, 3),
    ],
)
def test_the_next_step(step: int, waited_s: float, temperature_c: float | None, next_step: int) -> None:
    before = Pace(step, since_s=100.0)
    after = next_pace(POLICY, before, temperature_c, 100.0 + waited_s)
    assert after.step == next_step
    assert (after is before) == (next_step == step)
    assert after.factor == STEPS[next_step]


def test_without_a_limit_nothing_is_slowed_down() -> None:
    assert next_pace(Thermal(), Pace(), 99.0, 0.0).factor == 1.0


def test_a_hot_device_settles_below_its_limit_and_recovers(tmp_path: Path) -> None:
    """A heat sink that follows the load: 60 s time constant, 50 °C of load above its surroundings."""
    (tmp_path / "temp").write_text("40000")
    monitor = Monitor(Sensors(temperature=str(tmp_path / "temp")), Places(tmp_path, tmp_path))
    pace, temperature_c, hottest_c, changes = Pace(), 40.0, 0.0, 0
    for now_s in range(0, 7200, 5):
        surroundings_c = 45.0 if now_s < 3600 else 15.0
        temperature_c += (surroundings_c + 50 * pace.factor - temperature_c) * 5 / 60
        (tmp_path / "temp").write_text(f"{temperature_c * 1000:.0f}\n")
        after = next_pace(POLICY, pace, monitor.read().temperature_c, float(now_s))
        changes += after is not pace
        pace = after
        if now_s > 600:
            hottest_c = max(hottest_c, temperature_c)
    assert hottest_c < 80, "where a Raspberry Pi begins to slow itself down"
    assert pace.factor == 1.0
    assert changes < 80, "it settles, and does not swing with every reading"


def test_the_table_is_checked() -> None:
    with pytest.raises(InputError, match="max_temp_c"):
        schema.convert({"max_temp_c": 1000}, Thermal, "agent.toml")


def test_the_monitor_needs_no_numpy() -> None:
    program = "import sys, edge_agent.monitor.readings, edge_agent.monitor.thermal; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
