"""Bench job: decoding, the forward pass and the whole tag job on the same images, side by side."""

import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from jobs import tag
from jobs.console import Console
from jobs.ray_session import ray_session
from schemas.bundle import Architecture, Calibration, Inference, ModelCard, Preprocessing, Provenance
from schemas.config import BenchConfig, TagConfig, parse_size
from schemas.taxonomy import Taxonomy
from tagger.catalog.stores import IMAGE_SUFFIXES
from tagger.catalog.synthetic import ARTICLES, draw_catalogue
from tagger.errors import UsageError
from tagger.imaging.decode import decode
from tagger.models.bundle import Bundle, new_classifier
from tagger.models.engines import TorchEngine, pick_device
from tagger.storage import Location

_DRAWN = 512
_SMALL_SHARE = 4
_MAX_PIXELS = 100_000_000


def run(config: BenchConfig, console: Console) -> int:
    """Measure in one process each: images a second of one decoding thread, of one engine, and of one tagging worker."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        console.step("Preparing images and model")
        bundle = Bundle.load(Location(config.model)) if config.model else _random_bundle(config)
        bundle.save(Location(str(work / "bundle")))
        files = _files(config, work)
        rates = {
            "decode": _rate_of_decoding(files, bundle),
            "forward": _rate_of_forward(files, bundle, config),
        }
        with ray_session(config):
            rates["end to end"], start_s = _rate_of_job(files, work, config, console)
    console.table(
        f"{bundle.card.architecture.backbone}, {len(files):,} images, one worker",
        ["what", "images/s", "of forward"],
        [(name, round(rate, 1), f"{rate / rates['forward']:.2f}") for name, rate in rates.items()],
    )
    console.say(f"End to end has its start-up apart: {start_s:.1f} s.")
    console.result({"images": len(files), "imagesPerSecond": rates, "startSeconds": start_s})
    return 0


def _random_bundle(config: BenchConfig) -> Bundle:
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
    return Bundle.of(card, new_classifier(card, "none").state_dict())


def _files(config: BenchConfig, work: Path) -> list[Path]:
    """As many files as asked; where there are fewer images, they are linked several times."""
    if config.images:
        folder = Path(config.images)
        found = sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES)[: config.items]
        if not found:
            raise UsageError(f"--images: no image files in {folder}")
    else:
        drawn = draw_catalogue(work / "drawn", min(config.items, _DRAWN), oddities=False)
        found = sorted(drawn.images.iterdir())
    (work / "images").mkdir()
    files = []
    for number in range(config.items):
        source = found[number % len(found)]
        target = work / "images" / f"{number}{source.suffix}"
        shutil.copyfile(source, target)
        files.append(target)
    return files


def _rate_of_decoding(files: list[Path], bundle: Bundle) -> float:
    data = [f.read_bytes() for f in files]
    return _rate(lambda: [decode(d, bundle.card.preprocessing, _MAX_PIXELS) for d in data], len(data))


def _rate_of_forward(files: list[Path], bundle: Bundle, config: BenchConfig) -> float:
    """One engine over the same pixels again and again, as a tagging worker runs it: one thread on a CPU."""
    some = [decode(f.read_bytes(), bundle.card.preprocessing, _MAX_PIXELS).pixels for f in files[:_DRAWN]]
    pixels = np.stack(some)
    engine = TorchEngine(bundle.classifier(), pick_device(config.device), config.batch_size, bundle.card.inference.flip)
    engine.run(pixels[: 4 * config.batch_size])
    repeats = max(1, len(files) // len(pixels))
    return _rate(lambda: [engine.run(pixels) for _ in range(repeats)], repeats * len(pixels))


def _rate_of_job(files: list[Path], work: Path, config: BenchConfig, console: Console) -> tuple[float, float]:
    """Tag a quarter of the items, then all: the difference gives the rate, the rest is start-up."""
    seconds = {}
    for count in (len(files) // _SMALL_SHARE, len(files)):
        console.step(f"Tagging {count:,} images")
        manifest = work / f"{count}.csv"
        manifest.write_text("id,name\n" + "".join(f"{f.stem},{f.name}\n" for f in files[:count]))
        asked = TagConfig(
            manifest=str(manifest),
            images=f"{work}/images/{{name}}",
            model=str(work / "bundle"),
            out=str(work / f"run-{count}"),
            device=config.device,
            workers=1,
            batch_size=config.batch_size,
        )
        started = time.perf_counter()
        tag.run(asked, Console(as_json=True, silent=True))
        seconds[count] = time.perf_counter() - started
    (few, short), (many, long) = seconds.items()
    rate = (many - few) / max(1e-9, long - short)
    return rate, max(0.0, short - few / rate)


def _rate(work: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    from jobs.cli import main

    main(job="bench")
