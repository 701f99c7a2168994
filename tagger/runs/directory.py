"""The run directory: atomic parts, the record, and resuming after an interruption."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa
from pydantic import ValidationError

from tagger.errors import InputError, TaggerError, UsageError
from tagger.io.completion import is_complete, mark_complete
from tagger.io.location import Location, first_line
from tagger.io.parquet import write_parquet
from tagger.runs.differences import differences
from tagger.runs.parts import (
    PartCounts,
    Spent,
    embedded_pieces,
    engine_share,
    part_counts,
    pieces,
    prediction_pieces,
    whole_counts,
)
from tagger.runs.roots import RECORD, run_roots
from tagger.runs.staging import Staged, is_staged
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.tables.prediction import PREDICTION

_READ_AT_ONCE = 16
VECTOR_COLUMNS = ("layout", "vector")
"""Columns of image vectors that do not compress."""
ETAG = pa.schema([PREDICTION.field(name) for name in ("id", "imageUri", "imageDigest", "imageEtag")])
"""Schema of new ETags: of known images whose server sent an ETag that no earlier run has."""


@dataclass(frozen=True)
class RunDirectory:
    """The folder of a run; picklable, so that workers write their parts themselves."""

    root: Location

    @property
    def work(self) -> Location:
        """Folder of the shards during the run."""
        return self.root / "_work"

    @property
    def rejects(self) -> Location:
        """Folder of the rejected rows."""
        return self.root / "rejects"

    @property
    def predictions(self) -> Location:
        """Folder of the predictions, one part per shard."""
        return self.root / "predictions"

    @property
    def embeddings(self) -> Location:
        """Folder of the image vectors, one part per part of predictions; only with `embeddings`."""
        return self.root / "embeddings"

    @property
    def etags(self) -> Location:
        """Folder of the new ETags of known images, by ETAG; only shards with some have a part."""
        return self.root / "etags"

    @property
    def decided(self) -> Location:
        """Folder of the exported review decisions."""
        return self.root / "decisions"

    @property
    def refit_tags(self) -> Location:
        """Folder of the exported tags that refits to review decisions were sure of."""
        return self.root / "refit-tags"

    @property
    def exports(self) -> Location:
        """Folder of what exports wrote into a PIM, one file for each export and each undo."""
        return self.root / "exports"

    @property
    def joining(self) -> Location:
        """The plan by which parts are joined; with it, all shards have had their part."""
        return self.work / "joining.json"

    def is_done(self) -> bool:
        """Whether the run has finished."""
        return is_complete(self.root)

    def record(self) -> RunRecord | None:
        """The record in `run.json`; None without one. Raises InputError when it cannot be read."""
        file = self.root / RECORD
        if not file.exists():
            return None
        try:
            return RunRecord.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise InputError(f"{file}: not a run record: {error.errors()[0]['msg']}") from error

    def begin(
        self,
        config: dict[str, object],
        inputs: dict[str, str],
        model_id: str,
        versions: dict[str, str],
        kind: Literal["tag", "audit", "comparison", "proposal"] = "tag",
        after: tuple[str, ...] = (),
    ) -> RunRecord:
        """Begin or resume the run.

        Args:
            config: The settings, as they were given.
            inputs: What decides whether this is the run that the folder holds, by name.
            model_id: Id of the model.
            versions: Of the installed libraries.
            kind: Whether it tags, or lists what a person is to look at: an audit's findings, or two models' tags.
            after: Ids of runs that a new run knows.

        Raises:
            UsageError: when the folder is not writable, or holds a run with another manifest, model or setting.
        """
        fingerprint = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
        try:
            record = self.record()
        except OSError as error:
            raise UsageError(f"--out: cannot write to {self.root}: {first_line(error)}") from error
        is_other = record is not None and record.fingerprint != fingerprint
        if is_other and not is_staged(self.work) and not self.is_done():
            self._take_back()  # an earlier call failed before it read the manifest
            record = None
        if record is None:
            if self.root.files():
                raise UsageError(f"--out: {self.root} is not empty and holds no run; name a new folder")
            self.root.check_writable("--out")
            started = datetime.now(UTC)
            record = RunRecord(
                run_id=f"{started:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}",
                model_id=model_id,
                state="running",
                kind=kind,
                config=config,
                fingerprint=fingerprint,
                inputs=inputs,
                versions=versions,
                started_at=started,
                after=after,
                counts=Counts(),
            )
            self.write(record)
        elif record.fingerprint != fingerprint:
            changed = "; ".join(differences(record, config, inputs))
            raise UsageError(f"--out: {self.root} holds another run: {changed}. Name a new folder for this one")
        return record

    @contextmanager
    def removed_if_refused(self) -> Iterator[None]:
        """Delete a new run that is refused before it has a part, so that no empty run remains."""
        fresh = not (self.root / RECORD).exists()
        try:
            yield
        except (UsageError, InputError):
            if fresh and not self.predictions.files():
                self._take_back()
            raise

    def _take_back(self) -> None:
        for begun in (self.root / RECORD, self.work, self.rejects):
            begun.delete()

    def pending(self, staged: Staged) -> list[int]:
        """Numbers of the shards without a part."""
        if self.joining.exists():
            return []
        present = {f.name for f in self.predictions.files()}
        return [n for n in range(staged.shards) if f"part-{n:05d}.parquet" not in present]

    def has_part(self, number: int) -> bool:
        """Whether the part of a shard is written."""
        return self._part(number).exists()

    def _part(self, number: int) -> Location:
        return self.predictions / f"part-{number:05d}.parquet"

    def write_part(
        self, number: int, predictions: pa.Table, skipped: Mapping[str, int], spent: Spent, redecided: int = 0
    ) -> None:
        """Write the part of one shard, with its counts in the file's metadata.

        Args:
            number: The shard's.
            predictions: By PREDICTION.
            skipped: Number of the shard's items without a prediction, by reason.
            spent: The seconds that the shard took.
            redecided: Number of stored predictions that were decided again.
        """
        counts = PartCounts.of_predictions(predictions, skipped, spent, redecided)
        table = predictions.replace_schema_metadata(counts.as_metadata())
        write_parquet(self._part(number), table)

    def write_embeddings(self, number: int, embeddings: pa.Table) -> None:
        """Write the image vectors of one shard, by EMBEDDING; before `write_part`, which marks the shard as done."""
        write_parquet(self.embeddings / f"part-{number:05d}.parquet", embeddings, plain=VECTOR_COLUMNS)

    def write_etags(self, number: int, etags: pa.Table) -> None:
        """Write the new ETags of one shard, by ETAG; before `write_part`, which marks the shard as done."""
        write_parquet(self.etags / f"part-{number:05d}.parquet", etags)

    def finish(self, record: RunRecord, staged: Staged) -> RunRecord:
        """Count the parts, write the record and `_SUCCESS`, and delete the shards and what was never whole.

        Raises:
            TaggerError: when the counts do not add up.
        """
        if not staged.shards:  # so that readers of the run find its columns
            self.write_part(0, PREDICTION.empty_table(), {}, Spent(0, None))
        parts = part_counts(self.predictions)
        try:
            counts = whole_counts(staged, parts)
        except TaggerError as error:
            raise TaggerError(f"{self.root}: {error}") from error
        done = record.model_copy(
            update={
                "state": "done",
                "finished_at": datetime.now(UTC),
                "engine_share": engine_share(parts),
                "counts": counts,
            }
        )
        self.write(done)
        self.root.delete_temporaries()
        mark_complete(self.root)
        self.work.delete()
        return done

    def read(self, columns: Sequence[str], flag: str = "--run") -> pa.Table:
        """Read columns of all predictions. Raises UsageError or InputError, with the flag, without a finished run."""
        if not self.root.exists():
            raise UsageError(f"{flag}: there is no run {self.root}")
        if not self.is_done():
            reason = "the run has not finished" if self.record() else f"there is no run.json{self._newest_below()}"
            raise InputError(f"{flag}: {self.root} is not a finished run: {reason}")
        empty = pa.schema([PREDICTION.field(c) for c in columns]).empty_table()
        return pa.concat_tables([empty, *self.batches(columns)])

    def _newest_below(self) -> str:
        """Words that name the newest finished run in a folder of runs; empty without one."""
        started: dict[Location, datetime] = {}
        with suppress(OSError, InputError):  # only the message is less helpful without it
            finished = [root.folder for root in run_roots(self.root) if root.done] if self.root.is_dir() else []
            with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
                records = list(pool.map(lambda folder: RunDirectory(folder).record(), finished))
            for folder, record in zip(finished, records, strict=True):
                if record and record.kind == "tag":
                    started[folder] = record.started_at
        return f"; the newest run in this folder is {max(started, key=started.__getitem__)}" if started else ""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of the predictions in the existing parts, in pieces; null if an older run lacks a column."""
        return prediction_pieces(self.predictions, columns)

    def embedded(self, columns: Sequence[str]) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield columns of the predictions with an image vector, and these vectors by EMBEDDING, aligned, in pieces.

        A prediction that was decided again has none: its vector is in the run that predicted the image.

        Raises InputError when the vectors of a part do not match its predictions.
        """
        return embedded_pieces(self.predictions, self.embeddings, columns)

    def decisions(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of the exported review decisions, by DECISION, in pieces."""
        return pieces(self.decided, columns)

    def write(self, record: RunRecord) -> None:
        """Write the record."""
        (self.root / RECORD).write_text(record.model_dump_json(by_alias=True, indent=2))

    def vectors(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of the image vectors, by EMBEDDING, in the existing parts, in pieces."""
        return pieces(self.embeddings, columns)

    def new_etags(self) -> Iterator[pa.Table]:
        """Yield the new ETags of known images, by ETAG, in pieces."""
        return pieces(self.etags, ETAG.names)
