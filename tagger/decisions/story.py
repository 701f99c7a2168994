"""All that happened to one item, in order: predictions, decisions, refits, exports, undos."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tagger.decisions.read import refit_rows, review_of
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory
from tagger.runs.exported import exported_of
from tagger.runs.ledger import LedgerEntry
from tagger.runs.parts import pieces
from tagger.runs.roots import ROLLBACK
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.change import ChangeKind
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.prediction import PREDICTION, Decision
from tagger.schemas.tables.refit_tag import REFIT_TAG

if TYPE_CHECKING:
    from tagger.review.store.review import ReviewStore

_NEVER = float("inf")
_NOTHING = "(nothing)"


@dataclass(frozen=True)
class Event:
    """One thing that happened to an item."""

    at: datetime
    kind: str
    """predicted, decided, refit, exported, undone or rolled back."""
    run_id: str
    words: str
    details: dict[str, Any] = field(default_factory=dict)


def story_of(
    entries: Sequence[LedgerEntry], item: str, database: str | None = None, store: "ReviewStore | None" = None
) -> list[Event]:
    """What happened to an item, the oldest first.

    Args:
        entries: The runs.
        item: The item's id.
        database: Where decisions are kept, where it is not beside the run.
        store: The review of the one run, where it is open.
    """
    events: list[Event] = []
    for entry in entries:
        with nullcontext(store) if store is not None else review_of(entry.directory, database) as opened:
            events += _of_run(entry, item, opened)
    return sorted(events, key=lambda event: event.at)


def _of_run(entry: LedgerEntry, item: str, store: "ReviewStore | None") -> Iterator[Event]:
    run, record = entry.directory, entry.record
    predicted = list(_rows(run.batches(PREDICTION.names), item)) if entry.done else []
    for row in predicted:
        yield Event(row["taggedAt"], "predicted", record.run_id, _prediction(row, record), _plain(row))
    yield from _decisions(run, record, item, store)
    refits = refit_rows(store) if store is not None else pieces(run.refit_tags, REFIT_TAG.names)
    for row in _rows(refits, item):
        words = f"refit {row['refit']}: {_class(row)} {_sure(row['articleTypeConfidence'])}"
        yield Event(row["madeAt"], "refit", record.run_id, words, _plain(row))
    changes = list(_rows(exported_of(run), item))
    for row in changes:
        yield Event(row["madeAt"], _KINDS[row["kind"]], record.run_id, _change(row), _plain(row))
    if entry.rolled_back and (predicted or changes):
        yield from _rollback(run, record)


_KINDS = {ChangeKind.SET: "exported", ChangeKind.UNDO: "undone"}


def _decisions(run: RunDirectory, record: RunRecord, item: str, store: "ReviewStore | None") -> Iterator[Event]:
    """The whole log of the item where the review is at hand, else the decision that stands."""
    if store is not None:
        position = store.position_of(item)
        for line in store.history(position) if position is not None else ():
            about = f" {_class_of(line.master, line.article)}" if line.master else ""
            note = f": {line.note}" if line.note else ""
            yield Event(
                line.decided_at.replace(tzinfo=UTC), "decided", record.run_id,
                f"{line.verdict.replace('_', ' ')}{about} by {line.decided_by}{note}",
                {"verdict": line.verdict, "masterCategory": line.master, "articleType": line.article,
                 "decidedBy": line.decided_by, "note": line.note},
            )  # fmt: skip
        return
    for row in _rows(run.decisions(DECISION.names), item):
        about = f" {_class(row)}" if row["masterCategory"] else ""
        words = f"{row['verdict'].replace('_', ' ')}{about} by {row['decidedBy']}"
        yield Event(row["decidedAt"], "decided", record.run_id, words, _plain(row))


def _rollback(run: RunDirectory, record: RunRecord) -> Iterator[Event]:
    about = json.loads(_read(run.root / ROLLBACK))
    words = f"the run was rolled back by {about.get('by', 'somebody')}: its predictions count no more"
    yield Event(datetime.fromisoformat(about["at"]), "rolled back", record.run_id, words, about)


def _read(file: Location) -> str:
    return file.read_bytes().decode()


def _rows(tables: Iterable[pa.Table], item: str) -> Iterator[dict[str, Any]]:
    for table in tables:
        yield from table.filter(pc.equal(table["id"], item)).to_pylist()


def _prediction(row: dict[str, Any], record: RunRecord) -> str:
    """The prediction, why it was decided as it was, and what it was by."""
    if row["decision"] == Decision.FAILED:
        return f"failed: {row['errorMessage'] or row['errorCode']}"
    needed = _needed(row, record)
    decided = {
        Decision.ACCEPT: "accepted",
        Decision.ACCEPT_MASTER_ONLY: "accepted as master category alone",
        Decision.REVIEW: "for review",
    }[Decision(row["decision"])]
    reasons = ", ".join(reason.replace("_", " ") for reason in row["reviewReasons"] or ())
    return (
        f"{_class(row)} {_sure(row['articleTypeConfidence'])} by {row['evidence'] or 'image'}: {decided}"
        f"{f' ({reasons})' if reasons else ''}{needed}"
    )


def _needed(row: dict[str, Any], record: RunRecord) -> str:
    """The threshold of the article type that the run had; empty where it does not say."""
    try:
        stored = json.loads(record.inputs["accept_above"])
    except (KeyError, ValueError):
        return ""
    by = stored.get("others", {}).get(row["evidence"] or "", stored)
    level = str(Level.ARTICLE_TYPE)
    least = by.get("classes", {}).get(level, {}).get(row["articleType"], by.get("levels", {}).get(level))
    if least is None:
        return ""
    return "; types are never accepted" if least == _NEVER else f"; types are accepted from {100 * least:.1f}%"


def _change(row: dict[str, Any]) -> str:
    before, after = (", ".join(row[name]) or _NOTHING for name in ("before", "after"))
    return f"{row['target']}, {row['heading']} of {row['key']}: {before} → {after}"


def _class(row: dict[str, Any]) -> str:
    return _class_of(row["masterCategory"], row["articleType"])


def _class_of(master: str | None, article: str | None) -> str:
    return " / ".join(name for name in (master, article) if name)


def _sure(confidence: float | None) -> str:
    return "" if confidence is None else f"{100 * confidence:.1f}%"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row for JSON."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
