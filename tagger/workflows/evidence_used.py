"""What a tagging run asks beside the images, and of what evidence its predictions may be."""

from dataclasses import dataclass, replace

from tagger.confidence.thresholds import USUAL
from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest.headings import listed
from tagger.manifest.manifest import Manifest
from tagger.models.attributes import AttributesModel
from tagger.models.bundle import Bundle
from tagger.models.evidence import EvidenceModel
from tagger.reporter import Reporter
from tagger.runs.identity import ALL
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.open_catalog import resolve_location


@dataclass(frozen=True)
class EvidenceUsed:
    """What a run asks beside the images."""

    model: EvidenceModel | None = None
    """What the bundle knows of titles and columns, if the run asks it."""
    join: bool = False
    """Whether predictions are joined from all, rather than checked."""
    names: tuple[str, ...] = ()
    """The columns of the manifest that are read for it."""
    attributes: AttributesModel | None = None
    """What the bundle knows of attributes."""

    @property
    def kinds(self) -> tuple[Evidence, ...]:
        """What a prediction of the run may be based on other than its image alone."""
        if not (self.model and self.join):
            return ()
        offered = {"image", *(w for w in ("title", "columns") if set(self.model.names_of(w)) & set(self.names))}
        return tuple(kind for kind in self.model.kinds if offered.issuperset(kind.witnesses))

    @property
    def digest(self) -> str | None:
        """Of the model."""
        return self.model.digest if self.model else None


_IMAGES_ALONE = EvidenceUsed()


def resolve_evidence(
    config: TagConfig, bundle: Bundle, manifest: Manifest, reporter: Reporter
) -> tuple[TagConfig, EvidenceUsed]:
    """The config with `auto` resolved, what the run asks beside the images, and which attributes it predicts.

    Raises:
        UsageError: when the config asks for what cannot be used.
        InputError: when what the bundle knows cannot be read, and the config asks for it.
    """
    config, used = _resolved(config, bundle, manifest, reporter)
    folder = resolve_location(config.model, config)
    attributes = AttributesModel.load_if_any(folder, bundle.card.model_id)
    if attributes:
        if attributes.evidence_digest:
            attributes.check_heard(EvidenceModel.load_if_any(folder, bundle.card.model_id))
        reporter.step(f"Further tags: {', '.join(attributes.names)}")
        uncovered = [name for name in attributes.names if name not in bundle.card.attribute_policies]
        if bundle.card.policy and uncovered:
            reporter.warn(
                f"The bundle has no policy for {', '.join(uncovered)}: what is surer than {USUAL} is accepted; tagger "
                f"policy {config.model} fits one"
            )
    return config, replace(used, attributes=attributes)


def _resolved(
    config: TagConfig, bundle: Bundle, manifest: Manifest, reporter: Reporter
) -> tuple[TagConfig, EvidenceUsed]:
    """The config with `auto` resolved, and what the run asks beside the images.

    Raises:
        UsageError: when the config asks for what cannot be used.
        InputError: when the bundle's model of titles and columns cannot be read, and the config asks for it.
    """
    folder = resolve_location(config.model, config)
    if config.evidence == "auto":
        used = _usable(config, folder, bundle.card, manifest, reporter)
        return config.model_copy(update={"evidence": ALL if used.model else "image"}), used
    if config.evidence == "image":
        return config, _IMAGES_ALONE
    model = EvidenceModel.load(folder, bundle.card.model_id)
    flag = f"--evidence {config.evidence}"
    names = model.names if config.evidence == ALL else model.names_of("title")
    if not names:
        raise UsageError(f"{flag}: the bundle knows no titles; tagger evidence teaches it some")
    absent = [name for name in names if name not in manifest.columns]
    if absent:
        raise UsageError(f"{flag}: the manifest has no column {absent[0]}; it has {listed(manifest.columns)}")
    if config.evidence == ALL and not model.joins_images:
        raise UsageError(
            f"{flag}: how sure image and title are together is not known; tagger evidence BUNDLE --run RUN fits it"
        )
    return config, EvidenceUsed(model, config.evidence == ALL, names)


def warn_without_policy(config: TagConfig, card: ModelCard, used: EvidenceUsed, reporter: Reporter) -> None:
    """Warn of predictions that no policy covers, where there is one for images."""
    uncovered = _uncovered(config, card, used)
    if card.policy and uncovered:
        reporter.warn(
            f"--evidence all: the bundle has no policy for {', '.join(uncovered)}. Of these, what is surer than "
            f"{USUAL} is accepted; tagger policy {config.model} fits one, once tagger evidence --run has measured it"
        )


def _usable(
    config: TagConfig, folder: Location, card: ModelCard, manifest: Manifest, reporter: Reporter
) -> EvidenceUsed:
    """What can be asked without being told to; warns, and why, where that is less than the bundle knows."""
    try:
        model = EvidenceModel.load_if_any(folder, card.model_id)
    except InputError as error:
        reporter.warn(f"{error}; items are tagged by their images alone")
        return _IMAGES_ALONE
    if model is None or not model.joins_images:
        return _IMAGES_ALONE
    names = tuple(name for name in model.names if name in manifest.columns)
    absent = ", ".join(name for name in model.names if name not in names)
    if not names:
        reporter.warn(
            f"The manifest does not have what the bundle knows beside images, {absent}: items are tagged by their "
            "images alone"
        )
        return _IMAGES_ALONE
    used = EvidenceUsed(model, True, names)
    uncovered = _uncovered(config, card, used) if card.policy else []
    if uncovered and len(uncovered) == len(used.kinds):
        reporter.warn(
            "The bundle's policy covers images alone, so what else items show is left out. tagger policy "
            f"{config.model} fits one for that, too; --evidence all uses it without one"
        )
        return _IMAGES_ALONE
    if uncovered:
        weights = {kind: of_kind for kind, of_kind in model.weights.items() if kind not in uncovered}
        used = EvidenceUsed(replace(model, weights=weights), True, names)
        reporter.warn(
            f"The bundle has no policy for {', '.join(uncovered)}, since too few held-out items had that: such items "
            "are tagged by less; --evidence all uses it without one"
        )
    if absent:
        reporter.warn(f"The manifest does not have {absent}, which the bundle knows: items are tagged without")
    reporter.step(f"Tagging by image and {', '.join(names)} (--evidence image: by images alone)")
    return used


def _uncovered(config: TagConfig, card: ModelCard, used: EvidenceUsed) -> list[Evidence]:
    """Kinds of predictions that would be accepted by the usual threshold, for want of a policy."""
    is_given = all(level in config.accept_above for level in Level)
    return [] if is_given else [kind for kind in used.kinds if kind not in card.policies]
