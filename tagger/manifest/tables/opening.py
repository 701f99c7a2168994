"""Finds the tables of a path, and opens each by its kind."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from tagger.errors import InputError, UsageError
from tagger.imaging.suffixes import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from tagger.io.globs import is_glob, matching_files
from tagger.io.location import Location
from tagger.manifest.tables import pixels
from tagger.manifest.tables.delimited import DelimitedFile
from tagger.manifest.tables.json_lines import JsonLinesFile
from tagger.manifest.tables.kinds import Kind, Sniffed, sniff
from tagger.manifest.tables.parquet import PARQUET, ParquetTable
from tagger.manifest.tables.raw_pixels import PixelLabels
from tagger.manifest.tables.table import RoleOf, TableFile
from tagger.manifest.tables.workbook import WorkbookTable
from tagger.notices import Notices
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.tables.item import Role

_TABLES = (*PARQUET, ".csv", ".tsv", ".jsonl", ".ndjson", ".xlsx")
_COMPRESSED = (".gz", ".bz2", ".xz")
_IDX_IMAGES = ("images-idx3-ubyte", "images-idx3-ubyte.gz")
_KINDS = "CSV, JSON Lines, Parquet or XLSX"
_SHOWN = 5


def open_table(file: Location, options: ManifestFormat, role_of: RoleOf, notices: Notices) -> TableFile:
    """Open a table by its kind. Raises InputError, which names the kind of file, when it is not a table."""
    if pixels.is_idx_labels(file):
        return PixelLabels(file)
    sniffed = sniff(file, options.encoding)
    match sniffed.kind:
        case Kind.PARQUET:
            return ParquetTable(file, role_of)
        case Kind.JSON_LINES:
            return JsonLinesFile(file, options.encoding, notices)
        case Kind.WORKBOOK:
            return WorkbookTable(file, options.sheet, role_of, notices)
        case Kind.TEXT:
            table = DelimitedFile(file, options, role_of, notices)
            return PixelLabels(file) if pixels.is_pixel_header(table.columns) else table
        case Kind.EMPTY:
            raise InputError(f"{file}: the file is empty; it needs a header line")
        case None:
            raise InputError(f"{file} is {sniffed.words}. A manifest is {_KINDS}")


def find_tables(
    location: Location, flag: str, options: ManifestFormat, role_of: RoleOf, notices: Notices
) -> list[Location]:
    """The tables that a path names: a file, or those of a folder or a glob, by path.

    Other files of a folder are left out, and named once. Raises UsageError when nothing exists at the path.
    """
    if is_glob(location):
        files = matching_files(location)
    elif location.is_dir():
        files = location.files()
    elif location.exists():
        return [location]
    else:
        files = []
    if not files:
        raise UsageError(f"{flag}: there is no file, folder or glob {location}")
    tables, others = _divided(files, options, role_of)
    idx = [pixels.is_idx_labels(f) for f in tables]
    if any(idx) and not all(idx):
        raise UsageError(f"{flag}: {location} holds tables and IDX labels, perhaps of the same items; name one of them")
    if not tables:
        held = f"; it holds {_named(others)}" if others else ""
        raise UsageError(f"{flag}: there is no table ({_KINDS}) in {location}{held}")
    if others:
        notices.add(f"{location}: left out, as they are no tables of items: {_named(others)}")
    return tables


def _divided(
    files: Sequence[Location], options: ManifestFormat, role_of: RoleOf
) -> tuple[list[Location], list[Location]]:
    """Tables, and other files; the suffixes of tables and images are trusted."""
    tables: list[Location] = []
    others: list[Location] = []
    for file in files:
        name = file.name.lower()
        if name.startswith(("~$", ".", "_")) or name.endswith(_IDX_IMAGES):
            continue  # the lock of an open workbook, and the images of IDX labels
        if name.endswith(pixels.IDX_LABELS) or _without_compression(name).endswith(_TABLES):
            is_table = True
        elif name.endswith(IMAGE_SUFFIXES + UNREAD_SUFFIXES):
            is_table = False
        else:
            is_table = _is_table(sniff(file, options.encoding), role_of)
        (tables if is_table else others).append(file)
    return tables, others


def _without_compression(name: str) -> str:
    return next((name.removesuffix(s) for s in _COMPRESSED if name.endswith(s)), name)


def _is_table(sniffed: Sniffed, role_of: RoleOf) -> bool:
    """Whether a file of any name is a table; text is one if its header has an id, since prose has commas, too."""
    if sniffed.kind is not Kind.TEXT:
        return sniffed.kind not in (None, Kind.EMPTY)
    names = [name.strip(' "') for d in ",;\t|" for name in sniffed.header.split(d)]
    return any(role_of(name) is Role.ID for name in names)


def _named(files: Sequence[Location]) -> str:
    """Files by name, or by suffix where many share one."""
    suffixes = Counter(PurePath(f.name).suffix for f in files)
    few = [f.name for f in files if suffixes[PurePath(f.name).suffix] <= _SHOWN]
    many = [f"{n:,} {suffix or 'other'} files" for suffix, n in suffixes.items() if n > _SHOWN]
    return ", ".join([*few[: 2 * _SHOWN], *(["…"] if len(few) > 2 * _SHOWN else []), *many])
