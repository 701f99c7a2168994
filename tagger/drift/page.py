"""The page of a drift check: one HTML file without external resources."""

from collections.abc import Mapping, Sequence

from tagger.drift.items import AlarmItems
from tagger.drift.words import TITLES, alarm_words, not_compared, verdict
from tagger.evaluation.standalone import page_environment
from tagger.evaluation.type_shares import TypeShare
from tagger.schemas.documents.drift import DriftDocument
from tagger.schemas.documents.hold import Hold

_SHOWN, _TYPES = 12, 15


def shown_ids(items: Sequence[AlarmItems]) -> set[str]:
    """The items whose pictures the page has."""
    return {item for alarm in items for item in alarm.ids[:_SHOWN]}


def page_of(
    document: DriftDocument,
    shares: list[TypeShare],
    items: Sequence[AlarmItems],
    pictures: Mapping[str, str],
    why_no_pictures: str,
    power: Sequence[tuple[str, int, int, int]],
    hold: Hold | None,
) -> str:
    """Render the page as HTML.

    Args:
        document: What was found.
        shares: The types, those first whose share has changed most.
        items: The items of each alarm.
        pictures: Thumbnails by id.
        why_no_pictures: Said where there are none.
        power: Of each plant: its words, nights, those with an alarm, and those that would be held.
        hold: The hold of the run, if there is one.
    """
    of_alarm = {alarm.statistic: alarm for alarm in items}
    alarms = []
    for finding in document.alarms:
        about = of_alarm.get(finding.statistic, AlarmItems(finding.statistic, [], [], []))
        shown = list(zip(about.ids, about.types, strict=True))[:_SHOWN]
        alarms.append(
            {
                "title": TITLES[finding.statistic], "words": alarm_words(finding, shares),
                "holds": finding.statistic.holds, "items": len(about.ids),
                "shown": [(item, kind, pictures.get(item, "")) for item, kind in shown],
            }
        )  # fmt: skip
    return page_environment(__file__).get_template("drift.html").render(
        document=document, verdict=verdict(document, hold), alarms=alarms, shares=shares[:_TYPES], power=power,
        titles=TITLES, not_compared=not_compared(document), why_no_pictures=why_no_pictures,
        nights=round(1 / document.false_alarms),
    )  # fmt: skip
