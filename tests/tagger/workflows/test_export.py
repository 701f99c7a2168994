"""Exports for a PIM: counts that add up, what is refused, and what a report says."""

import csv
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import InputError, UsageError
from tagger.schemas.configs.export import ExportConfig, RollbackConfig
from tagger.schemas.tables.change import Outcome
from tagger.schemas.tables.decision import DECISION
from tagger.workflows.export import DRY_RUN, DRY_RUN_JSON, REPORT_JSON, export
from tagger.workflows.rollback import rollback
from tests.tagger.pim.runs import Leaf, lines_of, write_map, write_tags

SHIRT, SHOE = ("Apparel", "Shirts"), ("Footwear", "Heels")
FIELDS: dict[str, dict[str, object]] = {
    "categories": {"as": "category", "values": {"Shirts": "shirts", "Heels": "heels", "Socks": False},
                   "master": {"Apparel": "apparel"}},
    "article_type": {"as": "attribute", "values": {"Shirts": "shirts", "Heels": "heels", "Socks": False}},
}  # fmt: skip
HEADER = "sku;categories;article_type;brand"


def config_of(folder: Path, items: dict[str, tuple[Leaf, str]], rows: list[str], **more: object) -> ExportConfig:
    """An export to Akeneo of a new run."""
    run = write_tags(folder, items)
    (folder / "current.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    maps = folder / "map.yaml"
    if not maps.exists():
        write_map(maps, "akeneo", FIELDS)
    given: dict[str, object] = {
        "run": str(run), "map": str(maps), "current": [str(folder / "current.csv")], "out": str(folder / "out"),
        "pictures": False,
    }  # fmt: skip
    return ExportConfig.model_validate(given | more)


def accepted(*ids: str, leaf: Leaf = SHIRT) -> dict[str, tuple[Leaf, str]]:
    return dict.fromkeys(ids, (leaf, "accept"))


def test_every_item_has_one_outcome_and_they_add_up(tmp_path: Path) -> None:
    items = accepted("set", "same", "kept", "gone", "twice") | {
        "master": (SHIRT, "accept_master_only"), "waits": (SHIRT, "review"), "failed": (SHIRT, "failed"),
        "unmapped": (("Apparel", "Kilts"), "accept"), "left": (("Apparel", "Socks"), "accept"),
    }  # fmt: skip
    current = ["set;sale;;b", "same;shirts;shirts;b", "kept;heels;;b", "master;;;b", "waits;;;", "failed;;;",
               "unmapped;;;", "left;;;", "twice;;;", "other;x;;", "twice;;;"]  # fmt: skip
    result = export(config_of(tmp_path, items, current))
    assert result.report.outcomes == {
        Outcome.SET: 2, Outcome.UNCHANGED: 1, Outcome.KEPT: 1, Outcome.WAITING: 1, Outcome.FAILED: 1,
        Outcome.UNMAPPED: 1, Outcome.LEFT_OUT: 1, Outcome.GONE: 1, Outcome.HELD: 1,
    }  # fmt: skip
    assert result.report.items == len(items)
    assert result.report.findings.held == {"two products of --current have the id": 1}
    assert result.report.findings.kept == {("categories", "heels", "shirts"): 1}
    out = Path(result.out.path)
    assert lines_of(out, "akeneo-*.csv") == [
        "sku;categories;article_type", "set;sale,shirts;shirts", "sku;categories", "master;apparel",
    ]  # fmt: skip
    assert lines_of(out / "undo", "*.csv") == [
        "sku;categories;article_type", "set;sale;", "sku;categories", "master;",
    ]  # fmt: skip
    document = json.loads((out / REPORT_JSON).read_text())
    assert sum(document["outcomes"].values()) == document["items"] == len(items)
    assert (out / "_SUCCESS").exists()
    assert lines_of(out, "not-set.csv") == [
        "id,outcome,why", 'kept,kept,"heels, not shirts"', "gone,gone,",
        "twice,held,two products of --current have the id", "unmapped,unmapped,Kilts", "left,left_out,",
        "failed,failed,",
    ]  # fmt: skip
    assert pq.read_table(out / "changes.parquet")["value"].to_pylist() == ["shirts", "shirts", "apparel"]


def test_a_dry_run_writes_its_report_alone_and_gives_way_to_the_export(tmp_path: Path) -> None:
    config = config_of(tmp_path, accepted("1"), ["1;;;b"], dry_run=True)
    result = export(config)
    assert (result.export_id, result.report.filled, result.report.replaced) == (None, 2, 0)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "dry-run-not-set.csv", DRY_RUN, DRY_RUN_JSON,
    ]  # fmt: skip
    assert "1 of 1 items would be set" in (tmp_path / "out" / DRY_RUN).read_text()
    assert not (tmp_path / "run-1/exports").exists()
    export(config.model_copy(update={"dry_run": False}))
    assert not (tmp_path / "out" / DRY_RUN).exists()
    with pytest.raises(UsageError, match="is not empty"):
        export(config)


def test_what_an_export_wrote_may_be_replaced_and_more_than_allowed_may_not(tmp_path: Path) -> None:
    items = accepted("1", "2")
    export(config_of(tmp_path, items, ["1;sale;;b", "2;;;b", "3;heels;heels;"]))
    write_tags(tmp_path, accepted("1", leaf=SHOE) | accepted("2", leaf=SHOE), name="run-2", day=2)
    (tmp_path / "current.csv").write_text(
        f"{HEADER}\n1;sale,shirts,new;shirts;b\n2;kilts;shirts;b\n3;heels;heels;\n4;shirts;;\n"
    )
    nights = tmp_path / "nights"
    nights.mkdir()
    for name in ("run-1", "run-2"):
        (tmp_path / name).rename(nights / name)
    config = ExportConfig(
        run=str(nights), map=str(tmp_path / "map.yaml"), current=[str(tmp_path / "current.csv")],
        out=str(tmp_path / "out-2"), pictures=False,
    )  # fmt: skip
    with pytest.raises(
        InputError, match=r"3 of the 6 values .* \(50.0%\).*largest move is article_type: shirts to hee"
    ):
        export(config)
    assert (tmp_path / "out-2" / DRY_RUN).exists()
    result = export(config.model_copy(update={"max_changes": "3"}))
    assert (result.report.replaced, result.report.filled) == (3, 1), "kilts are no class of the map, and stay"
    assert lines_of(tmp_path / "out-2", "akeneo-*.csv") == [
        "sku;categories;article_type", "1;sale,new,heels;heels", "2;kilts,heels;heels",
    ]  # fmt: skip


def test_a_tag_of_an_earlier_export_goes_when_another_one_comes(tmp_path: Path) -> None:
    fields: dict[str, dict[str, object]] = {"Tags": {"as": "tags", "values": "same"}}
    write_map(tmp_path / "map.yaml", "shopify-csv", fields, key="Handle")
    config = config_of(tmp_path, accepted("a"), [])
    (tmp_path / "current.csv").write_text('Handle,Title,Tags\na,A,"new, sale"\n')
    export(config)
    assert lines_of(tmp_path / "out", "shopify-csv-*.csv")[1:] == ['a,A,"new, sale, Shirts"']
    write_tags(tmp_path / "nights", accepted("a", leaf=SHOE), name="run-2", day=2)
    (tmp_path / "run-1").rename(tmp_path / "nights/run-1")
    (tmp_path / "current.csv").write_text('Handle,Title,Tags\na,A,"new, shirts, sale"\n')
    again = {"run": str(tmp_path / "nights"), "out": str(tmp_path / "out-2"), "max_changes": "100%"}
    export(config.model_copy(update=again))
    assert lines_of(tmp_path / "out-2", "shopify-csv-*.csv")[1:] == ['a,A,"new, sale, Heels"']


def test_a_rollback_knows_the_fields_of_all_maps_that_the_run_was_exported_with(tmp_path: Path) -> None:
    config = config_of(tmp_path, accepted("1"), ["1;;;"])
    write_map(tmp_path / "map.yaml", "akeneo", {"categories": FIELDS["categories"]})
    export(config)
    write_map(tmp_path / "map.yaml", "akeneo", {"article_type": FIELDS["article_type"]})
    current = tmp_path / "current.csv"
    current.write_text(f"{HEADER}\n1;shirts;;\n")
    export(config.model_copy(update={"out": str(tmp_path / "out-2")}))
    current.write_text(f"{HEADER}\n1;shirts,sale;shirts;\n")
    rollback(RollbackConfig(run=str(tmp_path / "run-1"), current=[str(current)], out=str(tmp_path / "undo")))
    assert lines_of(tmp_path / "undo", "akeneo-*.csv") == ["sku;article_type;categories", "1;;sale"]


def test_a_person_who_decided_in_the_review_may_be_let_replace_what_is_there(tmp_path: Path) -> None:
    config = config_of(tmp_path, accepted("1", "2"), ["1;heels;heels;", "2;heels;heels;"], max_changes="100%")
    from datetime import UTC, datetime

    decided = {
        "id": "1", "masterCategory": "Apparel", "articleType": "Shirts", "verdict": "corrected", "decidedBy": "Ann",
        "decidedAt": datetime(2026, 1, 3, tzinfo=UTC), "runId": "run-1",
    }  # fmt: skip
    (tmp_path / "run-1/decisions").mkdir()
    pq.write_table(pa.Table.from_pylist([decided], DECISION), tmp_path / "run-1/decisions/part-00000.parquet")
    assert export(config.model_copy(update={"dry_run": True})).report.outcomes == {Outcome.KEPT: 2}
    by_person = export(config.model_copy(update={"dry_run": True, "overwrite": "decided"})).report
    assert by_person.outcomes == {Outcome.SET: 1, Outcome.KEPT: 1}
    assert export(config.model_copy(update={"overwrite": "all"})).report.outcomes == {Outcome.SET: 2}
    assert lines_of(tmp_path / "out", "akeneo-*.csv")[1:] == ["1;shirts;shirts", "2;shirts;shirts"]


def test_a_class_of_the_tree_that_the_model_does_not_know_is_a_class_too(tmp_path: Path) -> None:
    (tmp_path / "tree.csv").write_text(
        "code;parent\nmaster;\napparel;master\nfootwear;master\nshirts;apparel\nkilts;apparel\nheels;footwear\nsale;master\n"
    )
    config = config_of(tmp_path, accepted("1", "2"), ["1;kilts;;", "2;sale;;"], taxonomy=[str(tmp_path / "tree.csv")])
    result = export(config)
    assert result.report.findings.kept == {("categories", "kilts", "shirts"): 1}
    assert lines_of(tmp_path / "out", "akeneo-*.csv")[1:] == ["2;sale,shirts;shirts"]


def test_values_that_the_pim_does_not_have_are_refused_or_created(tmp_path: Path) -> None:
    (tmp_path / "tree.csv").write_text("code;parent;label-en_US\nmaster;;M\napparel;master;Apparel\nheels;apparel;H\n")
    (tmp_path / "options.csv").write_text("attribute;code\narticle_type;heels\n")
    taxonomy = [str(tmp_path / "tree.csv"), str(tmp_path / "options.csv")]
    items = accepted("1") | accepted("2", leaf=SHOE)
    config = config_of(tmp_path, items, ["1;;;", "2;;;"], taxonomy=taxonomy)
    refused = export(config.model_copy(update={"dry_run": True})).report
    assert refused.findings.held == {"categories: 'shirts': the PIM does not have it": 1}
    assert refused.unknown == {"categories": [("shirts", "Shirts")], "article_type": [("shirts", "Shirts")]}
    created = export(config.model_copy(update={"create": True}))
    assert [file.name for file in created.report.files][:2] == ["akeneo-options.csv", "akeneo-categories.csv"]
    assert lines_of(tmp_path / "out", "akeneo-options.csv") == [
        "attribute;code;label-en_US", "article_type;shirts;Shirts",
    ]  # fmt: skip
    assert lines_of(tmp_path / "out", "akeneo-categories.csv") == ["code;parent;label-en_US", "shirts;apparel;Shirts"]


def test_damage_by_a_spreadsheet_is_named(tmp_path: Path) -> None:
    items = accepted("00101", "ABC", "1000000000012")
    result = export(config_of(tmp_path, items, ["101;;;", "abc;;;", "1.0E+12;;;", "1.0E+12;;;"]))
    exponent, twice, near, most = result.report.warnings[2:]
    assert exponent.startswith("--current: 2 ids look as if a spreadsheet had changed them, such as 1.0E+12")
    assert twice.startswith("--current: 1 id is there for two products")
    assert "1 of the 2 items that are gone" in near
    assert "00101 (101 in the PIM)" in near
    assert "does its column 'sku' have the run's ids?" in most
    assert lines_of(tmp_path / "out", "akeneo-*.csv")[1:] == ["abc;shirts;shirts"], "Akeneo's ids have no case"


def test_a_row_that_a_target_cannot_take_is_held_back_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_map(tmp_path / "map.yaml", "shopify-csv", {"Type": {"as": "type", "values": "same"}}, key="Handle")
    config = config_of(tmp_path, accepted("a", "b"), [])
    (tmp_path / "current.csv").write_text("Handle,Title,Type\na,A,\nb,,\n")
    assert export(config).report.findings.held == {"--current has no Title for it, which each row needs": 1}
    from tagger.pim import targets

    short = targets.load_target("akeneo-api").model_copy(update={"longest_line": 20})
    monkeypatch.setattr("tagger.workflows.export_job.load_target", lambda name: short)
    write_map(tmp_path / "api.yaml", "akeneo-api", FIELDS)
    (tmp_path / "current.json").write_text('[{"identifier": "a"}, {"identifier": "b"}]')
    update = {
        "map": str(tmp_path / "api.yaml"),
        "out": str(tmp_path / "api"),
        "current": [str(tmp_path / "current.json")],
    }
    with pytest.raises(InputError, match="takes lines of 20 characters, and that of a has"):
        export(config.model_copy(update=update))


def test_predictions_that_were_copied_from_another_run_are_exported_too(tmp_path: Path) -> None:
    config = config_of(tmp_path, accepted("1", "2"), ["1;;;", "2;;;"])
    file = tmp_path / "run-1/predictions/part-00000.parquet"
    table = pq.read_table(file)
    names = pa.array(["gone", "elsewhere"], pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("runId"), "runId", names), file)
    export(config)
    (kept,) = (tmp_path / "run-1/exports").glob("*.parquet")
    assert set(pq.read_table(kept)["id"].to_pylist()) == {"1", "2"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"to": "magento"}, "the map is for akeneo"),
        ({"format": "parquet"}, "takes csv or xlsx"),
        ({"current": []}, "replaces all categories of a product"),
        ({"current": ["nowhere.csv"]}, "there is no file"),
        ({"taxonomy": ["nowhere.csv"]}, "there is no file"),
    ],
)
def test_a_wrong_flag_is_named(more: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        export(config_of(tmp_path, accepted("1"), ["1;;;"], **more))


def test_without_the_pims_export_everything_is_overwritten_only_when_asked(tmp_path: Path) -> None:
    write_map(tmp_path / "map.yaml", "table", {"Type": {"as": "column", "values": "same"}}, key="id")
    config = config_of(tmp_path, accepted("1", "2"), [], current=[])
    with pytest.raises(UsageError, match="--overwrite all"):
        export(config)
    result = export(config.model_copy(update={"overwrite": "all", "format": "jsonl"}))
    assert lines_of(tmp_path / "out", "*.jsonl") == ['{"id": "1", "Type": "Shirts"}', '{"id": "2", "Type": "Shirts"}']
    assert not result.report.undo_files


def test_a_column_that_the_pims_export_lacks_is_refused_unless_it_is_new(tmp_path: Path) -> None:
    config = config_of(tmp_path, accepted("1"), [])
    (tmp_path / "current.csv").write_text("sku;categories\n1;\n")
    with pytest.raises(InputError, match=r"has no column 'article_type'.*new: true"):
        export(config)
    write_map(tmp_path / "map.yaml", "akeneo", FIELDS | {"article_type": {**FIELDS["article_type"], "new": True}})
    assert export(config).report.outcomes == {Outcome.SET: 1}


def test_parts_stay_below_a_targets_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tagger.pim import targets

    small = targets.load_target("akeneo").model_copy(update={"most_bytes": 64})
    monkeypatch.setattr("tagger.workflows.export_job.load_target", lambda name: small)
    ids = [f"{n:03d}" for n in range(7)]
    export(config_of(tmp_path, accepted(*ids), [f"{item};;;" for item in ids]))
    files = sorted((tmp_path / "out").glob("akeneo-*.csv"))
    assert len(files) == 4
    assert all(file.stat().st_size <= 64 for file in files)
    rows = [row for file in files for row in list(csv.reader(file.open(), delimiter=";"))[1:]]
    assert [row[0] for row in rows] == ids


def test_a_workbook_and_a_table_of_parquet_hold_text(tmp_path: Path) -> None:
    export(config_of(tmp_path, accepted("007"), ["007;;;"], format="xlsx"))
    (book,) = (tmp_path / "out").glob("*.xlsx")
    assert pd.read_excel(book, dtype=str).to_numpy().tolist() == [["007", "shirts", "shirts"]]


def test_variants_of_one_product_are_one_row_and_have_to_agree(tmp_path: Path) -> None:
    write_map(
        tmp_path / "map.yaml", "shopify-csv",
        {"Type": {"as": "type", "values": "same"}}, key="Handle", id="Variant SKU",
    )  # fmt: skip
    items = accepted("a1", "a2", "b1") | accepted("b2", leaf=SHOE)
    config = config_of(tmp_path, items, [])
    (tmp_path / "current.csv").write_text("Handle,Title,Type,Variant SKU\na,A,,a1\na,,,a2\nb,B,,b1\nb,,,b2\nc,C,,c1\n")
    result = export(config)
    assert result.report.outcomes == {Outcome.SET: 2, Outcome.HELD: 2}
    assert result.report.findings.held == {"items of one product have different tags": 2}
    assert lines_of(tmp_path / "out", "shopify-csv-*.csv") == ["Handle,Title,Type", "a,A,Shirts"]


def test_a_further_tag_or_a_column_of_the_pim_decides_too(tmp_path: Path) -> None:
    fields = {"Type": {"as": "column", "of": ["articleType", "gender"],
                       "values": {"Shirts": {"Men": "Men's shirts", "*": "Shirts"}}}}  # fmt: skip
    write_map(tmp_path / "map.yaml", "table", fields, key="id")
    config = config_of(tmp_path, accepted("1", "2", "3"), [])
    (tmp_path / "current.csv").write_text("id,Type,gender\n1,,Men\n2,,Women\n3,,\n")
    export(config)
    assert lines_of(tmp_path / "out", "table-*.csv") == ["id,Type", "1,Men's shirts", "2,Shirts", "3,Shirts"]


def test_proposals_touch_no_live_value(tmp_path: Path) -> None:
    config = config_of(tmp_path, accepted("1"), ["1;heels;heels;"], write_as="proposal")
    export(config)
    assert lines_of(tmp_path / "out", "akeneo-*.csv") == ["sku;article_type", "1;shirts"], (
        "categories cannot be proposed"
    )
    write_map(
        tmp_path / "map.yaml", "table", {"Type": {"as": "column", "values": "same", "suggest": "Suggested type"}},
        key="id", confidence="Confidence",
    )  # fmt: skip
    (tmp_path / "current.csv").write_text("id,Type\n1,Heels\n")
    export(config.model_copy(update={"out": str(tmp_path / "out-2")}))
    assert lines_of(tmp_path / "out-2", "table-*.csv") == ["id,Suggested type,Confidence", "1,Shirts,0.90"]


def test_a_rollback_leaves_alone_what_a_person_changed_and_the_run_counts_no_more(tmp_path: Path) -> None:
    export(config_of(tmp_path, accepted("1", "2", "3", "4"), ["1;sale;;b", "2;;;b", "3;;;b", "4;;;b"]))
    current = tmp_path / "current.csv"
    current.write_text(f"{HEADER}\n1;shirts,sale,new;shirts;c\n2;heels;heels;b\n3;shirts;kilts;b\n")
    config = RollbackConfig(
        run=str(tmp_path / "run-1"), current=[str(current)], out=str(tmp_path / "undo"), dry_run=True
    )
    assert rollback(config).report.products == 2
    assert not (tmp_path / "undo").exists()
    result = rollback(config.model_copy(update={"dry_run": False}))
    assert lines_of(tmp_path / "undo", "akeneo-*.csv") == [
        "sku;categories;article_type", "1;sale,new;", "sku;categories", "3;",
    ]  # fmt: skip
    assert (result.exports, result.products, result.report.gone) == (1, 4, ["4"])
    assert lines_of(tmp_path / "undo", "left-alone.csv") == [
        "key,field,exported,now", "2,categories,shirts,heels", "2,article_type,shirts,heels",
        "3,article_type,shirts,kilts",
    ]  # fmt: skip
    after = export(ExportConfig(
        run=str(tmp_path / "run-1"), map=str(tmp_path / "map.yaml"), current=[str(current)],
        out=str(tmp_path / "out-2"), pictures=False, dry_run=True,
    ))  # fmt: skip
    assert after.report.outcomes == {Outcome.WAITING: 4}


def test_a_master_category_alone_is_not_written_beside_a_type_of_another_one(tmp_path: Path) -> None:
    fields = {
        "category": {"of": "masterCategory", "as": "column", "values": "same"},
        "type": {"of": "articleType", "as": "column", "values": "same"},
    }
    write_map(tmp_path / "map.yaml", "table", fields, key="sku")
    items = {"typed": (SHOE, "accept_master_only"), "same": (SHIRT, "accept_master_only"),
             "new": (SHOE, "accept_master_only")}  # fmt: skip
    config = config_of(tmp_path, items, [], overwrite="all", max_changes="100%")
    rows = ["sku,category,type", "typed,Apparel,Shirts", "same,Apparel,Shirts", "new,,"]
    (tmp_path / "current.csv").write_text("\n".join(rows) + "\n")
    report = export(config).report
    assert report.outcomes == {Outcome.SET: 1, Outcome.UNCHANGED: 1, Outcome.WAITING: 1}
    (file,) = (tmp_path / "out").glob("table-*.csv")
    assert file.read_text().splitlines() == ["sku,category", "new,Footwear"]
