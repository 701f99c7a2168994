"""Night after night over http: what its server says is unchanged is not downloaded again."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.bundle import LevelPolicy, Policy
from tagger.schemas.documents.taxonomy import Level
from tests.builders import encoded, picture
from tests.conftest import Outcome
from tests.image_server import ImageServer, serving

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
ITEMS = 12
ENGINE = "openvino-cpu-float32"  # with so few images PyTorch would be chosen, which each worker takes seconds to load


class Shop:
    """A shop whose images all lie on a web server, and that tags them with --known RUNS every night."""

    def __init__(self, tagger: Run, bundle: Bundle, folder: Path, site: ImageServer) -> None:
        self._tagger = tagger
        self._bundle = bundle
        self.folder = folder
        self.site = site
        self.offer(["tagged"] * ITEMS)
        self.accept_above(0.0)

    def offer(self, kinds: list[str]) -> None:
        """One item for each kind of address, with a picture of its own."""
        self.paths = [f"/{kind}/{n}.jpg" for n, kind in enumerate(kinds)]
        self.site.images.update({path: encoded(picture(seed=n)) for n, path in enumerate(self.paths)})
        rows = [f"{n},{self.site.address}{path}" for n, path in enumerate(self.paths)]
        (self.folder / "m.csv").write_text("\n".join(["id,imageUri", *rows]) + "\n")

    def accept_above(self, threshold: float) -> None:
        level = LevelPolicy(target_precision=0.9, accept_above=threshold, coverage=1, precision=None, at_least=None)
        policy = Policy(probability=0.95, fitted_on=1, levels=dict.fromkeys(Level, level))
        self._bundle.changed(policy=policy).save(Location(str(self.folder / "bundle")))

    def night(self, name: str) -> dict[str, Any]:
        """The run's counts; what the server was asked and sent is counted from its start."""
        self.site.conditions.clear()
        self.site.sent.clear()
        outcome = self._tagger(
            "tag", "--manifest", self.folder / "m.csv", "--model", self.folder / "bundle", "--out",
            self.folder / "runs" / name, "--known", self.folder / "runs", "--allow-http", "--allow-private-hosts",
            "127.0.0.1", "--engine", ENGINE, "--json",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        counts: dict[str, Any] = json.loads(outcome.out)["counts"]
        return counts

    def predictions(self, night: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "runs" / night / "predictions").set_index("id")


@pytest.fixture
def shop(tagger: Run, bundle: Bundle, tmp_path: Path) -> Iterator[Shop]:
    card = bundle.card.model_copy(update={"blur_threshold": 0.0})
    with serving(encoded(picture())) as site:
        yield Shop(tagger, Bundle.identified(card, bundle.weights), tmp_path, site)


def test_only_what_has_changed_is_downloaded_and_tagged(shop: Shop) -> None:
    """Also where the same bytes get another ETag: then the server is asked by the newest."""
    shop.offer([*["tagged", "weak", "movedtagged"] * (ITEMS // 3), *["revised"] * ITEMS])
    items, revised = len(shop.paths), set(shop.paths[ITEMS:])
    for path in [p for p in shop.paths if p.startswith("/movedtagged")]:
        shop.site.images[path.replace("moved", "")] = shop.site.images[path]
    assert shop.night("1")["predictions"] == items
    first = shop.predictions("1")
    assert first["imageEtag"].notna().all()
    assert set(first["imageEtag"].str.startswith("W/")) == {True, False}

    counts = shop.night("2")
    assert (counts["predictions"], counts["skipReasons"], counts["known"]) == (0, {"known": items}, items)
    assert shop.site.sent.total() == 0, "neither to tag nor to choose an engine"
    assert set(shop.site.conditions) == set(first["imageEtag"])

    shop.site.revision = 2
    counts = shop.night("3")
    assert (counts["predictions"], counts["known"], set(shop.site.sent)) == (0, items, revised)

    shop.site.images["/tagged/0.jpg"] = encoded(picture(seed=99))
    counts = shop.night("4")
    assert (counts["predictions"], counts["skipReasons"], counts["known"]) == (1, {"known": items - 1}, items - 1)
    assert set(shop.site.sent) == {"/tagged/0.jpg"}
    assert {etag for etag in shop.site.conditions if etag and "revision" in etag} == {'"revision-2"'}
    changed = shop.predictions("4").loc["0"]
    assert changed["imageDigest"] != first.loc["0", "imageDigest"]
    assert changed["imageEtag"] != first.loc["0", "imageEtag"]
    counts = shop.night("5")
    assert (counts["predictions"], shop.site.sent.total()) == (0, 0), "the newest ETag counts"


def test_a_server_that_goes_by_no_condition_is_known_by_the_bytes(shop: Shop) -> None:
    shop.offer(["ok"] * ITEMS)
    shop.night("1")
    counts = shop.night("2")
    assert (counts["predictions"], counts["skipReasons"], counts["known"]) == (0, {"known": ITEMS}, ITEMS)
    assert set(shop.site.sent) == set(shop.paths)


def test_known_predictions_are_decided_anew_without_a_download(shop: Shop) -> None:
    """Runs of before there were ETags are known by the bytes, once."""
    shop.night("1")
    first = shop.predictions("1")
    strict = float(np.median(first["articleTypeConfidence"]))
    shop.accept_above(strict)
    unsure = set(first.index[first["articleTypeConfidence"].to_numpy() < strict])
    counts = shop.night("2")
    assert (counts["redecided"], counts["predictions"]) == (len(unsure), len(unsure))
    assert shop.site.sent.total() == 0
    anew = shop.predictions("2")
    same = ["imageUri", "imageDigest", "imageEtag", "articleType", "articleTypeConfidence"]
    assert anew[same].equals(first.loc[anew.index, same])
    assert "accept" not in set(anew["decision"])
    shop.night("3")
    assert shop.site.sent.total() == 0

    for part in shop.folder.glob("runs/*/predictions/*.parquet"):
        table = pq.read_table(part)
        pq.write_table(table.drop_columns(["imageEtag"]), part)
    counts = shop.night("4")
    assert (counts["predictions"], counts["known"]) == (0, ITEMS)
    assert set(shop.site.conditions) == {None}
    counts = shop.night("5")
    assert (counts["predictions"], counts["known"]) == (0, ITEMS)
    assert shop.site.sent.total() == 0, "the night before has kept the ETags"
    assert not (shop.folder / "runs/5/etags").exists(), "nothing is new"


def test_an_etag_counts_only_for_the_address_that_gave_it(shop: Shop) -> None:
    shop.offer(["same"] * ITEMS)
    shop.night("1")
    shop.offer(["tagged", *["same"] * (ITEMS - 1)])
    shop.site.images["/tagged/0.jpg"] = encoded(picture(seed=99))
    assert shop.night("2")["predictions"] == 1
    assert shop.site.conditions.count(None) == shop.site.sent.total() == 2, "for the engine, and to be tagged"
