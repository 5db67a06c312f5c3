"""Starts workers, each told what to do."""

from __future__ import annotations

from edge_agent import source_config
from edge_agent.channel import Start
from edge_agent.config import Config
from edge_agent.deployment import Deployment
from edge_agent.hosted import Hosted, Owner
from edge_agent.layout import Root
from edge_agent.source_config import Stdin
from edge_agent.spawning import Spawned, spawn
from firmware_profiles.wire import SkippedRuntime


class Employer:
    """Knows how workers are to work.

    Attributes:
        config: may be replaced at any time; it holds for those that are started from then on.
    """

    def __init__(self, root: Root, config: Config, spawned: Spawned | None) -> None:
        """Employ `spawned` first, if there is one already."""
        self.config = config
        self._root = root
        self._spawned = spawned

    def employ(
        self, deployment: Deployment, owner: Owner, skipped: list[SkippedRuntime], *, beside: bool = False
    ) -> Hosted:
        """A worker for `deployment`; `beside` another one that answers meanwhile."""
        sources = [source_config.absolute(source, self._root.folder) for source in self.config.source]
        start = Start(
            folder=str(deployment.folder),
            sources=sources,
            deadline_s=self.config.worker.deadline_s,
            skipped=skipped,
            beside=beside,
            stdin=0 if any(isinstance(source, Stdin) for source in sources) else -1,
            cache=str(self._root.cache),
            external=self.config.runtime.external,
        )
        spawned, self._spawned = self._spawned or spawn(), None
        return Hosted(deployment, start, spawned, owner)

    def is_wanted(self, deployment: Deployment) -> bool:
        """Whether the active slot is still that one's; one that was left may be gone at any moment."""
        return self._root.active.resolve() == deployment.folder

    def limit_mb(self, deployment: Deployment) -> float:
        """The memory that a worker for `deployment` may hold."""
        return self.config.worker.max_rss_mb or deployment.manifest.limits.peak_rss_mb
