"""The config of `tagger review`."""

from typing import Literal

from pydantic import Field

from tagger.schemas.configs.options import S3Options


class ReviewConfig(S3Options):
    """Serve the page on which people decide what is not sure.

    It runs until Ctrl-C, and prints a link that lets you in once. With export it writes the decisions that stand to
    Parquet.
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
        description="Lets leads in, where others can reach the page; better given as TAGGER_REVIEW_TOKEN than on a "
        "command line. Leads invite the others on the page.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+/?$",
        description="Address under which a proxy shows the page, such as https://review.shop.example; needs --token.",
    )
    reviewer: str | None = Field(
        default=None, description="Your name, as a lead and in the log; by default your user name."
    )
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
    search_words: str | None = Field(
        default=None,
        description="YAML file with lists of words that mean the same, such as '- [tees, t-shirts]': the search for a "
        "class knows them, beside those that come with the page.",
    )
    duplicates: str | None = Field(
        default=None,
        description="What tagger duplicates wrote: the page asks about its groups, and items that show one picture are "
        "decided at once; by default, those with the same image file are.",
    )
    second_answers: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of the items about which a second person is asked, without the first answer, so that the "
        "view People can say how well people agree.",
    )
    similar_offers: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="With --index: after an answer, offer the same class for waiting items that look like the answered "
        "one. How alike they have to be: so often must labelled items have one class (0 to 1). 0: no offers.",
    )
    refit: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="With --index: fit the model's last layer to the answers after every 50, and accept what it is "
        "then sure of, with this precision, such as 0.95. Half of the questions are then drawn at random, since these "
        "alone show the precision. Behind a policy it seldom accepts anything.",
    )
    out: str | None = Field(default=None, description="With export: the folder to write to; new or empty.")
