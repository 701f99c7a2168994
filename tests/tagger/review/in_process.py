"""The review page in this process, without a browser."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tagger.review.store.database import open_database
from tagger.review.store.leaves import LeafCounts, Leaves, Pair
from tagger.review.store.review import ReviewStore
from tagger.review.store.sessions import Role
from tagger.review.web.app import review_app
from tagger.review.web.invitations import Invitations
from tagger.review.web.item_view import Review
from tagger.review.web.origins import OriginPolicy
from tagger.review.web.pictures import Pictures
from tagger.review.web.sessions import Sessions
from tests.builders import catalog_of
from tests.tagger.review.queue_rows import LEAF_PAIRS, row

TOKEN = "a-token-of-some-length"
HOSTS = frozenset({"testserver", "localhost"})


def make_empty_store(folder: Path, run_id: str = "run") -> ReviewStore:
    """A review that has not begun, with a catalogue in a folder."""
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images/1.jpg").touch()
    (folder / "m.csv").write_text("id\n1\n")
    return ReviewStore(open_database(str(folder / "r.sqlite"), "--database"), run_id)


def make_store(folder: Path, run_id: str = "run") -> ReviewStore:
    """A review of eight items in a folder."""
    store = make_empty_store(folder, run_id)
    store.fill((row(n) for n in range(1, 9)), LEAF_PAIRS)
    return store


class Page:
    """The page, and what it said on the terminal.

    Args:
        store: The review.
        folder: Has the catalogue.
        token: For leads.
        pairs: The classes to choose from.
        more: Further parts of the review.
    """

    def __init__(
        self,
        store: ReviewStore,
        folder: Path,
        token: str | None = None,
        pairs: Sequence[Pair] = LEAF_PAIRS,
        **more: Any,
    ) -> None:
        self.lines: list[str] = []
        _, images = catalog_of(folder / "m.csv", folder / "images")
        leaves = Leaves(pairs, LeafCounts.of(pairs, {}, None))
        review = Review("run", store, Pictures(images, 1000), leaves, None, **more)
        self.store = store
        sessions = Sessions(store, "secret", token, "Ann", self.lines.append)
        self.now = time.time()
        self.invitations = Invitations(store.people, "secret", lambda: self.now)
        origins = OriginPolicy(HOSTS, None)
        self._app = review_app(review, sessions, self.invitations, origins, 1000, self.lines.append)

    def stranger(self, host: str = "testserver") -> TestClient:
        """A browser without a session."""
        return TestClient(self._app, f"http://{host}", raise_server_exceptions=False)

    def browser(self, who: str = "Ann", role: Role = "lead") -> TestClient:
        """A browser in which somebody has used an invitation."""
        browser = self.stranger()
        answer = browser.post(self.invitations.make(None, who, role), follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return browser


def heading(text: str) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", text, re.S)
    assert found, text
    return found[1]


def csrf(browser: TestClient, address: str = "/queue") -> str:
    found = re.search(r'name="csrf" value="([^"]*)"', browser.get(address).text)
    assert found
    return found[1]
