"""The configs of `tagger index`, `similar`, `retrieval` and `duplicates`."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from tagger.schemas.configs.options import (
    CatalogOptions,
    ManifestFormat,
)
from tagger.schemas.values import (
    Confidence,
    Seed,
)


class IndexConfig(ManifestFormat):
    """Index image vectors of runs, to find items that look alike.

    The vectors are those of tagger tag --embeddings. Run again, it adds what is new or changed.
    """

    examples = ("run-1 --out index", "run-1 run-2 --out index --manifest styles.csv --keep productDisplayName")
    renamed: ClassVar[Mapping[str, str]] = {"runs": "run", "labels": "manifest"}

    run: list[str] = Field(min_length=1, description="Runs, or folders of runs.", json_schema_extra={"argument": True})
    out: str = Field(description="Folder of the index, on a disk. What it has is kept, and what is new is added.")
    manifest: str | None = Field(
        default=None, description="Manifest whose labels stand in place of predictions: a file, a folder or a glob."
    )
    keep: list[str] = Field(
        default=[],
        description="Additional columns of --manifest for the items of the index, such as a product's number, for "
        "tagger similar --unlike.",
    )

    @field_validator("run", "keep", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> "IndexConfig":
        if self.keep and not self.manifest:
            raise ValueError("keep takes columns of a manifest: name one with --manifest")
        return self


class SimilarConfig(ManifestFormat):
    """Find items that look like an item or an image."""

    examples = (
        "index --id 15970",
        "index --image photo.jpg --top 10",
        "index --run run-2 --same masterCategory --out similar",
    )

    index: str = Field(description="The index.", json_schema_extra={"argument": True})
    id: list[str] = Field(default=[], description="Items of the index.")
    image: list[str] = Field(default=[], description="Image files.")
    manifest: str | None = Field(default=None, description="All items of a manifest that the index has.")
    run: str | None = Field(default=None, description="All items of a run with image vectors (tag --embeddings).")
    top: int = Field(default=5, ge=1, le=1000, description="How many to find for each.")
    same: list[str] = Field(
        default=[], description="Only items with the same masterCategory, articleType or kept column."
    )
    unlike: list[str] = Field(
        default=[], description="Only items with another value in a kept column, such as a product's number."
    )
    other_images: bool = Field(default=False, description="Leave out items that have the very same image.")
    model: str | None = Field(
        default=None, description="The bundle, for --image; without it, where it was when the index was made."
    )
    out: str | None = Field(default=None, description="Folder for what is found, as Parquet; it must be new or empty.")

    @field_validator("id", "image", "same", "unlike", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> "SimilarConfig":
        queries = [name for name in ("id", "image", "manifest", "run") if getattr(self, name)]
        if len(queries) != 1:
            raise ValueError("say what to find items for: one of id, image, manifest and run")
        if queries[0] in ("manifest", "run") and not self.out:
            raise ValueError(f"{queries[0]} finds many; name a folder for them: out")
        return self


class DuplicatesConfig(CatalogOptions):
    """Find items that show one picture, even resized or cropped."""

    examples = (
        "index --manifest styles.csv --images images/ --out duplicates",
        "index --manifest styles.csv --images images/ --out again --judged judged.csv --precision 0.99",
        "index --manifest styles.csv --images images/ --plant 500",
    )
    renamed: ClassVar[Mapping[str, str]] = {"bundle": "model"}

    index: str = Field(description="The index.", json_schema_extra={"argument": True})
    out: str | None = Field(
        default=None, description="Folder of the groups, the pairs and a page; it must be new or empty."
    )
    structure: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="How like in structure (that of SSIM, in the worst tenth) two images must be, laid over each "
        "other, to be one picture.",
    )
    colour: float = Field(
        default=10, gt=0, le=255, description="Most that their colours may differ (in L, a or b, 0 to 255)."
    )
    judged: str | None = Field(
        default=None,
        description="judged.csv from the page of an earlier run, or its sample.csv with `same` filled in: these pairs "
        "count as they were judged, and say how precise the threshold is. --colour should be as it was then.",
    )
    precision: Confidence | None = Field(
        default=None,
        description="With --judged, in place of --structure: take the lowest structure from which on the judged pairs "
        "have this precision.",
    )
    model: str | None = Field(
        default=None,
        description="Bundle trained on these items: say what copies on two sides of its split are worth. With --plant: "
        "the bundle that the index was made with; by default, where it was then.",
    )
    shown: int = Field(default=200, ge=0, description="Groups on the page; those whose labels differ come first.")
    seed: Seed = Field(default=0, description="Seed of the sample of pairs to judge, and of --plant.")
    plant: int = Field(
        default=0,
        ge=0,
        description="Try it out instead: alter copies of this many images (resized, recompressed, cropped, mirrored), "
        "and count how many of them are found.",
    )

    @model_validator(mode="after")
    def _check(self) -> "DuplicatesConfig":
        if self.out is None and not self.plant:
            raise ValueError("name a folder for what is found: out")
        if self.plant and (self.judged or self.out):
            raise ValueError("plant only tries things out, and writes nothing: leave judged and out")
        if self.precision is not None and self.judged is None:
            raise ValueError("precision is that of judged pairs: name their file with judged")
        if self.precision is not None and "structure" in self.model_fields_set:
            raise ValueError("precision chooses the structure: give one of the two")
        return self


class RetrievalConfig(CatalogOptions):
    """Measure how well indexes find items of the same class.

    Precision and recall at k and mean average precision, of a bundle's test items among its train items.
    """

    examples = ("index --model bundle --manifest styles.csv --images images/ --out retrieval",)
    renamed: ClassVar[Mapping[str, str]] = {"indexes": "index", "bundle": "model"}

    index: list[str] = Field(
        min_length=1, description="Indexes with labels, of one catalogue.", json_schema_extra={"argument": True}
    )
    model: str = Field(description="Bundle whose test items are looked for among its train items.")
    out: str = Field(description="Folder of the figures and of the page.")
    by: list[str] = Field(
        default=[], description="Columns that the indexes keep, whose equal values are relevant, too: subCategory."
    )
    queries: int = Field(default=5000, ge=1, description="Most test items to look for, drawn at random.")
    seed: Seed = Field(default=0, description="Seed of the draw, and of the examples.")
    shown: int = Field(default=12, ge=0, description="Examples on the page, each of another article type.")

    @field_validator("index", "by", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
