"""Compares two runs, or two bundles on a sample, and puts up disagreements to be judged."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.comparing.judging import JudgedPairs, blind_queue, drawn, judged_pairs
from tagger.comparing.page import page_of, samples_of
from tagger.comparing.pairs import ARTICLE, COLUMNS, MASTER, NEW, OLD, McNemar, Pairs, differs, mcnemar, moves, pairs_of
from tagger.decisions.final_tags import newest_by_id
from tagger.decisions.read import DATABASE, decisions_of
from tagger.errors import InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.flow.hash_order import sample_order
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import CARD
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.ledger import LedgerEntry, latest, read_ledger
from tagger.runs.parts import Spent
from tagger.runs.staging import Staged
from tagger.schemas.configs.compare import CompareConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.tables.prediction import Decision
from tagger.workflows.open_catalog import (
    catalogue_name,
    open_catalog,
    open_manifest,
    resolve_location,
    resolve_model,
    versions,
)
from tagger.workflows.tag import tag

PAGE, RESULT, MOVES, JUDGE = "comparison.html", "comparison.json", "moves.csv", "judge"
_SAMPLE = "sample.parquet"
_DECISIONS = (Decision.ACCEPT, Decision.ACCEPT_MASTER_ONLY, Decision.REVIEW, Decision.FAILED)


@dataclass(frozen=True)
class CompareResult:
    """What changes from one run to the other."""

    out: Location
    pairs: Pairs
    article_agreement: float
    """Share of the items that both tag with the same article type, 0 to 1."""
    master_agreement: float
    decisions: pd.DataFrame
    """Items by the old run's decision (rows) and the new one's (columns)."""
    moves: pd.DataFrame
    """The result of `tagger.comparing.pairs.moves`."""
    truth: McNemar | None
    """How both compare with labels and decisions; None where there are none."""
    truth_source: str
    models: dict[str, list[str]]
    """Ids of the models of both, under `old` and `new`."""
    judged: JudgedPairs = field(default_factory=JudgedPairs)
    to_judge: int = 0

    @property
    def judge(self) -> Location:
        """The run of disagreements that wait for a judge."""
        return self.out / JUDGE


def compare(config: CompareConfig, reporter: Reporter = LOG) -> CompareResult:
    """Compare two runs, or two bundles on a sample of the manifest.

    Args:
        config: The two, the manifest with its images, and the folder to write to.
        reporter: Where progress and warnings go.

    Returns:
        Agreement, moves, decisions, and what is known of the truth. `tagger review --run OUT/judge` shows
        disagreements to judge; the same call then counts the answers.

    Raises:
        UsageError: when one of the two is neither a run nor a bundle, or they are of different kinds.
        InputError: when they have no item in common.

    Example::

        from tagger.schemas.configs.compare import CompareConfig

        config = CompareConfig(old="run-1", new="run-2", manifest="styles.csv", images="images/", out="comparison")
        print(f"{100 * compare(config).article_agreement:.1f}% of the article types are the same")
    """
    out = resolve_location(config.out, config)
    _check_folder(out)
    manifest, store = open_catalog(config, reporter)
    old, new = _runs(config, out, reporter)
    pairs = pairs_of(_predictions(old), _predictions(new))
    if pairs.frame.empty:
        raise InputError(f"{config.old} and {config.new} have no item in common")
    truth, source = _truth(config, manifest, [*old, *new])
    tagged = pairs.tagged
    found = moves(tagged)
    result = CompareResult(
        out,
        pairs,
        _agreement(tagged, ARTICLE),
        _agreement(tagged, MASTER),
        pd.crosstab(pairs.frame[f"{OLD}.decision"], pairs.frame[f"{NEW}.decision"]).reindex(
            index=list(_DECISIONS), columns=list(_DECISIONS), fill_value=0
        ),
        found,
        mcnemar(tagged, truth) if len(truth) and tagged["id"].isin(truth.index).any() else None,
        source,
        {name: sorted({e.record.model_id for e in entries if e.done}) for name, entries in ((OLD, old), (NEW, new))},
        *_judge(config, out, pairs, old, new),
    )
    samples = samples_of(pairs, found, config.shown)
    refs = [ref for items in samples.values() for ref in items[f"{NEW}.imageUri"] if ref]
    pictures = Pictures(store, config.max_pixels).of(refs)
    judge = str(result.judge)
    page = page_of(
        _facts(config, result), found, samples, pictures, result.truth, result.judged, judge, result.to_judge
    )
    (out / PAGE).write_text(page)
    (out / MOVES).write_bytes(found.to_csv(index=False).encode())
    (out / RESULT).write_text(as_json(document_of(result)))
    return result


def _check_folder(out: Location) -> None:
    """Raise UsageError for a folder with something else in it."""
    if out.files() and not (out / RESULT).exists() and not (out / _SAMPLE).exists():
        raise UsageError(f"--out: {out} is not empty, and holds no comparison; name a new folder")
    out.check_writable("--out")


def _runs(config: CompareConfig, out: Location, reporter: Reporter) -> tuple[list[LedgerEntry], list[LedgerEntry]]:
    """The runs of both; bundles tag a sample first."""
    places = {OLD: resolve_model(config.old, config, "OLD"), NEW: resolve_model(config.new, config, "NEW")}
    are_bundles = {name: (place / CARD).exists() for name, place in places.items()}
    if any(are_bundles.values()) and not all(are_bundles.values()):
        raise UsageError(f"{config.old} and {config.new}: one is a bundle and the other is none; name two of a kind")
    if all(are_bundles.values()):
        sample = _sample(config, out, reporter)
        places = {name: _tag(config, name, place, sample, out, reporter) for name, place in places.items()}
    old, new = (read_ledger(place, name.upper()) for name, place in places.items())
    for name, entries in ((config.old, old), (config.new, new)):
        if not any(entry.done for entry in entries):
            raise InputError(f"{name} has no finished run")
    return old, new


def _sample(config: CompareConfig, out: Location, reporter: Reporter) -> Location:
    """Items of the manifest, drawn by their ids, as a manifest of their own with its columns."""
    file = out / _SAMPLE
    if file.exists():
        return file
    reporter.step(f"Drawing {config.sample:,} items")
    kept = pa.table({})
    order = np.empty(0, np.uint64)
    manifest = open_manifest(config.manifest, config, reporter)
    for batch in manifest.batches():
        columns = {name: batch.items[current] for name, current in batch.names.items()}
        table = pa.table(columns)
        kept = pa.concat_tables([kept, table], promote_options="default") if len(order) else table
        order = np.concatenate([order, sample_order(batch.items["id"].to_pylist(), config.seed)])
        first = np.sort(np.argsort(order, kind="stable")[: config.sample])
        kept, order = kept.take(first), order[first]
    write_parquet(file, kept)
    return file


def _tag(
    config: CompareConfig, name: str, bundle: Location, sample: Location, out: Location, reporter: Reporter
) -> Location:
    """Tag the sample with a bundle."""
    shared = {key: getattr(config, key) for key in CompareConfig.model_fields if key in TagConfig.model_fields}
    settings = {"manifest": sample.uri, "model": bundle.uri, "out": (out / name).uri, "max_failed": "100%"}
    reporter.step(f"Tagging the sample with {bundle.name}")
    tag(TagConfig.model_validate(shared | settings), reporter)
    return out / name


def _predictions(entries: list[LedgerEntry]) -> Any:
    return (table.select(COLUMNS) for table in latest(entries))


def _agreement(tagged: pd.DataFrame, level: str) -> float:
    return 1 - float(differs(tagged, level).mean()) if len(tagged) else 1.0


def _truth(config: CompareConfig, manifest: Manifest, entries: list[LedgerEntry]) -> tuple[pd.Series, str]:
    """Article types by id, as far as they are known: the manifest's labels, and decisions before these."""
    labels: dict[str, str] = {}
    if ARTICLE in manifest.role_columns():
        for batch in manifest.batches():
            pairs = zip(batch.items["id"].to_pylist(), batch.items[ARTICLE].to_pylist(), strict=True)
            labels.update((item, label) for item, label in pairs if label)
    database = config.database or os.environ.get(DATABASE)
    decided = newest_by_id(table for entry in entries for table in decisions_of(entry.directory, database))
    by_person = {item: row["articleType"] for item, row in decided.items() if row["articleType"]}
    sources = [*(["labels of the manifest"] if labels else []), *(["decisions of people"] if by_person else [])]
    return pd.Series(labels | by_person, dtype=object), " and ".join(sources)


def _judge(
    config: CompareConfig, out: Location, pairs: Pairs, old: list[LedgerEntry], new: list[LedgerEntry]
) -> tuple[JudgedPairs, int]:
    """Put up disagreements to be judged, once; count what was said of them."""
    items = drawn(pairs.disagreements, config.judge, config.seed)
    directory = RunDirectory(out / JUDGE)
    if items.empty:
        return JudgedPairs(), 0
    key = "\n".join([*(entry.record.run_id for entry in [*old, *new]), *items["id"]])
    inputs = {"pairs": hashlib.sha256(key.encode()).hexdigest()[:16]}
    settings = {**config.model_dump(mode="json"), "model": str(new[0].record.config.get("model") or "")}
    settings["out"] = directory.root.uri
    record = directory.begin(settings, inputs, new[0].record.model_id, versions(), kind="comparison")
    if not directory.is_done():
        directory.write_part(0, blind_queue(items, record.model_id, record.run_id, config.seed), {}, Spent(0, None))
        directory.finish(record, Staged(len(items), len(items), 0, 0, {}, {}, 1))
    database = config.database or os.environ.get(DATABASE)
    decided = newest_by_id(decisions_of(directory, database))
    return judged_pairs(items, decided.values()), len(items)


def _facts(config: CompareConfig, result: CompareResult) -> Mapping[str, Any]:
    """What the page says, by name."""
    tagged = result.pairs.tagged
    both = (tagged[[f"{OLD}.decision", f"{NEW}.decision"]] == Decision.ACCEPT).all(axis=1)
    words = [str(decision).replace("_", " ") for decision in _DECISIONS]
    return {
        "old": catalogue_name(config.old), "new": catalogue_name(config.new),
        "tagged": len(tagged), "untagged": len(result.pairs.frame) - len(tagged),
        "only_old": result.pairs.only_old, "only_new": result.pairs.only_new,
        "article_agreement": result.article_agreement, "master_agreement": result.master_agreement,
        "decision_names": words, "decisions": list(zip(words, result.decisions.to_numpy().tolist(), strict=True)),
        "both_accept": int(both.sum()), "both_accept_other": int((both & differs(tagged, ARTICLE)).sum()),
        "truth_source": result.truth_source,
    }  # fmt: skip


def document_of(result: CompareResult) -> dict[str, Any]:
    """A result for JSON."""
    truth, judged = result.truth, result.judged
    return {
        "out": str(result.out),
        "models": result.models,
        "items": len(result.pairs.frame),
        "disagreements": len(result.pairs.disagreements),
        "tagged": len(result.pairs.tagged),
        "onlyOld": result.pairs.only_old,
        "onlyNew": result.pairs.only_new,
        "articleTypeAgreement": result.article_agreement,
        "masterCategoryAgreement": result.master_agreement,
        "decisions": {str(old): row for old, row in result.decisions.T.to_dict().items()},
        "truth": None
        if truth is None
        else {
            "source": result.truth_source, "items": truth.items, "both": truth.both, "onlyOld": truth.only_old,
            "onlyNew": truth.only_new, "neither": truth.neither, "p": truth.p,
        },
        "judged": {"old": judged.old, "new": judged.new, "neither": judged.neither, "unclear": judged.unclear,
                   "of": result.to_judge},
        "moves": [
            {"from": row[f"{OLD}.{ARTICLE}"], "to": row[f"{NEW}.{ARTICLE}"], "items": int(row["items"]),
             "accepted": int(row["accepted"]), "expectedOldRight": row["old_right"],
             "expectedNewRight": row["new_right"]}
            for row in result.moves.to_dict("records")
        ],
    }  # fmt: skip
