"""A review's databases: a file, and a server on loopback."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import postgres, postgres_programs


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
