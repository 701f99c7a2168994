"""Comparisons and proposals from runs to pages, and from answers to what an export writes."""

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.comparing.proposals import MoveState
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.compare import CompareConfig, ProposeConfig
from tagger.schemas.configs.export import ExportConfig
from tagger.schemas.tables.change import Outcome
from tagger.schemas.tables.decision import DECISION
from tagger.workflows.compare import MOVES, PAGE, RESULT, compare
from tagger.workflows.export import export
from tagger.workflows.propose import propose
from tests.tagger.pim.runs import lines_of, write_map
from tests.written_runs import Leaf, write_run

SHIRT, TEE = ("Apparel", "Shirts"), ("Apparel", "Tshirts")


def shop(folder: Path, name: str, leaves: list[Leaf], **more: object) -> Path:
    return write_run(folder / name, [(leaf, {leaf: 0.9}) for leaf in leaves], {}, decision="accept", **more)  # type: ignore[arg-type]


def decide(run: Path, answers: Mapping[str, Leaf]) -> None:
    """A person's decisions, as a review exports them."""
    rows = [
        {"id": item, "masterCategory": m, "articleType": a, "verdict": "accepted", "decidedBy": "Ann", "runId": "r",
         "decidedAt": datetime(2026, 1, 3, tzinfo=UTC)}
        for item, (m, a) in answers.items()
    ]  # fmt: skip
    (run / "decisions").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, DECISION), run / "decisions/part-00000.parquet")


@pytest.fixture
def config(tmp_path: Path) -> CompareConfig:
    """Two runs about eight items, which disagree on three."""
    old = shop(tmp_path, "a", [SHIRT] * 8)
    new = shop(tmp_path, "b", [SHIRT] * 5 + [TEE] * 3)
    manifest = tmp_path / "a/m.csv"
    labels = dict.fromkeys(map(str, range(7)), "Shirts") | {"7": "Tshirts"}
    rows = [f"{item},Apparel,{label}" for item, label in labels.items()]
    manifest.write_text("\n".join(["id,masterCategory,articleType", *rows]))
    return CompareConfig(
        old=str(old), new=str(new), manifest=str(manifest), images=str(tmp_path / "b/images"), out=str(tmp_path / "c")
    )


def test_a_comparison_says_what_changes_and_counts_what_was_judged_when_it_is_asked_again(
    config: CompareConfig, tmp_path: Path
) -> None:
    result = compare(config)
    assert (result.article_agreement, result.master_agreement, result.to_judge) == (5 / 8, 1.0, 3)
    assert result.truth is not None
    assert (result.truth.both, result.truth.only_old, result.truth.only_new, result.truth.neither) == (5, 2, 1, 0)
    page = (tmp_path / "c" / PAGE).read_text()
    assert "3 × <del>Shirts</del> → <ins>Tshirts</ins>" in page
    assert page.count("data:image/jpeg") == 3
    assert "tagger review --run" in page
    with (tmp_path / "c" / MOVES).open() as file:
        assert [row["items"] for row in csv.DictReader(file)] == ["3"]
    judge = tmp_path / "c/judge"
    record = RunDirectory(Location(str(judge))).record()
    assert record is not None
    assert record.kind == "comparison"
    decide(judge, {"5": SHIRT, "6": TEE, "7": ("Apparel", "Tops")})
    again = compare(config)
    assert (again.judged.old, again.judged.new, again.judged.neither) == (1, 1, 1)
    document = json.loads((tmp_path / "c" / RESULT).read_text())
    assert document["judged"] == {"old": 1, "new": 1, "neither": 1, "unclear": 0, "of": 3}
    with pytest.raises(UsageError, match="holds another run"):
        compare(config.model_copy(update={"judge": 2}))
    with pytest.raises(UsageError, match="holds no comparison"):
        compare(config.model_copy(update={"out": str(tmp_path / "a")}))
    with pytest.raises(UsageError, match="one is a bundle"):
        (tmp_path / "bundle").mkdir()
        (tmp_path / "bundle/bundle.json").write_text("{}")
        compare(config.model_copy(update={"old": str(tmp_path / "bundle"), "out": str(tmp_path / "d")}))


def test_a_move_is_exported_once_its_sample_was_judged(tmp_path: Path) -> None:
    old = shop(tmp_path, "a", [SHIRT] * 12)
    new = shop(tmp_path, "b", [TEE] * 8 + [("Apparel", "Tops")] * 3 + [SHIRT])
    config = ProposeConfig(
        run=str(new), old=[str(old)], manifest=str(tmp_path / "a/m.csv"), images=str(tmp_path / "a/images"),
        out=str(tmp_path / "p"),
    )  # fmt: skip
    first = propose(config)
    assert [(m.old, m.new, m.items, m.state) for m in first.moves] == [
        ("Shirts", "Tshirts", 8, MoveState.OPEN), ("Shirts", "Tops", 3, MoveState.OPEN),
    ]  # fmt: skip
    maps = write_map(
        tmp_path / "map.yaml", "table", {"Type": {"as": "column", "values": "same", "new": True}}, key="id"
    )
    (tmp_path / "current.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(12)))
    to_pim = ExportConfig(
        run=str(new), map=str(maps), current=[str(tmp_path / "current.csv")], out=str(tmp_path / "out"),
        proposal=str(tmp_path / "p"), pictures=False,
    )  # fmt: skip
    assert export(to_pim.model_copy(update={"dry_run": True})).report.outcomes == {
        Outcome.PROPOSED: 11, Outcome.SET: 1,
    }  # fmt: skip
    decide(tmp_path / "p", {str(n): TEE for n in range(8)} | {"8": SHIRT})
    second = propose(config)
    assert second.moves[0].state is MoveState.ACCEPTED
    assert "8 of 8 judged are right" in (tmp_path / "p/moves.html").read_text()
    with pytest.raises(UsageError, match=r"--precision: the samples of .* were drawn for 0.95"):
        propose(config.model_copy(update={"precision": 0.9}))
    propose(config.model_copy(update={"reject": [1]}))
    result = export(to_pim)
    assert result.report.outcomes == {Outcome.SET: 10, Outcome.REJECTED: 2}
    assert lines_of(tmp_path / "out", "table-*.csv") == [
        "id,Type", *(f"{n},Tshirts" for n in range(8)), "8,Shirts", "11,Shirts",
    ], "what was judged is a person's"  # fmt: skip
    assert [move.state for move in propose(config).moves] == [MoveState.ACCEPTED, MoveState.REJECTED]


def test_what_is_no_proposal_or_no_change_is_said(tmp_path: Path) -> None:
    old = shop(tmp_path, "a", [SHIRT] * 2)
    config = ProposeConfig(
        run=str(old), old=[str(old)], manifest=str(tmp_path / "a/m.csv"), images=str(tmp_path / "a/images"),
        out=str(tmp_path / "p"),
    )  # fmt: skip
    assert propose(config).moves == propose(config).moves == []
    with pytest.raises(UsageError, match="there is no move 0: nothing changes"):
        propose(config.model_copy(update={"accept": [0]}))
    config = config.model_copy(update={"out": str(tmp_path / "fills")})
    fills = propose(config.model_copy(update={"old": []}))
    assert [(move.old, move.new) for move in fills.moves] == [("", "Shirts")]
    with pytest.raises(UsageError, match="there is no move 5"):
        propose(config.model_copy(update={"accept": [5]}))
    with pytest.raises(UsageError, match="choose one of the two"):
        propose(config.model_copy(update={"accept": [0], "reject": [0]}))
    with pytest.raises(UsageError, match="is no proposal"):
        export(ExportConfig(run=str(old), map=str(_any_map(tmp_path)), out="x", current=["y"], proposal=str(old)))


def _any_map(folder: Path) -> Path:
    return write_map(folder / "m.yaml", "table", {"Type": {"as": "column", "values": "same"}})
