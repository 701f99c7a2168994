"""What `tagger check` is asked for."""

from pydantic import Field

from tagger.schemas.configs.options import (
    CatalogOptions,
    SplitOptions,
)
from tagger.schemas.values import (
    Seed,
)


class CheckConfig(CatalogOptions, SplitOptions):
    """What is in a catalogue, what is wrong with it, and whether it can be learnt: run this first."""

    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are reported as too small to train.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")
    sample: int = Field(default=0, ge=0, description="Look at this many images, drawn by hash of id; 0 looks at all.")
    seed: Seed = Field(default=0, description="Seed of the sample, and of the split as for tagger train.")
