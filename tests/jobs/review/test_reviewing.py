"""The review as a command: what is decided, what comes out, and what a kill leaves."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.io.location import Location
from tagger.jobs.steps.review_page import further_classes
from tagger.models.bundle import Bundle
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.tables.decision import DECISION
from tests.builders import encoded, picture
from tests.conftest import Outcome
from tests.review_server import ITEMS, SCRIPT, TOKEN, ReviewServer

Run = Callable[..., Outcome]


def test_an_item_shows_with_all_that_the_catalogue_says_and_no_title_runs(server: ReviewServer) -> None:
    page = server.client().open("/find?id=0")
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    assert "Women" in page
    assert "Low confidence" in page


def test_decisions_that_were_there_before_are_taken_over_and_never_lost(run: Path, tmp_path: Path, tagger: Run) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("review.sqlite*", "decisions"))
    (copy / "decisions").mkdir()
    earlier = {"id": "3", "verdict": "master_only", "masterCategory": "Apparel", "decidedBy": "Eve"}
    row = [{**earlier, "decidedAt": datetime(2026, 1, 1, tzinfo=UTC)}]
    pq.write_table(pa.Table.from_pylist(row, schema=DECISION), copy / "decisions/theirs.parquet")
    too_soon = tagger("review", "export", "--run", copy)
    assert (too_soon.code, "has not begun" in too_soon.err) == (2, True)
    with ReviewServer(copy) as server:
        client = server.client()
        client.open("/queue")
        client.answer("a")
        server.process.terminate()
        server.process.communicate(timeout=30)
        assert server.process.returncode == 0, "a scheduler's end is an end like Ctrl-C"
    log = pd.concat(pd.read_parquet(f) for f in (copy / "decisions").glob("*.parquet")).set_index("id")
    assert len(log) == 2
    assert log.loc["3", "decidedBy"] == "Eve"


def test_what_makes_no_sense_is_explained(server: ReviewServer) -> None:
    client = server.client()
    client.open("/queue")
    address, csrf, expected = f"/items/{client.position}/decision", client.field("csrf"), client.field("expected")
    for say in ("leaf:99999", "leaf:x", f"leaf:{'9' * 5000}", "nonsense", ""):
        assert client.http.post(address, data={"say": say, "csrf": csrf, "expected": expected}).status_code == 422
    assert client.http.get("/queue?least=abc").status_code == 422
    assert client.http.get("/queue?order=sideways").status_code == 422
    assert client.http.get("/items/99999").status_code == 404
    assert client.http.get(f"/items/{10**20}").status_code == 422
    assert "No item" in client.http.get("/find?id=nobody").text
    too_long = client.http.post(address, data={"say": "x" * 400_000, "csrf": csrf})
    assert too_long.status_code == 413


def test_the_first_line_is_what_colleagues_may_be_told(run: Path, fresh: list[str]) -> None:
    public = ["--public-url", "https://review.shop.example/", "--token", TOKEN]
    with ReviewServer(run, *fresh, *public) as server:
        assert server.first.startswith("Review: https://review.shop.example/  (served on http://127.0.0.1:")
    with ReviewServer(run, *fresh, "--host", "0.0.0.0", "--token", TOKEN) as server:
        assert server.first.startswith(f"Review: http://{socket.gethostname()}:{server.port}/ ")
    with ReviewServer(run, *fresh) as server:
        assert server.first.startswith(f"Review: {server.url}/invitation/")
        assert server.process.stdout
        assert "The link works once, within an hour." in server.process.stdout.readline()
        assert server.stranger().http.get("/queue").status_code == 401, "nobody is in without it"


def test_what_was_decided_survives_a_kill_and_the_session_goes_on(run: Path, fresh: list[str]) -> None:
    with ReviewServer(run, *fresh) as server:
        client = server.client()
        client.open("/queue")
        done = []
        for key in ("a", "m", "x"):
            done.append(client.position)
            assert client.answer(key).status_code == 200
        cookies = client.http.cookies
        server.kill()
    with ReviewServer(run, *fresh) as server:
        client = server.stranger(cookies=cookies)
        assert f"<b>3</b> of {ITEMS}" in client.open("/queue")
        assert client.position not in done
        client.post("/undo", csrf=client.field("csrf"))
        assert client.position == done[-1], "the last stroke before the kill is undone"


def test_two_reviewers_work_through_everything_and_the_tags_come_out(
    run: Path, fresh: list[str], tagger: Run, tmp_path: Path
) -> None:
    with ReviewServer(run, *fresh) as server:
        people = [server.client(), server.client("Bob", "reviewer")]
        seen: list[int] = []
        keys = ["a", "2", "m", "x"]
        for turn in range(ITEMS):
            person = people[turn % 2]
            person.open("/queue")
            seen.append(person.position)
            assert person.answer(keys[turn % 4]).status_code == 200
        assert len(set(seen)) == ITEMS
        assert "All items are decided" in people[0].open("/queue")
        printed = server.stop()
        assert f"{ITEMS} of {ITEMS} items are decided" in printed
        assert f"Next: tagger apply {run} " in printed
    exported = tagger("review", "export", "--run", run, *fresh, "--out", tmp_path / "log", "--json")
    assert json.loads(exported.out)["decided"] == ITEMS
    log = pd.read_parquet(tmp_path / "log")
    assert log["verdict"].value_counts().to_dict() == dict.fromkeys(
        ("accepted", "corrected", "master_only", "unusable"), 15
    )
    assert set(log["decidedBy"]) == {"Ann", "Bob"}
    outcome = tagger("apply", run, "--out", tmp_path / "tags", "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert said["states"] == {
        "complete by person": 30, "master_only by person": 15, "unusable": 15, "failed": 139,
    }  # fmt: skip
    assert (said["set"], said["masterOnly"], said["notSet"], said["items"]) == (30, 15, 154, ITEMS + 139)
    assert said["files"] == {"tags-00000.parquet": ITEMS + 139, "tags-00000.csv": 30, "tags-master-only-00000.csv": 15}
    tags = pd.read_parquet(tmp_path / "tags/tags-00000.parquet").set_index("id")
    sheet = pd.read_csv(tmp_path / "tags/tags-00000.csv", dtype=str).set_index("id")
    assert (len(tags), len(sheet)) == (ITEMS + 139, 30)
    assert sheet.notna().all(axis=None)
    decided = log.set_index("id")
    people_said = tags.loc[decided.index, "articleType"]
    assert people_said.fillna("").tolist() == decided["articleType"].fillna("").tolist()
    both = decided[decided["articleType"].notna()]
    assert sheet.loc[both.index].to_numpy().tolist() == both[["masterCategory", "articleType"]].to_numpy().tolist()
    alone = pd.read_csv(tmp_path / "tags/tags-master-only-00000.csv", dtype=str)
    assert (list(alone), set(alone["id"])) == (
        ["id", "masterCategory"],
        set(decided.index[decided["verdict"] == "master_only"]),
    )
    again = tagger("apply", run, "--out", tmp_path / "tags")
    assert again.code == 2 and "not empty" in again.err


def test_the_same_item_answered_twice_is_a_conflict_that_is_told(run: Path, fresh: list[str]) -> None:
    with ReviewServer(run, *fresh) as server:
        ann, late = server.client(), server.client()
        ann.open("/queue")
        late.open(f"/items/{ann.position}")
        assert "Ann has this item open" in late.page
        assert "Ann has this item open" in late.answer("m").text
        position, csrf = ann.position, ann.field("csrf")
        ann.answer("a")
        second = ann.post(f"/items/{position}/decision", say="master", expected="", csrf=csrf)
        assert second.status_code == 409
        assert "You decided this item in another window." in second.text


def test_the_grid_accepts_what_is_not_marked(run: Path, fresh: list[str]) -> None:
    with ReviewServer(run, *fresh) as server:
        client = server.client()
        client.open("/grid")
        shown = [int(p) for p in client.field("shown").split(",")]
        article = re.search(r"Are these ([^?]+)\?", client.page)
        assert article
        client.post("/grid", csrf=client.field("csrf"), shown=",".join(map(str, shown)), say="accept", wrong=shown[:2])
        client.open(f"/items/{shown[0]}")
        assert "Marked as wrong in the grid" in client.page
        client.open(f"/items/{shown[-1]}")
        assert f"{article[1]} (" in client.page and " accepted, by Ann" in client.page
        client.post("/undo", csrf=client.field("csrf"), view="grid")
        assert client.field("shown").split(",") == [str(p) for p in shown]


def test_what_duplicates_found_is_decided_at_once(run: Path, fresh: list[str], tmp_path: Path, tagger: Run) -> None:
    digests = pd.read_parquet(run / "predictions").set_index("id")["imageDigest"]
    shown = [digests["5"], digests["9"], "gone", "what it was", digests["7"]]
    groups = pd.DataFrame({"id": ["5", "9", "gone", "11", "7"], "imageDigest": shown, "group": [0, 0, 0, 0, 1]})
    (tmp_path / "found").mkdir()
    found = groups.assign(conflict=False, sameness="near", labelled=False, masterCategory=None, articleType=None)
    found.to_parquet(tmp_path / "found/groups.parquet")
    with ReviewServer(run, *fresh, "--duplicates", str(tmp_path / "found")) as server:
        client = server.client()
        for item in ("7", "11"):
            client.open(f"/find?id={item}")
            assert 'name="copies"' not in client.page, "it is alone, or has another image since"
        client.open("/find?id=9")
        assert 'name="copies"' in client.page
        said = {"say": "unusable", "copies": "true", "expected": "", "csrf": client.field("csrf")}
        assert client.post(f"/items/{client.position}/decision", **said).status_code == 200
        server.stop()
    decided = pd.concat(map(pd.read_parquet, sorted((run / "decisions").glob("*.parquet"))))
    assert sorted(decided["id"]) == ["5", "9"] and set(decided["verdict"]) == {"unusable"}
    other = tagger("review", "--run", run, *fresh, "--duplicates", tmp_path, "--port", "0")
    assert other.code == 2 and f"began with {tmp_path / 'found'}" in other.err
    never = ["--database", tmp_path / "never.sqlite"]
    assert "tagger duplicates writes it" in tagger("review", "--run", run, *never, "--duplicates", tmp_path).err
    groups.to_parquet(tmp_path / "groups.parquet")
    foreign = tagger("review", "--run", run, *never, "--duplicates", tmp_path)
    assert (foreign.code, "was not written by tagger duplicates" in foreign.err) == (3, True), foreign.err


def test_one_image_is_tried_with_the_runs_own_model(server: ReviewServer, run: Path) -> None:
    client = server.client()
    client.open("/try")
    csrf = client.field("csrf")
    data = encoded(picture(seed=5))
    page = client.http.post("/try", data={"csrf": csrf}, files={"image": ("5.jpg", data)}).text
    row = pd.read_parquet(run / "predictions").set_index("id").loc["5"]
    assert f"<h2>{row['articleType']}" in page
    assert f"{100 * row['articleTypeConfidence']:.1f}% sure of {row['articleType']}" in page
    bad = client.http.post("/try", data={"csrf": csrf}, files={"image": ("x.jpg", b"<svg onload=alert(1)>")})
    assert bad.status_code == 422 and "&lt;svg onload=" in bad.text
    large = client.http.post("/try", data={"csrf": csrf}, files={"image": ("x.jpg", b"\xff" * (33 * 2**20))})
    assert large.status_code == 413
    assert client.http.post("/try", files={"image": ("5.jpg", data)}).status_code == 403


def test_what_is_missing_is_named(run: Path, tagger: Run, tmp_path: Path) -> None:
    assert "no run" in tagger("review", "--run", tmp_path / "nothing").err
    (tmp_path / "unfinished").mkdir()
    assert tagger("review", "--run", tmp_path / "unfinished").code == 3
    moved = tagger("review", "--run", run, "--manifest", tmp_path / "gone.csv", "--database", tmp_path / "d.sqlite")
    assert moved.code == 2 and "gone.csv" in moved.err


def test_a_port_that_is_taken_is_named(server: ReviewServer, run: Path, fresh: list[str]) -> None:
    command = [sys.executable, "-m", "tagger.jobs.review", "--run", str(run), "--port", str(server.port), *fresh]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"--port {server.port}: another program has this port; --port 0 takes a free one" in done.stderr


def test_classes_with_too_few_items_for_the_model_can_be_chosen(bundle_dir: Path) -> None:
    bundle = Bundle.load(Location(str(bundle_dir)))
    left_out = (LeftOut(master_category="Accessories", article_type="Cufflinks", items=4),)
    provenance = bundle.card.provenance.model_copy(update={"left_out": left_out})
    with_left_out = replace(bundle, card=bundle.card.model_copy(update={"provenance": provenance}))
    assert further_classes(with_left_out, None) == {("Accessories", "Cufflinks"): 4}
    assert not further_classes(None, None)
