"""The config of `tagger submit`."""

from pydantic import Field, field_validator

from tagger.schemas.values import JobConfig


class SubmitConfig(JobConfig):
    """Run a command on a Ray cluster, and end with its exit code."""

    examples = (
        "--address http://HEAD:8265 -- tag --manifest s3://pim/export/ --images 's3://shop/img/{id}.jpg' "
        "--model s3://models/bundle --out s3://pim/runs/1",
    )

    command: list[str] = Field(
        min_length=1,
        description="The command and its flags, after --.",
        json_schema_extra={"argument": True},
    )
    address: str = Field(
        default="http://127.0.0.1:8265", description="Address of the cluster's dashboard, which takes jobs."
    )
    env: list[str] = Field(
        default=[],
        description="Environment variable to hand on to the command and its workers, by name or as a pattern such as "
        "AWS_*; nothing else of this environment goes there.",
    )
    cpus: float = Field(
        default=0, ge=0, description="CPUs that the command itself reserves; 0 runs it on the cluster's head node."
    )

    @field_validator("env", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
