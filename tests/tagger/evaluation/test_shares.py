"""Shares in words: no more digits than the items support."""

import pytest

from tagger.evaluation.shares import in_hundred, interval, percent, with_interval


@pytest.mark.parametrize(
    ("value", "items", "shown"),
    [
        (0.689, 200, "69%"),
        (0.689, 1000, "68.9%"),
        (1.0, 72, "100%"),
        (299 / 300, 300, ">99%"),
        (99_999 / 100_000, 100_000, ">99.9%"),
        (1 / 300, 300, "<1%"),
        (0.0, 300, "0%"),
        (0.0, 3000, "0.0%"),
        (None, 0, "–"),
        (float("nan"), 5, "–"),
    ],
)
def test_a_share_has_no_decimals_below_a_thousand_items_and_is_never_rounded_to_all(
    value: float | None, items: int, shown: str
) -> None:
    assert percent(value, items) == shown


def test_a_share_comes_with_its_interval() -> None:
    assert with_interval(0.5, 2) == "50% (9 to 91%)"
    assert interval(8 / 10, 10) == "49 to 94%"
    assert in_hundred(0.97, 400, "of them right") == "97 in 100 of them right (95 to 98)"
    assert in_hundred(299 / 300, 300, "of them right").startswith("more than 99 in 100 of them right (98 to ")
    assert interval(0.0, 0) == ""
