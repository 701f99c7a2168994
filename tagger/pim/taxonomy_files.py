"""What a PIM or a market knows: options, categories, taxonomies, each read by what its file looks like."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.manifest.tables.encodings import open_text
from tagger.manifest.tables.opening import open_table
from tagger.notices import Notices
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.tables.item import Role

_SHOPIFY = re.compile(r"gid://shopify/TaxonomyCategory/([a-z]{2}(?:-\d+)*)\s*: (.+)")
_GOOGLE = re.compile(r"(\d+) - (.+)")
_VERSION = re.compile(r"#.*:\s*(\S*\d\S*)\s*")
_HEAD_BYTES = 4096
_LEVEL = " > "


@dataclass(frozen=True)
class Known:
    """One value that a PIM or a market knows."""

    text: str
    """As a map writes it: a code, or `ID : PATH`."""
    name: str
    """Its label, or the last part of its path."""
    path: tuple[str, ...]
    """Its parents and itself, in words."""


@dataclass
class Taxonomy:
    """All that one or several files know.

    `options` are those of an attribute by its code, `categories` those of a PIM, `market` those of a taxonomy, and
    `listed` what a file of names alone has.
    """

    options: dict[str, list[Known]] = field(default_factory=dict)
    categories: list[Known] = field(default_factory=list)
    market: list[Known] = field(default_factory=list)
    market_name: str = ""
    listed: list[Known] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def of(self, role: str, heading: str, is_market: bool) -> list[Known] | None:
        """What there is for a field; None where no file says."""
        if is_market:
            return self.market or None
        if role == "category":
            return self.categories or self.listed or None
        return self.options.get(heading.split("-")[0]) or (self.listed if not self.options else None) or None


def read_taxonomies(files: Sequence[Location], notices: Notices) -> Taxonomy:
    """Read files of options, categories or taxonomies. Raises InputError when one is neither."""
    found = Taxonomy()
    for file in files:
        with file.open() as stream:
            head = stream.read(_HEAD_BYTES).decode("utf-8", "replace")
        lines = [line for line in head.lstrip("\ufeff").splitlines() if line.strip()]
        entry = next((line for line in lines if not line.startswith("#")), "")
        if _SHOPIFY.match(entry) or _GOOGLE.fullmatch(entry.strip()):
            _read_market(file, found, notices)
        else:
            _read_table(file, found, notices)
    return found


def _read_market(file: Location, found: Taxonomy, notices: Notices) -> None:
    with file.open() as stream:
        for line in open_text(stream, str(file), "auto", notices):
            text = line.strip().lstrip("\ufeff")
            if version := _VERSION.fullmatch(text):
                found.versions.append(version[1])
            if shopify := _SHOPIFY.match(text):
                path = tuple(part.strip() for part in shopify[2].split(">"))
                found.market.append(Known(f"{shopify[1]} : {_LEVEL.join(path)}", path[-1], path))
                found.market_name = "shopify"
            elif google := _GOOGLE.fullmatch(text):
                path = tuple(part.strip() for part in google[2].split(">"))
                found.market.append(Known(f"{google[1]} - {_LEVEL.join(path)}", path[-1], path))
                found.market_name = "google"


def _read_table(file: Location, found: Taxonomy, notices: Notices) -> None:
    table = open_table(file, ManifestFormat(), lambda name: Role.ID if name == "code" else Role.IMAGE_URI, notices)
    columns = table.columns
    rows: list[dict[str, str]] = []
    for chunk in table.chunks(20_000):
        rows += [{name: str(cell or "") for name, cell in row.items()} for row in chunk.table.to_pylist()]
    label = next((name for name in columns if name.startswith("label")), None)
    if "code" in columns and "attribute" in columns:
        for row in rows:
            name = row.get(label or "", "") or row["code"]
            found.options.setdefault(row["attribute"], []).append(Known(row["code"], name, (name,)))
    elif "code" in columns and "parent" in columns:
        found.categories += _categories(rows, label)
    elif len(columns) == 1:
        paths = [tuple(part.strip() for part in row[columns[0]].split(">")) for row in rows if row[columns[0]].strip()]
        found.listed += [Known(_LEVEL.join(path), path[-1], path) for path in paths]
    elif "code" in columns:
        found.listed += [Known(row["code"], row.get(label or "", "") or row["code"], (row["code"],)) for row in rows]
    else:
        raise InputError(
            f"--taxonomy: {file} is neither a market's taxonomy nor a table of options (attribute, code), of "
            f"categories (code, parent), or of one column of names; its columns are {', '.join(columns)}"
        )


def _categories(rows: Iterable[dict[str, str]], label: str | None) -> list[Known]:
    by_code = {row["code"]: row for row in rows}

    def path(code: str) -> tuple[str, ...]:
        names: list[str] = []
        seen: set[str] = set()
        while code in by_code and code not in seen:
            seen.add(code)
            names.append(by_code[code].get(label or "", "") or code)
            code = by_code[code]["parent"]
        return tuple(reversed(names))

    paths = {code: path(code) for code in by_code}
    return [Known(code, parts[-1], parts) for code, parts in paths.items()]
