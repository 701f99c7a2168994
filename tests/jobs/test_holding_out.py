"""Two commands never write to one folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.catalog.synthetic import Drawn
from tagger.inference.lock import holding
from tagger.storage import Location
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
