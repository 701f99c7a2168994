"""The configs of `tagger compare` and `tagger propose`."""

from pydantic import Field, field_validator

from tagger.schemas.configs.options import DATABASE_DESCRIPTION, CatalogOptions, RayOptions
from tagger.schemas.values import EvidenceUse, Seed


class CompareConfig(CatalogOptions, RayOptions):
    """Compare two runs, or two bundles on a sample.

    It says what changes, what the policies accept, which change is expected to be right and, where labels or decisions
    are known, which is. Some disagreements can be judged on the review page, without a word about which model said
    what; the same command then counts the answers.
    """

    examples = (
        "run-1 run-2 --manifest styles.csv --images images/ --out comparison",
        "bundle bundle-2 --manifest styles.csv --images images/ --out comparison --sample 2000",
    )

    old: str = Field(description="A run or a bundle.", json_schema_extra={"argument": True})
    new: str = Field(description="The other one, of the same kind.", json_schema_extra={"argument": True})
    out: str = Field(description="Folder of the page; the same command again counts what was judged.")
    sample: int = Field(default=2000, ge=50, description="With bundles: how many items of the manifest are tagged.")
    judge: int = Field(default=50, ge=0, le=5000, description="How many disagreements are put up to be judged.")
    evidence: EvidenceUse = Field(default="auto", description="With bundles: as for tagger tag.")
    seed: Seed = Field(default=0, description="Seed of what is drawn.")
    shown: int = Field(default=40, ge=0, le=1000, description="How many moves the page shows.")
    database: str | None = Field(default=None, description=DATABASE_DESCRIPTION)


class ProposeConfig(CatalogOptions):
    """Put a run's changes up as moves, to accept or reject.

    A sample of each move is judged on the review page. Where it shows the wanted precision, the whole move is accepted,
    where it cannot be reached any more, rejected. `tagger export --proposal` then writes the accepted ones alone. The
    same command again counts what was judged.
    """

    examples = (
        "run-2 --old run-1 --manifest styles.csv --images images/ --out proposal",
        "run-2 --old run-1 --manifest styles.csv --images images/ --out proposal --reject 3",
    )

    run: str = Field(description="The newer run.", json_schema_extra={"argument": True})
    old: list[str] = Field(
        default=[], description="Earlier runs, or folders of runs, whose tags stand; without, all tags are new ones."
    )
    out: str = Field(description="Folder of the proposal; a run for the review page lies in it.")
    precision: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Share of a move's new tags that must be right, with a probability of 95%.",
    )
    accept: list[int] = Field(default=[], description="Numbers of moves to accept, whatever was judged.")
    reject: list[int] = Field(default=[], description="Numbers of moves to reject, whatever was judged.")
    shown: int = Field(default=60, ge=0, le=1000, description="How many moves the page shows.")
    seed: Seed = Field(default=0, description="Seed of what is drawn.")
    database: str | None = Field(default=None, description=DATABASE_DESCRIPTION)

    @field_validator("old", "accept", "reject", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str | int) else value
