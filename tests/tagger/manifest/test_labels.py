"""What a manifest's label cells say: a label, or that there is none."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.manifest.labels import KnownLabels, Spellings
from tagger.manifest.manifest import Manifest
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tests.builders import manifest_of, read_all

EXPORTED = [
    "None", "none", "NONE", "#N/A", "n/a", "N/A", "NA", "na", "<NA>", "-", "--", "NaN", "nan", "-nan", "null", "NULL",
    "(null)", "nil", "\\N", "#N/A N/A", "#NA", "#NULL!", "#REF!", "", "  ", "\u200b", " None\u00a0", "\ufeffNULL\u200d",
]  # fmt: skip


def labels_of(manifest: Manifest) -> list[object]:
    return [item["articleType"] for item in read_all(manifest)[0]]


def write(tmp_path: Path, labels: list[str]) -> Path:
    ids = [str(i) for i in range(len(labels))]
    table = {"id": ids, "masterCategory": ["Apparel"] * len(labels), "articleType": labels}
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    return tmp_path / "m.parquet"


def test_no_spelling_of_no_value_becomes_a_label_and_each_is_counted(tmp_path: Path) -> None:
    manifest = manifest_of(write(tmp_path, [*EXPORTED, "Tops", "Nano", "None of these"]))
    assert labels_of(manifest) == [None] * len(EXPORTED) + ["Tops", "Nano", "None of these"]
    counted = manifest.tally.labels.no_values["articleType"]
    assert counted["None"] == 2
    assert counted["NULL"] == 2
    assert counted["#REF!"] == 1
    assert "" not in counted
    assert sum(counted.values()) == len(EXPORTED) - 3
    assert manifest.tally.labels.no_values["masterCategory"] == {}


def test_more_spellings_of_no_value_can_be_named(tmp_path: Path) -> None:
    manifest = manifest_of(write(tmp_path, ["k.A.", "K.A. ", "Tops"]), no_value=["k.a."])
    assert labels_of(manifest) == [None, None, "Tops"]


def test_labels_are_trimmed_and_composed_and_what_was_mended_is_counted(tmp_path: Path) -> None:
    manifest = manifest_of(write(tmp_path, ["Tshirts", "Tshirts\u00a0", "Tshirts\u200b", "Cafe\u0301", "Café"]))
    assert labels_of(manifest) == ["Tshirts"] * 3 + ["Café"] * 2
    assert manifest.tally.labels.mended["articleType"] == {
        "space around": 1,
        "invisible characters around": 1,
        "Unicode form": 1,
    }


@pytest.mark.parametrize("missing", ["None", "NaN", "nan", "<NA>", "NULL", "null", "\\N", "#N/A", "#REF!"])
def test_an_id_that_a_program_wrote_for_none_is_rejected(tmp_path: Path, missing: str) -> None:
    (tmp_path / "m.csv").write_text(f"id,t\n{missing},a\n{missing},b\n7,c\n")
    items, rejects = read_all(manifest_of(tmp_path / "m.csv"))
    assert [item["id"] for item in items] == ["7"]
    assert [reject["reason"] for reject in rejects] == ["blank_id", "blank_id"]


def test_ids_that_only_look_like_no_value_stay(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,t\nNA,a\n-,b\nnil,c\nN/A,d\n")
    assert [item["id"] for item in read_all(manifest_of(tmp_path / "m.csv"))[0]] == ["NA", "-", "nil", "N/A"]
    items, _ = read_all(manifest_of(tmp_path / "m.csv", no_value=["NIL"]))
    assert [item["id"] for item in items] == ["NA", "-", "N/A"]


def test_spellings_stay_apart_unless_they_are_to_be_merged_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,masterCategory,articleType\n1,Apparel,tshirts\n2,apparel,Tshirts\n")
    (tmp_path / "b.csv").write_text("id,masterCategory,articleType\n3,Apparel,Tshirts\n4,Apparel,T SHIRTS\n5,,\n")
    assert labels_of(manifest_of(tmp_path)) == ["tshirts", "Tshirts", "Tshirts", "T SHIRTS", None]
    merged = manifest_of(tmp_path, merge_spellings=True)
    assert labels_of(merged) == ["Tshirts"] * 4 + [None]
    assert [item["masterCategory"] for item in read_all(merged)[0]] == ["Apparel"] * 4 + [None]
    spellings = merged.spellings()
    assert spellings is not None
    assert spellings.merged() == {
        Level.MASTER_CATEGORY: {"apparel": "Apparel"},
        Level.ARTICLE_TYPE: {"T SHIRTS": "Tshirts", "tshirts": "Tshirts"},
    }
    assert merged.tally.rows == 5


def test_a_spelling_that_was_not_counted_takes_the_one_of_its_letters() -> None:
    spellings = Spellings.of({Level.ARTICLE_TYPE: {"Tops": 2, "tops": 1, "Jeans": 1}})
    labels = pa.chunked_array([["TOPS", "tops", None, "Jeans"]])
    assert spellings.apply(labels, Level.ARTICLE_TYPE).to_pylist() == ["Tops", "Tops", None, "Jeans"]


def test_a_model_of_merged_spellings_knows_labels_in_every_spelling() -> None:
    pairs = [("Apparel", "Tshirts"), ("Home", "Lamps")]
    plain = Taxonomy.of(pairs, {"Living": "Home"})
    merged = plain.model_copy(update={"spellings": {}})
    masters = ["apparel", "LIVING", "Toys", None]
    articles = ["TSHIRTS", "lamps", "Cars", None]
    assert KnownLabels(plain).pairs(masters, articles) == list(zip(masters, articles, strict=True))
    expected = [("Apparel", "Tshirts"), ("Home", "Lamps"), ("Toys", "Cars"), (None, None)]
    assert KnownLabels(merged).pairs(masters, articles) == expected
    assert KnownLabels(plain, merge_spellings=True).pairs(masters, articles) == expected


def test_a_taxonomy_without_merged_spellings_is_written_as_before() -> None:
    taxonomy = Taxonomy.of([("A", "a"), ("B", "b")], {})
    assert set(taxonomy.model_dump()) == {"leaves", "merge"}
    merged = taxonomy.model_copy(update={"spellings": {Level.ARTICLE_TYPE: {"A": "a"}}})
    assert Taxonomy.model_validate_json(merged.model_dump_json()) == merged
