"""The page's sentences about items, answers and errors."""

from collections.abc import Iterator, Sequence

from tagger.review.store.log import REFUSED, SKIPPED, UNSKIPPED
from tagger.review.store.records import Action, Copies, Entry, QueuedItem
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.prediction import ErrorCode, ReviewReason

LEFT_ALONE = "{} of them had been decided or opened by somebody else, and were left alone."
NOTHING_TO_UNDO = "There is nothing left to undo."
DECIDED_SINCE = "Somebody else has decided about it since: that stands."
BUSY = "The database is busy, so nothing was saved just now. What was confirmed before is kept; try again."
BROKEN = "Something went wrong in the server; its terminal says what. What was confirmed before is kept."
NO_SUCH_IMAGE = "There is no such image."
_FIELDS = {
    "least": "Confidences are numbers from 0 to 100.",
    "most": "Confidences are numbers from 0 to 100.",
    "order": "Items are sorted by uncertain, certain or catalogue.",
    "position": "There is no such item in this review.",
    "number": NO_SUCH_IMAGE,
    "image": "Choose an image file first.",
    "who": "A name has 1 to 60 characters.",
    "say": "No answer was chosen.",
    "shown": "This form does not say which items it showed. Load the page again.",
}
_PROBLEMS: dict[str, str] = {
    ErrorCode.NOT_FOUND: "it is missing",
    ErrorCode.ACCESS_DENIED: "nobody may read it",
    ErrorCode.OUTSIDE_STORE: "it is not among the catalogue's images",
    ErrorCode.UNSUPPORTED_URI: "its address cannot be read",
    ErrorCode.STORE_ERROR: "its server did not answer",
    ErrorCode.EMPTY_FILE: "its file is empty",
    ErrorCode.NOT_AN_IMAGE: "its file is no image",
    ErrorCode.TRUNCATED: "its file ends early",
    ErrorCode.CORRUPT: "its file is damaged",
    ErrorCode.TOO_LARGE: "its file is too large",
    ErrorCode.TOO_MANY_PIXELS: "it has too many pixels",
}
_STATUS = {
    404: "There is no such page.",
    405: "This address does not take that kind of request.",
    413: "That is too large.",
}


def percent(share: float) -> str:
    """A share of 1."""
    return f"{100 * share:.1f}%" if share < 0.9995 else "100%"


def named(master: str | None, article: str | None) -> str:
    """A class with both of its levels, or the master category alone."""
    return f"{article} ({master})" if article else master or ""


def status_text(status: int, detail: str) -> str:
    """The message for a status; the web framework's default texts are replaced."""
    return _STATUS.get(status, detail) if detail in ("Not Found", "Method Not Allowed") else detail


def field_text(location: Sequence[int | str], message: str) -> str:
    """The message for an invalid value, by its location in the request."""
    field = str(location[-1]) if location else ""
    return _FIELDS.get(field, f"{field}: {message}")


def problem_text(code: str | None) -> str:
    """Why a run could not use an image, by its error code."""
    return _PROBLEMS.get(code or "", "it cannot be read")


def entry_text(entry: Entry) -> str:
    """A line of an item's history."""
    name = named(entry.master, entry.article)
    attributes = [f"{each['name']}: {each['value'] or 'none'}" for each in entry.attributes or ()]
    return "; ".join([f"{entry.verdict.replace('_', ' ')}{f': {name}' if name else ''}", *attributes])


def action_text(actions: Sequence[Action], is_audit: bool) -> str:
    """A sentence on what a key press did or undid."""
    text = ", ".join(_one(action, is_audit) for action in actions)
    if not text:
        return ""
    return f"Taken back: {text}." if actions[0].is_undo else f"{text[0].upper()}{text[1:]}. Undo (u)"


def _one(action: Action, is_audit: bool) -> str:
    count, name = f"{action.items:,}", named(action.master, action.article)
    match action.verdict:
        case Verdict.ACCEPTED:
            return f"{count} kept as {name}" if is_audit else f"{count} accepted as {name}"
        case Verdict.CORRECTED:
            return f"{count} changed to {name}"
        case Verdict.MASTER_ONLY:
            return f"{count} decided as {name} only"
        case Verdict.UNUSABLE:
            return f"{count} marked as not usable"
        case verdict if verdict == REFUSED:
            return f"{count} marked as wrong (see the queue)"
        case verdict if verdict == SKIPPED:
            return f"{count} skipped"
        case verdict if verdict == UNSKIPPED:
            return f"{count} shown again"
        case _:
            return f"{count} {action.verdict}"


def why(item: QueuedItem, copies: Copies, is_audit: bool) -> Iterator[str]:
    """Why an item needs a person, one reason after another."""
    if copies.in_conflict and ReviewReason.DUPLICATE_CONFLICT not in item.reasons:
        yield "items with this picture do not agree"
    for reason in item.reasons:
        match reason:
            case ReviewReason.LOW_CONFIDENCE:
                yield f"not sure enough: {percent(item.article_confidence)}"
            case ReviewReason.BLURRY_IMAGE:
                yield "the image is blurry"
            case ReviewReason.TAXONOMY_CONFLICT:
                yield _conflict(item, is_audit)
            case ReviewReason.QA_SAMPLE:
                yield "a random sample of what is accepted"
            case ReviewReason.LABEL_ERROR:
                yield f"probably mislabelled: {percent(item.article_confidence)} sure of the label"
            case ReviewReason.IMAGE_DISAGREES:
                yield "the image suggests another class"
            case ReviewReason.TITLE_DISAGREES:
                yield "the title suggests another class"
            case ReviewReason.DUPLICATE_CONFLICT:
                yield "another item with this picture has another label"
            case ReviewReason.OUTLIER:
                yield "no other image is like this one"
            case ReviewReason.NO_IMAGE:
                yield "its image cannot be used: this is by the title alone"
            case _:
                yield reason
    if item.refused:
        yield "marked as wrong in the grid"


def _conflict(item: QueuedItem, is_audit: bool) -> str:
    if is_audit:
        return f"most items that are {item.article} are not {item.master}"
    return f"the catalogue says {item.known_master}, the model {item.master}"
