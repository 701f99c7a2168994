"""Writes findings as a table, as a queue for the review page, and as an HTML page."""

import shlex
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, select_autoescape

from tagger.auditing.findings import ARTICLE, MASTER, Judged
from tagger.evaluation.pictures import Pictures
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.tables.finding import FINDING
from tagger.schemas.tables.prediction import ALTERNATIVES, PREDICTION, Decision

_Leaf = tuple[str, str]


def table_of(items: pd.DataFrame, findings: pd.DataFrame, title: str | None) -> pa.Table:
    """The findings as a table by FINDING.

    Args:
        items: id, imageUri, imageDigest, labels and title of all items.
        findings: The result of `findings`, indexed by the rows of `items`.
        title: The column of titles; None without titles.
    """
    flagged = items.loc[findings.index]
    titles = flagged[title] if title else pd.Series(None, flagged.index, dtype=object)
    frame = flagged[["id", "imageUri", "imageDigest", MASTER, ARTICLE]].join(findings).assign(title=titles)
    frame["rank"] = np.arange(1, len(frame) + 1)
    return pa.Table.from_pandas(frame[FINDING.names], FINDING, preserve_index=False)


def queue_of(items: pd.DataFrame, findings: pd.DataFrame, judged: Judged, record: RunRecord) -> pa.Table:
    """The findings as a run's predictions, by PREDICTION: the label takes the prediction's place, to be reviewed.

    Its confidence is the probability that the label is right, so that the least certain items come first in the
    review. The suggestion is the first of the alternatives.
    """
    flagged = items.loc[findings.index]
    confidence = (1 - findings["score"]).to_numpy(np.float32)
    master_confidence = confidence.copy()
    leaves: list[_Leaf] = [(str(m), str(a)) for m, a in judged.leaves[[MASTER, ARTICLE]].itertuples(index=False)]
    row_of = {int(row): i for i, row in enumerate(judged.rows)}
    alternatives = []
    for number, (item, finding) in enumerate(findings.to_dict("index").items()):
        label = (str(flagged[MASTER].iat[number]), str(flagged[ARTICLE].iat[number]))
        candidates = _suggestion(finding)
        if item in row_of:
            p = judged.both[row_of[item]]
            master_confidence[number] = sum(p[n] for n, (master, _) in enumerate(leaves) if master == label[0])
            for best in np.argsort(-p)[:ALTERNATIVES]:
                candidates.setdefault(leaves[best], float(p[best]))
        first = list(candidates.items())[:ALTERNATIVES]
        if label not in dict(first):  # a reviewer can always keep the label
            first = [*first[: ALTERNATIVES - 1], (label, float(confidence[number]))]
        alternatives.append([{MASTER: m, ARTICLE: a, "confidence": c} for (m, a), c in first])
    size = len(findings)
    columns = {
        "id": flagged["id"],
        "imageUri": flagged["imageUri"],
        "imageDigest": flagged["imageDigest"],
        MASTER: flagged[MASTER],
        f"{MASTER}Confidence": master_confidence,
        ARTICLE: flagged[ARTICLE],
        f"{ARTICLE}Confidence": confidence,
        "alternatives": alternatives,
        "decision": [str(Decision.REVIEW)] * size,
        "reviewReasons": findings["reasons"].tolist(),
        "modelId": [record.model_id] * size,
        "runId": [record.run_id] * size,
        "taggedAt": [datetime.now(UTC)] * size,
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(size, f.type) for f in PREDICTION]
    return pa.table(arrays, schema=PREDICTION)


def _suggestion(finding: Mapping[Hashable, Any]) -> dict[_Leaf, float]:
    """The suggested leaf and its confidence; without one, the probability that the label is wrong."""
    if not finding["suggestedArticleType"]:
        return {}
    confidence = finding["suggestionConfidence"]
    leaf = (str(finding["suggestedMasterCategory"]), str(finding["suggestedArticleType"]))
    return {leaf: float(finding["score"] if pd.isna(confidence) else confidence)}


def page_of(findings: pa.Table, pictures: Pictures, count: int, facts: Sequence[tuple[str, str]], folder: str) -> str:
    """Render a page of the first findings: one HTML file without external resources.

    Args:
        findings: Findings, by FINDING.
        pictures: Reads their images.
        count: Number of findings to show.
        facts: Names and values for the page's head.
        folder: Where the audit is written, for the command that opens it for review.
    """
    first = findings.slice(0, count).to_pylist()
    thumbnails = pictures.of([row["imageUri"] for row in first])
    for row in first:
        row["picture"] = thumbnails.get(row["imageUri"] or "", "")
    templates = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(templates), autoescape=select_autoescape(), trim_blocks=True)
    return environment.get_template("findings.html").render(
        rows=first, all=len(findings), facts=facts, folder=shlex.quote(folder)
    )
