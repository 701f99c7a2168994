"""A run over images from a web server that redirects, throttles, stalls, cuts off and lies."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.conftest import Outcome
from tests.image_server import serving

Run = Callable[..., Outcome]

CODES = {
    "ok": None, "moved": None, "throttled": None, "unavailable": None, "reset": None, "cut": None, "chunks": None,
    "gzip": None, "missing": "not_found", "gone": "not_found", "secret": "access_denied", "teapot": "store_error",
    "stalled": "store_error", "dribbling": "store_error", "circle": "store_error", "html": "not_an_image",
    "elsewhere": "outside_store", "endless": "too_large",
}  # fmt: skip


@pytest.mark.usefixtures("embedded_ray")
def test_every_row_of_a_misbehaving_server_is_accounted_for(
    tagger: Run, drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    sound = next(f for f in sorted(drawn.images.iterdir()) if f.stem not in drawn.truncated)
    with serving(sound.read_bytes()) as site:
        rows = [f"{kind}-{n},{site.url(f'{kind}/{n}.jpg')}" for n in range(3) for kind in CODES]
        (tmp_path / "m.csv").write_text("\n".join(["id,imageUri", *rows]) + "\n")
        command = ["tag", "--manifest", tmp_path / "m.csv", "--model", bundle_dir, "--out", tmp_path / "r", "--json"]
        refused = tagger(*command)
        assert (refused.code, "--allow-http" in refused.err) == (2, True)
        complaints = [line for line in refused.err.splitlines() if line.startswith("tagger: ")]
        assert (len(complaints), (tmp_path / "r").exists(), dict(site.requests)) == (1, False, {})
        host = site.address.split("/")[2]
        outcome = tagger(
            *command, "--allow-http", "--allow-private-hosts", host, "--http-timeout", 2, "--max-bytes", 1_000_000,
            "--max-failed", "100%", "--workers", 1,
        )  # fmt: skip
    assert outcome.code == 0, outcome.err
    counts = json.loads(outcome.out)["counts"]
    assert counts["rows"] == counts["predictions"] == len(rows)
    found = pd.read_parquet(tmp_path / "r/predictions").set_index("id")
    codes = {item: code if isinstance(code, str) else None for item, code in found["errorCode"].items()}
    assert codes == {f"{kind}-{n}": code for n in range(3) for kind, code in CODES.items()}
