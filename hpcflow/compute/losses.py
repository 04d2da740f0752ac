"""Worker jobs that were lost: how long to wait for the next, which nodes to leave out, and when to give up."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Backoff", "Losses"]

LIVES = 3  # whole lives without a finished partition
OF_NODE = 3  # losses on a node without a finished partition, after which it is left out
LEAST = 8  # losses without a finished partition and without a worker; a partition that kills its workers ends 6 jobs
FIRST_S, LONGEST_S = 10.0, 60.0


@dataclass
class Backoff:
    """Waits that double.

    >>> backoff = Backoff()
    >>> [backoff.next() for _ in range(5)]
    [10.0, 20.0, 40.0, 60.0, 60.0]
    """

    wait_s: float = 0.0

    def next(self) -> float:
        """Return the next wait in seconds."""
        self.wait_s = min(max(FIRST_S, 2 * self.wait_s), LONGEST_S)
        return self.wait_s


@dataclass
class Losses:
    """What was lost since a partition was last finished.

    Args:
        jobs: number of worker jobs that there may be at a time.
        vain: number of jobs that were lost.
        lives: number of jobs that lived as long as they could.
        excluded: nodes to leave out.
    """

    jobs: int
    vain: int = 0
    lives: int = 0
    excluded: set[str] = field(default_factory=set)
    _of_node: Counter[str] = field(default_factory=Counter)
    _backoff: Backoff = field(default_factory=Backoff)
    _rounds: int = 0

    def finished(self, nodes: Iterable[str]) -> None:
        """Note that partitions were finished, on these nodes."""
        self.vain = self.lives = self._rounds = 0
        self._backoff = Backoff()
        for node in nodes:
            del self._of_node[node]

    def lost(self, node: str) -> bool:
        """Note that a job was lost, and return whether its node is to be left out from now on."""
        self.vain += 1
        self._of_node[node] += 1
        if node and self._of_node[node] >= OF_NODE and node not in self.excluded:
            self.excluded.add(node)
            return True
        return False

    def pause(self) -> float:
        """Return for how many seconds to submit nothing after losses: not at all after the first, then ever longer."""
        self._rounds += 1
        return self._backoff.next() if self._rounds > 1 else 0.0

    @property
    def hopeless(self) -> bool:
        """Whether so many jobs were lost that others would be, too, unless there are workers."""
        return self.vain >= max(LEAST, 2 * self.jobs)

    @property
    def fruitless(self) -> bool:
        """Whether so many jobs have lived in vain that a partition must take longer than their lives."""
        return self.lives >= LIVES
