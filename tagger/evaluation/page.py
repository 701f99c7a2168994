"""Templates of the report page, and regions of a written page that can be replaced without its data."""

import base64
import hashlib
import importlib.resources
import re

import jinja2
from markupsafe import Markup

from tagger.evaluation.intervals import FEW
from tagger.evaluation.shares import interval, is_few, percent, with_interval

SUMMARY, SECTIONS = "summary", "sections"
"""Regions of the report page: its first answers, and the first sections for engineers."""
SCRIPT = "report.js"


def render(template: str, **context: object) -> Markup:
    """A template of this package as HTML; names that it does not know end in an error."""
    return Markup(_environment().get_template(template).render(**context))


def replace_region(page: str, region: str, html: str) -> str:
    """A page with other content between the comments that mark a region.

    Raises:
        LookupError: when the page has no such region.
    """
    marks = re.compile(rf"(<!-- begin {region} -->\n).*?(<!-- end {region} -->)", re.DOTALL)
    replaced, regions = marks.subn(lambda match: f"{match[1]}{html}\n{match[2]}", page, count=1)
    if not regions:
        raise LookupError(region)
    return replaced


def evidence_in_words(evidence: str) -> str:
    """A kind of evidence as readers would say it: `image+title+columns` as `image, title and columns`."""
    *others, last = evidence.split("+")
    return f"{', '.join(others)} and {last}" if others else last


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tagger.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.globals.update(
        percent=percent, with_interval=with_interval, interval=interval, is_few=is_few, FEW=FEW, inline_script=_script
    )
    return environment


def _script() -> dict[str, Markup]:
    """The script of the page, and its hash for the page's content security policy."""
    text = importlib.resources.files("tagger.evaluation").joinpath("templates", SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "source": Markup(f"sha256-{digest}")}
