"""Scores of suppliers from two nights: every count, what is sent, and what the way out of a mistake is."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tagger.schemas.tables.decision import DECISION
from tests.builders import encoded, picture
from tests.conftest import Outcome
from tests.jobs.test_nightly import ENGINE

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
NIGHT_1 = ["a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2"]
NIGHT_2 = [*NIGHT_1, "a5", "b3", "c0"]
SUPPLIERS = {"a": "Acme & Söhne", "b": "=Bolt", "c": ""}


def manifest(ids: list[str]) -> None:
    rows = ["id,supplier,masterCategory,articleType"]
    for item in ids:
        label = "Apparel,Shirts" if item in ("a0", "a1") else ","
        rows.append(f"{item},{SUPPLIERS[item[0]]},{label}")
    Path("delivered.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture
def nights(tagger: Run, tmp_path: Path, bundle_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Acme: one picture missing, one cut off, one for two items; Bolt: a blurry one, mended in the second night."""
    monkeypatch.chdir(tmp_path)
    images = tmp_path / "images"
    images.mkdir()
    for number, item in enumerate(NIGHT_2):
        if item not in ("a2",):
            (images / f"{item}.jpg").write_bytes(encoded(picture(seed=0 if item == "a1" else number)))
    (images / "a3.jpg").write_bytes(encoded(picture(seed=3))[:200])
    (images / "b0.jpg").write_bytes(encoded(Image.new("RGB", (60, 80), "grey")))
    tag = ["tag", "--manifest", "delivered.csv", "--images", "images", "--model", str(bundle_dir), "--engine", ENGINE,
           "--max-failed", "100%", "--known", "runs"]  # fmt: skip
    manifest(NIGHT_1)
    assert tagger(*tag, "--out", "runs/1").code == 0
    started(tmp_path / "runs/1", "2026-10-01T02:00:00Z")
    (images / "b0.jpg").write_bytes(encoded(picture(seed=50)))
    manifest(NIGHT_2)
    assert tagger(*tag, "--out", "runs/2").code == 0
    started(tmp_path / "runs/2", "2026-11-01T02:00:00Z")
    return tmp_path / "runs"


def started(run: Path, at: str) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"startedAt": at}))


def decide(run: Path, decided: list[tuple[str, str | None]]) -> None:
    """Ten seconds for each item."""
    now = datetime(2026, 10, 2, tzinfo=UTC)
    rows = [
        {"id": item, "verdict": "corrected" if article else "master_only", "masterCategory": "Apparel",
         "articleType": article, "decidedBy": "Ann", "decidedAt": now + timedelta(seconds=10 * n)}
        for n, (item, article) in enumerate(decided)
    ]  # fmt: skip
    (run / "decisions").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=DECISION), run / "decisions/part-0.parquet")


def test_each_supplier_has_its_counts_and_a_page_that_tells_nothing_of_the_others(tagger: Run, nights: Path) -> None:
    decide(nights / "1", [("a0", None), ("a1", "Socks"), ("b1", "Socks")])
    done = tagger("suppliers", "runs", "--by", "supplier", "--out", "scores", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    groups = {row["group"]: row for row in result["groups"]}
    assert sum(row["items"] for row in groups.values()) == result["items"] == len(NIGHT_2)
    acme, bolt, blank = groups["Acme & Söhne"], groups["=Bolt"], groups["(blank)"]
    columns = ["items", "missing", "broken", "blurry", "shared", "unusable", "still_unusable"]
    assert [acme[name] for name in columns] == [6, 1, 1, 0, 2, 2, 2]
    assert [bolt[name] for name in columns] == [4, 0, 0, 1, 0, 1, 0], "its blurry picture was mended"
    assert [blank[name] for name in columns] == [1, 0, 0, 0, 0, 0, 0]
    assert (acme["labels_judged"], acme["labels_wrong"], bolt["labels_judged"]) == (2, 1, 0)
    assert (acme["minutes"], bolt["minutes"]) == (pytest.approx(1 / 3), pytest.approx(1 / 6)), "ten seconds each"
    decided = 3
    assert acme["waiting"] + bolt["waiting"] + blank["waiting"] == len(NIGHT_2) - 2 - decided, "but for unusable ones"

    names = result["sent"]
    assert names == {"Acme & Söhne": "Acme-Söhne", "=Bolt": "Bolt"}
    page = (nights.parent / "scores/to-send/Acme-Söhne.html").read_text()
    for said in ("a2", "there is no file of this name", "a3", "delivered as Apparel / Shirts, is Apparel / Socks"):
        assert said in page
    assert "Bolt" not in page and str(nights.parent) not in page and "b0" not in page
    mended = (nights.parent / "scores/to-send/Bolt.html").read_text()
    assert "Nothing waits to be mended; 1 was mended since" in mended
    sent = pd.read_csv(nights.parent / "scores/to-send/Acme-Söhne.csv")
    assert str(nights.parent) not in sent.to_csv()
    assert sorted(sent["id"]) == ["a0", "a1", "a1", "a2", "a3"]
    table = pd.read_csv(nights.parent / "scores/groups.csv", keep_default_na=False)
    assert set(table["supplier"]) == {"Acme & Söhne", "'=Bolt", "(blank)"}, "no spreadsheet runs a name"
    periods = pd.read_csv(nights.parent / "scores/periods.csv")
    assert periods.groupby("period")["items"].sum().to_dict() == {"2026-10": 8, "2026-11": 3}
    assert not list((nights.parent / "scores/to-send").glob("*blank*"))
    overview = (nights.parent / "scores/index.html").read_text()
    assert 'href="to-send/Acme-S%C3%B6hne.html"' in overview


def test_what_cannot_be_scored_says_the_way_out(tagger: Run, nights: Path) -> None:
    unknown = tagger("suppliers", "runs", "--by", "suplier", "--out", "scores")
    assert unknown.code == 2 and "did you mean supplier?" in unknown.err
    Path("delivered.csv").rename("moved.csv")
    gone = tagger("suppliers", "runs", "--by", "supplier", "--out", "scores")
    assert gone.code == 2 and "name one with --manifest" in gone.err
    score = ["suppliers", "runs", "--by", "supplier", "--out"]
    named = tagger(*score, "scores", "--manifest", "moved.csv", "--pages", "1")
    assert named.code == 0
    assert "1 more have something to mend" in named.out
    Path("half.csv").write_text("id,supplier\na0,Acme\n")
    part = tagger(*score, "part", "--manifest", "half.csv", "--no-pictures", "--json")
    assert part.code == 0, part.err
    groups = {row["group"]: row["items"] for row in json.loads(part.out)["groups"]}
    assert groups == {"Acme": 1, "(not in the manifest)": len(NIGHT_2) - 1}
