"""A column that is missing or misspelt is named with the one that looks like it."""

from pathlib import Path

import pytest

from tagger.errors import InputError, UsageError
from tagger.manifest.headings import likely, likely_all, missing, nearest
from tagger.schemas.tables.item import Role
from tests.builders import manifest_of


@pytest.mark.parametrize(
    ("role", "heading"),
    [
        (Role.ID, "ID"),
        (Role.ID, "Item-Id"),
        (Role.ID, "SKU"),
        (Role.ID, "g:id"),
        (Role.ID, "productId"),
        (Role.MASTER_CATEGORY, "Master Category"),
        (Role.MASTER_CATEGORY, "master_category"),
        (Role.MASTER_CATEGORY, ' "masterCategory"'),
        (Role.MASTER_CATEGORY, "mastercategorie"),
        (Role.ARTICLE_TYPE, "article_type"),
        (Role.ARTICLE_TYPE, "Product Type"),
        (Role.ARTICLE_TYPE, "articel type"),
        (Role.IMAGE_URI, "Image URL"),
    ],
)
def test_a_heading_is_known_in_another_spelling_or_by_another_name(role: Role, heading: str) -> None:
    assert likely(role, ["price", heading, "colour"]) == heading


def test_a_heading_that_is_like_none_is_not_guessed() -> None:
    assert likely(Role.MASTER_CATEGORY, ["price", "colour", "season"]) is None
    assert nearest("weight", ["price", "colour"]) is None


def test_one_column_is_not_proposed_for_two_roles() -> None:
    both = likely_all([Role.MASTER_CATEGORY, Role.ARTICLE_TYPE], ["category", "price"])
    assert both == {Role.MASTER_CATEGORY: "category", Role.ARTICLE_TYPE: None}


def test_what_is_missing_is_said_with_the_flags_as_a_shell_takes_them() -> None:
    columns = ["id", "Master Category", "article_type"]
    assert missing([Role.MASTER_CATEGORY, Role.ARTICLE_TYPE], columns) == (
        "no column 'masterCategory' and no column 'articleType'; 'Master Category' and 'article_type' look like them: "
        "--column 'masterCategory=Master Category' --column articleType=article_type; "
        "it has id, Master Category, article_type"
    )
    assert missing([Role.MASTER_CATEGORY], ["ID", "Categories"], taken=["ID", "Categories"]) == (
        "no column 'masterCategory'; say which one it is with --column masterCategory=NAME; it has ID, Categories"
    )


def test_a_manifest_says_which_columns_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("ID,Master Category,article_type\n0,Apparel,Shirts\n")
    with pytest.raises(InputError, match="no column 'id'; 'ID' looks like it: --column id=ID"):
        manifest_of(file)
    assert "--column 'masterCategory=Master Category'" in str(manifest_of(file, column={"id": "ID"}).why_unlabelled())
    named = {"id": "ID", "masterCategory": "Master Category", "articleType": "article_type"}
    assert manifest_of(file, column=named).why_unlabelled() is None


def test_a_title_above_the_headings_is_suspected(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("My shop export 2026,\nid,articleType\n1,Shirts\n")
    with pytest.raises(InputError, match="column_2; if its first line is a title, delete it"):
        manifest_of(tmp_path / "m.csv")


def test_a_column_that_is_named_wrongly_is_met_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,masterCategory,type\n1,A,x\n")
    with pytest.raises(UsageError, match="no column 'typ', perhaps --column articleType=type; it has id"):
        manifest_of(tmp_path / "m.csv", column={"articleType": "typ"})
    with pytest.raises(UsageError, match="no column 'sku', but 'id': leave --column id=sku out; it has id"):
        manifest_of(tmp_path / "m.csv", column={"id": "sku"})


def test_a_role_that_there_is_not_is_named_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id\n1\n")
    with pytest.raises(ValueError, match="'foo' is no role; ROLE=COLUMN names one of id, masterCategory"):
        manifest_of(tmp_path / "m.csv", column={"foo": "x"})
