"""Numbers ids in the order in which they are seen first; any number of ids, in little memory."""

from collections.abc import Sequence

import numpy as np

from tagger.flow.id_hashes import HASH, hashes_of, new_keys
from tagger.flow.spilled import SpilledRows

_FIRST_SLOTS = 1 << 12
_MOST_FULL = 0.75
_NUMBER_BITS = np.uint64(40)
_NUMBER = np.uint64((1 << 40) - 1)


class IdRows:
    """Distinct ids and their numbers: 0 for the first, 1 for the next new one.

    Ids are equal where 128 bits of their hashes are, under random keys of this object; see `hashes_of`.

    A hash table with open addressing and double hashing (Knuth, The Art of Computer Programming 3, 6.4) has 8 bytes a
    slot in memory: the number, and 24 bits of the hash, so that hardly any new id needs a look at the hashes, which
    spill to a temporary file. A batch is looked up as arrays. It is our own code because it took in 1 M random ids in
    5.6 times less CPU time than a table of SQLite, and recognised them in 15 times less (`python -m tests.ledger_speed
    --only ids --cpu --against` the last version with SQLite), and in 1.8 to 3.4 times less than LMDB, which does not
    even say which ids it had.

    Args:
        memory_bytes: Of hashes in memory before they are written to the disk.
    """

    def __init__(self, memory_bytes: int = 1 << 25) -> None:
        self._keys = new_keys()
        self._hashes = SpilledRows(HASH, memory_bytes)
        self._slots = np.zeros(_FIRST_SLOTS, np.uint64)

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Add ids; return the number of each, int64 [N], and whether it was new, bool [N]: an id is new once.

        Raises WriteError when the temporary folder has no room for them.
        """
        distinct = list(dict.fromkeys(ids))
        if len(distinct) == len(ids):
            return self._add_distinct(ids)
        numbers, is_new = self._add_distinct(distinct)
        position = dict(zip(distinct, range(len(distinct)), strict=True))
        positions = np.array([position[item] for item in ids], np.int64)
        is_first = np.zeros(len(ids), bool)
        is_first[np.unique(positions, return_index=True)[1]] = True
        return numbers[positions], is_new[positions] & is_first

    def numbers(self, ids: Sequence[str]) -> np.ndarray:
        """The number of each id, int64 [N]; -1 for an unknown one."""
        return self._look_up(self._hashed(ids))[0]

    def close(self) -> None:
        """Delete the file."""
        self._hashes.close()

    def _add_distinct(self, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        self._make_room(len(ids))
        hashes = self._hashed(ids)
        numbers, slots = self._look_up(hashes)
        is_new = numbers < 0
        fresh = hashes[is_new]
        numbers[is_new] = np.arange(len(self._hashes), len(self._hashes) + len(fresh))
        self._hashes.append(fresh)
        self._fill(fresh, numbers[is_new], slots[is_new])
        return numbers, is_new

    def _hashed(self, ids: Sequence[str]) -> np.ndarray:
        return hashes_of(ids, self._keys)

    def _look_up(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The number of each hash, int64 [N], -1 without one, and the slot where its search ended, uint64 [N]."""
        numbers, slots = np.full(len(hashes), -1, np.int64), hashes["slot"] & self._mask
        tags, searched = hashes["slot"] >> _NUMBER_BITS, np.arange(len(hashes))
        while len(searched):
            entries = self._slots[slots[searched]]
            is_alike = (entries >> _NUMBER_BITS == tags[searched]) & (entries != 0)
            alike, candidates = searched[is_alike], (entries[is_alike] & _NUMBER).astype(np.int64) - 1
            is_equal = self._hashes.take(candidates) == hashes[alike]
            numbers[alike[is_equal]] = candidates[is_equal]
            searched = searched[(entries != 0) & (numbers[searched] < 0)]
            slots[searched] = self._next(slots[searched], hashes[searched])
        return numbers, slots

    def _fill(self, hashes: np.ndarray, numbers: np.ndarray, slots: np.ndarray) -> None:
        """Put distinct hashes into the first empty slot of each from a slot on; of several, the last gets it."""
        entries = (hashes["slot"] >> _NUMBER_BITS) << _NUMBER_BITS | (numbers.astype(np.uint64) + np.uint64(1))
        while len(hashes):
            is_empty = self._slots[slots] == 0
            self._slots[slots[is_empty]] = entries[is_empty]
            waits = self._slots[slots] != entries
            hashes, entries = hashes[waits], entries[waits]
            slots = self._next(slots[waits], hashes)

    @property
    def _mask(self) -> np.uint64:
        return np.uint64(len(self._slots) - 1)

    def _next(self, slots: np.ndarray, hashes: np.ndarray) -> np.ndarray:
        return np.asarray((slots + (hashes["step"] | np.uint64(1))) & self._mask)

    def _make_room(self, more: int) -> None:
        size = len(self._slots)
        while len(self) + more > _MOST_FULL * size:
            size *= 2
        if size > len(self._slots):
            self._slots = np.zeros(size, np.uint64)
            done = 0
            for hashes in self._hashes.chunks():
                self._fill(hashes, np.arange(done, done + len(hashes)), hashes["slot"] & self._mask)
                done += len(hashes)
