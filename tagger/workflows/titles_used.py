"""Whether a tagging run uses titles, and of what evidence its predictions may be."""

from tagger.confidence.thresholds import USUAL
from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest.headings import listed
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import Bundle
from tagger.models.titles import TitleModel
from tagger.reporter import Reporter
from tagger.runs.identity import FUSE
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.open_catalog import resolve_location


def resolve_titles(
    config: TagConfig, bundle: Bundle, manifest: Manifest, reporter: Reporter
) -> tuple[TagConfig, TitleModel | None]:
    """The config with `auto` resolved, and the bundle's title model if the run uses it.

    Raises:
        UsageError: when the config asks for titles that cannot be used.
    """
    folder = resolve_location(config.model, config)
    if config.titles == "auto":
        titles = _usable_titles(config, folder, bundle.card, manifest, reporter)
        return config.model_copy(update={"titles": FUSE if titles else "ignore"}), titles
    if config.titles == "ignore":
        return config, None
    titles = TitleModel.load(folder, bundle.card.model_id)
    if titles.column not in manifest.columns:
        raise UsageError(f"--titles: the manifest has no column {titles.column}; it has {listed(manifest.columns)}")
    if config.titles == FUSE and titles.weights is None:
        raise UsageError(
            "--titles fuse: how sure both are together is not known; tagger titles BUNDLE --run RUN fits it"
        )
    return config, titles


def other_evidence(config: TagConfig) -> tuple[Evidence, ...]:
    """What a prediction of the run may be based on other than its image alone."""
    return (Evidence.IMAGE_AND_TITLE, Evidence.TITLE) if config.titles == FUSE else ()


def warn_without_policy(config: TagConfig, card: ModelCard, reporter: Reporter) -> None:
    """Warn of fused predictions that no policy covers, where there is one for images."""
    if card.policy and _lacks_policy(config, card):
        reporter.warn(
            f"--titles fuse: the bundle's policy covers images alone. With titles, what is surer than {USUAL} is "
            f"accepted; tagger policy {config.model} fits one, once tagger titles --run has measured them"
        )


def _usable_titles(
    config: TagConfig, folder: Location, card: ModelCard, manifest: Manifest, reporter: Reporter
) -> TitleModel | None:
    """The title model if image and title can be fused without being asked to; else warns, and why."""
    try:
        titles = TitleModel.load_if_any(folder, card.model_id)
    except InputError as error:
        reporter.warn(f"{error}; items are tagged by their images alone")
        return None
    if titles is None or titles.weights is None:
        return None
    if titles.column not in manifest.columns:
        reporter.warn(
            f"The bundle knows titles of the column {titles.column}, which the manifest does not have: items are "
            "tagged by their images alone"
        )
        return None
    if card.policy and _lacks_policy(config.model_copy(update={"titles": FUSE}), card):
        reporter.warn(
            "The bundle's policy covers images alone, so titles are left out. tagger policy "
            f"{config.model} fits one for titles, too; --titles fuse uses them without one"
        )
        return None
    reporter.step(f"Tagging by image and title, the column {titles.column} (--titles ignore leaves titles out)")
    return titles


def _lacks_policy(config: TagConfig, card: ModelCard) -> bool:
    """Whether predictions with titles would be accepted by the usual threshold, for want of a policy."""
    is_given = all(level in config.accept_above for level in Level)
    return not is_given and any(evidence not in card.policies for evidence in other_evidence(config))
