"""Workarounds for slow spots of libraries: where each applies, and how to switch it off.

A workaround is used only with versions of its library that it was tested with; a newer one gets the plain way.
`TAGGER_WORKAROUNDS_OFF` names workarounds to switch off, separated by commas, or `all`.
"""

import os
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

SWITCH = "TAGGER_WORKAROUNDS_OFF"
Version = tuple[int, int]


@dataclass(frozen=True)
class Workaround:
    """One workaround."""

    name: str
    library: str = ""
    """The package whose version decides; empty where none does."""
    first: Version = (0, 0)
    last: Version = (0, 0)
    """The oldest and the newest tested version, as major and minor number; both are included."""

    def is_on(self) -> bool:
        """Whether to use it in this process."""
        off = {name.strip() for name in os.environ.get(SWITCH, "").split(",")}
        if off & {"all", self.name}:
            return False
        return not self.library or self._is_tested()

    def _is_tested(self) -> bool:
        try:
            match = re.match(r"(\d+)\.(\d+)", version(self.library))
        except PackageNotFoundError:
            return False
        return match is not None and self.first <= (int(match[1]), int(match[2])) <= self.last
