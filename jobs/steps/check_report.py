"""Output of the check command."""

from collections.abc import Mapping, Sequence
from shlex import quote

from tagger.dataset.census import Census
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.manifest.spelling import visible
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows import image_errors
from tagger.workflows.check import CheckResult

_SHOWN_LEAVES = 15
_SHOWN_TYPES = 40
_SHOWN_GROUPS = 10
_TELLING = 0.05
"""Share of its texts from which a column is worth a line."""


def show(config: CheckConfig, console: Console, result: CheckResult, show_next: bool = True) -> None:
    """Print rows, images and labels, what would be learnt, and the next command unless another job goes on itself."""
    _show_rows(console, result.census)
    _show_images(config, console, result.census, result.near_misses)
    _show_labels(config, console, result.census)
    for level, merged in (result.spellings.merged() if result.spellings else {}).items():
        if merged:
            names = ", ".join(f"{visible(text)} as {visible(name)}" for text, name in merged.items())
            console.say(f"Merged spellings, {level}: {names}")
    _show_learning(console, result)
    if result.advice and show_next:
        console.say(f"Next: {result.advice.command}")
    elif show_next and result.learnt.problem and result.census.leaves:
        where = "the images" if result.learnt.lacks_images else "what tagger train would refuse"
        console.say(f"Next: mend {where}, and run tagger check again.")


def _show_learning(console: Console, result: CheckResult) -> None:
    """Print whether tagger train would learn from this."""
    missing, learnt = result.why_unlabelled, result.learnt
    if missing and missing not in (learnt.problem or ""):
        console.say(f"Labels: {missing}")
    if learnt.problem:
        console.say(f"tagger train would refuse this: {learnt.problem}")
        if result.census.images_usable:
            console.say("Tagging with a model that is there is possible.")
    if result.advice:
        console.say(f"Training: {result.advice.in_words()}.")
    if warning := (result.advice.learns if result.advice else learnt).not_learnt:
        console.warn(warning)


def _show_rows(console: Console, census: Census) -> None:
    console.table(
        "Rows",
        ["what", "rows"],
        [
            ("read", census.rows),
            *((f"  repaired: {reason}", n) for reason, n in sorted(census.repairs.items())),
            *((f"  rejected: {reason}", n) for reason, n in sorted(census.rejects.items())),
            *([("further rows of items", census.further)] if census.further else []),
            ("items", census.items),
            ("  with both labels", sum(census.leaves.values())),
            ("  with one label", census.partly_labelled),
            ("  without labels", census.unlabelled),
        ],
    )
    for example in census.reject_examples[:5]:
        console.say(f"  rejected, line {example['line']}: {example['message']}: {str(example['text'])[:100]}")


def _show_images(config: CheckConfig, console: Console, census: Census, near_misses: Sequence[str]) -> None:
    console.table(
        "Images" if not config.sample else f"Images (a sample of {census.images_checked:,})",
        ["what", "images"],
        [
            ("looked at", census.images_checked),
            ("usable", census.images_usable),
            *((f"  {code}", n) for code, n in sorted(census.failed.counts.items())),
            *((f"{name} format", n) for name, n in census.formats.most_common()),
        ],
    )
    for line in image_errors.lines(census.failed, near_misses):
        console.say(line)
    if census.with_several:
        console.say(
            f"  {_count(census.with_several, 'item has', 'items have')} several images, of which at most "
            f"{config.images_per_item} are looked at (--images-per-item; 1 takes the first alone)"
        )
    sizes = ", ".join(f"{name} {w} × {h}" for name, (w, h) in census.size_quantiles().items())
    console.say(f"  sizes: {sizes}, {len(census.sizes)} different" if sizes else "  sizes: none")


def _show_labels(config: CheckConfig, console: Console, census: Census) -> None:
    masters: dict[str, tuple[int, int]] = {}
    for (master, _), n in census.leaves.items():
        types, items = masters.get(master, (0, 0))
        masters[master] = (types + 1, items + n)
    if masters:
        console.table(
            "Master categories",
            ["masterCategory", "article types", "items"],
            [(visible(m), *counts) for m, counts in sorted(masters.items(), key=lambda e: -e[1][1])],
        )
    articles = census.labels[Level.ARTICLE_TYPE]
    if articles:
        shown = counted(dict(articles.most_common(_SHOWN_TYPES)))
        more = f", … and {len(articles) - _SHOWN_TYPES:,} more" if len(articles) > _SHOWN_TYPES else ""
        console.say(f"Article types, {len(articles):,} in all: {shown}{more}")
    _show_spellings(console, census)
    _show_texts(console, census)
    _show_values(console, census)
    small = census.small_leaves(config.min_items)
    large = len(census.leaves) - len(small)
    if census.leaves:
        console.say(
            f"{_count(len(census.leaves), 'leaf', 'leaves')}: {large:,} with at least {config.min_items} items can be "
            f"learnt, {len(small):,} with fewer {'is' if len(small) == 1 else 'are'} left out of training."
            + (" Items count by their labels, also those whose image cannot be used." if census.failed.counts else "")
        )
    if small:
        names = ", ".join(f"{visible(m)}/{visible(a)} {n:,}" for (m, a), n in small[:_SHOWN_LEAVES])
        console.say(f"  the largest of those: {names}{', …' if len(small) > _SHOWN_LEAVES else ''}")
    if ambiguous := census.ambiguous_types():
        console.table(
            f"{_count(len(ambiguous), 'article type stands', 'article types stand')} under several master categories; "
            "the small side is often a mistake",
            ["articleType", "items by masterCategory"],
            [(visible(article), counted(sides)) for article, sides in ambiguous.items()],
        )


def _show_spellings(console: Console, census: Census) -> None:
    for role, words in sorted(census.cells.no_values.items()):
        if words:
            console.say(f"Read as no {role}: {counted(dict(words.most_common(_SHOWN_GROUPS)))}; --no-value names more")
    for role, mended in sorted(census.cells.mended.items()):
        if mended:
            console.say(f"Mended on reading, {role}: {counted(dict(mended.most_common()))}")
    for level, groups in census.spelling_variants().items():
        if groups:
            console.say(
                f"{_count(len(groups), f'{level} is', f'{level} labels are')} spelt in several ways; "
                "--merge-spellings counts each as one, the most frequent:"
            )
            _show_groups(console, groups)
    for level, groups in census.look_alikes().items():
        if groups:
            console.say(f"{_count(len(groups), f'{level} looks', f'{level} labels look')} like others, and may be one:")
            _show_groups(console, groups)


def _show_texts(console: Console, census: Census) -> None:
    """Print how much the text columns say of the article type."""
    for name, column in sorted(census.texts.counts.items(), key=lambda entry: -entry[1].share):
        if column.share >= _TELLING:
            console.say(
                f"Text: {visible(name)} has the words of the article type in {percent(column.share, 0)} of the "
                f"{column.items:,} labelled items that have it; tagger train --title {quote(name)} learns it beside "
                "the image. Items that come without such words gain less."
            )


def _show_values(console: Console, census: Census) -> None:
    """Print which columns of few values a training could ask or predict."""
    columns = census.values.worth_asking()
    labelled, others = sum(census.leaves.values()), census.partly_labelled + census.unlabelled
    if not columns or not labelled:
        return
    shown = ", ".join(f"{visible(name)} {len(column.values):,}" for name, column in columns.items())
    console.say(f"Columns of few values: {shown}")
    known = {name: column.is_known_before(labelled, others) for name, column in columns.items()}
    if None in known.values():
        console.say(
            "  Those that items have before they are tagged can help the image: tagger train --evidence COLUMN,COLUMN. "
            "Others can be predicted, too: --attribute COLUMN,COLUMN."
        )
        return
    if asked := ",".join(name for name, is_known in known.items() if is_known):
        console.say(f"  Items without labels have these: tagger train --evidence {quote(asked)} asks them, too.")
    if predicted := ",".join(name for name, is_known in known.items() if not is_known):
        console.say(
            f"  Items without labels lack these: tagger train --attribute {quote(predicted)} predicts them, too."
        )


def _show_groups(console: Console, groups: Sequence[Mapping[str, int]]) -> None:
    for group in groups[:_SHOWN_GROUPS]:
        console.say(f"  {counted(group)}")
    if len(groups) > _SHOWN_GROUPS:
        console.say(f"  … and {len(groups) - _SHOWN_GROUPS:,} more (--json has all)")


def counted(counts: Mapping[str, int]) -> str:
    """Names with their counts, in one line."""
    return ", ".join(f"{visible(name)} {count:,}" for name, count in counts.items())


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
