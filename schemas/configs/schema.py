"""The config of `tagger schema`."""

from pydantic import Field

from tagger.schemas.values import JobConfig


class SchemaConfig(JobConfig):
    """Print the schema of a file, or of a command's settings."""

    examples = ("", "prediction", "prediction --arrow", "train --json", "similar-config")

    name: str | None = Field(
        default=None,
        description="A file's, such as prediction, reject, bundle or run; a command, for its settings; space, for the "
        "file of tagger tune. Without it, all names.",
        json_schema_extra={"argument": True},
    )
    arrow: bool = Field(default=False, description="List the Arrow columns instead.")
