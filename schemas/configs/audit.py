"""The config of `tagger audit`."""

from pydantic import Field, model_validator

from tagger.schemas.configs.options import (
    CatalogOptions,
    RayOptions,
)
from tagger.schemas.values import (
    Seed,
)


class AuditConfig(CatalogOptions, RayOptions):
    """Find labels that are likely wrong, as a list and a queue.

    It goes by image, title, duplicates and taxonomy. Review what it finds: tagger review --run AUDIT.
    """

    examples = (
        "index --manifest styles.csv --images images/ --title productDisplayName --out audit",
        "--model bundle --manifest styles.csv --images images/ --out audit",
        "index --manifest styles.csv --images images/ --flip 0.03",
        "--model bundle --denied --manifest styles.csv --images images/ --out denied",
    )

    denied: bool = Field(
        default=False,
        description="Take, of the named bundle, the held-out items whose image and title deny the label alike, as its "
        "training has found them; nothing is judged anew.",
    )
    index: str | None = Field(
        default=None,
        description="Index with labels (tagger index --manifest); of a model that was not fine-tuned on these labels.",
        json_schema_extra={"argument": True},
    )
    model: str | None = Field(
        default=None, description="In place of an index: a bundle, by which the images are looked at first."
    )
    out: str | None = Field(
        default=None, description="Folder of the findings, their page and their queue; it must be new or empty."
    )
    title: str | None = Field(
        default=None,
        description="Column of titles; an index must keep it (tagger index --keep). None by default.",
    )
    duplicates: str | None = Field(
        default=None, description="Folder that tagger duplicates wrote; without it, identical files count alone."
    )
    folds: int = Field(default=5, ge=2, le=20, description="Parts of the items; each is judged by the others.")
    min_items: int = Field(
        default=10, ge=2, description="Leaves with fewer items are not judged by image and title, and reported."
    )
    seed: Seed = Field(default=0, description="Seed of the folds and of --flip.")
    shown: int = Field(default=100, ge=0, description="Findings on the page.")
    flip: float = Field(
        default=0,
        ge=0,
        le=0.5,
        description="Try it out instead: make this share of the labels wrong at random, and say how many are found.",
    )

    @model_validator(mode="after")
    def _check(self) -> "AuditConfig":
        if (self.index is None) == (self.model is None):
            raise ValueError("name an index, or a bundle to make one with: model")
        if self.denied and not self.model:
            raise ValueError("denied labels are a bundle's: model")
        if self.denied and (self.title or self.duplicates):
            raise ValueError("title and duplicates judge labels, and those that are denied have been judged")
        if self.model and self.flip:
            raise ValueError("flip tries out an index; tagger index makes one")
        if self.min_items < self.folds:
            raise ValueError(f"min_items: a leaf needs an item for each of the {self.folds} folds")
        if self.out is None and not self.flip:
            raise ValueError("name a folder for what is found: out")
        return self
