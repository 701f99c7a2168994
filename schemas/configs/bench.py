"""The config of `tagger bench`."""

from pydantic import Field, model_validator

from tagger.schemas.configs.cluster import ClusterOptions
from tagger.schemas.values import (
    Device,
    EngineName,
    Size,
)


class BenchConfig(ClusterOptions):
    """Measure images per second, beside plain scripts.

    Decoding, the forward pass and the whole tag job, on the same images; with an index, its searches; with a cluster,
    how long a run on it would take, by a simulation.
    """

    examples = (
        "",
        "--model bundle --manifest styles.csv --images images/",
        "--index index --growth 100000 --growth 1000000",
        "--model bundle --cluster 64x16 --rows 1e8",
    )

    index: str | None = Field(
        default=None, description="Measure finding similar items instead, in indexes of noisy copies of its vectors."
    )
    model: str | None = Field(default=None, description="A bundle; without one, --backbone with random weights.")
    backbone: str = Field(default="mobilenet_v2", description="The model to measure when there is no bundle.")
    image_size: Size = Field(default="112x84", description="Its input, HEIGHTxWIDTH.")
    manifest: str | None = Field(default=None, description="A catalogue to take images from, with --images.")
    images: str | None = Field(
        default=None,
        description="A folder of image files, or the manifest's image store; without it, drawn images.",
    )
    items: int = Field(default=16_384, ge=512, description="Images to measure on; copies where there are fewer.")
    enlarge: int = Field(default=0, ge=0, le=8192, description="Enlarge the images to this longer side first, pixels.")
    device: Device = Field(default="auto", description="auto takes a GPU where this machine has one.")
    engine: EngineName = Field(default="auto", description="What runs the model, as for the tag job.")
    workers: str = Field(default="0", description="Processes; 0: one a core.")
    rounds: int = Field(default=3, ge=1, description="Times to measure the tag job beside its forward pass.")
    seconds: float = Field(
        default=6, gt=0, le=600, description="Seconds to repeat decoding alone, and the forward pass alone."
    )
    baselines: bool = Field(default=True, description="Measure the plain DataLoader and Ray Data scripts, too.")
    embeddings: bool = Field(default=False, description="Measure the tag job with --embeddings beside it, too.")
    s3: bool = Field(
        default=False, description="Measure the tag job on the same images in S3 beside it, too: a server on loopback."
    )
    growth: list[int] = Field(
        default=[],
        description="Rows of manifests to tag, such as --growth 1000 --growth 100000, to see how cost grows; a million "
        "rows take some 5 GB of --scratch. With --index, sizes of indexes; a million vectors take some 5 GB, too.",
    )
    plot: str | None = Field(default=None, description="File for a plot: .svg, .png or .pdf.")
    scratch: str | None = Field(default=None, description="Folder for temporary files; the system's by default.")

    @model_validator(mode="after")
    def _check(self) -> "BenchConfig":
        if self.index and (not self.growth or min(self.growth) < 1000):
            raise ValueError("with index, name the sizes of indexes to measure, 1,000 vectors or more: growth")
        if self.index and self.plot:
            raise ValueError("plot draws images per second; with index there are none")
        if self.cluster is None:
            return self
        if self.index or self.growth or self.plot or self.embeddings:
            raise ValueError("with cluster, leave out index, growth, plot and embeddings")
        if not self.s3 and (self.bucket_requests or self.request_ms):
            raise ValueError("bucket_requests and request_ms are of images in S3: add s3")
        if self.device == "cuda" and self.costs is None:
            raise ValueError("cluster measures what CPUs do; give the rate of a GPU with gpu_rate instead of device")
        return self
