"""The model and the images of a benchmark."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

from PIL import Image

from tagger.demo.drawn_catalogue import ARTICLES, draw_catalogue
from tagger.errors import ImageError, UsageError
from tagger.images.stores import fetch_all, open_store
from tagger.imaging.decode import decode
from tagger.imaging.suffixes import IMAGE_SUFFIXES
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import Bundle
from tagger.schemas.configs.bench import BenchConfig
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.documents.bundle import Architecture, Calibration, Inference, ModelCard, Preprocessing, Provenance
from tagger.schemas.documents.taxonomy import Taxonomy
from tagger.schemas.values import parse_size

MAX_PIXELS = 100_000_000
SOME = 512


def random_bundle(config: BenchConfig) -> Bundle:
    """A bundle with random weights, of the backbone and size that the config names."""
    from tagger.models.classifier import new_classifier, pack

    height, width = parse_size(config.image_size)
    card = ModelCard(
        model_id="",
        taxonomy=Taxonomy.of(list(ARTICLES), {}),
        architecture=Architecture(backbone=config.backbone, dropout=0, embedding_dim=1),
        preprocessing=Preprocessing(height=height, width=width, fit="pad", resize="bicubic"),
        inference=Inference(flip=False),
        calibration=Calibration(),
        blur_threshold=0,
        provenance=Provenance(created_at=datetime.now(UTC), config={}, versions={}),
    )
    model = new_classifier(card, "none")
    bias = next(p for name, p in model.head.named_parameters() if name.endswith("bias") and len(p) == len(ARTICLES))
    bias.data[0] += 100  # near ties of random weights tell nothing about the agreement of engines
    known = card.architecture.model_copy(update={"embedding_dim": model.embedding_dim})
    return pack(card.model_copy(update={"architecture": known}), model.state_dict())


def write_images(config: BenchConfig, bundle: Bundle, work: Path) -> list[Path]:
    """Write `config.items` distinct files; if there are fewer images, copies end in a unique number."""
    (work / "images").mkdir()
    images = list(islice(_usable(_source(config, work), bundle), config.items))
    if not images:
        raise UsageError("--images: not one image can be used")
    if config.enlarge:
        images = [enlarged(data, config.enlarge) for data in images]
    files = []
    for number, data in enumerate(islice(cycle(images), config.items)):
        files.append(work / "images" / f"{number:08d}.jpg")
        files[-1].write_bytes(data if number < len(images) else data + number.to_bytes(8, "big"))
    return files


def _usable(images: Iterator[bytes | ImageError], bundle: Bundle) -> Iterator[bytes]:
    for data in images:
        try:
            if isinstance(data, bytes):
                decode(data, bundle.card.preprocessing, MAX_PIXELS)
                yield data
        except ImageError:
            continue


def _source(config: BenchConfig, work: Path) -> Iterator[bytes | ImageError]:
    if config.manifest:
        options = CheckConfig(manifest=config.manifest, images=config.images)
        manifest = Manifest(Location(config.manifest), options)
        store = open_store(options, manifest)
        for batch in manifest.batches():
            yield from fetch_all(store, store.locate(batch))
        return
    if config.images:
        folder = Path(config.images)
        files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise UsageError(f"--images: no image files in {folder}; with --manifest, any image store will do")
    else:
        drawn = draw_catalogue(work / "drawn", min(config.items, SOME), oddities=False, views=0)
        files = sorted(drawn.images.iterdir())
    yield from (file.read_bytes() for file in files)


def enlarged(data: bytes, longer_side: int) -> bytes:
    """A JPEG of the same image, with a longer side of `longer_side` pixels."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = longer_side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    out = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()
