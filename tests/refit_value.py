"""What 200 answers are worth on a real catalogue: how many items a refit lets leave the queue, and how precisely.

    python -m tests.refit_value --catalogue styles.csv --images images --bundle BUNDLE --work DIR
        [--answers 200] [--waiting 1000] [--seeds 10] [--half report] [--queue policy] [--targets 0.95 0.9 0.85 0.8]

Answers are the catalogue's own labels. The bundle is one with a policy, trained on a part of the catalogue. The items
that it knows (its splits, and those of --labelled) are the labelled ones; all others are tagged once, with vectors,
into --work, and those with too low a confidence are the queue. Copies of labelled images are left out of it. The queue
has two halves: choose settings on `choose`, and report figures of `report`. Each seed draws answers and waiting items
at random. With `--queue all`, what the bundle's policy accepts
waits, too, as where a bundle has no policy yet.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagger.evaluation.intervals import share
from tagger.flow.hash_order import hash_order
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.review.learning.from_review import probabilities_of
from tagger.review.learning.material import Answered, Labelled, Waiting
from tagger.review.learning.process import RefitProcess
from tagger.review.learning.propagation import Propagation
from tagger.review.learning.refit import RefitRequest
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.schemas.tables.prediction import ReviewReason
from tagger.tagging.vector_rows import matrix_of

_HALVES = ("choose", "report")
_LONGEST_S = 600
_LEVELS = [str(level) for level in Level]


@dataclass(frozen=True)
class Items:
    """Tagged items with their labels."""

    ids: np.ndarray
    vectors: np.ndarray
    probabilities: np.ndarray
    leaves: np.ndarray
    would_wait: np.ndarray
    """Whether confidence alone sends them to review, bool [N]."""
    digests: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """What one seed draws."""

    answered: np.ndarray
    waiting: np.ndarray


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("catalogue", "bundle", "work"):
        parser.add_argument(f"--{flag}", type=Path, required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--labelled", type=Path, help="manifest of the labelled items; by default the bundle's splits")
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--waiting", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--queue", choices=("policy", "all"), default="policy")
    parser.add_argument("--half", choices=_HALVES, default="report")
    parser.add_argument("--targets", type=float, nargs="+", default=[0.95, 0.9, 0.85, 0.8])
    parser.add_argument("--like", choices=("waiting", "all"), default="waiting", help="labelled items to measure on")
    asked = parser.parse_args()
    labelled, queue, taxonomy = _items(asked)
    right = (queue.probabilities.argmax(axis=1) == queue.leaves).mean()
    print(f"{len(labelled.ids):,} labelled items; {len(queue.ids):,} in the queue's half, {right:.1%} tagged right")
    draws = [_draw(len(queue.ids), asked.answers, asked.waiting, seed) for seed in range(asked.seeds)]
    for target in asked.targets:
        _report_refits(labelled, queue, taxonomy, draws, target)
    for target in asked.targets:
        _report_propagation(labelled, queue, draws, target, asked.like == "all")


def _items(asked: argparse.Namespace) -> tuple[Items, Items, Taxonomy]:
    """The labelled items, and those of the queue's half that was asked for."""
    catalogue = pd.read_csv(asked.catalogue, dtype=str, keep_default_na=False, on_bad_lines="skip").set_index("id")
    catalogue = catalogue[(catalogue[_LEVELS] != "").all(axis=1)]
    known = pd.read_csv(asked.labelled, dtype=str)["id"] if asked.labelled else _splits(asked.bundle)
    run = _tagged(asked, catalogue)
    predictions = pq.ParquetDataset(run / "predictions").read()
    embeddings = pq.ParquetDataset(run / "embeddings").read()
    predictions = predictions.filter(pc.is_in(predictions["id"], value_set=embeddings["id"].combine_chunks()))
    rows = pd.Index(embeddings["id"].to_pandas()).get_indexer(pd.Index(predictions["id"].to_pandas()))
    vectors = matrix_of(embeddings["vector"])[rows]
    card = Bundle.load(Location(str(asked.bundle))).card
    own = {(leaf.masterCategory, leaf.articleType) for leaf in card.taxonomy.leaves}
    ids = predictions["id"].to_pandas().to_numpy(object)
    truth = list(map(tuple, catalogue.loc[ids, _LEVELS].to_numpy()))
    taxonomy = Taxonomy.of(own | set(truth), {})
    code = {(leaf.masterCategory, leaf.articleType): n for n, leaf in enumerate(taxonomy.leaves)}
    reasons = [set(reasons) for reasons in predictions["reviewReasons"].to_pylist()]
    queued = [{ReviewReason.LOW_CONFIDENCE}] + ([set()] if asked.queue == "all" else [])
    everyone = Items(
        ids, vectors, probabilities_of(predictions["alternatives"].to_pylist(), code),
        np.array([code[pair] for pair in truth]), np.array([one in queued for one in reasons]),
        predictions["imageDigest"].to_pandas().to_numpy(object),
    )  # fmt: skip
    is_known = np.isin(ids, known.to_numpy(object))
    is_copy = np.isin(everyone.digests, everyone.digests[is_known])
    half = hash_order([f"half {digest}" for digest in everyone.digests], 0) % 2 == _HALVES.index(asked.half)
    return _only(everyone, is_known), _only(everyone, everyone.would_wait & ~is_copy & half), taxonomy


def _tagged(asked: argparse.Namespace, catalogue: pd.DataFrame) -> Path:
    """The run over all items, without their labels, which nothing may know; made where it is not there yet."""
    asked.work.mkdir(parents=True, exist_ok=True)
    run, manifest = asked.work / "run", asked.work / "items.csv"
    if not (run / "_SUCCESS").exists():
        catalogue.index.to_frame().to_csv(manifest, index=False)
        command = [sys.executable, "-m", "tagger.jobs.tag", "--manifest", str(manifest), "--images", asked.images]
        command += ["--model", str(asked.bundle), "--out", str(run), "--embeddings"]
        subprocess.run(command, check=True)
    return Path(run)


def _splits(bundle: Path) -> pd.Series:
    return pq.read_table(bundle / "splits.parquet").to_pandas()["id"]


def _only(items: Items, mask: np.ndarray) -> Items:
    return Items(**{name: values[mask] for name, values in vars(items).items()})


def _draw(count: int, answers: int, waiting: int, seed: int) -> Drawn:
    if count < answers + waiting:
        raise SystemExit(f"the queue's half has {count:,} items; {answers + waiting:,} are asked for")
    order = np.random.default_rng(seed).permutation(count)
    return Drawn(order[:answers], order[answers : answers + waiting])


def _waiting(queue: Items, rows: np.ndarray) -> Waiting:
    return Waiting(tuple(queue.ids[rows]), queue.vectors[rows], queue.probabilities[rows], np.ones(len(rows), bool))


def _report_refits(labelled: Items, queue: Items, taxonomy: Taxonomy, draws: Sequence[Drawn], target: float) -> None:
    left, right, seconds, reasons = [], [], [], []
    truth = {item: taxonomy.leaves[leaf] for item, leaf in zip(queue.ids, queue.leaves, strict=True)}
    for drawn in draws:
        rows = drawn.answered
        answered = Answered(
            queue.vectors[rows], queue.probabilities[rows], queue.leaves[rows], np.ones(len(rows), bool)
        )
        request = RefitRequest(
            taxonomy, Labelled(labelled.vectors, labelled.leaves), answered, _waiting(queue, drawn.waiting),
            dict.fromkeys(Level, target),
        )  # fmt: skip
        with RefitProcess(request) as process:
            result = process.result(_LONGEST_S)
        if result is None:
            raise SystemExit(f"a refit took more than {_LONGEST_S} s")
        pairs = [(truth[item.id].masterCategory, truth[item.id].articleType) for item in result.leaving]
        left.append(len(pairs))
        right.append(sum((i.master, i.article) == pair for i, pair in zip(result.leaving, pairs, strict=True)))
        seconds.append(result.seconds)
        reasons.append(str(result.why_none or "left"))
    print(f"refit, target {target:.0%}: {np.mean(left):.0f} items leave (each seed {left}), {_precision(left, right)}")
    print(f"  broken by {_broken(left, right, target)} of {len(draws)} seeds; {np.median(seconds):.1f} s (median)")
    print(f"  {pd.Series(reasons).value_counts().to_dict()}")


def _report_propagation(labelled: Items, queue: Items, draws: Sequence[Drawn], target: float, like_all: bool) -> None:
    like = labelled.would_wait | like_all
    propagation = Propagation(Labelled(labelled.vectors, labelled.leaves), like, target)
    offers, passed, right = [], [], []
    for drawn in draws:
        waiting = _waiting(queue, drawn.waiting)
        truth = dict(zip(waiting.ids, queue.leaves[drawn.waiting].tolist(), strict=True))
        tags: dict[str, int] = {}
        made = [propagation.offer(queue.vectors[row], int(queue.leaves[row]), waiting) for row in drawn.answered]
        for offer in filter(None, made):
            tags |= {item: offer.leaf for item in offer.ids if item not in tags}
        offers.append(sum(offer is not None for offer in made))
        passed.append(len(tags))
        right.append(sum(truth[item] == leaf for item, leaf in tags.items()))
    print(f"propagation, target {target:.0%}: {np.mean(offers):.0f} of {len(drawn.answered)} answers make an offer")
    print(f"  {np.mean(passed):.0f} items are offered a tag (each seed {passed}), {_precision(passed, right)}")


def _precision(items: Sequence[int], right: Sequence[int]) -> str:
    """The precision over all seeds, which share items: the interval is a little too narrow."""
    if not sum(items):
        return "no precision"
    estimate = share(sum(right), sum(items))
    return f"{estimate.value:.1%} right ({estimate.low:.1%} to {estimate.high:.1%}, over all seeds)"


def _broken(items: Sequence[int], right: Sequence[int], target: float) -> int:
    return sum(k < target * n for n, k in zip(items, right, strict=True))


if __name__ == "__main__":
    main()
