"""An item's story in sentences, in the reader's language."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tagger.decisions.story import Event
from tagger.review.store.records import Entry
from tagger.review.web import words
from tagger.review.web.texts import Texts


def story_lines(t: Texts, events: Sequence[Event], is_audit: bool) -> Iterator[tuple[datetime, str]]:
    """The time of each event, and a sentence."""
    for event in events:
        yield event.at, _text(t, event, is_audit)


def _text(t: Texts, event: Event, is_audit: bool) -> str:
    details = event.details
    match event.kind:
        case "predicted" if details["decision"] == "failed":
            return t("story-failed", why=words.problem_text(t, details["errorCode"]))
        case "predicted":
            name = words.named(details["masterCategory"], details["articleType"])
            sure = t.percent(details["articleTypeConfidence"] or 0.0)
            return t("story-predicted", name=name, sure=sure, decision=details["decision"])
        case "decided":
            chosen = details["verdict"], details["masterCategory"], details["articleType"]
            entry = Entry(0, *chosen, details["decidedBy"], event.at, note=details.get("note"))
            return t("story-decided", what=words.entry_text(t, entry, is_audit), who=entry.decided_by)
        case "refit":
            name = words.named(details["masterCategory"], details["articleType"])
            return t("story-refit", name=name, sure=t.percent(details["articleTypeConfidence"]))
        case "exported" | "undone":
            before, after = (", ".join(details[key]) or t("none") for key in ("before", "after"))
            key = "story-exported" if event.kind == "exported" else "story-undone"
            return t(key, target=details["target"], field=details["heading"], before=before, after=after)
        case _:
            return t("story-rolled-back", who=details.get("by") or t("somebody"))
