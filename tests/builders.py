"""Small things that tests are made of."""

import argparse
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from tagger.images.stores import ImageStore, open_store
from tagger.io.location import Location
from tagger.manifest.batch import Batch
from tagger.manifest.manifest import Manifest
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.documents.bundle import (
    Architecture,
    Calibration,
    Inference,
    LevelPolicy,
    ModelCard,
    Policy,
    Preprocessing,
    Provenance,
)
from tagger.schemas.documents.taxonomy import Level, Taxonomy


def card(pairs: Sequence[tuple[str, str]], backbone: str = "small_cnn", dim: int = 128, **changes: object) -> ModelCard:
    """A model card over leaves, with a 48 × 36 input."""
    made = ModelCard(
        model_id="",
        taxonomy=Taxonomy.of(pairs, {"Home": "Free Items"}),
        architecture=Architecture(backbone=backbone, dropout=0.2, embedding_dim=dim),
        preprocessing=Preprocessing(height=48, width=36, fit="pad", resize="bicubic"),
        inference=Inference(flip=True),
        calibration=Calibration(method="temperature", temperature=1.3, fitted_on=10),
        blur_threshold=5.0,
        provenance=Provenance(created_at=datetime(2026, 1, 2, tzinfo=UTC), config={"image_size": "48x36"}, versions={}),
    )
    return made.model_copy(update=changes)


def policy(accept_above: float | None) -> Policy:
    """A policy with one threshold for both levels."""
    level = LevelPolicy(target_precision=0.95, accept_above=accept_above, coverage=0.5, precision=0.97, at_least=0.95)
    return Policy(probability=0.95, fitted_on=100, levels=dict.fromkeys(Level, level))


def picture(width: int = 60, height: int = 80, seed: int = 0) -> Image.Image:
    """A smooth picture with some structure, so that lossy formats keep it nearly."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """An image as a file's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def manifest_of(path: Path | str, **options: object) -> Manifest:
    """A manifest with a format's options."""
    return Manifest(Location(str(path)), ManifestFormat(**options))  # type: ignore[arg-type]


def read_all(manifest: Manifest) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """All items and all rejects of a manifest."""
    batches = list(manifest.batches())
    return [r for b in batches for r in b.items.to_pylist()], [r for b in batches for r in b.rejects.to_pylist()]


def catalog_of(path: Path | str, images: object = None, **options: object) -> tuple[Manifest, ImageStore]:
    """A manifest and its store."""
    config = CheckConfig(manifest=str(path), images=None if images is None else str(images), **options)  # type: ignore[arg-type]
    manifest = Manifest(Location(config.manifest, config.s3_endpoint, config.s3_region), config)
    return manifest, open_store(config, manifest)


def first_batch(manifest: Manifest) -> Batch:
    return next(iter(manifest.batches()))


def predictions_by_id(run: Path) -> pd.DataFrame:
    """All that a run predicted, a row an id."""
    return pq.ParquetDataset(run / "predictions").read().to_pandas().set_index("id", drop=False)


def tag_arguments(part_rows: int) -> argparse.ArgumentParser:
    """The command line of a script here that tags a catalogue in some unkind way."""
    parser = argparse.ArgumentParser()
    for flag in ("manifest", "images", "model"):
        parser.add_argument(f"--{flag}", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part-rows", type=int, default=part_rows)
    return parser
