"""Shares of items as a report shows them: no more digits than the items support, with the ends of their interval."""

from tagger.evaluation.intervals import FEW, share

_DECIMAL_FROM = 1000


def percent(value: float | None, items: int) -> str:
    """A share as a percentage, without decimals below 1,000 items; only all is `100%`, and only none is `0%`.

    Args:
        value: The share, 0 to 1; a dash stands for None and NaN.
        items: Number of items that it is a share of.
    """
    if value is None or value != value:
        return "–"
    digits = 1 if items >= _DECIMAL_FROM else 0
    step = 0.1**digits
    text = f"{100 * value:.{digits}f}"
    if value < 1 and float(text) == 100:
        return f">{100 - step:.{digits}f}%"
    if value > 0 and float(text) == 0:
        return f"<{step:.{digits}f}%"
    return f"{text}%"


def interval(value: float | None, items: int) -> str:
    """The 95% interval of a share (Wilson 1927), such as `95 to 98%`; empty without items.

    Args:
        value: The share, 0 to 1.
        items: Number of independent items that it is a share of.
    """
    if value is None or value != value or not items:
        return ""
    estimate = share(round(value * items), items)
    return f"{percent(estimate.low, items).removesuffix('%')} to {percent(estimate.high, items)}"


def with_interval(value: float | None, items: int) -> str:
    """A share with its 95% interval: `97% (95 to 98%)`."""
    ends = interval(value, items)
    return f"{percent(value, items)} ({ends})" if ends else percent(value, items)


def in_hundred(value: float, items: int, what: str) -> str:
    """A share with its 95% interval for a sentence: `97 in 100 of them right (95 to 98)`.

    Args:
        value: The share, 0 to 1.
        items: Number of independent items that it is a share of, above 0.
        what: What they are, such as `of them right`.
    """
    shown = percent(value, items).removesuffix("%").replace(">", "more than ").replace("<", "fewer than ")
    return f"{shown} in 100 {what} ({interval(value, items).removesuffix('%')})"


def is_few(items: int) -> bool:
    """Whether a share of these items says so little that it is shown in grey."""
    return items < FEW
