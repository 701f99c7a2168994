"""Drafts the map of an export: what a bundle's classes are called in a PIM."""

from collections import Counter
from dataclasses import dataclass, replace

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest.spelling import clean
from tagger.manifest.tables.opening import open_table
from tagger.notices import Notices
from tagger.pim.drafting import Classes, Drafted, draft_map
from tagger.pim.fields import fields_of
from tagger.pim.forms import form_of
from tagger.pim.map_file import as_text
from tagger.pim.state import State
from tagger.pim.targets import load_target
from tagger.pim.taxonomy_files import Known, Taxonomy, read_taxonomies
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.export import ExportConfig
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.documents.target import Target
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.item import Role
from tagger.workflows.export_job import files_of
from tagger.workflows.final_tags import FinalTags, classes_of
from tagger.workflows.open_catalog import resolve_location

_ROWS = 20_000


@dataclass(frozen=True)
class DraftedMap:
    """A map that waits for a person."""

    file: Location
    drafted: Drafted


def write_map(config: ExportConfig, reporter: Reporter = LOG) -> DraftedMap:
    """Draft a map into a new file: classes with one namesake are filled in, the others have suggestions beside them.

    Args:
        config: The runs, the target (`to`), and what the PIM knows (`taxonomy`, `current`).
        reporter: Where progress and warnings go.

    Raises:
        UsageError: when the file is there, or something that is named is not.
        InputError: when a file is not what it should be.
    """
    file = resolve_location(str(config.write_map), config)
    if file.exists():
        raise UsageError(f"--write-map: {file} is there already; name a new file")
    name = str(config.to)
    target = load_target(name)
    notices = Notices()
    notices.listen(reporter.warn)
    tags = FinalTags(resolve_location(config.run, config), config.database, config.no_value)
    taxonomy = read_taxonomies(files_of(config.taxonomy, config, "--taxonomy"), notices)
    reporter.step("Counting the classes")
    leaves = classes_of(tags)
    if not leaves:
        raise InputError(f"RUN: {config.run} has no classes: its bundle is gone, and nothing is accepted")
    item = _id_column(config, tags, notices) if target.form == "table" else None
    key, state = _current(config, name, target, taxonomy, notices, item)
    by_tag = _by_tag(config, tags, state)
    drafted = draft_map(name, target, Classes(leaves, config.by, by_tag, config.create), taxonomy, key)
    drafted = replace(drafted, map=drafted.map.model_copy(update={"id": item if item != key else None}))
    file.write_text(as_text(drafted.map, _heading(target, drafted, config), drafted.notes))
    return DraftedMap(file, drafted)


def _id_column(config: ExportConfig, tags: FinalTags, notices: Notices) -> str | None:
    """The column of --current that has most of the run's ids; None without one."""
    ids = {item for table in tags.tables() for item in table["id"].to_pylist()}
    found: Counter[str] = Counter()
    for file in files_of(config.current, config, "--current"):
        for chunk in open_table(file, ManifestFormat(), lambda name: Role.IMAGE_URI, notices).chunks(_ROWS):
            for name in chunk.table.schema.names:
                cells = chunk.table[name].to_pylist()
                found[name] += sum(isinstance(cell, str) and clean(cell) in ids for cell in cells)
    best = found.most_common(1)
    return best[0][0] if best and best[0][1] else None


def _current(
    config: ExportConfig, name: str, target: Target, taxonomy: Taxonomy, notices: Notices, item: str | None
) -> tuple[str, State | None]:
    """The column of keys, and the products of --current; what they have counts as known where no file says more."""
    files = files_of(config.current, config, "--current")
    key = target.key.headings[0]
    if not files:
        return key if key != "*" else "id", None
    empty = draft_map(name, target, Classes({("-", "-"): 0}, is_new=True), taxonomy).map
    loose = {h: f.model_copy(update={"new": True, "values": {}, "master": {}}) for h, f in empty.fields.items()}
    empty = empty.model_copy(update={"fields": loose, "key": key if key != "*" else item or "id", "id": item})
    fields = fields_of(empty, target, "--to")
    form = form_of(target, empty, fields, [config.by] if config.by else [])
    state = State(form.records(files, notices), fields, target.key)
    for each in fields:
        is_market = each.form.taxonomy is not None
        if taxonomy.of(each.role, each.heading, is_market) is None and not is_market:
            separator = each.form.level or ("/" if each.form.begins else None)
            paths = {text: _path(text, separator) for text in state.seen(each)}
            seen = [Known(text, path[-1], path) for text, path in paths.items()]
            if each.role == "category":
                taxonomy.categories += seen
            elif each.role == "attribute" and seen:
                taxonomy.options[each.heading.split("-")[0]] = seen
    return form.key, state


def _path(text: str, separator: str | None) -> tuple[str, ...]:
    """The levels of a path, in words."""
    return tuple(part.strip() for part in text.split(separator)) if separator else (text,)


def _by_tag(config: ExportConfig, tags: FinalTags, state: State | None) -> Counter[tuple[str, str]]:
    """Items by article type and by the tag that decides, too. Raises UsageError when there is no such tag."""
    found: Counter[tuple[str, str]] = Counter()
    if config.by is None:
        return found
    if config.by not in tags.attributes and state is None:
        raise UsageError(f"--by {config.by}: it is no tag of the run; --current with such a column has it, perhaps")
    article = str(Level.ARTICLE_TYPE)
    for table in tags.tables():
        for row in table.to_pylist():
            tag = next((each["value"] for each in row["attributes"] or () if each["name"] == config.by), None)
            at = state.find(row["id"]) if state is not None else -1
            if at >= 0 and state is not None:
                tag = state.record(at).rest.get(config.by) or tag
            if row[article] and tag:
                found[(row[article], tag)] += 1
    return found


def _heading(target: Target, drafted: Drafted, config: ExportConfig) -> str:
    open_classes = max((drafted.classes - sure for sure in drafted.sure.values()), default=0)
    return (
        f"{target.title}: what the classes of {config.run} are called there.\n"
        f"{drafted.classes} classes; where there is nothing behind a colon ({open_classes}), a value is missing:\n"
        "choose one, or write false for a class that is never written.\n"
    )
