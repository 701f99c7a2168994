"""The config of `tagger review`."""

from typing import Literal

from pydantic import Field

from tagger.schemas.configs.options import S3Options


class ReviewConfig(S3Options):
    """Serve the page on which people decide what is not sure.

    It runs until Ctrl-C, and prints its address. With export it writes the decisions that stand to Parquet.
    """

    examples = ("--run run-1", "--run run-1 --host 0.0.0.0 --port 8765 --index index", "export --run run-1")

    action: Literal["serve", "export"] = Field(
        default="serve",
        description="serve: until Ctrl-C. export: write the decisions that stand to RUN/decisions, or to --out.",
        json_schema_extra={"argument": True},
    )
    run: str = Field(description="The run directory.")
    host: str = Field(default="127.0.0.1", description="Where to listen; any place but this machine needs --token.")
    port: int = Field(default=8765, ge=0, le=65535, description="Port to listen on; 0: a free one.")
    token: str | None = Field(
        default=None,
        min_length=12,
        description="What reviewers must know to get in; better given as TAGGER_REVIEW_TOKEN than on a command line.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+/?$",
        description="Address under which a proxy shows the page, such as https://review.shop.example; needs --token.",
    )
    reviewer: str | None = Field(default=None, description="Your name in the log; by default your user name.")
    database: str | None = Field(
        default=None,
        description="Where decisions are kept: an SQLite file, or postgresql://USER@HOST/NAME; by default "
        "RUN/review.sqlite. TAGGER_REVIEW_DATABASE does the same.",
    )
    manifest: str | None = Field(default=None, description="The manifest that was tagged, where it has moved since.")
    images: str | None = Field(default=None, description="The image store that was tagged, where it has moved since.")
    model: str | None = Field(default=None, description="The bundle that tagged, where it has moved since.")
    index: str | None = Field(
        default=None, description="Index (tagger index) of items whose look-alikes stand beside each item."
    )
    duplicates: str | None = Field(
        default=None,
        description="What tagger duplicates wrote: items that show one picture are decided at once; by default, those "
        "with the same image file are.",
    )
    out: str | None = Field(default=None, description="With export: the folder to write to; new or empty.")
