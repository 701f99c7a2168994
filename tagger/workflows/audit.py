"""Finds labels that are likely wrong, and measures how many planted errors it finds."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from tagger.auditing.findings import Judged, findings, neighbour_distances
from tagger.auditing.flipped import FlipDetection, flip_labels, measure_detection
from tagger.auditing.labels import LabelledIndex
from tagger.auditing.witnesses import Witnesses
from tagger.auditing.written import page_of, queue_of, table_of
from tagger.errors import InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.groups import read_groups
from tagger.manifest.manifest import Manifest
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.parts import Spent
from tagger.runs.staging import Staged
from tagger.schemas.configs.audit import AuditConfig
from tagger.schemas.configs.similarity import IndexConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.finding import FINDINGS_FILE
from tagger.schemas.tables.prediction import Decision, ReviewReason
from tagger.similarity.index import CARD, VectorIndex
from tagger.workflows.folder_locks import locks_out
from tagger.workflows.index import build_index
from tagger.workflows.open_catalog import new_folder, open_catalog, resolve_location, versions
from tagger.workflows.tag import tag

PAGE = "index.html"
_VECTORS, _INDEX = "_vectors", "_index"


@dataclass(frozen=True)
class AuditResult:
    """Labels that are likely wrong, and how the labels were judged."""

    out: Location
    findings: pa.Table
    """By FINDING, the most suspicious first."""
    labelled: int
    judged: int
    """Items whose leaf is large enough to be judged by image and title."""
    confirmed: Mapping[str, float]
    """Share of the judged labels that `image`, `title`, or `image and title` predict, 0 to 1."""
    reasons: Mapping[ReviewReason, int]
    """Findings by reason, in the order of ReviewReason; a finding may have several."""

    @property
    def page(self) -> Location:
        """The page that shows the first findings."""
        return self.out / PAGE


@locks_out
def audit(config: AuditConfig, reporter: Reporter = LOG) -> AuditResult:
    """Judge each label by models that were not trained on the item, and write the findings.

    Args:
        config: An index with labels, or a bundle that embeds the images first; the folder to write to.
        reporter: Receives steps, warnings and progress.

    Returns:
        The findings. `tagger review --run OUT` opens them for review.

    Raises:
        UsageError: when `out` is missing or not empty, or a column is missing.
        InputError: when there are no labels, too few labels, or no usable image.

    Example::

        from tagger import AuditConfig, audit

        result = audit(AuditConfig(index="index", manifest="styles.csv", images="images/", out="audit"))
        print(f"{len(result.findings):,} of {result.labelled:,} labels are likely wrong or odd")
    """
    if not config.out:
        raise UsageError("--out is missing: the folder for what is found")
    manifest, store = open_catalog(config, reporter)
    out = new_folder(config.out, config)
    groups = read_groups(resolve_location(config.duplicates, config)) if config.duplicates else None
    folder = Location(config.index) if config.index else _make_index(config, out, manifest, reporter)
    index = VectorIndex(folder)
    labelled = _labelled(index, config, reporter)
    witnesses = Witnesses(index, labelled, config.title, config.seed, reporter)
    judged = witnesses.judge(labelled.items, config.min_items, config.folds)
    reporter.step("Looking for outliers")
    distances = neighbour_distances(index, labelled.positions)
    table = findings(labelled.items, judged, distances, labelled.in_conflict(groups))
    written = table_of(labelled.items, table, config.title)
    result = AuditResult(
        out, written, len(labelled.items), len(judged.rows), _confirmed(judged), _reasons(table["reasons"])
    )
    page = page_of(written, Pictures(store, config.max_pixels), config.shown, _facts(result), str(out))
    directory = RunDirectory(out)
    record = _begin(config, directory, index, (folder / CARD).read_bytes())
    write_findings(directory, record, written, page, queue_of(labelled.items, table, judged, record))
    for name in (_VECTORS, _INDEX) if config.model else ():
        (out / name).delete()
    return result


def try_flipped_labels(config: AuditConfig, reporter: Reporter = LOG) -> tuple[int, list[FlipDetection]]:
    """Make a random share of the labels wrong, and count how many of them an audit finds; nothing is written.

    Args:
        config: As for `audit`, with an index and `flip`.
        reporter: Receives steps, warnings and progress.

    Returns:
        The number of labels, and how many of the wrong ones were found, by level.

    Raises:
        UsageError: when no index is named, or a column is missing.
        InputError: when there are no labels, or too few.
    """
    if not config.index:
        raise UsageError("flip tries out an index; tagger index makes one")
    open_catalog(config, reporter)
    index = VectorIndex(Location(config.index))
    labelled = _labelled(index, config, reporter)
    witnesses = Witnesses(index, labelled, config.title, config.seed, reporter)
    items, is_flipped = flip_labels(labelled.items, config.flip, config.min_items, config.seed)
    judged = witnesses.judge(items, config.min_items, config.folds)
    return len(items), measure_detection(labelled.items, is_flipped, judged)


def _labelled(index: VectorIndex, config: AuditConfig, reporter: Reporter) -> LabelledIndex:
    way = "the manifest has none" if config.model else "tagger index --manifest M makes one that has"
    labelled = LabelledIndex.of(index, config.title, way)
    if labelled.left_out:
        reporter.warn(f"{labelled.left_out:,} items of the index have no label, and are left out")
    return labelled


def _make_index(config: AuditConfig, out: Location, manifest: Manifest, reporter: Reporter) -> Location:
    """Embed the images with the named bundle, and index them in the audit's folder.

    Raises:
        UsageError: when the folder is in a bucket, or the manifest has no such title column.
        InputError: when the manifest has no labels, or no image is usable.
    """
    if config.title and config.title not in manifest.columns:
        raise UsageError(f"--title {config.title}: the manifest has no such column")
    missing = [str(level) for level in Level if level not in manifest.role_columns()]
    if missing:
        raise InputError(
            f"the manifest has no column {missing[0]}; --column {missing[0]}=NAME names the one that it is"
        )
    if out.is_s3:
        raise UsageError(f"--out: {out} lies in a bucket, and --model makes an index on a disk; make one and name it")
    shared = {name: getattr(config, name) for name in AuditConfig.model_fields if name in TagConfig.model_fields}
    tag_settings = {
        "out": (out / _VECTORS).uri,
        "embeddings": True,
        "max_failed": "100%",
        "max_rejected": "100%",
        "evidence": "image",  # an audit asks a title model of its own
    }
    counts = tag(TagConfig.model_validate(shared | tag_settings), reporter).counts
    failed, rejected = counts.decisions.get(Decision.FAILED, 0), counts.rejects
    if failed == counts.predictions:
        raise InputError(f"--images: none of the images of {failed:,} items could be looked at")
    if failed or rejected:
        reporter.warn(f"{failed:,} images could not be looked at, and {rejected:,} rows of the manifest were rejected")
    (out / _INDEX).delete()  # left over from an interrupted audit
    shared = {name: getattr(config, name) for name in AuditConfig.model_fields if name in IndexConfig.model_fields}
    index_settings = {"run": [tag_settings["out"]], "out": (out / _INDEX).uri}
    index_settings |= {"keep": [config.title] if config.title else []}
    return build_index(IndexConfig.model_validate(shared | index_settings), reporter).folder


def write_findings(directory: RunDirectory, record: RunRecord, findings: pa.Table, page: str, queue: pa.Table) -> None:
    """Write findings, their page, and a finished run with them as its queue, for the review page.

    Args:
        directory: The audit's folder.
        record: Its run, which has begun.
        findings: By FINDING.
        page: HTML.
        queue: The same findings, by PREDICTION.
    """
    write_parquet(directory.root / FINDINGS_FILE, findings)
    (directory.root / PAGE).write_text(page)
    directory.write_part(0, queue, {}, Spent(0, None))
    directory.finish(record, Staged(len(queue), len(queue), 0, 0, {}, {}, 1))


def _begin(config: AuditConfig, directory: RunDirectory, index: VectorIndex, card: bytes) -> RunRecord:
    """Begin a run with the findings as its queue, for the review page."""
    settings = config.model_dump(mode="json") | {"model": index.card.model or ""}
    inputs = {"index": hashlib.sha256(card).hexdigest()[:16]}
    return directory.begin(settings, inputs, index.card.model_id, versions(), kind="audit")


def _confirmed(judged: Judged) -> dict[str, float]:
    witnesses = {"image": judged.image, "title": judged.title}
    if judged.title is not None:
        witnesses["image and title"] = judged.both
    return {name: float((p.argmax(axis=1) == judged.labels).mean()) for name, p in witnesses.items() if p is not None}


def _reasons(reasons: pd.Series) -> dict[ReviewReason, int]:
    counts = Counter(reason for some in reasons for reason in some)
    return {reason: counts[str(reason)] for reason in ReviewReason if counts[str(reason)]}


def _facts(result: AuditResult) -> list[tuple[str, str]]:
    """Names and values at the top of the page."""
    return [
        ("labelled items", f"{result.labelled:,}"),
        ("of leaves too small to judge", f"{result.labelled - result.judged:,}"),
        *((f"labels that the {name} confirms", f"{100 * share:.2f}%") for name, share in result.confirmed.items()),
        *((f"findings: {str(r).replace('_', ' ')}", f"{count:,}") for r, count in result.reasons.items()),
    ]
