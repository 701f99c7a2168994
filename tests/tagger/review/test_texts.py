"""The page's texts: each language has all of them, and the page has no other."""

import re
from pathlib import Path
from typing import get_args

import pytest
from fluent.syntax import FluentParser, ast
from fluent.syntax.visitor import Visitor

from tagger.review.learning.refit import WhyNone
from tagger.review.store.people import Why
from tagger.review.store.sessions import Role
from tagger.review.web import texts
from tagger.review.web.pages import _SCRIPT_TEXTS
from tagger.review.web.texts import LANGUAGES, Texts, best_language
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.duplicate import Sameness
from tagger.schemas.tables.prediction import ErrorCode, ReviewReason

WEB = Path(texts.__file__).parent.parent
MADE_OF = {
    "action-": [*map(str, Verdict), "refused", "skipped", "undone", "flagged", "proposed"],
    "why-": [*map(str, ReviewReason), "taxonomy_conflict-audit"],
    "reason-": [*map(str, ReviewReason)],
    "problem-": [
        "not_found", "access_denied", "outside_store", "unsupported_uri", "store_error", "empty_file", "not_an_image",
        "truncated", "corrupt", "too_large", "too_many_pixels", "other",
    ],
    "witness-": ["catalogue", "model", "suggested", "title", "look_alikes"],
    "conflict-": ["unknown", "decided", "decided-own", "open"],
    "order-": ["disputed", "uncertain", "certain", "catalogue", "random"],
    "state-": ["all", "waiting", "decided", "mine", "corrected", "unusable", "skipped", "flagged", "proposed", "refit"],
    "refit-": [*map(str, WhyNone), "not_in_index", "failed"],
    "nav-": ["check", "second"],
    "check-": ["what"],
    "second-": ["what"],
    "summary-": [*map(str, Verdict)],
    "error-": ["404", "405", "413"],
    "duplicates-": [*map(str, Sameness)],
    "try-": ["accept", "accept_master_only", "review"],
    "grid-accept": ["", "-some", "-rest"],
    "grid-change": ["", "-some", "-rest"],
    "keys-accept": ["", "-audit"],
    "role-": [*get_args(Role)],
    "people-": [why for why in get_args(Why) if why != "invitation"],
    "keys-keep": ["", "-audit"],
}  # fmt: skip
"""Texts whose keys are put together."""


class Variables(Visitor):  # type: ignore[misc]
    """Collects the variables of a text."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:  # noqa: N802
        self.names.add(node.id.name)


def messages(language: str) -> dict[str, set[str]]:
    """The texts of a language by their keys, each with its variables."""
    found = {}
    for entry in FluentParser().parse((WEB / f"texts/{language}.ftl").read_text()).body:
        assert not isinstance(entry, ast.Junk), entry.content
        if isinstance(entry, ast.Message):
            variables = Variables()
            variables.visit(entry)
            found[entry.id.name] = variables.names
    return found


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_each_language_has_all_texts_with_the_same_variables(language: str) -> None:
    assert messages(language) == messages("en")
    assert list(messages(language)) == list(messages("en")), "in the same order, for the translator"


def test_the_page_uses_all_of_its_texts_and_no_other() -> None:
    sources = [*WEB.rglob("*.html"), *WEB.rglob("*.py"), *WEB.rglob("*.js")]
    written = "\n".join(file.read_text() for file in sources)
    whole = re.findall(r"""(?:\bt|texts_of\(request\)|\btext)\(\s*"([a-z_A-Z0-9-]+)"(?!\s*~)""", written)
    whole += re.findall(r"""RefusalError\(\d+, "([a-z-]+)\"""", written)
    known = set(messages("en"))
    put_together = {f"{start}{end}" for start, ends in MADE_OF.items() for end in ends}
    assert put_together <= known
    assert set(whole) | set(_SCRIPT_TEXTS) <= known
    quoted = set(re.findall(r'"([a-z_A-Z0-9-]+)"', written))
    assert known <= quoted | put_together, "texts that nothing shows"


def test_every_image_error_has_a_text_or_the_common_one() -> None:
    assert {f"problem-{code}" for code in ErrorCode} & set(messages("en"))


def test_numbers_and_shares_are_written_as_the_language_writes_them() -> None:
    english, german = Texts("en"), Texts("de")
    assert (english.percent(0.689), german.percent(0.689)) == ("68.9%", "68,9\u00a0%")
    assert (english.percent(0.99949), english.percent(0.9996), english.percent(1.0)) == ("99.9%", "100%", "100%")
    assert (english.number(12345), german.number(12345)) == ("12,345", "12.345")
    assert english("items", items=1) == "1 item" and german("progress", items=3000) == "von 3.000"


def test_a_text_without_its_values_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(KeyError, match="items"):
        Texts("en")("items")
    with pytest.raises(KeyError):
        Texts("en")("nonsense")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"), ("fr,en;q=0.5", "en"), ("fr", "en"), ("", "en"), ("en;q=0.3,de;q=0.7", "de"),
        ("de;q=x,en", "en"), (",,;", "en"),
    ],
)  # fmt: skip
def test_the_browsers_language_is_taken_where_there_is_one(accepted: str, language: str) -> None:
    assert best_language(accepted) == language
