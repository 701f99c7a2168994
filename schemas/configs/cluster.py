"""The options of `tagger bench` that describe a cluster to play a run on."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from tagger.schemas.values import JobConfig, Panel


def parse_cluster(text: str) -> tuple[int, int]:
    """Read NODESxCORES."""
    match = re.fullmatch(r"(\d{1,6})x(\d{1,4})", text.strip().lower())
    if not match or not (int(match[1]) and int(match[2])):
        raise ValueError(f"{text!r} is not NODESxCORES, such as 64x16")
    return int(match[1]), int(match[2])


def _whole(value: object) -> object:
    """Read 1e8 as 100000000."""
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return value
    return int(number) if number is not None and number.is_integer() else value


Rows = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10**10)]


class ClusterOptions(JobConfig):
    """A cluster, and the runs to play on it."""

    panel = Panel.CLUSTER

    cluster: str | None = Field(
        default=None,
        description="NODESxCORES, such as 64x16: measure here what each step of a run costs, and simulate the run on "
        "such a cluster.",
    )
    rows: list[Rows] = Field(default=[], description="Rows of the run, such as 1e8; repeat it to compare sizes.")
    costs: str | None = Field(
        default=None,
        description="File with the costs that an earlier call printed with --json, instead of measuring them here.",
    )
    gpus: int = Field(default=0, ge=0, description="GPUs of each node.")
    gpu_rate: float | None = Field(
        default=None,
        gt=0,
        description="Images/s of the forward pass on one GPU, as bench --device cuda --workers 1 measures it.",
    )
    part_rows: int = Field(default=8192, ge=1, description="As for the tag job.")
    bucket_requests: float | None = Field(
        default=None, gt=0, description="With --s3: requests/s that the bucket answers; no limit without it."
    )
    request_ms: float = Field(
        default=0, ge=0, description="With --s3: milliseconds until the bucket answers a request, of images and parts."
    )
    network_gbit: float | None = Field(
        default=None, gt=0, description="Network of each node in Gbit/s, for images; no limit without it."
    )
    price_per_node_hour: float | None = Field(
        default=None, ge=0, description="Price of a node for an hour: say what a million images cost."
    )

    @model_validator(mode="after")
    def _check_cluster(self) -> "ClusterOptions":
        if self.cluster is None:
            given = self.model_fields_set & vars(ClusterOptions)["__annotations__"].keys()
            if given:
                raise ValueError(f"{min(given)} describes a run on a cluster: name it with cluster, such as 64x16")
            return self
        parse_cluster(self.cluster)
        if not self.rows:
            raise ValueError("with cluster, say how many rows the run has: rows, such as 1e8")
        if self.gpu_rate is not None and not self.gpus:
            raise ValueError("gpu_rate is of GPUs: say how many each node has with gpus")
        return self
