"""A device profile: what a device is, and what Godwit may do on it.

One flat TOML file a device, without inheritance, in `firmware_profiles/data/`; a user's own file is
accepted by path. The values come from vendors' published specifications, cited in each file.
"""

from __future__ import annotations

import platform
import struct
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles import schema
from firmware_profiles.errors import InputError, Problem, did_you_mean
from firmware_profiles.words import (
    Architecture,
    Count,
    DelegateName,
    ModelFormat,
    Name,
    Positive,
    Precision,
    RecipeName,
    RuntimeName,
)

DATA = Path(__file__).parent / "data"
_FORMAT_OF: dict[RuntimeName, ModelFormat] = {"litert": "tflite", "tflite": "tflite", "onnx": "onnx", "null": "null"}
Node = Annotated[str, Meta(pattern=r"^(/dev/[A-Za-z0-9/._-]+|char-[A-Za-z0-9*._-]+)\Z")]
DEVICE_TREE_MODEL = Path("/proc/device-tree/model")


class Hardware(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The board.

    Attributes:
        cpu: the core's name, for people.
        isa: instruction-set features that matter to kernels, as in /proc/cpuinfo.
        ram_mb: of the smallest variant sold.
        device_tree_model: prefix of /proc/device-tree/model by which the board is recognised;
            empty for a generic profile.
    """

    arch: Architecture
    cpu: str
    cores: Count
    ram_mb: Count
    isa: list[str] = []
    device_tree_model: str = ""


class OperatingSystem(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The userland that the agent meets.

    Attributes:
        agent: how the agent runs there: as a service, in a container only, or not at all ("none":
            an app loads the model itself).
        packages: of the system's own package manager, without which a runtime cannot run.
    """

    name: str
    agent: Literal["service", "container", "none"]
    glibc: str = ""
    python: str = ""
    init: Literal["systemd", "none"] = "systemd"
    packages: list[str] = []


class RuntimeRow(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One runtime and delegate that may be used, in the order of preference.

    Attributes:
        accelerates: the precisions that really run faster there, fastest first.
        activations: the symmetry of int8 activations that it accelerates.
    """

    runtime: RuntimeName
    delegate: DelegateName
    accelerates: list[Precision]
    activations: Literal["asymmetric", "symmetric"] = "asymmetric"


class Limits(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a deployment may cost on this device."""

    model_mb: Positive
    p95_ms: Positive
    peak_rss_mb: Positive


class Flash(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a bundle reaches the device, best way first."""

    transports: list[Literal["ssh", "serial", "image", "dir", "adb"]]


class Sensors(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Files under /sys that tell the device's state; empty where there is none.

    A `*` stands for what changes from boot to boot, as the number of a hwmon device; the first match counts.

    Attributes:
        temperature: holds millidegrees Celsius.
        power: holds microwatts.
        throttled: holds the bits of Raspberry Pi's get_throttled, in hexadecimal.
        cpu_frequency: a cpufreq policy's folder, whose files hold kilohertz.
        fan: holds revolutions per minute.
    """

    temperature: str = ""
    power: str = ""
    throttled: str = ""
    cpu_frequency: str = ""
    fan: str = ""


class Devices(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Device nodes by kind, each as `DeviceAllow=` of systemd.resource-control(5) names it: a path or `char-NAME`.

    Only the kinds that a device is to use are granted to the agent's service.
    """

    serial: tuple[Node, ...] = ("char-ttyACM", "char-ttyUSB")
    camera: tuple[Node, ...] = ("char-video4linux", "char-media")
    gpu: tuple[Node, ...] = ("char-drm",)


class Profile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Everything that Godwit knows about one kind of device."""

    name: Name
    title: str
    hardware: Hardware
    os: OperatingSystem
    runtimes: list[RuntimeRow]
    formats: list[ModelFormat]
    recipes: list[RecipeName]
    limits: Limits
    flash: Flash
    sensors: Sensors = Sensors()
    devices: Devices = Devices()


def names() -> list[str]:
    """Names of the profiles that ship with Godwit, sorted."""
    return sorted(path.stem for path in DATA.glob("*.toml"))


def find(name_or_path: str) -> Path:
    """The file of the profile of that name, or the user's own at that path.

    Raises:
        InputError: no profile has that name.
    """
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        return Path(name_or_path)
    if name_or_path not in names():
        step = did_you_mean(name_or_path, names())
        raise InputError(Problem("profile", "a known name or a path to a .toml file", repr(name_or_path), step))
    return DATA / f"{name_or_path}.toml"


def load(name_or_path: str) -> Profile:
    """The profile of that name, or the one in a user's TOML file.

    Raises:
        InputError: no such profile, or everything that is wrong in the file.
    """
    path = find(name_or_path)
    profile = schema.load_toml(path, Profile, "profile")
    problems = list(_contradictions(profile, str(path)))
    if problems:
        raise InputError(*problems)
    return profile


def _contradictions(profile: Profile, where: str) -> list[Problem]:
    """What the schema admits but no device can mean."""
    problems = [
        Problem(f"{where}: {key}", "at least one", "none", "list what the device can run")
        for key in ("runtimes", "formats", "recipes")
        if not getattr(profile, key)
    ]
    runnable = {_FORMAT_OF[row.runtime] for row in profile.runtimes}
    for recipe in profile.recipes:
        model_format = recipe.partition("-")[0]
        if model_format not in profile.formats:
            step = "add its format or remove the recipe"
            problems.append(Problem(f"{where}: recipes", f"formats among {profile.formats}", recipe, step))
        elif model_format not in runnable:
            step = "add a runtime or remove the recipe"
            problems.append(
                Problem(f"{where}: runtimes", f"one that runs {model_format}", f"no runtime for {recipe}", step)
            )
    return problems


def userland_arch() -> str:
    """The architecture that programs here are built for.

    A 32-bit Raspberry Pi OS runs on a 64-bit kernel and `uname` then says aarch64, so the
    interpreter's own pointer size decides.
    """
    machine = platform.machine()
    if machine == "aarch64" and struct.calcsize("P") == 4:
        return "armv7l"
    return machine


def board() -> str:
    """Model of this machine in the device tree; empty where there is none."""
    try:
        return DEVICE_TREE_MODEL.read_text(encoding="utf-8", errors="replace").rstrip("\0")
    except OSError:
        return ""


def is_this_machine(profile: Profile) -> bool:
    """Whether figures measured here are figures of `profile`."""
    return fits(profile, userland_arch(), board())


def fits(profile: Profile, arch: str, board: str) -> bool:
    """Whether a machine of that userland and that device-tree model is what `profile` describes."""
    hardware = profile.hardware
    return hardware.arch == arch and profile.os.agent == "service" and board.startswith(hardware.device_tree_model)
