"""Calls that many processes can share, whoever runs them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol


class Tasks(Protocol):
    """Makes calls that do not depend on each other, perhaps in many processes."""

    def __call__(self, method: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Make a call for each set of arguments; yield numbers and results as they come.

        Args:
            method: A picklable function, or a bound method of a picklable object.
            arguments: Of each call.
        """
        ...


def in_turn(method: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
    """Make the calls one after another in this process; see `Tasks`."""
    return ((number, method(*each)) for number, each in enumerate(arguments))
