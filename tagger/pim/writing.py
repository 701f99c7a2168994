"""Writes values and their undo as import files."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tagger.pim.fields import Field
from tagger.pim.files import ImportFiles, WrittenFile
from tagger.pim.forms.base import Form, Record
from tagger.pim.plan import Planned
from tagger.pim.state import State
from tagger.pim.values import Values
from tagger.schemas.documents.target import Target
from tagger.schemas.tables.change import ChangeKind

NewValues = Mapping[Field, Values]


def write_values(
    files: ImportFiles,
    form: Form,
    target: Target,
    state: State | None,
    changes: Iterable[tuple[Record, NewValues]],
    fields: Iterable[Field],
) -> list[WrittenFile]:
    """Write new values of products.

    A target whose file takes the place of the last one gets all values of the last one, too: those of the products in
    `state`, if that is such a file.
    """
    if not target.is_whole:
        for record, values in changes:
            _add(files, form, record, values)
        return files.close()
    new = {record.key: (record, values) for record, values in changes}
    if state is not None and not form.has_other_columns:
        for record in state.records():
            _, values = new.pop(record.key, (record, {}))
            _add_whole(files, form, record, {f: values.get(f, record.values.get(f.heading, ())) for f in fields})
    for record, values in new.values():
        _add_whole(files, form, record, values)
    return files.close()


def _add(files: ImportFiles, form: Form, record: Record, values: NewValues) -> None:
    for kind, document in form.documents(record, values):
        files.add(kind, document)


def _add_whole(files: ImportFiles, form: Form, record: Record, values: NewValues) -> None:
    """Add what a product has; nothing where it has nothing, since it then keeps what is elsewhere."""
    filled = {field: all_values for field, all_values in values.items() if all_values}
    if filled:
        _add(files, form, record, filled)


def change_rows(planned: Planned, target: str, export_id: str, made_at: datetime) -> Iterator[dict[str, Any]]:
    """The changes of one item, by CHANGE."""
    if planned.record is None:
        return
    for move in planned.moves:
        yield {
            "id": planned.id,
            "key": planned.record.key,
            "target": target,
            "heading": move.field.heading,
            "role": move.field.role,
            "kind": ChangeKind.SET,
            "value": move.wanted.value,
            "took": list(move.took),
            "before": list(move.before),
            "after": list(move.after),
            "of": move.wanted.of,
            "source": move.wanted.source,
            "confidence": move.wanted.confidence,
            "exportId": export_id,
            "runId": planned.run_id,
            "madeAt": made_at,
        }
