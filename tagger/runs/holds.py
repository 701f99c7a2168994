"""Holds: a run whose tags may be wrong is not exported until a person has looked at it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from tagger.errors import HoldError, InputError, UsageError
from tagger.machine import user_name
from tagger.runs.directory import RunDirectory
from tagger.runs.ledger import LedgerEntry
from tagger.schemas.documents.hold import HOLD, Hold, Release


def hold(run: RunDirectory, reason: str, page: str) -> None:
    """Hold a run back, or give one more reason for it. What a person has released stays so.

    Args:
        run: The run.
        reason: In words, for the person who wants to export it.
        page: The page that shows it, within the run.
    """
    before = hold_of(run)
    if before is None:
        _write(run, Hold(at=datetime.now(UTC), reason=reason, page=page))
    elif before.release is None and reason not in before.reason:
        _write(run, before.model_copy(update={"reason": f"{before.reason}; and {reason}"}))


def release(run: RunDirectory, note: str) -> Hold:
    """Let a held run be exported. Raises UsageError when it is not held."""
    held = hold_of(run)
    if held is None or held.release is not None:
        raise UsageError(f"--release: {run.root} is not held")
    released = held.model_copy(update={"release": Release(at=datetime.now(UTC), by=user_name(), note=note)})
    _write(run, released)
    return released


def hold_of(run: RunDirectory) -> Hold | None:
    """The hold of a run, released or not; None where it was never held. Raises InputError for a broken file."""
    file = run.root / HOLD
    if not file.exists():
        return None
    try:
        return Hold.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InputError(f"{file} cannot be read: {error.errors()[0]['msg']}") from error


def refuse_held(entries: Sequence[LedgerEntry]) -> None:
    """Raise HoldError when one of the runs that count is held."""
    for entry in entries:
        held = hold_of(entry.directory) if entry.has_hold and entry.done and not entry.rolled_back else None
        if held is not None and held.release is None:
            root = entry.directory.root
            raise HoldError(
                f"{root} is held, and nothing was written: {held.reason}. Look at {root / held.page}; then either "
                f"tagger rollback {root}, or tagger drift {root} --release 'why it is right'"
            )


def _write(run: RunDirectory, held: Hold) -> None:
    (run.root / HOLD).write_text(held.model_dump_json(by_alias=True, indent=2))
