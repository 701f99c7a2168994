"""Predictions of the tag job in a notebook."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tagger.confidence.thresholds import Thresholds
from tagger.engines.base import BATCH_SIZE
from tagger.engines.choose import (
    ENOUGH_IMAGES,
    can_run,
    choose_engine,
    prepare,
    resolve_device,
)
from tagger.engines.measured import load_measured
from tagger.engines.reference import CHECKED_IMAGES, MOST_CHECKED_IMAGES
from tagger.engines.sample import decoded_sample
from tagger.errors import ImageError, UsageError
from tagger.images.digests import digest_of
from tagger.images.files import read_file
from tagger.io.location import Location
from tagger.manifest.headings import listed
from tagger.models.attributes import AttributesModel
from tagger.models.bundle import Bundle
from tagger.models.evidence import EvidenceModel
from tagger.models.familiarity import Familiarity
from tagger.registry.versions import resolved
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.run import EngineCheck
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.embedding import EMBEDDING
from tagger.schemas.tables.prediction import PREDICTION, ErrorCode, Evidence
from tagger.tagging.arguments import (
    Image,
    checked_device,
    checked_engine,
    checked_thresholds,
    listed_images,
    one_per_image,
)
from tagger.tagging.attributes import AttributeRows
from tagger.tagging.collector import Collector, Predictor, at_once, decoded_at_once
from tagger.tagging.item_images import ImageJoiner, ItemImages
from tagger.tagging.rows import Items, PredictionRows
from tagger.tagging.vector_rows import matrix_of

_DEFAULTS = {name: field.default for name, field in TagConfig.model_fields.items()}
_CHUNK = 256
_NO_IMAGE = ImageError(ErrorCode.NO_IMAGE, "there is no image")


class Tagger:
    """A loaded bundle that tags images; with the same engine, its predictions equal the job's to the last digit.

    Images are tagged with the engine that the job chose for this bundle on such a machine. Without such a choice, `tag`
    with 200 images or more chooses an engine as the job does; fewer cannot show that a fast engine agrees with float32
    PyTorch, which tags them.

    It is not thread-safe: use one per thread, or a lock.

    Example::

        from tagger import Tagger

        model = Tagger.load("bundle")
        print(model.tag(["images/10001.jpg", "images/10002.jpg"])[["id", "articleType", "articleTypeConfidence"]])
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: str | EngineCheck = "auto",
        device: str = "auto",
        accept_above: Mapping[str, float] | Mapping[Level, float] | None = None,
        folder: Location | None = None,
    ) -> None:
        self.card = bundle.card
        self.engine: EngineCheck | None = None
        """The engine: chosen with the first images, and again if later calls have enough images to compare engines."""
        self._bundle = bundle
        self._folder = folder
        known = engine if isinstance(engine, EngineCheck) and can_run(engine.engine) else None
        self._known = known
        self._requested = checked_engine(engine) if isinstance(engine, str) else known.engine if known else "auto"
        self._device = checked_device(device)
        self._predictor: Predictor | None = None
        self._images_offered = 0  # when the engine was chosen
        thresholds = {e: Thresholds.of_bundle(bundle.card, e, checked_thresholds(accept_above or {})) for e in Evidence}
        self._thresholds = thresholds
        self._attributes = AttributesModel.load_if_any(folder, bundle.card.model_id) if folder else None
        if bundle.card.familiarity and not folder:
            raise UsageError(
                "folder: what the bundle needs to tell unfamiliar images is there; name it, or Tagger.load"
            )
        self._familiarity = Familiarity.load_if_any(folder, bundle.card) if folder else None
        policies = bundle.card.attribute_policies
        self._of_attributes = AttributeRows(self._attributes, policies) if self._attributes else None
        self._rows = PredictionRows(
            bundle.card, thresholds[Evidence.IMAGE], "notebook", embeddings=True, attributes=self._of_attributes
        )
        self._joiner = ImageJoiner(bundle.card, self._rows.outcome_type, self._attributes)
        self._joining_rows: PredictionRows | None = None
        self._evidence: EvidenceModel | None = None
        self._max_bytes: int = _DEFAULTS["max_bytes"]
        self._max_pixels: int = _DEFAULTS["max_pixels"]

    @classmethod
    def load(
        cls,
        bundle: str | PathLike[str],
        engine: str | EngineCheck = "auto",
        device: str = "auto",
        accept_above: Mapping[str, float] | Mapping[Level, float] | None = None,
        s3_endpoint: str | None = None,
    ) -> "Tagger":
        """Load a bundle from a folder or an `s3://` address.

        Args:
            bundle: Its folder or address, or a name of a registry, such as `models/fashion@champion`.
            engine: `auto`, the name of an engine, or the `engine` of a `run.json`, which is used if this machine can
                run it, else counts as `auto`.
            device: `auto`, `cpu` or `cuda`.
            accept_above: Thresholds for the decision, such as `{"articleType": 0.9}`; by default those of the tag job.
            s3_endpoint: Address of an S3 service other than Amazon's.

        Raises:
            UsageError: when there is no such folder, engine, device or level, or a threshold is not 0 to 1.
            InputError: when it is not a bundle.
        """
        folder = Location(resolved(str(bundle), lambda path: Location(path, s3_endpoint), "bundle"), s3_endpoint)
        return cls(Bundle.load(folder, "bundle"), engine, device, accept_above, folder)

    def tag(
        self,
        images: Iterable[Image | Sequence[Image]],
        ids: Iterable[str] | None = None,
        known_masters: Iterable[str | None] | None = None,
        titles: Iterable[str | None] | None = None,
        columns: Mapping[str, Iterable[object]] | None = None,
    ) -> pd.DataFrame:
        """Tag images.

        Args:
            images: Local paths, or the bytes of image files; a list even for one. An item with several images is a
                list of them, the front view first.
            ids: One per image; by default the paths, or numbers from 0.
            known_masters: Known master categories; a prediction that contradicts one goes to review.
            titles: Titles of the items, which then are tagged by image and title together; by default by images alone.
            columns: What else the items show, one cell an item, by column, such as `{"gender": ["Women", None]}`; None
                and NaN stand for nothing.

        Returns:
            One row per item, in order, with the columns of the prediction contract (`tagger schema prediction`). An
            image that cannot be used is a row with an error code: with decision `failed`, unless the rest says enough.

        Raises:
            UsageError: when the requested engine cannot run here, or disagrees with float32 PyTorch; and when there are
                titles or columns, and the bundle does not know them.
            TypeError: when `images` is one image alone, or has something else than paths, bytes and lists of them.
            ValueError: when there is not one id, known master category, title, or cell for each item, or an item's
                list is empty.
        """
        return self._tables(images, ids, known_masters, titles, columns)[0].to_pandas()  # type: ignore[no-any-return]

    def tag_and_embed(
        self,
        images: Iterable[Image | Sequence[Image]],
        ids: Iterable[str] | None = None,
        known_masters: Iterable[str | None] | None = None,
        titles: Iterable[str | None] | None = None,
        columns: Mapping[str, Iterable[object]] | None = None,
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Tag images, and return their vectors, which the tag job writes with `--embeddings`.

        Args:
            images: As for `tag`.
            ids: As for `tag`.
            known_masters: As for `tag`.
            titles: As for `tag`.
            columns: As for `tag`.

        Returns:
            The table of `tag`, and vectors float16 [N, D] of length 1, whose dot products are cosines; NaN for an image
            that cannot be used.
        """
        predictions, embeddings = self._tables(images, ids, known_masters, titles, columns)
        good = np.asarray(pc.is_null(predictions["errorCode"]))
        vectors = np.full((len(good), self.card.architecture.embedding_dim), np.nan, np.float16)
        if good.any():
            vectors[good] = matrix_of(embeddings["vector"])
        return predictions.to_pandas(), vectors

    def _tables(
        self,
        images: Iterable[Image | Sequence[Image]],
        ids: Iterable[str] | None,
        known_masters: Iterable[str | None] | None,
        titles: Iterable[str | None] | None,
        columns: Mapping[str, Iterable[object]] | None,
    ) -> tuple[pa.Table, pa.Table]:
        files = listed_images(images)
        uris = [None if isinstance(of_item[0], bytes) else of_item[0] for of_item in files]
        names = [u or str(n) for n, u in enumerate(uris)] if ids is None else one_per_image("ids", ids, len(files))
        no_masters = [None] * len(files)
        masters = no_masters if known_masters is None else one_per_image("known_masters", known_masters, len(files))
        shown = self._shown(titles, columns, len(files))
        rows = self._rows_for(shown)
        tables = [(PREDICTION.empty_table(), EMBEDDING.empty_table())]
        for start in range(0, len(names), _CHUNK):
            part = slice(start, start + _CHUNK)
            of_part = {name: cells[part] for name, cells in shown.items()}
            tables.append(self._tag(files[part], names[part], masters[part], of_part, files, rows))
        predictions, embeddings = zip(*tables, strict=True)
        return pa.concat_tables(predictions), pa.concat_tables(embeddings)

    def _tag(
        self,
        items: Sequence[Sequence[bytes | str]],
        ids: Sequence[str],
        known_masters: Sequence[str | None],
        shown: Mapping[str, Sequence[str | None]],
        all_items: Sequence[Sequence[bytes | str]],
        rows: PredictionRows,
    ) -> tuple[pa.Table, pa.Table]:
        predictor = self._predictor
        if predictor is None or self._can_choose_better(len(all_items)):
            predictor = self._choose([images[0] for images in all_items])
        images = ItemImages.of([of_item[0] for of_item in items], [of_item[1:] for of_item in items])
        collector = Collector(predictor, len(images.refs), decoded_at_once(BATCH_SIZE[self._device]), at_once)
        for n, image in enumerate(images.refs):
            data = self._read(image) if image is not None else _NO_IMAGE
            collector.put(n, data, digest_of(data))
        digests = collector.digests
        uris = [None if isinstance(image, bytes) else image for image in images.refs]
        joined = self._joiner.join(ItemImages(uris, images.several), collector.outcomes(), digests, len(items))
        written = Items(ids, [uris[n] for n in joined.shown], known_masters, shown, images=joined.said)
        arguments = (written, [digests[n] for n in joined.shown], joined.outcomes)
        return rows.table(*arguments), rows.embeddings(*arguments)

    def _shown(
        self, titles: Iterable[str | None] | None, columns: Mapping[str, Iterable[object]] | None, count: int
    ) -> dict[str, list[str | None]]:
        """What the items show beside their images, by column. Raises UsageError for what the bundle does not know."""
        shown: dict[str, list[str | None]] = {}
        for name, cells in (columns or {}).items():
            shown[name] = [_as_cell(cell) for cell in one_per_image(f"columns[{name!r}]", cells, count)]
        if titles is not None:
            texts = [_as_cell(title) for title in one_per_image("titles", titles, count)]
            names = self._knows("titles").names_of("title")
            if len(names) != 1:
                raise UsageError(f"titles: the bundle reads {listed(names) or 'no titles'}; give them as columns")
            shown[names[0]] = texts
        known = self._knows("columns").names if shown else ()
        unknown = [name for name in shown if name not in known]
        if unknown:
            raise UsageError(f"columns: the bundle does not know {unknown[0]}; it knows {listed(known)}")
        return shown

    def _knows(self, what: str) -> EvidenceModel:
        """What the bundle knows of titles and columns. Raises UsageError when it cannot join images by it."""
        if self._evidence is None:
            model = EvidenceModel.load_if_any(self._folder, self.card.model_id) if self._folder else None
            if model is None or not model.joins_images:
                raise UsageError(
                    f"{what}: the bundle does not know what they say together with images; tagger train --title "
                    "--evidence, or tagger evidence --run, teaches it"
                )
            if self._attributes:
                self._attributes.check_heard(model)
            self._evidence = model
        return self._evidence

    def _rows_for(self, shown: Mapping[str, object]) -> PredictionRows:
        """Rows of predictions by images alone, or by all that the items show."""
        if not shown:
            return self._rows
        if self._joining_rows is None:
            self._joining_rows = PredictionRows(
                self.card, self._thresholds[Evidence.IMAGE], "notebook", embeddings=True, evidence=self._evidence,
                join=True, others=self._thresholds, attributes=self._of_attributes,
            )  # fmt: skip
        return self._joining_rows

    def _can_choose_better(self, images: int) -> bool:
        """Whether so many images suffice to choose a faster engine, unlike those before."""
        offered = self._images_offered
        return self._requested == "auto" and offered < MOST_CHECKED_IMAGES and images >= max(ENOUGH_IMAGES, 2 * offered)

    def _choose(self, images: Sequence[bytes | str]) -> Predictor:
        self._device = resolve_device(self._device, self._requested)
        self._images_offered = len(images)

        batch_size = BATCH_SIZE[self._device]
        if self._known:
            prepared, self.engine = prepare(self._bundle, self._known.engine, batch_size), self._known
        else:
            prepared, self.engine = choose_engine(
                self._bundle,
                self._requested,
                self._device,
                batch_size,
                lambda: self._sample(images),
                lambda: self._measured(len(images)),
            )
        self._predictor = Predictor(
            self.card, prepared.start(), self._max_pixels, True, self._attributes, self._familiarity
        )
        return self._predictor

    def _sample(self, images: Sequence[bytes | str]) -> Iterator[np.ndarray]:
        """Decoded samples of the images, uint8 [N, H, W, C] each."""
        for first in range(0, min(len(images), MOST_CHECKED_IMAGES), CHECKED_IMAGES):
            data = [self._read(image) for image in images[first : first + CHECKED_IMAGES]]
            yield decoded_sample(data, self.card, self._max_pixels)

    def _measured(self, images: int) -> EngineCheck | None:
        return load_measured(self._folder, self.card, self._device, images) if self._folder else None

    def _read(self, image: bytes | str) -> bytes | ImageError:
        if isinstance(image, bytes):
            return image
        try:
            return read_file(image, self._max_bytes)
        except ImageError as error:
            if error.code is ErrorCode.NOT_FOUND and "://" in image:
                return ImageError(error.code, f"{image} is an address; Tagger reads local files and bytes only")
            return error


def _as_cell(value: Any) -> str | None:
    """A cell as text; None for nothing."""
    return None if pd.isna(value) else str(value).strip()  # as the job reads it
