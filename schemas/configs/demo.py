"""The config of `tagger demo`."""

from pydantic import Field

from tagger.schemas.configs.options import (
    RayOptions,
)
from tagger.schemas.values import (
    Seed,
)


class DemoConfig(RayOptions):
    """Draw a small catalogue, check it, train on it and tag it.

    Then open the page that decides what is not sure: tagger review --run demo-out/run.
    """

    examples = ("", "--out trial --items 2000")

    out: str = Field(default="demo-out", description="Folder that everything is written to.")
    items: int = Field(default=900, ge=600, le=20_000, description="Items to draw.")
    seed: Seed = Field(default=0, description="Seed of the drawing and of training.")
    epochs: int = Field(default=14, ge=1, description="Epochs of training.")
