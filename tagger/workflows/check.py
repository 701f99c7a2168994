"""Checks a catalogue: what it holds, what is wrong with it, and whether a model can be trained on it."""

from dataclasses import dataclass

from tagger.dataset.census import Census, ImageChecks, take_census
from tagger.dataset.split_rule import SplitRule
from tagger.images.near_misses import near_misses
from tagger.images.stores import ImageStore
from tagger.manifest.labels import Spellings
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.tables.prediction import ErrorCode
from tagger.workflows.open_catalog import open_catalog
from tagger.workflows.prospect import Advice, Prospect, advice, prospect


@dataclass(frozen=True)
class CheckResult:
    """What is in a catalogue."""

    census: Census
    """Counts of rows, labels and images."""
    spellings: Spellings | None
    """Which spellings of a label count as one, if `merge_spellings` is set."""
    why_unlabelled: str | None
    """Why no row has labels, such as columns with other names; None if some rows have labels."""
    near_misses: tuple[str, ...]
    """Likely causes in words, if most images are missing."""
    notices: tuple[str, ...]
    """Notices about how the manifest was read."""
    learnt: Prospect
    """What `train` with the same settings would learn."""
    advice: Advice | None
    """The proposed training; None if none is possible."""

    @property
    def problem(self) -> str | None:
        """Why the catalogue can be used neither for training nor for tagging; None if it can."""
        if not self.census.items:
            return "Unusable: not one row can be read."
        if not self.census.images_usable:
            return "Unusable: not one image can be used; look at --images and at the reasons above."
        return None


def check(config: CheckConfig, reporter: Reporter = LOG) -> CheckResult:
    """Check every row of a catalogue, and all images or a sample of them.

    Args:
        config: The manifest, the images, and the settings of `train` that matter here.
        reporter: Where progress and warnings go.

    Returns:
        Counts, examples of what is wrong, and what a training would learn. An unusable catalogue is not an
        error, but has a `problem`.

    Raises:
        UsageError: when a setting cannot be met, such as a missing column.
        InputError: when the manifest or the image store cannot be read at all.

    Example::

        from tagger import CheckConfig, check

        result = check(CheckConfig(manifest="styles.csv", images="images/"))
        print(result.census.images_usable, "of", result.census.images_checked, "images can be used")
        if result.advice:
            print(result.advice.command)  # tagger train --manifest styles.csv …
    """
    reporter.step(f"Looking at {config.manifest} and its images")
    manifest, store = open_catalog(config, reporter)
    keep = SplitRule.of(config, config.seed, manifest.columns, config.no_value).columns
    with reporter.progress("Looking at images", config.sample or None, "images") as bar:
        census = take_census(
            manifest, store, config.merge, ImageChecks(config.max_pixels, config.sample, config.seed), keep,
            lambda so_far: bar.update(so_far.images_checked, f"{so_far.rows:,} rows read"),
        )  # fmt: skip
    hints = _near_misses(census, store)
    learnt = prospect(config, census, manifest)
    proposed = advice(config, census, manifest, learnt)
    notices = tuple(manifest.notices.texts)
    return CheckResult(census, manifest.spellings(), manifest.why_unlabelled(), hints, notices, learnt, proposed)


def _near_misses(census: Census, store: ImageStore) -> tuple[str, ...]:
    absent = census.failed.counts[ErrorCode.NOT_FOUND]
    return tuple(near_misses(store, census.absent)) if 2 * absent > census.images_checked else ()
