"""What titles and columns of items say, beside or instead of their images."""

import hashlib
from collections.abc import Sequence

import numpy as np

from tagger.models.evidence import EvidenceModel, Said, Shown, expand_top_k
from tagger.models.levels import Levels
from tagger.schemas.tables.prediction import Evidence
from tagger.tagging.collector import fill

BY_IMAGE = np.int8(Evidence.IMAGE.code)


class Witnesses:
    """Hears what items show beside their images, and joins it with what these say.

    Args:
        model: What titles and columns say.
        levels: Of the bundle's taxonomy.
    """

    def __init__(self, model: EvidenceModel, levels: Levels) -> None:
        self._model = model
        self._levels = levels

    def said(self, shown: Shown, heard: np.ndarray) -> Said:
        """What title and columns say of some of N items, bool [N]; of the others nothing."""
        if heard.all():
            return self._model.hear(shown, len(heard))
        rows = np.flatnonzero(heard).tolist()
        said = self._model.hear({name: [cells[row] for row in rows] for name, cells in shown.items()}, len(rows))
        probabilities = {w: np.zeros((len(heard), p.shape[1]), np.float32) for w, p in said.probabilities.items()}
        speaks = {witness: np.zeros(len(heard), bool) for witness in said.speaks}
        for witness in said.speaks:
            probabilities[witness][rows], speaks[witness][rows] = said.probabilities[witness], said.speaks[witness]
        return Said(probabilities, speaks)

    def joined(
        self, records: np.ndarray, good: np.ndarray, evidence: np.ndarray, said: Said
    ) -> tuple[np.ndarray, np.ndarray]:
        """Join records of images with what else their items show, and fill those without an image from that alone.

        Args:
            records: Outcomes by `outcome_type` [N].
            good: Items that have a record, bool [N].
            evidence: What each record is based on already, as index into Evidence, int8 [N].
            said: What titles and columns say.

        Returns:
            The records, and what they are based on, int8 [N]; -1 for nothing. Those that are based on more than the
            image already stay.
        """
        anew = ~good | (evidence == BY_IMAGE)
        leaves, confidences = (
            np.where(good[:, None], records[n], v) for n, v in (("leaves", -1), ("leaf_confidences", 0))
        )
        by_image = expand_top_k(leaves, confidences, self._levels.leaf_count)
        fused = self._model.fuse(by_image, good, said)
        changed, based_on = records.copy(), np.where(anew, fused.evidence, evidence)
        filled = anew & (fused.evidence >= 0) & (fused.evidence != BY_IMAGE)
        if filled.any():
            some = records[filled]
            fill(some, self._levels, fused.probabilities[filled])
            changed[filled] = some
        return changed, based_on.astype(np.int8)

    def digests(self, shown: Shown, count: int) -> list[str]:
        """Digests of what N items show in the model's columns; see `evidence_digests`."""
        return evidence_digests(shown, self._model.names, count)


def evidence_digests(shown: Shown, names: Sequence[str], count: int) -> list[str]:
    """Digests of what N items show in some columns, which detect changes: 16 hexadecimal digits each."""
    columns = [shown.get(name) or [None] * count for name in names]
    texts = ("\x1f".join(cell or "" for cell in cells) for cells in zip(*columns, strict=True))
    return [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]
