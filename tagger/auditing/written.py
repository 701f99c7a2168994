"""Findings as files: a table, a queue for the review page, and a page of the first of them."""

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
    """The findings, by FINDING.

    Args:
        items: id, imageUri, imageDigest, labels and title of all items.
        findings: What `findings` gives, by the rows of `items`.
        title: The column of titles.
    """
    own = items.loc[findings.index]
    titles = own[title] if title else pd.Series(None, own.index, dtype=object)
    frame = own[["id", "imageUri", "imageDigest", MASTER, ARTICLE]].join(findings).assign(title=titles)
    frame["rank"] = np.arange(1, len(frame) + 1)
    return pa.Table.from_pandas(frame[FINDING.names], FINDING, preserve_index=False)


def queue_of(items: pd.DataFrame, findings: pd.DataFrame, judged: Judged, record: RunRecord) -> pa.Table:
    """The findings as a run's predictions, by PREDICTION: the label stands as what was predicted, to be reviewed.

    Its confidence is how likely the label is right, so that the least certain first are the most suspicious first.
    What is suggested comes first among the alternatives.
    """
    own = items.loc[findings.index]
    sure = (1 - findings["score"]).to_numpy(np.float32)
    master_sure = sure.copy()
    leaves: list[_Leaf] = [(str(m), str(a)) for m, a in judged.leaves[[MASTER, ARTICLE]].itertuples(index=False)]
    row_of = {int(row): place for place, row in enumerate(judged.rows)}
    alternatives = []
    for number, (item, finding) in enumerate(findings.to_dict("index").items()):
        label = (str(own[MASTER].iat[number]), str(own[ARTICLE].iat[number]))
        others = _suggested(finding)
        if item in row_of:
            p = judged.both[row_of[item]]
            master_sure[number] = sum(p[n] for n, (master, _) in enumerate(leaves) if master == label[0])
            for best in np.argsort(-p)[:ALTERNATIVES]:
                others.setdefault(leaves[best], float(p[best]))
        first = list(others.items())[:ALTERNATIVES]
        if label not in dict(first):  # it can always be kept
            first = [*first[: ALTERNATIVES - 1], (label, float(sure[number]))]
        alternatives.append([{MASTER: m, ARTICLE: a, "confidence": c} for (m, a), c in first])
    size = len(findings)
    columns = {
        "id": own["id"],
        "imageUri": own["imageUri"],
        "imageDigest": own["imageDigest"],
        MASTER: own[MASTER],
        f"{MASTER}Confidence": master_sure,
        ARTICLE: own[ARTICLE],
        f"{ARTICLE}Confidence": sure,
        "alternatives": alternatives,
        "decision": [str(Decision.REVIEW)] * size,
        "reviewReasons": findings["reasons"].tolist(),
        "modelId": [record.model_id] * size,
        "runId": [record.run_id] * size,
        "taggedAt": [datetime.now(UTC)] * size,
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(size, f.type) for f in PREDICTION]
    return pa.table(arrays, schema=PREDICTION)


def _suggested(finding: Mapping[Hashable, Any]) -> dict[_Leaf, float]:
    """The leaf that a finding suggests, and how sure that is; without a probability, as sure as the label is not."""
    if not finding["suggestedArticleType"]:
        return {}
    sure = finding["suggestionConfidence"]
    leaf = (str(finding["suggestedMasterCategory"]), str(finding["suggestedArticleType"]))
    return {leaf: float(finding["score"] if pd.isna(sure) else sure)}


def page_of(findings: pa.Table, pictures: Pictures, count: int, facts: Sequence[tuple[str, str]]) -> str:
    """A page of the first findings: one file that loads nothing.

    Args:
        findings: By FINDING.
        pictures: Reads their images.
        count: How many to show.
        facts: What is to be said of all, name and value.
    """
    first = findings.slice(0, count).to_pylist()
    found = pictures.of([row["imageUri"] for row in first])
    for row in first:
        row["picture"] = found.get(row["imageUri"] or "", "")
    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=select_autoescape(), trim_blocks=True)
    return environment.get_template("findings.html").render(rows=first, all=len(findings), facts=facts)
