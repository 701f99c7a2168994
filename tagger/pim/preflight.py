"""What to know before an import: values that the PIM lacks, ids that do not fit, damage by a spreadsheet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tagger.pim.fields import Field
from tagger.pim.state import State
from tagger.pim.taxonomy_files import Known, Taxonomy
from tagger.pim.values import what_is_wrong

_SHOWN = 3


@dataclass
class Checked:
    """The outcome of the checks of a map."""

    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    """Why a value is refused, by field and value."""
    unknown: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By field the values that the PIM does not have, each with what it is for."""
    warnings: list[str] = field(default_factory=list)


def check_map(
    fields: Sequence[Field], taxonomy: Taxonomy, state: State | None, creates: bool, version: str | None
) -> Checked:
    """Compare the values of a map with what the PIM knows.

    Args:
        fields: What is written.
        taxonomy: What the PIM's own exports of options and categories, or a market's file, say.
        state: What its products have.
        creates: Whether unknown values are created on purpose.
        version: Of the taxonomy that the map was drafted with.
    """
    checked = Checked()
    if version and taxonomy.versions and version not in (", ".join(taxonomy.versions), *taxonomy.versions):
        checked.warnings.append(
            f"the map is from version {version} of the taxonomy, and --taxonomy is version "
            f"{', '.join(taxonomy.versions)}"
        )
    for each in fields:
        known = taxonomy.of(each.role, each.heading, each.form.taxonomy is not None)
        if known is None and each.form.creates and state is not None:
            known = [Known(text, text, (text,)) for text in state.seen(each)]
        if known is None:
            if _needs_a_list(each):
                checked.warnings.append(
                    f"{each.heading}: whether the PIM has these values was not checked; --taxonomy FILE, such as its "
                    "export of options or categories, does"
                )
            continue
        keys = {each.spelling.key(one.text) for one in known}
        for place, text in each.places():
            if each.spelling.key(text) in keys:
                continue
            checked.unknown.setdefault(each.heading, []).append((text, place))
            if not creates:
                where = "an import would create it" if each.form.creates else "the PIM does not have it"
                checked.refused.setdefault(each.heading, {})[text] = where
    return checked


def with_siblings(fields: Sequence[Field], taxonomy: Taxonomy, state: State | None) -> list[Field]:
    """The fields, each with the values that stand beside those of its map: under the same parent of a tree.

    A product that has such a one has a class already, which the model may not know.
    """
    return [replace(each, siblings=_siblings(each, taxonomy, state)) for each in fields]


def _siblings(each: Field, taxonomy: Taxonomy, state: State | None) -> frozenset[str]:
    if each.form.roots is None:
        return frozenset()
    known = taxonomy.of(each.role, each.heading, is_market=False) or []
    separator = each.form.level or ("/" if each.form.begins else None)
    paths = {one.text: one.path for one in known}
    if separator and state is not None:
        paths |= {text: tuple(part.strip() for part in text.split(separator)) for text in state.seen(each)}
    keys = {each.spelling.key(text): path[:-1] for text, path in paths.items()}
    mapped = {each.spelling.key(text) for text in each.exact_texts()}
    parents = {keys[key] for key in mapped if len(keys.get(key, ())) > each.form.roots}
    return frozenset(key for key, parent in keys.items() if parent in parents)


def _needs_a_list(each: Field) -> bool:
    return each.form.taxonomy is not None or each.form.is_code


def refusing(fields: Sequence[Field], refused: Mapping[str, Mapping[str, str]]) -> Callable[[Field, str], str | None]:
    """Says why a value is refused: the PIM does not know it, or its file cannot hold it."""
    wrong = {each.heading: what_is_wrong(each.form) for each in fields}

    def why(each: Field, value: str) -> str | None:
        return refused.get(each.heading, {}).get(value) or wrong[each.heading](value)

    return why


def doubts_of(state: State, gone: Sequence[str], near: Mapping[str, str]) -> list[str]:
    """What is odd about the PIM's export, each in a sentence."""
    said = []
    exponents = state.doubts.exponents
    if exponents:
        said.append(
            f"--current: {len(exponents):,} {'id looks' if len(exponents) == 1 else 'ids look'} as if a spreadsheet "
            f"had changed {'it' if len(exponents) == 1 else 'them'}, such as {exponents[0]}; export again, and do not "
            "save the file in a spreadsheet"
        )
    if state.doubts.twice:
        twice = list(dict.fromkeys(state.doubts.twice))
        said.append(
            f"--current: {len(twice):,} {'id is' if len(twice) == 1 else 'ids are'} there for two products, such as "
            f"{twice[0]}; {'its item is' if len(twice) == 1 else 'their items are'} held back"
        )
    if near:
        pairs = "; ".join(f"{item} ({there} in the PIM)" for item, there in list(near.items())[:_SHOWN])
        said.append(
            f"{len(near):,} of the {len(gone):,} items that are gone differ from an id of the PIM by case or leading "
            f"zeros alone: {pairs}; perhaps a spreadsheet has changed --current"
        )
    return said
