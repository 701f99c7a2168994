"""Check job: what is in a catalogue, what is wrong with it, and whether it can be learnt."""

from tagger.dataset.census import Census, Looking, take_census
from tagger.dataset.items import SplitRule
from tagger.images.near_misses import near_misses
from tagger.images.stores import ImageStore
from tagger.jobs.shell.console import Console
from tagger.jobs.steps import check_report
from tagger.manifest.manifest import Manifest
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import ErrorCode
from tagger.workflows import image_errors
from tagger.workflows.open_catalog import open_catalog
from tagger.workflows.prospect import Prospect, advice, prospect

EXIT_USABLE, EXIT_UNUSABLE = 0, 3


def run(config: CheckConfig, console: Console) -> int:
    """Look at every row and at the images, and say what a training or a run would find."""
    manifest, store = open_catalog(config, console)
    keep = SplitRule.of(config, config.seed, manifest.columns, config.no_value).columns
    with console.progress("images", config.sample or None) as bar:
        census = take_census(
            manifest, store, config.merge, Looking(config.max_pixels, config.sample, config.seed), keep,
            lambda so_far: bar.update(so_far.images_checked, f"{so_far.rows:,} rows read"),
        )  # fmt: skip
    near = _near(census, store)
    learnt = prospect(config, census, manifest)
    command = advice(config, census, manifest, learnt)
    check_report.show(config, console, census, near, manifest.spellings())
    check_report.show_learning(console, census, manifest.why_unlabelled(), learnt, command)
    document = _document(config, census, manifest, near, learnt, command)
    console.result(document | {"notices": manifest.notices.texts})
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


def _near(census: Census, store: ImageStore) -> list[str]:
    """What was probably meant by references that are not there, where they are most."""
    absent = census.failed.counts[ErrorCode.NOT_FOUND]
    return near_misses(store, census.absent) if 2 * absent > census.images_checked else []


def _document(
    config: CheckConfig, census: Census, manifest: Manifest, near: list[str], learnt: Prospect, command: str | None
) -> dict[str, object]:
    spellings = manifest.spellings()
    return {
        "rows": census.rows,
        "items": census.items,
        "repaired": dict(census.repairs),
        "rejected": dict(census.rejects),
        "rejectExamples": census.reject_examples,
        "labelled": sum(census.leaves.values()),
        "partlyLabelled": census.partly_labelled,
        "unlabelled": census.unlabelled,
        "missingColumns": manifest.why_unlabelled(),
        "noValues": {role: dict(counts.most_common()) for role, counts in sorted(census.cells.no_values.items())},
        "mendedLabels": {role: dict(counts) for role, counts in sorted(census.cells.mended.items())},
        "spellings": {str(level): groups for level, groups in census.spelling_variants().items()},
        "lookAlikes": {str(level): groups for level, groups in census.look_alikes().items()},
        "mergedSpellings": {str(level): names for level, names in spellings.merged().items()} if spellings else None,
        "masterCategories": dict(census.labels[Level.MASTER_CATEGORY].most_common()),
        "articleTypes": dict(census.labels[Level.ARTICLE_TYPE].most_common()),
        "leaves": [{"masterCategory": m, "articleType": a, "items": n} for (m, a), n in census.leaves.most_common()],
        "leavesTooSmall": len(census.small_leaves(config.min_items)),
        "ambiguousTypes": census.ambiguous_types(),
        "imagesChecked": census.images_checked,
        "imagesUsable": census.images_usable,
        "imageErrors": dict(census.failed.counts),
        "imageErrorExamples": image_errors.document(census.failed),
        "nearMisses": near,
        "formats": dict(census.formats),
        "sizes": {name: {"width": w, "height": h} for name, (w, h) in census.size_quantiles().items()},
        "usable": _unusable(census) is None,
        "trainable": learnt.problem is None,
        "whyNotTrainable": learnt.problem,
        "learnt": {"leaves": learnt.leaves, "items": learnt.items, "sides": learnt.sides},
        "next": command,
    }


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="check")
