"""Looks at a catalogue: what is in it, what is wrong with it, and whether it can be learnt."""

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
    """Which spellings of a label count as one, where that was asked for."""
    why_unlabelled: str | None
    """Why no row has labels, such as columns under other names; None where some have."""
    near_misses: tuple[str, ...]
    """What was probably meant by images that are not there, in words, where they are most."""
    notices: tuple[str, ...]
    """What a person should know of how the manifest was read."""
    learnt: Prospect
    """What `train` with the same settings would learn."""
    advice: Advice | None
    """The training to go on with; None where none is possible."""

    @property
    def problem(self) -> str | None:
        """Why the catalogue can neither be learnt nor tagged; None where it can be used."""
        if not self.census.items:
            return "Unusable: not one row can be read."
        if not self.census.images_usable:
            return "Unusable: not one image can be used; look at --images and at the reasons above."
        return None


def check(config: CheckConfig, reporter: Reporter = LOG) -> CheckResult:
    """Look at every row of a catalogue and at its images, or at a sample of these.

    Args:
        config: The manifest and the images, and how `train` would take them.
        reporter: Where progress and warnings go.

    Returns:
        Counts, examples of what is wrong, and what a training would learn. A catalogue that cannot be used is no
        error, but has a `problem`.

    Raises:
        UsageError: when the config asks for what cannot be, such as a column that is not there.
        InputError: when the manifest or the image store cannot be read at all.

    Example::

        from tagger.schemas.configs.check import CheckConfig

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
