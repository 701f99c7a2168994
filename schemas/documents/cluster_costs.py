"""The costs that `tagger bench --cluster` measures on one machine and plays for a cluster."""

from pydantic import Field, model_validator

from tagger.schemas.documents.run import RunPart


class ImageCosts(RunPart):
    """CPU seconds of a worker for one image; their sum is what was measured, its split varies with the machine."""

    forward: float = Field(ge=0, description="The forward pass on a CPU.")
    decode: float = Field(ge=0, description="Decoding and resizing.")
    rest: float = Field(
        description="Reading a local file, hashing, deciding and writing. It is what is left of the worker's seconds, "
        "so it can be a little below 0 where the machine's speed changed between two measurements."
    )
    fetch: float | None = Field(
        default=None, description="What an image from S3 costs in addition; null where it was not measured (--s3)."
    )

    @model_validator(mode="after")
    def _check(self) -> "ImageCosts":
        if self.decode + self.rest + min(0, self.fetch or 0) < 0:
            raise ValueError("decode, rest and fetch are less than nothing together")
        return self


class ClusterCosts(RunPart):
    """What each step of a run costs. Seconds, unless a name says otherwise."""

    measured_on: str = Field(description="The machine, the model and the engine, in words.")
    others_cpu: float = Field(
        ge=0, le=1, description="Share of the machine's CPUs that other processes used; with much, costs are too high."
    )
    start: float = Field(
        ge=0, description="The command besides staging, tagging and finishing: its start, Ray, its end."
    )
    worker_start: float = Field(ge=0, description="From the engine's choice until the first part is begun.")
    stage_row: float = Field(ge=0, description="Staging, a row of a Parquet manifest.")
    stage_part: float = Field(ge=0, description="Staging, a part.")
    stage_range_row: float = Field(
        ge=0, description="Staging a row of a large Parquet manifest, which many processes stage in ranges."
    )
    stage_task: float = Field(ge=0, description="CPU of the command for a call of one of these processes.")
    stage_start: float = Field(ge=0, description="Until these processes have started, and staged a range of one row.")
    image: ImageCosts
    part: float = Field(ge=0, description="A worker, for a part of whatever size.")
    hand_out: float = Field(ge=0, description="CPU of the command to hand out a part.")
    hand_out_worker: float = Field(ge=0, description="The same, in addition for each worker that is waited for.")
    ask_image: float = Field(ge=0, description="CPU of the coordinator, for an image that it is asked about.")
    ask_call: float = Field(ge=0, description="CPU of the coordinator, for a call.")
    finish_part: float = Field(ge=0, description="Finishing, a part.")
    image_bytes: float = Field(ge=0, description="Mean size of an image file, bytes.")
    gpu_images_per_second: float | None = Field(
        default=None, gt=0, description="Forward passes of one GPU; null where nobody gave it."
    )
