"""Puts the labels that a bundle's image and title deny alike up for review."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.auditing.findings import ARTICLE, MASTER, Judged
from tagger.auditing.written import page_of, queue_of, table_of
from tagger.errors import ImageError, InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.images.stores import ImageStore, fetch_all
from tagger.io.location import Location
from tagger.io.scratch import scratch_folder
from tagger.models.bundle import Bundle
from tagger.models.titles import joined_texts
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.audit import AuditConfig
from tagger.schemas.tables.prediction import ReviewReason
from tagger.workflows.audit import PAGE, write_findings
from tagger.workflows.evidence_held_out import DENIED
from tagger.workflows.folder_locks import locks_out
from tagger.workflows.labelled import read_labelled
from tagger.workflows.open_catalog import new_folder, open_catalog, resolve_model, versions

_LISTED = (
    "id", MASTER, ARTICLE, "suggestedMasterCategory", "suggestedArticleType", "suggestionConfidence",
    "labelProbability",
)  # fmt: skip
_NOT_TITLES = {*_LISTED, "split", "imageConfidence", "titleConfidence"}
_REASONS = [str(r) for r in (ReviewReason.LABEL_ERROR, ReviewReason.IMAGE_DISAGREES, ReviewReason.TITLE_DISAGREES)]
_NOTHING_JUDGED = Judged(
    np.zeros(0, int), pd.DataFrame({MASTER: [], ARTICLE: []}), np.zeros(0, int), np.zeros((0, 0)), None,
    np.zeros((0, 0)),
)  # fmt: skip


@dataclass(frozen=True)
class DeniedResult:
    """Held-out items whose image and title deny the label alike, up for review."""

    out: Location
    findings: pa.Table
    """By FINDING, the most suspicious first."""
    listed: int
    """Items that the bundle lists."""
    corrected: int
    """Those of them that have the suggested article type in the manifest by now; they are left out."""
    unlabelled: int
    """Those that the manifest does not have with both labels any more; they are left out, too."""

    @property
    def page(self) -> Location:
        """The page that shows the first findings."""
        return self.out / PAGE


@locks_out
def denied_labels(config: AuditConfig, reporter: Reporter = LOG) -> DeniedResult:
    """Write a bundle's denied labels as findings, for review.

    Args:
        config: The bundle, the manifest and images it was trained on, `denied`, and the folder to write to.
        reporter: Receives steps and warnings.

    Returns:
        The findings. `tagger review --run OUT` opens them for review.

    Raises:
        UsageError: when `out` is missing or not empty, or there is no such bundle.
        InputError: when the bundle lists no denied labels, or the manifest has none of them.
    """
    if not (config.out and config.model and config.denied):
        raise UsageError("--denied: name the bundle, --model, and the folder of what is found, --out")
    folder = resolve_model(config.model, config)
    bundle = Bundle.load(folder, "--model")
    listed = _listed(folder)
    manifest, store = open_catalog(config, reporter)
    out = new_folder(config.out, config)
    reporter.step("Reading the manifest")
    with scratch_folder("tagger-denied-") as scratch:
        rows, _ = read_labelled(manifest, store, Location(str(scratch)), [])
    labelled = rows.to_pandas().set_index("id")[[MASTER, ARTICLE, "imageRef"]]
    denied = listed[listed["id"].isin(labelled.index)].reset_index(drop=True)
    now = labelled.loc[denied["id"]].reset_index()
    is_corrected = now[ARTICLE] == denied["suggestedArticleType"]
    items = _with_digests(now[~is_corrected].reset_index(drop=True), store, reporter)
    found = _findings(denied[~is_corrected].reset_index(drop=True))
    if items.empty:
        raise InputError(f"--denied: of {len(listed):,} items that {folder} lists, none has the denied label any more")
    items["title"] = _titles(denied[~is_corrected])
    table = table_of(items, found, "title")
    result = DeniedResult(out, table, len(listed), int(is_corrected.sum()), len(listed) - len(denied))
    page = page_of(table, Pictures(store, config.max_pixels), config.shown, _facts(result), str(out))
    directory = RunDirectory(out)
    inputs = {"denied": hashlib.sha256((folder / "report" / DENIED).read_bytes()).hexdigest()[:16]}
    settings = config.model_dump(mode="json")
    record = directory.begin(settings, inputs, bundle.card.model_id, versions(), kind="audit")
    write_findings(directory, record, table, page, queue_of(items, found, _NOTHING_JUDGED, record))
    return result


def _listed(bundle: Location) -> pd.DataFrame:
    """What a bundle lists. Raises InputError when it lists nothing, or an older version listed it."""
    file = bundle / "report" / DENIED
    if not file.exists():
        raise InputError(
            f"--denied: there is no {file}; it comes with titles: tagger train --title, or tagger evidence --run"
        )
    listed = pd.read_csv(io.BytesIO(file.read_bytes()), dtype={"id": str}, keep_default_na=False)
    if missing := [name for name in _LISTED if name not in listed]:
        raise InputError(
            f"--denied: {file} is of an earlier version and lacks {missing[0]}; tagger evidence --run writes it anew"
        )
    if listed.empty:
        raise InputError(f"--denied: image and title deny no label of the held-out items of {bundle}")
    return listed


def _with_digests(items: pd.DataFrame, store: ImageStore, reporter: Reporter) -> pd.DataFrame:
    """Add the digest of each item's image, None where it cannot be read."""
    reporter.step(f"Reading {len(items):,} images")
    images = fetch_all(store, items["imageRef"].tolist())
    digests = [None if isinstance(image, ImageError) else hashlib.sha256(image).hexdigest() for image in images]
    if unread := digests.count(None):
        reporter.warn(f"{unread:,} of {len(items):,} images cannot be read, and are not shown")
    return items.rename(columns={"imageRef": "imageUri"}).assign(imageDigest=pd.Series(digests, dtype=object))


def _titles(denied: pd.DataFrame) -> list[str]:
    names = [name for name in denied.columns if name not in _NOT_TITLES]
    return joined_texts({name: denied[name].astype(str).tolist() for name in names}, names, len(denied))


def _findings(denied: pd.DataFrame) -> pd.DataFrame:
    """Denied labels with the columns of `findings`, the most suspicious first; the index has the rows of `denied`."""
    table = pd.DataFrame({
        "reasons": [_REASONS] * len(denied),
        "score": 1 - denied["labelProbability"],
        **{name: denied[name] for name in _LISTED if name.startswith("suggest")},
        "imageSays": denied["suggestedArticleType"],
        "titleSays": denied["suggestedArticleType"],
        "distance": np.nan,
    })  # fmt: skip
    return table.sort_values("score", ascending=False, kind="stable")


def _facts(result: DeniedResult) -> Sequence[tuple[str, str]]:
    """Names and values at the top of the page."""
    return [
        ("held-out items whose label image and title deny", f"{result.listed:,}"),
        ("of these corrected in the manifest by now", f"{result.corrected:,}"),
        ("of these no longer in the manifest with both labels", f"{result.unlabelled:,}"),
    ]
