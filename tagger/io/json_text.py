"""Documents as standard JSON, which has neither NaN nor infinity."""

import json
import math
from collections.abc import Mapping
from typing import Any


def as_json(document: Mapping[str, Any]) -> str:
    """Return a document as indented JSON; numbers that are not finite become null, unknown types become text."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False, default=_plain)


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case _:
            return value


def _plain(value: Any) -> Any:
    """A NumPy array or number as Python values; anything else as text."""
    return _finite(value.tolist()) if hasattr(value, "tolist") else str(value)
