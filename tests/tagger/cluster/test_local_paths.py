import pytest

from tagger.cluster.local_paths import check_local_paths
from tagger.errors import UsageError
from tagger.reporter import LogReporter
from tagger.schemas.configs.options import RayOptions
from tagger.schemas.configs.tag import TagConfig


class Lines(LogReporter):
    """What was warned of."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def warned(options: RayOptions, nodes: int = 3) -> list[str]:
    reporter = Lines()
    check_local_paths(options, nodes, reporter)
    return reporter.lines


def config(images: str | None = "/data/images", out: str = "s3://shop/run", manifest: str = "/data/m.csv") -> TagConfig:
    return TagConfig(manifest=manifest, images=images, model="bundle", out=out)


def test_a_path_that_other_machines_may_lack_is_named_in_one_line() -> None:
    assert warned(config()) == [
        "--images /data/images lies on this machine; the other 2 nodes look for it there, too: a shared folder or "
        "s3:// is needed"
    ]
    (line,) = warned(config(out="file:///data/run"), nodes=2)
    assert line.startswith("--images /data/images and --out /data/run lie on this machine; the other node looks for")


@pytest.mark.parametrize("images", [None, "column:photo"])
def test_a_manifest_is_named_where_the_images_lie_in_it(images: str | None) -> None:
    (line,) = warned(config(images=images))
    assert line.startswith("--manifest /data/m.csv lies")
    assert warned(config(images=images, manifest="s3://shop/m.parquet")) == []


@pytest.mark.parametrize("images", ["s3://shop/{id}.jpg", "https://shop.example/{id}.jpg"])
def test_what_all_machines_reach_is_no_matter(images: str) -> None:
    assert warned(config(images=images)) == []


def test_one_machine_finds_all_its_paths() -> None:
    assert warned(config(images="images", out="run"), nodes=1) == []
    assert warned(RayOptions()) == []


def test_a_relative_path_is_refused_on_several_machines() -> None:
    with pytest.raises(UsageError, match=r"^--out run: is a relative path, and Ray runs on 3 machines"):
        warned(config(out="run"))
