"""Which of the engines on GPUs each batch of a worker goes to."""

from collections.abc import Hashable, Sequence


class Turns:
    """A worker's turns over the engines of its own node, and over others where there is none.

    Engines of other nodes are the way out: every worker that calls every engine would need as many connections as
    workers times GPUs. Workers without an engine of their own node share out all engines by their number.

    Args:
        here: The node of the worker.
    """

    def __init__(self, here: Hashable) -> None:
        self._here = here
        self._turn = 0
        self._mine: list[int] = []
        self._others: list[int] = []

    def set_engines(self, nodes: Sequence[Hashable], number: int = 0, workers: int = 1) -> None:
        """Take note of the engines that serve, E of them.

        Args:
            nodes: The node of each.
            number: Of this worker among all, from 0.
            workers: How many there are.
        """
        here = [n for n, node in enumerate(nodes) if node == self._here]
        self._mine = here or _shared_out(nodes, number, workers)
        mine = set(self._mine)
        self._others = [n for n in range(len(nodes)) if n not in mine]

    def next(self, left_out: frozenset[int] = frozenset()) -> int | None:
        """The engine of the next batch, as index into `nodes`; None if all are left out.

        Args:
            left_out: Engines that did not answer.
        """
        self._turn += 1
        for engines in (self._mine, self._others):
            if left_out:
                engines = [n for n in engines if n not in left_out]
            if engines:
                return engines[self._turn % len(engines)]
        return None


def _shared_out(nodes: Sequence[Hashable], number: int, workers: int) -> list[int]:
    """The engines of a worker whose node has none: those of one node, or of several where there are few workers."""
    engines = len(nodes)
    if workers < engines:
        return [n for n in range(engines) if n % workers == number % workers]
    return [n for n, node in enumerate(nodes) if node == nodes[number % engines]] if engines else []
