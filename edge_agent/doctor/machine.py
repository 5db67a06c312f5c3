"""The machine: is it the one that the bundle was made for, does it know the time, has it room, is it cool."""

from __future__ import annotations

import os
from collections.abc import Iterator

from edge_agent import clock, fitting
from edge_agent.doctor.check import Check, Patient, failed
from edge_agent.monitor.readings import Monitor, Places
from firmware_profiles.errors import BundleError

_HOT_C = 80.0  # where Raspberry Pis and most others begin to slow down
_LEAST_FREE_MB = 16.0


def checks(patient: Patient) -> Iterator[Check]:
    """See the module."""
    yield from _profile(patient)
    yield _clock()
    yield _space(patient)
    yield _temperature(patient)


def _profile(patient: Patient) -> Iterator[Check]:
    manifest = patient.deployment.manifest
    try:
        fitting.check_fits(manifest, patient.root.active)
    except BundleError as error:
        yield from failed("profile", error)
    else:
        yield Check("profile", "ok", f"this machine is one for {manifest.profiles[0]} ({manifest.arch})")


def _clock() -> Check:
    now = clock.moment()
    found = f"{now.time:%Y-%m-%d %H:%M:%S} UTC"
    if now.clock_trusted:
        return Check("clock", "ok", f"{found}, synchronised")
    step = "enable a time service (systemd-timesyncd, chrony); until then messages say that their time is not trusted"
    return Check("clock", "warn", f"{found}, not synchronised", step)


def _space(patient: Patient) -> Check:
    state = os.statvfs(patient.root.folder)
    free_mb = state.f_bavail * state.f_frsize / 1e6
    bundle_mb = sum(entry.size_bytes for entry in patient.deployment.manifest.files.values()) / 1e6
    wanted_mb = patient.config.spool.max_mb + 2 * bundle_mb
    found = f"{free_mb:.0f} MB free for {patient.root.folder}"
    if free_mb >= wanted_mb:
        return Check("space", "ok", found)
    step = f"make room: a full spool and an update take {wanted_mb:.0f} MB; or lower [spool] max_mb"
    return Check("space", "warn" if free_mb >= _LEAST_FREE_MB + bundle_mb else "fail", found, step)


def _temperature(patient: Patient) -> Check:
    readings = Monitor(patient.deployment.manifest.sensors, Places(patient.root.folder)).read()
    if readings.temperature_c is None:
        return Check("temperature", "ok", "no sensor tells it")
    found = f"{readings.temperature_c:.1f} °C" + "".join(f", {flag.replace('_', ' ')}" for flag in readings.throttled)
    if readings.temperature_c < (patient.config.thermal.max_temp_c or _HOT_C) and not readings.throttled:
        return Check("temperature", "ok", found)
    step = "cool it, check its power supply, or lower the sources' rate; [thermal] max_temp_c does that by itself"
    return Check("temperature", "warn", found, step)
