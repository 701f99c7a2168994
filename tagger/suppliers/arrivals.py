"""What came with each item when it was first tagged, from runs; any number of items, in little memory each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.flow.id_rows import IdRows
from tagger.runs.ledger import LedgerEntry
from tagger.schemas.tables.prediction import Decision, ErrorCode, ReviewReason

_COLUMNS = ["id", "imageDigest", "images", "decision", "reviewReasons", "errorCode", "blurScore"]
_DETAILS = ["id", "imageUri", "errorCode"]
_DIGITS = 16
_PICTURE = np.dtype([("digest", np.uint64), ("item", np.int64)])
_WAITS = (Decision.REVIEW, Decision.ACCEPT_MASTER_ONLY)
BY_CHANCE = (ReviewReason.QA_SAMPLE, ReviewReason.MODELS_DISAGREE, ReviewReason.PROPOSED)
"""Reasons for a review that an item did not cause."""


class Fault(IntFlag):
    """What is wrong with what was delivered."""

    MISSING = 1
    BROKEN = 2
    BLURRY = 4
    SHARED = 8


UNUSABLE = Fault.MISSING | Fault.BROKEN | Fault.BLURRY
_CODES = {
    Fault.MISSING: (ErrorCode.NO_IMAGE, ErrorCode.NOT_FOUND, ErrorCode.UNSUPPORTED_URI, ErrorCode.OUTSIDE_STORE),
    Fault.BROKEN: (
        ErrorCode.EMPTY_FILE, ErrorCode.NOT_AN_IMAGE, ErrorCode.TRUNCATED, ErrorCode.CORRUPT, ErrorCode.TOO_LARGE,
        ErrorCode.TOO_MANY_PIXELS, ErrorCode.CRASHED,
    ),
}  # fmt: skip
"""The other codes are no supplier's fault: access denied, a store that does not answer, a model that fails."""


@dataclass
class Arrivals:
    """The items of some runs, by the order in which they were first seen; arrays [N] of one value an item.

    An item counts in the run that predicted it first. Of what came later, only whether its picture is still unusable
    and whether it waits for a person are kept.
    """

    numbers: IdRows
    """The items' numbers by id."""
    run: np.ndarray
    """Index of the run, the oldest first, int32."""
    faults: np.ndarray
    """By Fault, uint8; without SHARED, which `mark_shared` adds."""
    still: np.ndarray
    """The same of the newest prediction."""
    waits: np.ndarray
    """Whether the newest prediction is for a person, not by chance alone, bool; `mark_decided` takes some away."""
    digests: np.ndarray
    """Of each picture with the number of its item, structured, [pictures]: `digest` uint64, `item` int64."""

    def __len__(self) -> int:
        return len(self.run)

    def mark_decided(self, ids: Sequence[str]) -> None:
        """Say of some items that a person has decided them; others of these ids are ignored."""
        items = self.numbers.numbers(ids)
        self.waits[items[items >= 0]] = False

    def mark_shared(self, groups: np.ndarray) -> None:
        """Mark the items whose picture file another item of the same group has, too.

        Args:
            groups: Of each item, int [N].
        """
        pictures = np.unique(self.digests)  # one that an item has twice counts once
        keys = np.stack([pictures["digest"], groups[pictures["item"]].astype(np.uint64)], axis=1)
        _, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        shared = pictures["item"][counts[inverse.ravel()] > 1]
        self.faults[shared] |= np.uint8(Fault.SHARED)


def read_arrivals(entries: Sequence[LedgerEntry], numbers: IdRows) -> Arrivals:
    """Read what came in some runs.

    Args:
        entries: Finished runs, the oldest first.
        numbers: Has no ids yet; it gets those of the items.
    """
    run, faults = np.empty(0, np.int32), np.empty(0, np.uint8)
    still, waits = np.empty(0, np.uint8), np.empty(0, bool)
    digests: list[np.ndarray] = []
    for index, entry in enumerate(entries):
        for table in entry.directory.batches(_COLUMNS):
            items, is_new = numbers.add(table["id"].to_pylist())
            of_table = _faults(table, entry.record.blur_threshold)
            grown = len(numbers) - len(run)
            run = np.append(run, np.full(grown, index, np.int32))
            faults, still = (np.append(of, np.zeros(grown, np.uint8)) for of in (faults, still))
            waits = np.append(waits, np.zeros(grown, bool))
            faults[items[is_new]] = of_table[is_new]
            still[items] = of_table
            waits[items] = _waits(table)
            digests.append(_digests(table, items, is_new))
    pictures = np.concatenate(digests) if digests else np.empty(0, _PICTURE)
    return Arrivals(numbers, run, faults, still, waits, pictures)


def details_of(entries: Sequence[LedgerEntry], arrivals: Arrivals, chosen: np.ndarray) -> Iterator[dict[str, object]]:
    """Number, id, imageUri and errorCode of some items, of the prediction that counts.

    Args:
        entries: As for `read_arrivals`.
        arrivals: What it found.
        chosen: The items, bool [N].
    """
    for index, entry in enumerate(entries):
        if not chosen[arrivals.run == index].any():
            continue
        for table in entry.directory.batches(_DETAILS):
            items = arrivals.numbers.numbers(table["id"].to_pylist())
            wanted = chosen[items] & (arrivals.run[items] == index)
            rows = table.filter(pa.array(wanted)).to_pylist()
            yield from ({"number": n, **row} for n, row in zip(items[wanted].tolist(), rows, strict=True))


def _faults(table: pa.Table, blurry_below: float | None) -> np.ndarray:
    """What is wrong with the pictures of some predictions, uint8 [N].

    An item that its title tags has no review for its blurry picture, so its score counts where the run says from where
    on a picture is blurry.
    """
    faults = np.zeros(len(table), np.uint8)
    parents, codes = _of_images(table, "errorCode")
    for fault, of in _CODES.items():
        names = pa.array([str(code) for code in of])
        faults[_true(pc.is_in(table["errorCode"], names))] |= np.uint8(fault)
        faults[parents[_true(pc.is_in(codes, names))]] |= np.uint8(fault)
    faults[_has_reason(table, (ReviewReason.BLURRY_IMAGE,))] |= np.uint8(Fault.BLURRY)
    if blurry_below is not None:
        faults[_true(pc.less(table["blurScore"], blurry_below))] |= np.uint8(Fault.BLURRY)
    return faults


def _waits(table: pa.Table) -> np.ndarray:
    """Whether each item is for a person because of what it is, bool [N]."""
    waits = _true(pc.is_in(table["decision"], pa.array([str(decision) for decision in _WAITS])))
    reasons = [reason for reason in ReviewReason if reason not in BY_CHANCE]
    return np.asarray(waits & _has_reason(table, reasons))


def _digests(table: pa.Table, items: np.ndarray, is_new: np.ndarray) -> np.ndarray:
    """The pictures of the new ones, [pictures]."""
    parents, of_images = _of_images(table, "imageDigest")
    several = np.zeros(len(table), bool)
    several[parents] = True
    own = np.flatnonzero(~several)
    digests = pa.concat_arrays([_whole(table["imageDigest"]).take(pa.array(own)), of_images])
    rows = np.concatenate([own, parents])
    known = is_new[rows] & _true(pc.is_valid(digests))
    texts = pc.utf8_slice_codeunits(digests.filter(pa.array(known)), 0, _DIGITS).to_pylist()
    pictures = np.empty(len(texts), _PICTURE)
    pictures["digest"] = [int(text, 16) for text in texts]
    pictures["item"] = items[rows[known]]
    return pictures


def _of_images(table: pa.Table, name: str) -> tuple[np.ndarray, pa.Array]:
    """One field of each image of the items that have several, with the row of its item, int64."""
    images = _whole(table["images"])
    return pc.list_parent_indices(images).to_numpy(), pc.struct_field(pc.list_flatten(images), name)


def _has_reason(table: pa.Table, reasons: Sequence[ReviewReason]) -> np.ndarray:
    lists = _whole(table["reviewReasons"])
    wanted = _true(pc.is_in(pc.list_flatten(lists), pa.array([str(reason) for reason in reasons])))
    found = np.zeros(len(table), bool)
    found[pc.list_parent_indices(lists).to_numpy()[wanted]] = True
    return found


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def _true(mask: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A mask without nulls as bool [N]."""
    return np.asarray(pc.fill_null(mask, False))
