"""What one conversion works with: evaluators here, on a device and on a cluster, and the routes of its sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from converter import goal_metric, toolchain
from converter.build import Workshop
from converter.cache import Cache
from converter.cluster.client import Cluster, SessionThere
from converter.device.host import connected
from converter.device.url import DeviceUrl
from converter.evaluate import Agent
from converter.exporting import Session
from converter.hosts import Here, InToolchain
from converter.processes import Processes
from converter.progress import Progress
from converter.project import Project
from converter.remembered import RememberedRoutes
from converter.routes import Routes
from converter.source import Source
from converter.sources import OpenRoutes


def workshop(
    project: Project,
    processes: Processes,
    folder: Path,
    progress: Progress,
    results: Cache,
    device: Agent | None,
    cluster: Cluster | None,
    jobs: int,
) -> Workshop:
    """Arguments as the attributes of `Workshop`; a cluster has slots of its own in place of `jobs`."""
    here = Agent(Here(processes), results)
    return Workshop(
        project=project,
        agent=here,
        accuracy=Agent(cluster, results) if cluster else here,
        tflite=Agent(InToolchain(toolchain.TFLITE, processes, folder, progress), results),
        device=device,
        progress=progress,
        processes=processes,
        results=results,
        folder=folder,
        metric=goal_metric.of(project.file.goal.metric, project.path.parent, processes, folder),
        jobs=cluster.slots if cluster else jobs,
    )


def open_routes(processes: Processes, progress: Progress, results: Cache, cluster: Cluster | None) -> OpenRoutes:
    """Opens the routes of a source, which quantize on the cluster if there is one."""
    session = partial(SessionThere, cluster) if cluster else Session

    def opened(folder: Path, source: Source) -> RememberedRoutes:
        return RememberedRoutes(Routes(processes, folder, progress, source, session), results, source)

    return opened


@contextmanager
def device(url: DeviceUrl | None, processes: Processes, folder: Path, progress: Progress) -> Iterator[Agent | None]:
    """The evaluator there; what it told once is asked again, since a device may have changed."""
    if url is None:
        yield None
        return
    progress(f"connecting to {url.at.host}")
    with connected(url, processes, folder, progress) as host:
        yield Agent(host, Cache(None))
