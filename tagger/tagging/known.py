"""Known predictions and decisions of earlier runs, and which of them the current policy decides differently."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.decisions.read import decisions_of
from tagger.flow.id_rows import IdRows
from tagger.flow.seen_ids import SeenIds
from tagger.flow.spilled import SpilledRows
from tagger.images.listing import Listing
from tagger.images.revisions import valid_etag
from tagger.manifest.selection import Recall
from tagger.models.evidence import EvidenceModel, Shown
from tagger.runs.directory import ETAG
from tagger.runs.identity import ATTRIBUTES, by_model, joined_images
from tagger.runs.ledger import LedgerEntry
from tagger.runs.staging import KNOWN_OUTCOME, passthrough
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.tables.prediction import ErrorCode, Evidence
from tagger.tagging.collector import outcome_type
from tagger.tagging.rows import Items, PredictionRows
from tagger.tagging.stored import COLUMNS, DECISIONS, EVIDENCE_BYTES, Packer, hex_of
from tagger.tagging.witnesses import evidence_digests

_BY_IMAGE = np.int8(Evidence.IMAGE.code)
_ROWS_AT_ONCE = 8192
_NEWEST = 8  # the newest alone orders a run after all; more of them, should it be deleted
_MEMORY_BYTES = 1 << 26


class Recalled(NamedTuple):
    """A stored prediction that is decided again."""

    outcome: bytes
    """By `outcome_type`, without an image vector."""
    evidence: int
    """What it is based on, as index into Evidence."""
    attributes: bytes = b""
    """As `AttributeRows.unpacked` takes them."""


class Known:
    """Predictions of finished runs, newest first, with the images that they were made from, and review decisions.

    A stored prediction counts as known if the same image would get the same prediction now: the model is the same,
    title and columns are the same if they had their say, there is an image vector if the run writes them, and its
    attributes are by the same model and the same evidence if the run predicts some. The current policy then decides
    again; if decision, reasons or tags differ, the item is recalled.

    Nothing is read before the first call.

    Args:
        runs: The newest first; of unfinished runs, only review decisions count.
        card: The model; predictions of another one count as unknown.
        rows: Applies this run's policy, also to attributes.
        evidence: What titles and columns say, if the run uses that.
        join: Whether it joins images by them.
        embeddings: Whether an image vector is required.
        versions: Of the installed libraries.
        attributes_by: What the attributes of the run are predicted by, as among the inputs of runs; None for none.
        listing: The ETags that images have now; None where they cannot be listed.
    """

    def __init__(
        self,
        runs: Sequence[LedgerEntry],
        card: ModelCard,
        rows: PredictionRows,
        evidence: EvidenceModel | None = None,
        join: bool = False,
        embeddings: bool = False,
        versions: Mapping[str, str] | None = None,
        attributes_by: str | None = None,
        listing: Listing | None = None,
    ) -> None:
        self._attributes_by = attributes_by
        self._listing = listing
        self._runs = runs
        self._card = card
        self._rows = rows
        self._evidence = evidence
        self._join = join
        self._embeddings = embeddings
        self._versions = versions
        self._packer = Packer(card, rows.attributes)
        self._is_read = False
        self._tagged = IdRows()
        self._stored = SpilledRows(self._packer.stored, _MEMORY_BYTES)
        """By the number of the id in `_tagged`."""
        self._images: SeenIds[str] = SeenIds()
        self._vectors: SeenIds[str] = SeenIds()
        self._etags: SeenIds[str] = SeenIds()
        self._decided: SeenIds[str] = SeenIds()
        self._crashed: set[bytes] = set()

    @property
    def newest(self) -> tuple[str, ...]:
        """Ids of the newest runs."""
        return tuple(run.record.run_id for run in self._runs[:_NEWEST])

    def decided(self, ids: Sequence[str]) -> list[bool]:
        """Whether the item has a review decision."""
        self._read()
        return [decision is not None for decision in self._decided.get(ids)]

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """Whether an earlier run tagged the item, with any model, or a person decided it."""
        self._read()
        tagged = self._tagged.numbers(ids) >= 0
        return [a or b for a, b in zip(tagged.tolist(), self.decided(ids), strict=True)]

    def crashed(self) -> frozenset[bytes]:
        """SHA-256 of images that crashed workers of finished runs, with the same model and libraries.

        After a library update they are tried again, since the library may have been at fault.
        """
        self._read()
        return frozenset(self._crashed)

    def recall(self, items: pa.Table) -> Recall:
        """For every item, the digest of its known image, and its stored prediction if that is decided differently now.

        An item with several images that is decided differently now counts as unknown.

        Args:
            items: By ITEM, with the columns that titles and columns are read from.
        """
        recall = Recall([], [], [])
        for start in range(0, len(items), _ROWS_AT_ONCE):
            piece = self._recall(items.slice(start, _ROWS_AT_ONCE))
            recall.digests.extend(piece.digests)
            recall.outcomes.extend(piece.outcomes)
            recall.images.extend(piece.images)
        return recall

    def etags(self, items: pa.Table, digests: Sequence[str | None]) -> list[str | None]:
        """For every item, the ETag that its server sent with the image of that digest, if any.

        An ETag identifies a version of one address; two addresses may have the same one for different images. So it
        counts only for the address that sent it.

        Args:
            items: By ITEM.
            digests: From `recall`; None for an item whose image must be predicted.
        """
        self._read()
        rows = zip(self._etags.get(items["id"].to_pylist()), items["imageRef"].to_pylist(), digests, strict=True)
        return [_etag_in(stored, digest, ref) if stored and ref and digest else None for stored, ref, digest in rows]

    def is_unchanged(self, items: pa.Table, etags: Sequence[str | None]) -> np.ndarray:
        """Items whose image is listed with its known ETag, bool [N]; the others are asked about one by one.

        Args:
            items: By ITEM.
            etags: From `etags`.
        """
        if not self._listing:
            return np.zeros(len(items), bool)
        return self._listing.is_unchanged(items["imageRef"].to_pylist(), etags)

    def _add_etags(self, predictions: pa.Table) -> None:
        table = predictions.filter(pc.is_valid(predictions["imageEtag"])).select(ETAG.names)
        rows = [row for row in table.to_pylist() if row["imageDigest"] and row["imageUri"]]
        sources = [f"{_source(row['imageDigest'], row['imageUri'])}{row['imageEtag']}" for row in rows]
        self._etags.add([row["id"] for row in rows], sources)

    def _add_images(self, predictions: pa.Table, is_older: np.ndarray) -> None:
        """Store the digests of items with several images, unless a newer run tagged the item."""
        table = predictions.select(["id", "images"]).filter(
            pc.and_(pc.is_valid(predictions["images"]), pa.array(~is_older))
        )
        digests = [[image["imageDigest"] or "" for image in images] for images in table["images"].to_pylist()]
        self._images.add(table["id"].to_pylist(), [",".join(of_item) for of_item in digests])

    def _add_crashed(self, predictions: pa.Table) -> None:
        crashed = pc.equal(predictions["errorCode"], str(ErrorCode.CRASHED))
        table = predictions.filter(pc.and_(crashed, pc.equal(predictions["modelId"], self._card.model_id)))
        self._crashed |= {bytes.fromhex(digest) for digest in table["imageDigest"].to_pylist() if digest}

    def _recall(self, items: pa.Table) -> Recall:
        size = len(items)
        recall = Recall([None] * size, [None] * size, [None] * size)
        ids = items["id"].to_pylist()
        self._read()
        rows, stored = self._known_rows(ids)
        shown = shown_in(items, self._evidence.names) if self._evidence else {}
        images = 1 + np.asarray(pc.fill_null(pc.list_value_length(items["furtherImageRefs"]), 0))
        same = self._says_the_same(stored, [ids[row] for row in rows.tolist()], _only(shown, rows.tolist()))
        same &= stored["images"] == images[rows]
        known, stored = rows[same].tolist(), stored[same]
        masters = items["masterCategory"].to_pylist()
        chosen = Items(
            [ids[row] for row in known], [], [masters[row] for row in known], _only(shown, known), stored["evidence"]
        )
        differs = self._is_decided_anew(chosen, stored)
        is_single = stored["images"] == 1
        for row, digest, single in zip(known, hex_of(stored["digest"]), is_single.tolist(), strict=True):
            recall.digests[row] = digest if single else None
        for at in np.flatnonzero(is_single & differs).tolist():
            before = stored[at]
            recall.outcomes[known[at]] = (
                bytes([int(before["evidence"])]) + before["outcome"].tobytes() + before["attributes"].tobytes()
            )
        of_several = [known[at] for at in np.flatnonzero(~is_single & ~differs).tolist()]
        for row, digests in zip(of_several, self._images.get([ids[row] for row in of_several]), strict=True):
            recall.images[row] = [digest or None for digest in digests.split(",")] if digests else None
        return recall

    def _known_rows(self, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Of these ids, the positions of those with a usable prediction, int64 [K], and their entries by `stored`."""
        numbers = self._tagged.numbers(ids)
        rows = np.flatnonzero(numbers >= 0)
        stored = self._stored.take(numbers[rows])
        return rows[stored["usable"]], stored[stored["usable"]]

    def _says_the_same(self, stored: np.ndarray, ids: Sequence[str], shown: Shown) -> np.ndarray:
        """Whether the same image would get the stored prediction now, bool [N]."""
        same = stored["evidence"] == _BY_IMAGE
        if self._attributes_by and self._evidence:
            same = np.zeros(len(stored), bool)  # attributes by the image alone would not be those by all
        if self._evidence and (self._join or self._attributes_by):
            digests = evidence_digests(shown, self._evidence.names, len(ids))
            now = np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, EVIDENCE_BYTES)
            same |= (stored["shown"] == now).all(axis=1)
        if self._embeddings:
            of_vector = self._vectors.get(ids)
            equal = [v == digest for v, digest in zip(of_vector, hex_of(stored["digest"]), strict=True)]
            same &= np.array(equal, bool)  # of no item at all, too
        return np.asarray(same, bool)

    def _is_decided_anew(self, items: Items, stored: np.ndarray) -> np.ndarray:
        before = stored["outcome"]
        decided = self._rows.decide(items, before.copy(), np.ones(len(stored), bool), in_full=False)
        changed = (decided.reasons != stored["reasons"]).any(axis=1)
        changed |= np.array([DECISIONS.index(d) for d in decided.decisions], np.int8) != stored["decision"]
        for name in ("master", "master_confidence", "type", "type_confidence"):
            changed |= decided.records[name] != before[name]
        if self._rows.attributes:
            accepted = self._rows.attributes.accepted(stored["attributes"])
            changed |= (accepted != stored["accepted"]).any(axis=1)
        return np.asarray(changed, bool)

    def _read(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        for run in self._runs:
            for table in decisions_of(run.directory):
                ids = table["id"].to_pylist()
                self._decided.add(ids, ids)
            if run.done and not run.rolled_back:
                self._read_run(run)

    def _read_run(self, run: LedgerEntry) -> None:
        inputs = run.record.inputs
        same_evidence = self._evidence is not None and by_model(inputs, self._evidence.digest)
        for table in run.directory.batches(COLUMNS):
            good = table.filter(pc.is_null(table["errorCode"]))  # what has no usable image is tried again
            entries = self._packer.packed(good)
            by_image = np.asarray(pc.equal(pc.fill_null(good["evidence"], _unstated(inputs)), str(Evidence.IMAGE)))
            entries["usable"] = np.asarray(pc.equal(good["modelId"], self._card.model_id)) & (same_evidence | by_image)
            entries["usable"] &= self._attributes_by in (None, inputs.get(ATTRIBUTES))
            _, is_new = self._tagged.add(good["id"].to_pylist())
            self._stored.append(entries[is_new])
            self._add_images(good, ~is_new)
            self._add_etags(good)
            if run.record.versions == self._versions:
                self._add_crashed(table)
        for table in run.directory.new_etags():
            self._add_etags(table)
        if self._embeddings:
            for table in run.directory.vectors(["id", "imageDigest", "modelId"]):
                of_model = table.filter(pc.equal(table["modelId"], self._card.model_id))
                self._vectors.add(of_model["id"].to_pylist(), of_model["imageDigest"].to_pylist())


def shown_in(items: pa.Table, names: Sequence[str]) -> dict[str, list[str | None]]:
    """What items show beside their images, by column; columns that the manifest does not have are absent.

    Args:
        items: By ITEM, with additional columns.
        names: Of the columns.
    """
    given = set(items.schema.names)
    return {name: items[passthrough(name)].to_pylist() for name in names if passthrough(name) in given}


def _only(shown: Shown, rows: Sequence[int]) -> dict[str, list[str | None]]:
    return {name: [cells[row] for row in rows] for name, cells in shown.items()}


def _unstated(inputs: Mapping[str, str]) -> str:
    """What the predictions of a run of an earlier version are based on, which does not say so for each."""
    return str(Evidence.IMAGE_AND_TITLE if joined_images(inputs) else Evidence.IMAGE)


def _source(digest: str, ref: str) -> str:
    """The key of an image and its address, stored in front of the ETag."""
    return f"{digest[:16]} {hashlib.sha256(ref.encode()).hexdigest()[:16]} "


def _etag_in(stored: str, digest: str, ref: str) -> str | None:
    """The ETag that `_add_etags` stored, if it belongs to this image and address."""
    source = _source(digest, ref)
    return valid_etag(stored.removeprefix(source)) if stored.startswith(source) else None


def recalled(shard: pa.Table) -> list[Recalled | None]:
    """For every item of a shard, the stored prediction to decide again if the image is unchanged."""
    if KNOWN_OUTCOME not in shard.schema.names:
        return [None] * len(shard)
    end = 1 + outcome_type().itemsize
    return [
        None if outcome is None else Recalled(outcome[1:end], outcome[0], outcome[end:])
        for outcome in shard[KNOWN_OUTCOME].to_pylist()
    ]
