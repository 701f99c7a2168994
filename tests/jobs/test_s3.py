"""The whole path on S3: manifest, images, bundle and run in buckets, over HTTP on loopback."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tagger.demo.drawn_catalogue import draw_catalogue
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory
from tests.conftest import Outcome, S3Server

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def test_train_tag_and_evaluate_in_buckets(
    tagger: Run, s3: S3Server, small_training: dict[str, object], tmp_path: Path
) -> None:
    drawn = draw_catalogue(tmp_path, 220, seed=3)  # enough to measure engines on
    base = f"s3://{s3.bucket}/whole"
    s3.put("whole/styles.csv", drawn.manifest.read_bytes())
    for file in drawn.images.iterdir():
        s3.put(f"whole/images/{file.name}", file.read_bytes())
    catalogue = ["--manifest", f"{base}/styles.csv", "--images", f"{base}/images", "--s3-endpoint", s3.endpoint]
    small = small_training | {"min_items": 6, "epochs": 2}
    settings = [part for name, value in small.items() for part in (f"--{name.replace('_', '-')}", value)]

    trained = tagger("train", *catalogue, "--out", f"{base}/bundle", *settings)
    assert trained.code == 0, trained.err
    tagged = tagger("tag", *catalogue, "--model", f"{base}/bundle", "--out", f"{base}/run", "--json")
    assert tagged.code == 0, tagged.err
    counts = json.loads(tagged.out)["counts"]
    assert counts["rows"] == counts["predictions"] + counts["rejects"] == drawn.items + 2
    assert counts["errors"] == {"not_found": 1, "truncated": 1}
    again = tagger("tag", *catalogue, "--model", f"{base}/bundle", "--out", f"{base}/run")
    assert (again.code, "nothing to do" in again.err) == (0, True)

    run = RunDirectory(Location(f"{base}/run", s3.endpoint))
    assert len(run.read(["id"])) == drawn.items
    assert not run.work.exists()
    client = s3.client()
    listed = client.list_objects_v2(Bucket=s3.bucket, Prefix="whole/run/")  # type: ignore[attr-defined]
    keys = [entry["Key"] for entry in listed["Contents"]]
    part = next(k for k in keys if "predictions/part-" in k)
    body = client.get_object(Bucket=s3.bucket, Key=part)["Body"].read()  # type: ignore[attr-defined]
    uris = pq.read_table(io.BytesIO(body), columns=["imageUri"])["imageUri"].to_pylist()
    assert all(u.startswith(f"{base}/images/") for u in uris)

    evaluated = tagger(
        "evaluate", "--run", f"{base}/run", "--manifest", f"{base}/styles.csv", "--out", f"{base}/report",
        "--s3-endpoint", s3.endpoint, "--json",
    )  # fmt: skip
    assert evaluated.code == 0, evaluated.err
    assert Location(f"{base}/report/index.html", s3.endpoint).exists()
