"""What signed targets have for devices, as goods; nothing of the signatures is judged here."""

from __future__ import annotations

from pathlib import Path

from tuf.api.metadata import TargetFile, Targets

from firmware_profiles import profile
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.targets import DEFAULT_GROUP, Custom, target_path
from fleet import goods
from fleet.goods import Goods
from fleet.repository.adding import ours


def everything(targets: Targets, public: Path) -> list[Goods]:
    """All deployments, at least one.

    Args:
        public: the folder of the targets' own folder.

    Raises:
        InputError: there is none.
        BundleError: one is damaged.
    """
    offers = _deployments(targets)
    if not offers:
        raise InputError(Problem("the repository", "a deployment", "none", "add one: godwit repo add"))
    return [_read(target, public) for target, _ in offers]


def chosen(targets: Targets, public: Path, arch: str, board: str) -> Goods:
    """The deployment for the profile that describes the device best.

    Raises:
        InputError: there is none for it.
        BundleError: it is damaged.
    """
    offers = _deployments(targets)
    fitting = [pair for pair in offers if _fits(pair[1].profile, arch, board)]
    if not fitting:
        found = ", ".join(sorted({of.profile for _, of in offers})) or "no deployment"
        step = "add one: godwit repo add; a bundle for a profile of your own is flashed as a file"
        raise InputError(Problem("the repository", f"something for {board or arch}", found, step))
    target, _ = max(fitting, key=lambda pair: len(profile.load(pair[1].profile).hardware.device_tree_model))
    return _read(target, public)


def _deployments(targets: Targets) -> list[tuple[TargetFile, Custom]]:
    return [(target, of) for target, of in ours(targets) if of.kind == "deployment" and of.group == DEFAULT_GROUP]


def _read(target: TargetFile, public: Path) -> Goods:
    return goods.read(public / target_path(target.path, target.hashes["sha256"]))


def _fits(name: str, arch: str, board: str) -> bool:
    return name in profile.names() and profile.fits(profile.load(name), arch, board)
