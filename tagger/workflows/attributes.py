"""Teaches a trained bundle further tags, and measures them."""

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.models.bundle import Bundle
from tagger.models.evidence import EvidenceModel
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.image_features import ImageFeatures
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.schemas.configs.confidence import AttributesConfig
from tagger.workflows.attributes_taught import AttributesResult, check_attributes, teach_attributes
from tagger.workflows.evidence import labelled_sides
from tagger.workflows.evidence_taught import Asked
from tagger.workflows.folder_locks import locked_bundle
from tagger.workflows.open_catalog import open_manifest, resolve_location, resolve_model
from tagger.workflows.taught_page import begin_renewal, renew


def attributes(config: AttributesConfig, reporter: Reporter = LOG) -> AttributesResult:
    """Fit attributes to the bundle's training items, weigh their witnesses on val, and measure them on test.

    They replace the bundle's earlier attributes. Titles and columns that the bundle knows already have a say, too.

    Args:
        config: The bundle, the manifest that it was trained on, the columns, and a run of the bundle over these items
            with image vectors.
        reporter: Where progress and warnings go.

    Returns:
        What the bundle knows now; it is already written.

    Raises:
        UsageError: when the manifest has no such column, there is no bundle, or another process holds it.
        InputError: when the manifest lacks the bundle's items, nothing can be learnt, or the run has no image vectors.

    Example::

        from tagger.schemas.configs.confidence import AttributesConfig
        from tagger.workflows.attributes import attributes

        result = attributes(AttributesConfig(model="bundle", manifest="styles.csv", attribute=["gender"], run="run-1"))
        print(result.figures[0].by)
    """
    folder = resolve_model(config.model, config)
    with locked_bundle(folder) as bundle:
        return _teach(config, reporter, bundle, folder)


def _teach(config: AttributesConfig, reporter: Reporter, bundle: Bundle, folder: Location) -> AttributesResult:
    """Fit the attributes, and write them into the locked bundle."""
    reporter.step(f"Reading {', '.join(config.attribute)}")
    card = bundle.card
    evidence = EvidenceModel.load_if_any(folder, card.model_id)
    no_value = NoValue(config.no_value)
    known = (evidence.names_of("title"), evidence.names_of("columns")) if evidence else ((), ())
    asked = Asked(*known, attributes=config.attribute, no_value=no_value)
    check_attributes(asked)
    manifest = open_manifest(config.manifest, config, reporter)
    asked.check(manifest)
    sides = labelled_sides(manifest, asked, folder, card.taxonomy, config.merge_spellings)
    directory = RunDirectory(resolve_location(config.run, config))
    image = LeafProbabilities.of_run(directory, card)
    features = ImageFeatures.of_run(directory, card)

    def drop_policies() -> None:
        """They hold for the confidences of the previous attributes."""
        begin_renewal(folder)
        if card.attribute_policies:
            bundle.changed(attribute_policies={}).save(folder)

    result = teach_attributes(folder, card, asked, evidence, sides, image, features, reporter, drop_policies)
    if result is None:
        raise InputError("--attribute: nothing can be learnt from these columns")
    renew(folder, Bundle.load(folder).card, reporter)
    return result
