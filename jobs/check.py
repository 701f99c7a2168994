"""Check job: what is in a catalogue, and what is wrong with it."""

from jobs.console import Console
from jobs.inputs import open_catalog
from schemas.config import CheckConfig
from tagger.catalog.census import EXAMPLES, Census, take_census

EXIT_USABLE, EXIT_UNUSABLE = 0, 3
_SHOWN_LEAVES = 15


def run(config: CheckConfig, console: Console) -> int:
    """Look at every row and at the images, and say what a training or a run would find."""
    manifest, store = open_catalog(config, console)
    with console.progress("images", config.sample or None) as bar:
        census = take_census(
            manifest, store, config.merge, config.max_pixels, config.sample, config.seed,
            lambda so_far: bar.update(so_far.images_checked, f"{so_far.rows:,} rows read"),
        )  # fmt: skip
    _show(config, console, census)
    console.result(_document(config, census) | {"notices": manifest.notices.texts})
    if problem := _unusable(census):
        console.warn(problem)
        return EXIT_UNUSABLE
    return EXIT_USABLE


def _unusable(census: Census) -> str | None:
    if not census.items:
        return "Unusable: not one row can be read."
    if not census.images_usable:
        return "Unusable: not one image can be used; look at --images and at the reasons above."
    return None


def _trainable(config: CheckConfig, census: Census) -> bool:
    return len(census.leaves) - len(census.small_leaves(config.min_items)) >= 2


def _show(config: CheckConfig, console: Console, census: Census) -> None:
    labelled = sum(census.leaves.values())
    console.table(
        "Rows",
        ["what", "rows"],
        [
            ("read", census.rows),
            *((f"  repaired: {reason}", n) for reason, n in sorted(census.repairs.items())),
            *((f"  rejected: {reason}", n) for reason, n in sorted(census.rejects.items())),
            ("items", census.items),
            ("  with both labels", labelled),
            ("  with one label", census.partly_labelled),
            ("  without labels", census.unlabelled),
        ],
    )
    for example in census.reject_examples[:5]:
        console.say(f"  rejected, line {example['line']}: {example['message']}: {str(example['text'])[:100]}")
    console.table(
        "Images" if not config.sample else f"Images (a sample of {census.images_checked:,})",
        ["what", "images"],
        [
            ("looked at", census.images_checked),
            ("usable", census.images_usable),
            *((f"  {code}", n) for code, n in sorted(census.image_errors.items())),
            *((f"{name} format", n) for name, n in census.formats.most_common()),
        ],
    )
    for code, ids in census.image_examples.items():
        more = ", …" if census.image_errors[code] > EXAMPLES else ""
        console.say(f"  {code}: {', '.join(ids)}{more}")
    sizes = ", ".join(f"{name} {w} × {h}" for name, (w, h) in census.size_quantiles().items())
    console.say(f"  sizes: {sizes}, {len(census.sizes)} different" if sizes else "  sizes: none")
    _show_labels(config, console, census)


def _show_labels(config: CheckConfig, console: Console, census: Census) -> None:
    masters: dict[str, tuple[int, int]] = {}
    for (master, _), n in census.leaves.items():
        types, items = masters.get(master, (0, 0))
        masters[master] = (types + 1, items + n)
    console.table(
        "Master categories",
        ["masterCategory", "article types", "items"],
        [(m, *counts) for m, counts in sorted(masters.items(), key=lambda e: -e[1][1])],
    )
    types = len({article for _, article in census.leaves})
    small = census.small_leaves(config.min_items)
    console.say(
        f"{types} article types, {len(census.leaves)} leaves; {len(census.leaves) - len(small)} leaves have at least "
        f"{config.min_items} items and can be learnt, {len(small)} have fewer and are left out of training."
    )
    if small:
        shown = ", ".join(f"{m}/{a} {n}" for (m, a), n in small[:_SHOWN_LEAVES])
        console.say(f"  the largest of those: {shown}{', …' if len(small) > _SHOWN_LEAVES else ''}")
    ambiguous = census.ambiguous_types()
    if ambiguous:
        console.table(
            f"{len(ambiguous)} article types stand under several master categories; the small side is often a mistake",
            ["articleType", "items by masterCategory"],
            [(article, ", ".join(f"{m} {n}" for m, n in sides.items())) for article, sides in ambiguous.items()],
        )
    if not _trainable(config, census):
        console.say("Not enough labels to train on: at least two leaves need --min-items items. Tagging is possible.")


def _document(config: CheckConfig, census: Census) -> dict[str, object]:
    return {
        "rows": census.rows,
        "items": census.items,
        "repaired": dict(census.repairs),
        "rejected": dict(census.rejects),
        "rejectExamples": census.reject_examples,
        "labelled": sum(census.leaves.values()),
        "partlyLabelled": census.partly_labelled,
        "unlabelled": census.unlabelled,
        "leaves": [{"masterCategory": m, "articleType": a, "items": n} for (m, a), n in census.leaves.most_common()],
        "leavesTooSmall": len(census.small_leaves(config.min_items)),
        "ambiguousTypes": census.ambiguous_types(),
        "imagesChecked": census.images_checked,
        "imagesUsable": census.images_usable,
        "imageErrors": dict(census.image_errors),
        "imageErrorExamples": dict(census.image_examples),
        "formats": dict(census.formats),
        "sizes": {name: {"width": w, "height": h} for name, (w, h) in census.size_quantiles().items()},
        "usable": _unusable(census) is None,
        "trainable": _trainable(config, census),
    }


if __name__ == "__main__":
    from jobs.cli import main

    main(job="check")
