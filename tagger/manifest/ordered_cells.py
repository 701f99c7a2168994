"""Parses cells that have an order: plain numbers, and ISO 8601 dates and times; nothing else is guessed."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d{2})(?:(-\d{2})(?:[Tt ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d+))?)? ?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEAR_US = 365.2425 * 86_400 * 1e6


def as_number(text: str) -> Decimal | None:
    """A number in plain digits, optionally with a point and an exponent; no nan, infinity or thousands separators.

    A year and 20261127 are numbers, too.
    """
    return Decimal(text.strip()) if _NUMBER.fullmatch(text.strip()) else None


def as_moment(text: str) -> int | None:
    """Microseconds from 1970 to an ISO 8601 date or time: 2026-11, 2026-11-27, 2026-11-27T03:00:00+01:00.

    A time without a zone is in UTC, a day means its first moment, and a month its first day. Weeks, days of the year,
    dates without hyphens and every other order of day and month are refused.
    """
    match = _DATE.fullmatch(text.strip())
    if not match:
        return None
    month, day, minute, second, fraction, zone = match.groups()
    clock = f"T{minute}:{second or '00'}.{(fraction or '')[:6]:0<6}" if minute else ""
    offset = (zone or "").upper()
    try:
        moment = datetime.fromisoformat(f"{month}{day or '-01'}{clock}{offset}")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def year_of(moment: int) -> float:
    """A moment in microseconds from 1970 as a year with a fraction."""
    return 1970 + moment / _YEAR_US
