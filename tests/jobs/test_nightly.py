"""Nightly runs: what is known is left alone, what is new is tagged, and a folder of runs is a ledger."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.models.bundle import Bundle, model_id
from tagger.schemas.tables.decision import DECISION
from tests.builders import encoded, picture
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
ITEMS = 40
ENGINE = "openvino-cpu-float32"  # with so few images PyTorch would be chosen, which each worker takes seconds to load


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty items, of which two share an image and one has none."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "images").mkdir()
    for number in range(ITEMS):
        if number != 7:
            data = encoded(picture(seed=3 if number == 33 else number))
            (folder / f"images/{number}.jpg").write_bytes(data)
    manifest(folder, range(ITEMS))
    return folder


def manifest(folder: Path, numbers: range) -> Path:
    rows = [f"{n},2026-11-{1 + n % 28:02d}" for n in numbers]
    (folder / "m.csv").write_text("\n".join(["id,changed", *rows]) + "\n")
    return folder / "m.csv"


@pytest.fixture(scope="module")
def nights(shop: Path, bundle_dir: Path) -> Path:
    """A folder with two nights' runs: all items, then those that are new or changed."""
    from tagger.jobs import tag
    from tagger.jobs.shell.console import Console
    from tagger.schemas.configs.tag import TagConfig

    def night(name: str, **more: object) -> None:
        config = TagConfig.model_validate(
            {
                "manifest": str(shop / "m.csv"),
                "images": str(shop / "images"),
                "model": str(bundle_dir),
                "out": str(shop / "runs" / name),
                "max_failed": "100%",
                "engine": ENGINE,
                **more,
            }
        )
        assert tag.run(config, Console(as_json=True, silent=True)) == 0

    night("monday")
    now = datetime.now(UTC)
    decided = {
        "id": "5", "runId": "r", "verdict": "corrected", "masterCategory": "Apparel", "articleType": "Socks",
        "decidedBy": "anna", "decidedAt": now,
    }  # fmt: skip
    (shop / "runs/monday/decisions").mkdir()
    pq.write_table(pa.Table.from_pylist([decided], schema=DECISION), shop / "runs/monday/decisions/part-0.parquet")
    (shop / "images/5.jpg").write_bytes(encoded(picture(seed=99)))  # changed, but a person decided
    (shop / "images/6.jpg").write_bytes(encoded(picture(seed=98)))  # changed
    (shop / "images/7.jpg").write_bytes(encoded(picture(seed=97)))  # was missing
    manifest(shop, range(ITEMS + 2))
    for number in (ITEMS, ITEMS + 1):  # new
        (shop / f"images/{number}.jpg").write_bytes(encoded(picture(seed=number)))
    night("tuesday", known=[str(shop / "runs")])
    return shop / "runs"


def read(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "predictions").set_index("id")


def test_identical_images_share_a_prediction(nights: Path) -> None:
    found = read(nights / "monday")
    own = ["imageUri", "taggedAt"]
    both = found.loc[["3", "33"]].drop(columns=own).astype(str)
    assert len(both.drop_duplicates()) == 1
    assert found["imageDigest"].nunique() == ITEMS - 2


def test_a_night_tags_what_is_new_or_changed_and_leaves_people_their_decisions(nights: Path) -> None:
    record, monday = (json.loads((nights / night / "run.json").read_text()) for night in ("tuesday", "monday"))
    counts = record["counts"]
    assert record["after"] == [monday["runId"]]
    assert set(read(nights / "tuesday").index) == {"6", "7", str(ITEMS), str(ITEMS + 1)}
    assert counts["skipReasons"] == {"known": ITEMS - 3, "decided": 1}
    assert counts["rows"] == counts["predictions"] + counts["rejects"] + counts["skipped"] == ITEMS + 2


def test_another_model_knows_nothing(tagger: Run, nights: Path, shop: Path, bundle: Bundle, tmp_path: Path) -> None:
    card = bundle.card.model_copy(update={"blur_threshold": 1.0})
    other = Bundle(card.model_copy(update={"model_id": model_id(card, bundle.weights)}), bundle.weights)
    other.save(Location(str(tmp_path / "other")))
    outcome = tagger(
        "tag", "--manifest", shop / "m.csv", "--images", shop / "images", "--model", tmp_path / "other", "--out",
        tmp_path / "r", "--known", nights, "--engine", ENGINE, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["counts"]["skipReasons"] == {"decided": 1}


def test_since_and_known_may_be_given_together_and_all_may_be_known(
    tagger: Run, nights: Path, shop: Path, bundle_dir: Path, tmp_path: Path
) -> None:
    outcome = tagger(
        "tag", "--manifest", shop / "m.csv", "--images", shop / "images", "--model", bundle_dir,
        "--out", tmp_path / "r", "--known", nights / "monday", "--known", nights / "tuesday",
        "--since", "changed=2026-11-20", "--engine", ENGINE, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    counts = json.loads(outcome.out)["counts"]
    late = sum(1 + n % 28 >= 20 for n in range(ITEMS + 2))
    assert counts["skipReasons"] == {"before_since": ITEMS + 2 - late - 1, "known": late, "decided": 1}
    assert (counts["predictions"], len(pd.read_parquet(tmp_path / "r/predictions"))) == (0, 0)


def test_runs_lists_what_ran(tagger: Run, nights: Path) -> None:
    (nights / "wednesday").mkdir(exist_ok=True)
    started = json.loads((nights / "monday/run.json").read_text()) | {"state": "running", "runId": "unfinished"}
    (nights / "wednesday/run.json").write_text(json.dumps({**started, "startedAt": "2026-01-01T00:00:00Z"}))
    found = json.loads(tagger("runs", nights, "--json").out)["runs"]
    assert [Path(r["run"]).name for r in found] == ["tuesday", "monday", "wednesday"]
    assert [r["state"] for r in found] == ["done", "done", "interrupted"]
    assert found[1]["counts"]["predictions"] == ITEMS
    assert found[1]["engine"]["engine"].split("-")[1] == "cpu"
    text = tagger("runs", nights).out
    assert "tuesday" in text
    assert "Interrupted; the command that began one goes on with it: wednesday" in text
    with holding(Location(str(nights / "wednesday"))):
        found = json.loads(tagger("runs", nights, "--json").out)["runs"]
    assert [r["state"] for r in found] == ["done", "done", "running"]


def test_latest_gives_the_newest_prediction_of_every_item(tagger: Run, nights: Path, tmp_path: Path) -> None:
    outcome = tagger("latest", nights, "--out", tmp_path / "latest", "--part-rows", 16, "--json")
    assert outcome.code == 0, outcome.err
    found = pd.read_parquet(tmp_path / "latest").set_index("id")
    monday, tuesday = read(nights / "monday"), read(nights / "tuesday")
    assert found.index.is_unique
    assert set(found.index) == set(monday.index) | set(tuesday.index)
    new = set(tuesday.index)
    assert (found.loc[sorted(new), "runId"] == tuesday["runId"].iloc[0]).all()
    assert (found.drop(index=sorted(new))["runId"] == monday["runId"].iloc[0]).all()
    assert found.loc["7", "decision"] != "failed"
    assert json.loads(outcome.out)["parts"] == 3
    again = tagger("latest", nights, "--out", tmp_path / "latest")
    assert (again.code, "is not empty" in again.err) == (2, True)


def test_a_failed_prediction_never_hides_an_earlier_good_one(
    tagger: Run, nights: Path, shop: Path, bundle_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    for name in ("monday", "tuesday"):
        (tmp_path / "runs" / name).symlink_to(nights / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/1.jpg").write_bytes(b"no image")
    outcome = tagger(
        "tag", "--manifest", shop / "m.csv", "--images", tmp_path / "empty", "--model", bundle_dir, "--out",
        tmp_path / "runs/outage", "--max-failed", "100%", "--engine", ENGINE,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    found = json.loads(tagger("latest", tmp_path / "runs", "--out", tmp_path / "latest", "--json").out)
    outage = json.loads((tmp_path / "runs/outage/run.json").read_text())["runId"]
    assert found["items"] == ITEMS + 2
    assert outage not in found["fromRun"]


def test_what_is_no_run_is_told(tagger: Run, shop: Path, bundle_dir: Path, tmp_path: Path) -> None:
    assert "there is no run or folder" in tagger("runs", tmp_path / "nothing").err
    assert "there is no run in" in tagger("latest", tmp_path, "--out", tmp_path / "l").err
    assert "RUN (or --run) is missing" in tagger("runs").err
    common = [
        "tag",
        "--manifest",
        shop / "m.csv",
        "--images",
        shop / "images",
        "--model",
        bundle_dir,
        "--out",
        tmp_path / "r",
    ]
    outcome = tagger(*common, "--known", shop / "m.csv")
    assert (outcome.code, "m.csv is a file; name a run, or a folder of runs" in outcome.err) == (2, True)
    assert not (tmp_path / "r").exists()
    assert tagger(*common, "--since", "colour=red").code == 2


def test_each_night_has_a_page_that_compares_it_with_the_one_before(nights: Path) -> None:
    assert "Against the run before" not in (nights / "monday/report.html").read_text()
    page = (nights / "tuesday/report.html").read_text()
    assert "Against the run before" in page
    assert "known from earlier runs" in page
