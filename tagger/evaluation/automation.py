"""The report's first answer: how many new items need no person, how many of their tags are right, what is left."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tagger.evaluation.intervals import FEW
from tagger.evaluation.page import render
from tagger.evaluation.shares import in_hundred, percent, with_interval
from tagger.schemas.configs.confidence import ITEMS_PER_HOUR

_NO_THRESHOLDS = (
    "It is not known yet how many items can be tagged automatically: nobody has said how many of the automatic tags "
    "must be right.",
    "To set that to 95 in 100, run",
    "tagger policy BUNDLE --target-precision 0.95",
)
_CHANGING = ("It is not known how many items can be tagged automatically while the bundle is being changed.",)


@dataclass(frozen=True)
class Automation:
    """What happened to labelled items to which neither the model nor its thresholds were fitted."""

    items: int
    """Number of all items, above 0."""
    accepted: int
    """Items of which both tags were accepted without a person."""
    right: int
    """Those of the accepted items of which both tags are right."""
    category_only: int = 0
    """Items of which only the master category was accepted."""
    by: str = ""
    """What the predictions are based on, in words, if there are several kinds."""
    measured_on: str = "test items, to which nothing was fitted"
    """The items, as the end of a sentence."""
    thresholds: str = "these thresholds"
    """Which thresholds accepted the items, after `at`."""
    beside: str = ""
    """A sentence about items that these figures do not have."""
    own_pace: int | None = None
    """Items that one person of the team reviews in an hour, if it is known; else ITEMS_PER_HOUR are assumed."""

    @property
    def review(self) -> int:
        """Number of items that go to people."""
        return self.items - self.accepted

    @property
    def review_in_thousand(self) -> int:
        """Number of items that go to people, of 1,000 new ones."""
        return round(1000 * self.review / self.items)

    def review_time(self) -> str:
        """Time to review the people's share of 1,000 new items, in words."""
        hours = self.review_in_thousand / (self.own_pace or ITEMS_PER_HOUR)
        if hours < 1.5:
            minutes = round(60 * hours)
            return "1 minute" if minutes == 1 else f"{minutes} minutes"
        return f"{hours:.0f} hours" if hours >= 10 else f"{hours:.1f} hours".replace(".0 ", " ")

    def in_words(self) -> str:
        """The answer in a sentence, with what follows from too few items."""
        thresholds = f"At {self.thresholds}{f', by {self.by},' if self.by else ''}"
        if self.items < FEW:
            return f"There are only {self.items:,} {self.measured_on}: too few to say what is tagged automatically."
        if not self.accepted:
            return f"{thresholds} no new item is tagged automatically: all of them go to people."
        share = f"{thresholds} {_spoken(self.accepted / self.items, self.items)} of new items are tagged automatically"
        people = f"{_spoken(self.review / self.items, self.items)} go to people"
        if not self.review:
            people = "none go to people"
        if self.accepted < FEW:
            few = f"{self.accepted:,} {'item' if self.accepted == 1 else 'items'}"
            return f"{share}; of {few}, too few to say how many are right. {people.capitalize()}."
        return f"{share}, {in_hundred(self.right / self.accepted, self.accepted, 'of them right')}; {people}" + (
            f", about {self.review_time()} for every 1,000 new items." if self.review else "."
        )

    def cards(self) -> list[tuple[str, str, str]]:
        """Heading, figure and explanation of each card; none where there are too few items."""
        if self.items < FEW:
            return []
        cards = [
            ("Tagged automatically", with_interval(self.accepted / self.items, self.items),
             f"{self.accepted:,} of {self.items:,} {self.measured_on}"),
        ]  # fmt: skip
        if self.accepted >= FEW:
            wrong = self.accepted - self.right
            cards.append(
                ("Right, of these", with_interval(self.right / self.accepted, self.accepted),
                 f"{wrong:,} of {self.accepted:,} had a wrong category or article type")
            )  # fmt: skip
        partly = f"; {self.category_only:,} of these have their category already" if self.category_only else ""
        cards.append(
            ("For people to review", with_interval(self.review / self.items, self.items),
             f"{self.review:,} of {self.items:,} items{partly}")
        )  # fmt: skip
        return cards

    @property
    def pace_in_words(self) -> str:
        """What the time rests on; empty where no time is named."""
        if not self.review or self.accepted < FEW or self.items < FEW:
            return ""
        if self.own_pace:
            return f"The time is that of your own team: {self.own_pace:,} items an hour for one person."
        return (
            f"The time assumes that a person reviews {ITEMS_PER_HOUR} items an hour; put your team’s pace in its place."
        )

    @property
    def advice(self) -> str:
        """What to do where the items are too few to say something; else empty."""
        if self.items >= FEW and (self.accepted >= FEW or not self.accepted):
            return ""
        return "Label more items, or hold more of them out when you train: tagger train --test 0.2 --control 0.2"


def _spoken(value: float, items: int) -> str:
    """A share within a sentence."""
    return percent(value, items).replace(">", "more than ").replace("<", "less than ")


def answer(measured: Sequence[Automation]) -> Markup:
    """The first section of a report's page.

    Args:
        measured: By what the predictions are based on, the main kind first. Not empty.
    """
    return render("answer.html", measured=measured, missing=())


def no_thresholds() -> Markup:
    """The same for a bundle without a policy: it says what to do."""
    return render("answer.html", measured=(), missing=_NO_THRESHOLDS)


def being_changed() -> Markup:
    """The same for a bundle whose policy may be about to change."""
    return render("answer.html", measured=(), missing=_CHANGING)
