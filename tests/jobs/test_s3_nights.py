"""Night after night over a bucket: objects that have not changed are not downloaded again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.builders import encoded, picture
from tests.conftest import Outcome, S3Server
from tests.faulty_s3 import Faults, faulty

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
ITEMS = 12
ENGINE = "openvino-cpu-float32"  # with so few images PyTorch would be chosen, which each worker takes seconds to load


@pytest.mark.parametrize("images", ["pattern", "prefix", "column"])
def test_only_objects_that_have_changed_are_downloaded(
    tagger: Run, s3: S3Server, bundle_dir: Path, tmp_path: Path, images: str
) -> None:
    folder = f"nights-{images}"
    uris = [s3.put(f"{folder}/{n}.jpg", encoded(picture(seed=n))) for n in range(ITEMS)]
    rows = [f"{n},{uri}" for n, uri in enumerate(uris)]
    (tmp_path / "m.csv").write_text("\n".join(["id,imageUri", *rows]) + "\n")
    base = f"s3://{s3.bucket}/{folder}"
    flags = {"pattern": ["--images", f"{base}/{{id}}.jpg"], "prefix": ["--images", base], "column": []}[images]
    proxied = Faults()

    with faulty(s3.endpoint, proxied) as endpoint:

        def night(name: str) -> dict[str, Any]:
            """The run's counts; requests and downloads are counted from its start."""
            proxied.requests.clear()
            proxied.downloads.clear()
            outcome = tagger(
                "tag", "--manifest", tmp_path / "m.csv", *flags, "--s3-endpoint", endpoint, "--model", bundle_dir,
                "--out", tmp_path / "runs" / name, "--known", tmp_path / "runs", "--engine", ENGINE, "--json",
            )  # fmt: skip
            assert outcome.code == 0, outcome.err
            counts: dict[str, Any] = json.loads(outcome.out)["counts"]
            return counts

        def sent() -> set[str]:
            return {path for path in proxied.downloads if path.endswith(".jpg")}

        assert night("1")["predictions"] == ITEMS
        first = pd.read_parquet(tmp_path / "runs/1/predictions").set_index("id")
        assert first["imageEtag"].notna().all()
        counts = night("2")
        assert (counts["predictions"], counts["skipReasons"]) == (0, {"known": ITEMS})
        assert sent() == set(), "neither to tag nor to choose an engine"
        conditions = [headers.get("if-none-match") for path, headers in proxied.requests if path.endswith(".jpg")]
        assert set(conditions) == (set(first["imageEtag"]) if images == "column" else set()), "lists say it of a prefix"
        s3.put(f"{folder}/3.jpg", encoded(picture(seed=99)))
        counts = night("3")
        assert (counts["predictions"], counts["known"], sent()) == (1, ITEMS - 1, {f"/{s3.bucket}/{folder}/3.jpg"})
