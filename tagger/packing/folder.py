"""The folder of packed images: its shards, its record, and resuming after an interruption."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
from pydantic import ValidationError

from tagger.errors import InputError, TaggerError, UsageError
from tagger.images.failed import FailedImages
from tagger.io.completion import is_complete, mark_complete
from tagger.io.location import Location
from tagger.io.parquet import open_parquet, write_parquet
from tagger.packing.shards import Shard, counts_of
from tagger.schemas.documents.pack import PACK_RECORD, PackCounts, PackRecord, ShardCounts

CONTENT = "content"
"""Key of the fingerprint of the items among the inputs."""
_READ_AT_ONCE = 16
_PARQUET = (".parquet",)


@dataclass(frozen=True)
class PackFolder:
    """The folder that `tagger pack` writes.

    Readers of images skip what begins with an underscore: the record, the rejected rows and the list of failed images.
    """

    root: Location

    @property
    def failed(self) -> Location:
        """Folder of the images that could not be read, by FAILED_IMAGE; a part for each shard that lacks some."""
        return self.root / "_failed"

    @property
    def rejects(self) -> Location:
        """Folder of the rejected rows of the manifest, by REJECT."""
        return self.root / "_rejects"

    def record(self) -> PackRecord | None:
        """The record; None without one. Raises InputError when it cannot be read."""
        file = self.root / PACK_RECORD
        if not file.exists():
            return None
        try:
            return PackRecord.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise InputError(f"{file}: not a record of packed images: {error.errors()[0]['msg']}") from error

    def begin(self, inputs: Mapping[str, str]) -> PackRecord:
        """Begin, or resume what an earlier call began.

        Args:
            inputs: What decides which images lie in which shard, by name.

        Raises:
            UsageError: when the folder holds something else, or what was packed from other inputs.
        """
        record = self.record()
        if record is not None:
            if record.inputs != inputs:
                raise UsageError(f"--out: {self.root} {_difference(record.inputs, inputs)}; name a new folder")
            return record
        if self.root.files() or is_complete(self.root):
            raise UsageError(f"--out: {self.root} is not empty and holds no packed images; name a new folder")
        self.root.check_writable("--out")
        record = PackRecord(inputs=dict(inputs))
        self._write(record)
        return record

    def finished_shards(self) -> list[ShardCounts]:
        """The counts of the shards that earlier calls finished, in order; lists of unfinished ones are deleted."""
        names = {file.name for file in self.root.children().files}
        count = next(number for number in range(len(names) + 1) if self._shard(number).name not in names)
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            shards = list(pool.map(counts_of, map(self._shard, range(count))))
        kept = {self._failed_part(number).name for number in range(count)}
        for file in self.failed.files(_PARQUET):
            if file.name not in kept:
                file.delete()
        return shards

    def write_shard(self, number: int, shard: Shard) -> None:
        """Write a shard."""
        shard.write(self._shard(number), self._failed_part(number))

    def write_rejects(self, number: int, rejects: pa.Table) -> None:
        """Write rejected rows, by REJECT."""
        write_parquet(self.rejects / f"part-{number:05d}.parquet", rejects)

    def finish(self, record: PackRecord, counts: PackCounts) -> PackRecord:
        """Write the counts, and mark the folder as complete. Raises TaggerError when they do not add up."""
        if counts.items + counts.further + counts.rejects != counts.rows:
            raise TaggerError(
                f"{counts.rows} rows were read, but there are {counts.items} items, {counts.further} further rows of "
                f"items and {counts.rejects} rejects"
            )
        done = record.model_copy(update={"counts": counts})
        self._write(done)
        mark_complete(self.root)
        return done

    def failed_images(self, counts: ShardCounts) -> FailedImages:
        """The images that could not be read. Raises TaggerError when there are not as many as the shards count."""
        failed = FailedImages()
        for table in self._failed_tables():
            for row in table.to_pylist():
                failed.add_row(row["id"], row["imageUri"], row["errorCode"], row["errorMessage"])
        if dict(failed.counts) != counts.failed:
            raise TaggerError(f"{self.failed} lists {dict(failed.counts)}, but the shards count {counts.failed}")
        return failed

    def _failed_tables(self) -> Iterator[pa.Table]:
        for file in self.failed.files(_PARQUET):
            yield open_parquet(file).read()

    def _shard(self, number: int) -> Location:
        return self.root / f"images-{number:05d}.parquet"

    def _failed_part(self, number: int) -> Location:
        return self.failed / f"part-{number:05d}.parquet"

    def _write(self, record: PackRecord) -> None:
        (self.root / PACK_RECORD).write_text(record.model_dump_json(by_alias=True, indent=2))


def _difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How the inputs differ, by the first that does; what the items are comes last."""
    names = sorted({*before, *now}, key=lambda name: (name == CONTENT, name))
    name = next(name for name in names if before.get(name) != now.get(name))
    if name == CONTENT:
        return "holds images that were packed before the manifest or the list of images changed"
    return f"holds images packed with --{name.replace('_', '-')} {before.get(name)}, which is {now.get(name)} now"
