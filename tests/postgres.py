"""A PostgreSQL server on loopback for as long as a test session lasts."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BINARIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


def postgres_programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where PostgreSQL is not installed."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else []
    found += [p for pattern in _BINARIES for p in sorted(Path("/").glob(pattern.removeprefix("/")))]
    return next((p for p in reversed(found) if (p / "initdb").exists()), None)


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Start a server with an empty database, and give its address."""
    folder = tempfile.mkdtemp(prefix="tagger-postgres-")
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), "-D", f"{folder}/data", *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)

    call("initdb", "-A", "trust", "-U", "tagger", "-E", "UTF8")
    call("pg_ctl", "-w", "-l", f"{folder}/log", "-o", f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off", "start")
    try:
        yield f"postgresql://tagger@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
