"""Scores what suppliers, brands or seasons deliver, from runs, their manifests, and what people decided."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tagger.decisions.read import DATABASE, decisions_of
from tagger.errors import UsageError
from tagger.exports.csv import csv_bytes
from tagger.flow.id_rows import IdRows
from tagger.io.location import Location
from tagger.reporter import LOG, Reporter
from tagger.review.team.pace import work_seconds
from tagger.runs.ledger import LedgerEntry, known_runs, newest_first, read_ledger
from tagger.schemas.configs.suppliers import SuppliersConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.decision import Verdict
from tagger.suppliers.arrivals import BY_CHANCE, UNUSABLE, Arrivals, Fault, details_of, read_arrivals
from tagger.suppliers.page import TITLES, GroupFacts, ItemFacts, overview_of, page_of, shown_items
from tagger.suppliers.scores import FAULTS, Scores, score
from tagger.workflows.item_groups import ABSENT, BLANK, Grouped, group_items
from tagger.workflows.open_catalog import new_folder, resolve_location
from tagger.workflows.run_pictures import pictures_of

OVERVIEW, GROUPS, PERIODS, ITEMS, PAGES = "index.html", "groups.csv", "periods.csv", "items.csv", "to-send"
_NOBODY = {BLANK, ABSENT}
"""Nothing can be sent to these."""
_PERIODS = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
_DECIDED = ["id", "verdict", *map(str, Level), "beforeMasterCategory", "beforeArticleType", "decidedBy", "decidedAt"]
_LONGEST_NAME = 60
_Row = dict[str, Any]
_WRONG = "label wrong"
_DETAILS = {
    "no_image": "the item names none", "not_found": "there is no file of this name",
    "unsupported_uri": "its address cannot be used", "outside_store": "its address cannot be used",
    "empty_file": "the file is empty", "not_an_image": "the file is no picture", "truncated": "the file is cut off",
    "corrupt": "the file is damaged", "crashed": "the file is damaged", "too_large": "the file is too large",
    "too_many_pixels": "it has too many pixels",
}  # fmt: skip
"""By error code; the messages of runs name paths of the shop, which are not for others."""


@dataclass(frozen=True)
class SuppliersResult:
    """What was found, and where it lies."""

    out: Location
    scores: Scores
    items: int
    sent: Mapping[str, str]
    """Pages to send, by group: their names in the folder `to-send`."""
    left_out: int
    """Groups with something to mend that have no page, because `pages` allows no more."""


def score_suppliers(config: SuppliersConfig, reporter: Reporter = LOG) -> SuppliersResult:
    """Score what suppliers, brands or seasons deliver, and write a page for each that can be sent to it.

    An item counts once, in the period of the run that tagged it first, with what was wrong then.

    Args:
        config: The runs, the manifest's column, and the folder to write to.
        reporter: Where progress and warnings go.

    Returns:
        The scores; `out` has them as CSV and as pages.

    Raises:
        UsageError: when there is no finished run, no manifest has the column, or `out` is not empty.
        InputError: when a manifest cannot be read.

    Example::

        from tagger import SuppliersConfig, score_suppliers

        result = score_suppliers(SuppliersConfig(run=["runs/"], by="brand", out="brands"))
        print(result.scores.groups[["group", "items", "unusable"]])
    """
    places = [resolve_location(name, config) for name in config.run]
    entries = newest_first([entry for where in places for entry in read_ledger(where, f"RUN {where}")])
    entries = [entry for entry in reversed(entries) if entry.done]
    if not entries:
        raise UsageError("RUN: none of these runs has finished")
    out = new_folder(config.out, config)
    reporter.step(f"Reading {len(entries):,} {'run' if len(entries) == 1 else 'runs'}")
    with closing(IdRows()) as numbers:
        arrivals = read_arrivals(entries, numbers)
        audits = [audit for where in places for audit in known_runs(where, f"RUN {where}", "audit")]
        decided = _decisions(entries, audits, config.database or os.environ.get(DATABASE))
        decided_ids = [row["id"] for row in decided]
        grouped = group_items(config, reporter, entries, arrivals, set(decided_ids))
        arrivals.mark_decided(decided_ids)
        arrivals.mark_shared(grouped.groups)
        judged = _judged(decided, grouped)
        stamp = _PERIODS[config.period]
        periods = np.array([entry.record.started_at.strftime(stamp) for entry in entries])[arrivals.run]
        scores = score(arrivals, grouped.groups, grouped.names, periods, judged)
        faulty = _faulty(entries, arrivals, grouped, judged)
        sent = _write(config, reporter, out, entries, scores, faulty)
        to_send = {item.group for item in faulty} - _NOBODY
        return SuppliersResult(out, scores, len(arrivals), sent, len(to_send) - len(sent))


def _decisions(entries: Sequence[LedgerEntry], audits: Sequence[LedgerEntry], database: str | None) -> list[_Row]:
    """What people decided: _DECIDED, seconds, caused (not seen by chance alone), from_audit; the newest comes last.

    In an audit, what was before is the label that was delivered.
    """
    rows: list[_Row] = []
    for entry in [*entries, *audits]:
        is_audit = entry.record.kind == "audit"
        of_run = [
            row for table in decisions_of(entry.directory, database) for row in table.select(_DECIDED).to_pylist()
        ]
        by_chance = set() if is_audit or not of_run else _by_chance(entry, [row["id"] for row in of_run])
        rows += [{**row, "caused": row["id"] not in by_chance, "from_audit": is_audit} for row in of_run]
    if rows:
        seconds = work_seconds(pd.DataFrame(rows, columns=["decidedBy", "decidedAt"])).tolist()
        rows = [{**row, "seconds": of_row} for row, of_row in zip(rows, seconds, strict=True)]
    return sorted(rows, key=lambda row: row["decidedAt"])


def _by_chance(entry: LedgerEntry, ids: Sequence[str]) -> set[str]:
    """Of some items, those that a person saw by chance alone."""
    chance = {str(reason) for reason in BY_CHANCE}
    of_ids = pa.array(ids, pa.string())
    return {
        row["id"]
        for table in entry.directory.batches(["id", "reviewReasons"])
        for row in table.filter(pc.is_in(table["id"], of_ids)).to_pylist()
        if row["reviewReasons"] and chance.issuperset(row["reviewReasons"])
    }


def _judged(decided: Sequence[_Row], grouped: Grouped) -> pd.DataFrame:
    """Of each decision: id, group, judged, wrong, detail, seconds, day; a label counts once, by the newest decision."""
    newest = {row["id"]: index for index, row in enumerate(decided)}
    rows = []
    for index, row in enumerate(decided):
        label, decision = _label(row, grouped) or (), [row[str(level)] for level in Level]
        counts = bool(label) and newest[row["id"]] == index and row["verdict"] != Verdict.UNUSABLE
        pairs = zip(label, decision, strict=True) if counts else ()
        is_wrong = any(delivered and said and delivered != said for delivered, said in pairs)
        detail = f"delivered as {_joined(label)}, is {_joined(decision)}"
        seconds = row["seconds"] if row["caused"] else 0.0
        group = grouped.of_decided.get(row["id"], 0)
        rows.append((row["id"], group, counts, is_wrong, detail, seconds, row["decidedAt"].date()))
    return pd.DataFrame(rows, columns=["id", "group", "judged", "wrong", "detail", "seconds", "day"])


def _joined(label: Sequence[str | None]) -> str:
    return " / ".join(filter(None, label))


def _label(decision: _Row, grouped: Grouped) -> tuple[str | None, str | None] | None:
    """The label that was delivered; None without one."""
    if decision["from_audit"]:
        return decision["beforeMasterCategory"], decision["beforeArticleType"]
    return grouped.labels.get(decision["id"])


def _faulty(
    entries: Sequence[LedgerEntry], arrivals: Arrivals, grouped: Grouped, judged: pd.DataFrame
) -> list[ItemFacts]:
    """The items with something to mend, by group, those of the newest run first."""
    items = []
    for row in details_of(entries, arrivals, arrivals.faults > 0):
        number = int(str(row["number"]))
        faults = Fault(int(arrivals.faults[number]))
        is_open = bool(Fault(int(arrivals.still[number])) & UNUSABLE) or not faults & UNUSABLE
        items.append(
            ItemFacts(
                group=grouped.names[grouped.groups[number]], id=str(row["id"]),
                what=", ".join(TITLES[name] for name, fault in FAULTS.items() if fault in faults),
                detail=_DETAILS.get(str(row["errorCode"]), ""), picture=str(row["imageUri"] or ""),
                arrived=entries[arrivals.run[number]].record.started_at.date(), is_open=is_open,
                can_be_shown=not faults & (Fault.MISSING | Fault.BROKEN),
            )
        )  # fmt: skip
    wrong = judged[judged["wrong"].astype(bool)]  # of no decisions, pandas would take it for names
    items += [
        ItemFacts(
            group=grouped.names[group], id=item, what=_WRONG, detail=detail, picture="", arrived=day, is_open=True,
            can_be_shown=True,
        )
        for item, group, detail, day in wrong[["id", "group", "detail", "day"]].itertuples(index=False)
    ]  # fmt: skip
    return sorted(items, key=lambda item: (item.group, -item.arrived.toordinal()))


def _write(
    config: SuppliersConfig,
    reporter: Reporter,
    out: Location,
    entries: Sequence[LedgerEntry],
    scores: Scores,
    faulty: Sequence[ItemFacts],
) -> dict[str, str]:
    """Write tables and pages; return the names of the pages to send, by group."""
    by_group: dict[str, list[ItemFacts]] = {}
    for item in faulty:
        by_group.setdefault(item.group, []).append(item)
    named = [name for name in scores.groups["group"] if name in by_group and name not in _NOBODY]
    sent = _file_names(named[: config.pages])
    dates = entries[0].record.started_at.date(), entries[-1].record.started_at.date()
    shown = {item.id for name in sent for item in shown_items(by_group[name])}
    reporter.step(f"Writing {len(sent):,} {'page' if len(sent) == 1 else 'pages'} to send")
    pictures, why = pictures_of(entries[::-1], shown, reporter) if config.pictures else ({}, "")
    if why:
        reporter.warn(f"The pages have no pictures: {why}")
    for name, file in sent.items():
        facts = GroupFacts(config.by, name, scores, by_group[name], dates, pictures)
        (out / PAGES / f"{file}.html").write_text(page_of(facts))
        (out / PAGES / f"{file}.csv").write_bytes(_csv(_item_table(config.by, by_group[name], to_send=True)))
    (out / GROUPS).write_bytes(_csv(scores.groups.rename(columns={"group": config.by})))
    (out / PERIODS).write_bytes(_csv(scores.periods.rename(columns={"group": config.by})))
    (out / ITEMS).write_bytes(_csv(_item_table(config.by, faulty)))
    (out / OVERVIEW).write_text(overview_of(config.by, config.period, scores, dates, sent, PAGES))
    return sent


def _file_names(groups: Sequence[str]) -> dict[str, str]:
    """A file name for each group, without an ending, that every system takes; no two are the same."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for group in groups:
        plain = re.sub(r"[^\w-]+", "-", group).strip("-_")[:_LONGEST_NAME] or "group"
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        names[group] = name
    return names


def _item_table(by: str, items: Sequence[ItemFacts], to_send: bool = False) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (i.group, i.id, i.what, i.detail, i.file if to_send else i.picture, i.arrived.isoformat(), i.is_open)
            for i in items
        ],
        columns=[by, "id", "what", "detail", "picture", "arrived", "open"],
    )


def _csv(table: pd.DataFrame) -> bytes:
    """A table for a spreadsheet."""
    return csv_bytes(pa.Table.from_pandas(table, preserve_index=False))
