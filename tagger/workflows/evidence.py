"""Teaches a trained bundle what titles and columns say, further witnesses beside the image, and measures them."""

import pandas as pd
import pyarrow as pa

from tagger.dataset.splits_file import read_splits
from tagger.errors import InputError
from tagger.io.location import Location
from tagger.manifest.labels import KnownLabels
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.models.bundle import Bundle
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.schemas.configs.confidence import EvidenceConfig
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.workflows.attributes_taught import forget_attributes
from tagger.workflows.evidence_taught import Asked, EvidenceResult, by_side, columns_of, teach
from tagger.workflows.folder_locks import locked_bundle
from tagger.workflows.open_catalog import open_manifest, resolve_location, resolve_model
from tagger.workflows.taught_page import begin_renewal, renew


def evidence(config: EvidenceConfig, reporter: Reporter = LOG) -> EvidenceResult:
    """Fit models of titles and columns to the bundle's training items, weigh them on val, and measure them on test.

    Args:
        config: The bundle, the manifest that it was trained on, the columns, and a run of the bundle over these items
            to weigh all against the images.
        reporter: Where progress and warnings go.

    Returns:
        What the bundle knows now; it is already written.

    Raises:
        UsageError: when the manifest has no such column, there is no bundle, or another process holds it.
        InputError: when the manifest lacks the bundle's items, or the run was made by another bundle.

    Example::

        from tagger.schemas.configs.confidence import EvidenceConfig

        result = evidence(EvidenceConfig(model="bundle", manifest="styles.csv", title=["productDisplayName"]))
        print(f"{result.by['title']['articleType'].accuracy:.1%} right by the title alone")
    """
    folder = resolve_model(config.model, config)
    with locked_bundle(folder) as bundle:
        return _teach(config, reporter, bundle, folder)


def _teach(config: EvidenceConfig, reporter: Reporter, bundle: Bundle, folder: Location) -> EvidenceResult:
    """Fit the models, and write them into the locked bundle."""
    reporter.step(f"Reading {', '.join([*config.title, *config.evidence])}")
    manifest = open_manifest(config.manifest, config, reporter)
    asked = _asked(config)
    asked.check(manifest)
    sides = labelled_sides(manifest, asked, folder, bundle.card.taxonomy, config.merge_spellings)
    image = None
    if config.run:
        image = LeafProbabilities.of_run(RunDirectory(resolve_location(config.run, config)), bundle.card)
        for side in ("val", "test"):
            if not sides[side]["id"].isin(image.row).any():
                raise InputError(f"--run: {config.run} has no item of the bundle's {side} side; tag the whole manifest")
    reporter.step(f"Fitting to {len(sides['train']):,} items")

    def drop_policies() -> None:
        """They hold for the confidences of the previous model, whose words the attributes read, too."""
        begin_renewal(folder)
        kept = bundle.card.attribute_policies
        if forget_attributes(folder, bundle.card):
            reporter.warn("The bundle's attributes read titles and columns by the model before; teach them once more")
            kept = {}
        if bundle.card.policies or kept != bundle.card.attribute_policies:
            bundle.changed(policies={}, attribute_policies=kept).save(folder)

    result = teach(folder, bundle.card, asked, sides, image, reporter, config.surely, drop_policies)
    _keep_left_out(folder, result)
    renew(folder, Bundle.load(folder).card, reporter)
    return result


def _keep_left_out(folder: Location, result: EvidenceResult) -> None:
    """Write into the bundle what could not be learnt."""
    current = Bundle.load(folder, "--model")
    provenance = current.card.provenance.model_copy(update={"evidence_left_out": dict(result.left_out)})
    if provenance != current.card.provenance:
        current.changed(provenance=provenance).save(folder)


def _asked(config: EvidenceConfig) -> Asked:
    return Asked(config.title, config.evidence, no_value=NoValue(config.no_value))


def labelled_sides(
    manifest: Manifest, asked: Asked, folder: Location, taxonomy: Taxonomy, merge_spellings: bool
) -> dict[str, pd.DataFrame]:
    """The items of each side of a bundle's split: id, labels, columns as `columns_of` names them, split and leaf.

    Args:
        manifest: The manifest that the bundle was trained on.
        asked: The columns; the manifest has them.
        folder: The bundle's folder.
        taxonomy: Its taxonomy.
        merge_spellings: Whether labels that differ in spelling alone are one.

    Raises:
        InputError: when train, val or test has no item in the manifest.
    """
    splits = read_splits(folder, "--model").rename_axis("id").reset_index()
    labels = [str(level) for level in Level]
    tables = []
    for batch in manifest.batches():
        absent = [name for name in labels if name not in batch.items.schema.names]
        if absent:
            raise InputError(f"--manifest: {batch.file}: {manifest.why_unlabelled() or f'no column {absent[0]!r}'}")
        columns = {name: batch.items[name] for name in ["id", *labels]}
        tables.append(pa.table(columns | columns_of(batch, asked)).to_pandas())
    if not tables:
        raise InputError("--manifest: it has no row")
    items = pd.concat(tables).dropna(subset=labels).merge(splits, on="id")
    leaf_indices: dict[tuple[str | None, str | None], int] = {
        (leaf.masterCategory, leaf.articleType): n for n, leaf in enumerate(taxonomy.leaves)
    }
    pairs = KnownLabels(taxonomy, merge_spellings).pairs(items[labels[0]], items[labels[1]])
    items["leaf"] = [leaf_indices.get(pair, -1) for pair in pairs]
    return by_side(items[items["leaf"] >= 0])
