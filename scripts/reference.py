"""Writes the reference pages from the code: `python -m scripts.reference`, or `--check` to say what is stale.

A page of `docs/reference/` is Markdown with places for what the code knows, between `<!-- generated: NAME -->` and
`<!-- end -->`. What stands between is replaced; the rest of the page is written by hand.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.api_reference import public_names
from scripts.cli_reference import commands, overview, shared_flags
from scripts.table_reference import configs, documents, tables

PAGES = Path(__file__).parent.parent / "docs/reference"
GENERATORS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "overview": overview,
    "shared flags": shared_flags,
    "configs": configs,
    "tables": tables,
    "documents": documents,
    "api": public_names,
}
_PLACE = re.compile(r"(?P<begin><!-- generated: (?P<name>[\w ]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def rewritten(page: str) -> str:
    """A page with its generated places filled. Raises KeyError for a place that nothing here can fill."""
    return _PLACE.sub(lambda m: f"{m['begin']}\n{GENERATORS[m['name']]().strip()}\n\n{m['end']}", page)


def stale_pages() -> dict[Path, str]:
    """The pages that are not as the code is, with the text that they should have."""
    pages = {page: page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md"))}
    return {page: new for page, text in pages.items() if (new := rewritten(text)) != text}


def main() -> int:
    """Write what is stale, or with `--check` name it and return 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is stale")
    is_check = parser.parse_args().check
    stale = stale_pages()
    for page, text in stale.items():
        if is_check:
            print(f"{page}: stale; run `make reference`", file=sys.stderr)
        else:
            page.write_text(text, encoding="utf-8")
            print(f"wrote {page}")
    return int(is_check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
