"""The config of `tagger check`."""

from pydantic import Field

from tagger.schemas.configs.options import (
    CatalogOptions,
    SplitOptions,
)
from tagger.schemas.values import (
    Seed,
)


class CheckConfig(CatalogOptions, SplitOptions):
    """Say what is in a catalogue, and whether it can be learnt.

    Run this first: it counts rows, labels, classes and images, and names what is wrong with them.
    """

    examples = (
        "--manifest styles.csv --images images/",
        "--manifest styles.csv --images images/ --sample 1000",
        "--manifest shop.parquet --images s3://shop/img/{id}.jpg --column id=sku --json",
    )

    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are reported as too small to train.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")
    sample: int = Field(default=0, ge=0, description="Look at this many images, drawn by hash of id; 0 looks at all.")
    seed: Seed = Field(default=0, description="Seed of the sample, and of the split as for tagger train.")
