"""Evaluates what a run's predictions have beside both levels: their evidence, and further tags against their labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from tagger.evaluation import further_tags
from tagger.evaluation.further_tags import ALL, Acceptance, MeasuredTag, predictions_by_evidence
from tagger.evaluation.metrics import Evaluation, level_metrics
from tagger.evaluation.page import evidence_in_words, render
from tagger.evaluation.shares import percent
from tagger.images.patterns import text_column
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.manifest.batch import Batch
from tagger.manifest.no_value import NoValue
from tagger.models.columns import spelled
from tagger.models.evidence import RICHEST_FIRST
from tagger.runs.directory import RunDirectory
from tagger.runs.staging import passthrough
from tagger.schemas.documents.bundle import LevelMetrics
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision
from tagger.workflows.taught_files import delete_figures, write_attributes

BY_EVIDENCE = "by-evidence.json"
"""File in the folder of the report: share and metrics of the items by what their predictions are based on."""
_NO_COLUMN = "the manifest has no such column"
_NO_LABEL = "no item that counts has both a label and a prediction of it"
_FIELDS = ("name", "value", "confidence", "decision", "evidence")


@dataclass(frozen=True)
class EvidenceShare:
    """Metrics of the items whose predictions are based on one kind of evidence."""

    share: float
    """Of the items that count, 0 to 1."""
    levels: Mapping[Level, LevelMetrics]


@dataclass(frozen=True)
class EvaluatedTags:
    """What predictions have beside both levels, on the items that count."""

    by_evidence: Mapping[str, EvidenceShare]
    """By what predictions are based on, such as `image+title`, the richest first; empty where a run does not say so."""
    attributes: Sequence[MeasuredTag]
    """Further tags that the manifest has labels of."""
    not_evaluated: Mapping[str, str]
    """Further tags that cannot be evaluated, and why."""

    @property
    def items(self) -> int:
        """Number of the items that count, where the run says what their predictions are based on; else 0."""
        return sum(one.levels[Level.ARTICLE_TYPE].items for one in self.by_evidence.values())

    @property
    def summary(self) -> Markup:
        """HTML for the top of the page; empty where all is by the image alone and there are no further tags."""
        sentences = list(self._sentences())
        links = {"evidence": "Evidence"} if self.has_more_than_images else {}
        links |= {"further-tags": "Further tags"} if self.attributes or self.not_evaluated else {}
        return render("summary.html", sentences=sentences, links=links) if sentences else Markup()

    @property
    def sections(self) -> Markup:
        """HTML of both sections of the page; empty where there is nothing to say."""
        html = Markup()
        if self.has_more_than_images:
            rows = [
                {"by": evidence_in_words(by), "share": one.share, "master": one.levels[Level.MASTER_CATEGORY],
                 "type": one.levels[Level.ARTICLE_TYPE]}
                for by, one in self.by_evidence.items()
            ]  # fmt: skip
            html += render(
                "evidence.html", rows=rows, shares_of=self.items, denied=None,
                lead="The items that count, by what their predictions are based on. Each row has items of its own.",
            )  # fmt: skip
        if self.attributes or self.not_evaluated:
            html += render(
                "further-tags.html", tags=further_tags.sections(self.attributes), not_measured=self.not_evaluated,
                accepted=bool(self.attributes),
                lead="The items that count and have a value. Accepted is what the run accepted without a person.",
            )  # fmt: skip
        return html

    def documents(self) -> dict[str, object]:
        """The same as JSON, by camelCase names; shares from 0 to 1."""
        return {
            "byEvidence": self.shares(),
            "attributes": further_tags.documents(self.attributes),
            "attributesNotEvaluated": dict(self.not_evaluated),
        }

    def shares(self) -> dict[str, object]:
        """Share of the items, and metrics of both levels, by evidence; as JSON."""
        return {
            evidence: {
                "share": one.share,
                "levels": {str(n): m.model_dump(mode="json", by_alias=True) for n, m in one.levels.items()},
            }
            for evidence, one in self.by_evidence.items()
        }

    @property
    def has_more_than_images(self) -> bool:
        """Whether some predictions are based on titles or columns."""
        return any(by != "image" for by in self.by_evidence)

    def _sentences(self) -> Iterator[str]:
        if self.has_more_than_images:
            shares = ", ".join(
                f"{percent(one.share, self.items)} by {evidence_in_words(by)}" for by, one in self.by_evidence.items()
            )
            yield f"The figures below are of predictions by all that each item shows: {shares}."
        if self.attributes:
            shares = ", ".join(
                f"{tag.name} {percent(float(tag.by[ALL].right.mean()), tag.items)}" for tag in self.attributes
            )
            yield f"Further tags that are right: {shares}."
        if self.not_evaluated:
            yield f"Not measured: {', '.join(self.not_evaluated)}."


def attribute_names(run: RunDirectory, record: RunRecord | None) -> dict[str, tuple[str, ...] | None]:
    """The attributes that a run predicts, with all their values; None for the values if its record lacks them."""
    if record and record.attributes:
        return dict(record.attributes)
    names: dict[str, None] = {}
    for table in run.batches(("id", "attributes")):
        entries = pc.list_flatten(table["attributes"])
        names |= dict.fromkeys(pc.unique(pc.struct_field(entries, "name")).to_pylist())
    return dict(names)


def attribute_labels(batch: Batch, names: Sequence[str]) -> dict[str, list[str | None]]:
    """The cells of a batch's attributes, by the names that `passthrough` gives them; only of columns that it has.

    Raises:
        InputError: when a column is not text.
    """
    return {
        passthrough(name): text_column(batch, name, "--manifest").to_pylist()
        for name in names
        if batch.column(name) is not None or name in batch.bytes_columns
    }


def evaluate_tags(
    run: RunDirectory,
    values: Mapping[str, Sequence[str] | None],
    rows: pd.DataFrame,
    evaluation: Evaluation,
    no_value: NoValue,
) -> EvaluatedTags:
    """Compare a run's further tags with their labels, and both levels by what their predictions are based on.

    Args:
        run: The run; it has finished.
        values: Its attributes with their values, by `attribute_names`.
        rows: The items that count: id, evidence, and the labels by `attribute_labels`.
        evaluation: Both levels of the same items, in the same order.
        no_value: Recognises cells without a value.
    """
    predictions = _predictions(run, set(rows["id"])) if values else pd.DataFrame(columns=["id", *_FIELDS])
    measured, not_evaluated = [], {}
    for name, known in values.items():
        if passthrough(name) not in rows:
            not_evaluated[name] = _NO_COLUMN
            continue
        labels = _labels(rows, name, known, no_value)
        labelled = predictions[predictions["name"] == name].merge(labels, on="id")
        if labelled.empty:
            not_evaluated[name] = _NO_LABEL
            continue
        measured.append(_measured(name, known, labelled))
    return EvaluatedTags(_by_evidence(rows["evidence"].to_numpy(object), evaluation), measured, not_evaluated)


def write_tags(out: Location, tags: EvaluatedTags) -> None:
    """Write the figures beside the page, and delete those of an earlier evaluation that these lack."""
    delete_figures(out)
    if tags.attributes:
        write_attributes(out, tags.attributes)
    (out / BY_EVIDENCE).write_text(as_json(tags.shares()))


def _predictions(run: RunDirectory, ids: set[str]) -> pd.DataFrame:
    """The attributes of some items, one row each: id, name, value, confidence, decision, evidence."""
    tables = []
    wanted = pa.array(sorted(ids), pa.string())
    for table in run.batches(("id", "attributes")):
        table = table.filter(pc.is_in(table["id"], wanted)).combine_chunks()
        parents = pc.list_parent_indices(table["attributes"])
        entries = pc.list_flatten(table["attributes"])
        columns = {name: pc.struct_field(entries, name) for name in _FIELDS}
        tables.append(pa.table({"id": table["id"].take(parents), **columns}).to_pandas())
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["id", *_FIELDS])


def _labels(rows: pd.DataFrame, name: str, known: Sequence[str] | None, no_value: NoValue) -> pd.DataFrame:
    """The labels of the items that have one: id, label, in the spelling of the known values."""
    spelling = {spelled(value): value for value in known or ()}
    labels = pd.DataFrame({"id": rows["id"], "label": rows[passthrough(name)].to_numpy(object)})
    labels = labels[[not no_value.means_none(cell) for cell in labels["label"]]]
    return labels.assign(label=[spelling.get(spelled(cell), cell) for cell in labels["label"]])


def _measured(name: str, known: Sequence[str] | None, labelled: pd.DataFrame) -> MeasuredTag:
    by = predictions_by_evidence(labelled)
    accepted = {kind: _accepted(labelled if kind == ALL else labelled[labelled["evidence"] == kind]) for kind in by}
    unknown = 0 if known is None else int((~labelled["label"].isin(list(known))).sum())
    values = len(known) if known is not None else None
    return MeasuredTag(name, by, values, accepted=accepted, unknown=unknown)


def _accepted(labelled: pd.DataFrame) -> Acceptance:
    accepted = labelled[labelled["decision"] == Decision.ACCEPT]
    return Acceptance(len(labelled), len(accepted), int((accepted["label"] == accepted["value"]).sum()))


def _by_evidence(evidence: np.ndarray, evaluation: Evaluation) -> dict[str, EvidenceShare]:
    """Metrics of the items by their evidence."""
    shares = {}
    for kind in RICHEST_FIRST:
        chosen = evidence == str(kind)
        if chosen.any():
            levels = {level: level_metrics(p.only(chosen)) for level, p in evaluation.levels.items()}
            shares[str(kind)] = EvidenceShare(float(chosen.mean()), levels)
    return shares
