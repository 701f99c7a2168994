"""A review's databases, a file and a server on loopback; and a browser."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tagger.review.store.database import open_database
from tagger.review.store.review import ReviewStore
from tests.chromium import chromium
from tests.postgres import postgres, postgres_programs
from tests.tagger.review.queue_rows import ITEMS, LEAF_PAIRS, row


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    programs = postgres_programs()
    if programs is None:
        message = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with postgres(programs) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "r.sqlite") if request.param == "sqlite" else request.getfixturevalue("postgres_address")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def store(database: str, tmp_path: Path) -> Iterator[ReviewStore]:
    review_store = ReviewStore(open_database(database, "--database"), tmp_path.name)
    review_store.fill((row(n) for n in range(1, ITEMS + 1)), LEAF_PAIRS)
    yield review_store
    review_store.close()


@pytest.fixture
def fresh(database: str, tmp_path: Path) -> Iterator[ReviewStore]:
    """A review that has not begun."""
    review_store = ReviewStore(open_database(database, "--database"), f"{tmp_path.name}-fresh")
    yield review_store
    review_store.close()
