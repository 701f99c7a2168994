"""Two commands never write to one folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.io.lock import holding
from tests.conftest import Outcome, S3Server

JOBS = {
    "train": [],
    "tune": ["--space", "quick"],
    "combine": ["a", "b"],
    "results": [],
    "audit": ["index"],
    "tag": ["--model", "{bundle}"],
}


@pytest.mark.parametrize("job", JOBS)
def test_a_second_command_with_the_same_out_is_refused(
    job: str, tagger: Callable[..., Outcome], drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    arguments = [a.format(bundle=bundle_dir) for a in JOBS[job]]
    out = tmp_path / "out"
    with holding(Location(str(out))):
        outcome = tagger(job, *arguments, "--manifest", drawn.manifest, "--images", drawn.images, "--out", out)
    assert outcome.code == 2, outcome.err
    assert f"--out: {out} is taken: process" in outcome.err
    assert not out.exists(), "neither command has left anything"


@pytest.mark.parametrize(
    "change",
    [
        ["evidence", "{bundle}", "--manifest", "{manifest}", "--title", "productDisplayName"],
        ["policy", "{bundle}", "--target-precision", "0.9"],
    ],
)
def test_a_command_that_changes_a_bundle_is_refused_while_another_process_holds_it(
    change: list[str], tagger: Callable[..., Outcome], drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(bundle_dir, tmp_path / "bundle")
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    with holding(Location(str(bundle))):
        outcome = tagger(*(part.format(bundle=bundle, manifest=drawn.manifest) for part in change))
    assert outcome.code == 2, outcome.err
    assert f"--model: {bundle} is taken: process" in outcome.err
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    missing = tagger(*(part.format(bundle=tmp_path / "no", manifest=drawn.manifest) for part in change))
    assert (missing.code, f"--model: there is no bundle {tmp_path / 'no'}" in missing.err) == (2, True), missing.err
    assert not (tmp_path / "no").exists()


@pytest.mark.usefixtures("embedded_ray")
def test_a_command_that_only_reads_a_bundle_is_not_refused_while_another_changes_it(
    tagger: Callable[..., Outcome], drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(bundle_dir, tmp_path / "bundle")
    shop = ["--manifest", drawn.manifest, "--images", drawn.images]
    with holding(Location(str(bundle))):
        outcome = tagger("tag", *shop, "--model", bundle, "--out", tmp_path / "run")
        assert outcome.code == 0, outcome.err
        tried = tagger("policy", bundle, "--target-precision", "0.9", "--splits", "2")
        assert (tried.code, "has no report/" in tried.err) == (3, True), "it looks for the report, and holds nothing"


def test_in_a_bucket_a_second_command_is_refused_too(
    tagger: Callable[..., Outcome], drawn: Drawn, s3: S3Server
) -> None:
    out = Location(f"s3://{s3.bucket}/held/bundle", s3.endpoint)
    with holding(out):
        outcome = tagger(
            "train", "--manifest", drawn.manifest, "--images", drawn.images, "--out", out.uri,
            "--s3-endpoint", s3.endpoint,
        )  # fmt: skip
    assert outcome.code == 2, outcome.err
    assert "is taken: process" in outcome.err
