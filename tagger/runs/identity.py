"""Identity of a run: the manifest, the model, and the settings that determine its predictions."""

import hashlib
import json
from collections.abc import Mapping

from tagger.schemas.configs.tag import TagConfig

EVIDENCE = "evidence"
"""Key of the model of titles and columns among a run's inputs."""
ATTRIBUTES = "attributes"
"""Key of what a run's attributes are predicted by among its inputs."""
ALL = "all"
"""Prefix of its value if images are joined by titles and columns."""
_EARLIER = "titles", "fuse"

# Settings that determine the predictions: another value means another run. Machine and speed may change.
_DECIDES = (
    "images",
    "images_root",
    "column",
    "delimiter",
    "encoding",
    "no_value",
    "merge_spellings",
    "max_bytes",
    "max_pixels",
    "untagged_only",
    "since",
    "known",
    "engine",
    "part_rows",
)
_DECIDES_IF_GIVEN = ("allow_http", "allow_private_hosts", "follow_links")
_IMAGES_PER_ITEM = TagConfig.model_fields["images_per_item"].default


def run_inputs(
    config: TagConfig,
    manifest: str,
    model_id: str,
    thresholds: Mapping[str, object],
    evidence: str | None,
    attributes: str | None = None,
) -> dict[str, str]:
    """The inputs of a tagging run's fingerprint, by name; a run with other inputs is another run.

    Args:
        config: The run's config.
        manifest: Fingerprint of the manifest's content.
        model_id: The bundle's.
        thresholds: Least confidences of accepted tags, as JSON values.
        evidence: Digest of the model of titles and columns, if the run uses it.
        attributes: What attributes are predicted by, from `attributes_by`, if the run does.
    """
    digest = hashlib.sha256(manifest.encode()).hexdigest()[:16]
    names = [*_DECIDES, *(name for name in _DECIDES_IF_GIVEN if getattr(config, name))]
    settings = {name: json.dumps(getattr(config, name), sort_keys=True) for name in names}
    if config.qa_sample:
        settings["qa_sample"] = f"{config.qa_sample} {config.seed}"
    if config.embeddings:
        settings["embeddings"] = "true"
    if config.images_per_item != _IMAGES_PER_ITEM:
        settings["images_per_item"] = str(config.images_per_item)
    if config.item_column:
        settings["item_column"] = config.item_column
    if config.no_value:
        settings["no_value"] = json.dumps(sorted(config.no_value))
    if config.merge_spellings:
        settings["merge_spellings"] = "true"
    if evidence:
        settings[EVIDENCE] = f"{config.evidence} {evidence}"
    if attributes:
        settings[ATTRIBUTES] = attributes
    return {
        "manifest": f"{config.manifest} {digest}",
        "model": model_id,
        "accept_above": json.dumps(thresholds, sort_keys=True),
        **settings,
    }


def attributes_by(config: TagConfig, attributes: str, evidence: str | None) -> str:
    """What a run's attributes are predicted by: the digests of their model, and of that of titles and columns."""
    return f"{attributes} {config.evidence} {evidence}" if evidence else attributes


def joined_images(inputs: Mapping[str, str]) -> bool:
    """Whether a run, of this or an earlier version, joined its images by titles and columns."""
    key, fused = _EARLIER
    return inputs.get(EVIDENCE, "").startswith(ALL) or inputs.get(key, "").startswith(fused)


def by_model(inputs: Mapping[str, str], digest: str) -> bool:
    """Whether a run joined its images by the model of titles and columns that has this digest."""
    return inputs.get(EVIDENCE) == f"{ALL} {digest}"
