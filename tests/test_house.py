"""Who may import what, besides the import contracts, and what must stay light."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tagger.jobs.shell.registry import JOBS
from tagger.optional import EXTRAS, FURTHER

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "tagger", "jobs")
MAY_IMPORT_RAY = {
    "tagger/cluster/actors.py",
    "tagger/cluster/losses.py",
    "tagger/cluster/ray_patches.py",
    "tagger/cluster/session.py",
    "tagger/cluster/submission.py",
    "tagger/cluster/tasks.py",
    "tagger/training/on_ray.py",
    "tagger/training/process_group.py",
    "tagger/training/search_on_ray.py",
    "tagger/tagging/coordinator_client.py",
    "tagger/tagging/gpu_engines.py",
    "tagger/tagging/losses.py",
    "tagger/tagging/on_ray.py",
    "tagger/tagging/worker_pool.py",
}
SOURCES = [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))]


def imported(source: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(source.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {package_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(package_of(node.module))
    return found


def package_of(module: str) -> str:
    """The package of a module; below ours, jobs and schemas are two of their own."""
    first, _, rest = module.partition(".")
    below = rest.partition(".")[0]
    return f"{first}.{below}" if first == "tagger" and below in ("jobs", "schemas") else first


def test_schemas_import_nothing_but_pyarrow_pydantic_yaml_and_the_standard_library() -> None:
    foreign = {m for p in SOURCES if p.is_relative_to(ROOT / "schemas") for m in imported(p)}
    assert foreign - set(sys.stdlib_module_names) <= {"tagger.schemas", "pyarrow", "pydantic", "pydantic_core", "yaml"}


def test_ray_is_imported_only_where_jobs_run_on_it() -> None:
    users = {str(p.relative_to(ROOT)) for p in SOURCES if "ray" in imported(p)}
    assert {u for u in users if not u.startswith(("jobs/", "tagger/workflows/"))} <= MAY_IMPORT_RAY


def test_only_the_review_knows_of_the_web_and_of_databases() -> None:
    libraries = {"fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "itsdangerous", "fluent", "babel"}
    users = {str(p.relative_to(ROOT)) for p in SOURCES if libraries & imported(p)}
    assert {u for u in users if not u.startswith("tagger/review/")} <= {"jobs/review.py", "jobs/steps/review_page.py"}


@pytest.mark.parametrize("library", ["boto3", "botocore", "openvino"])
def test_heavy_libraries_are_imported_only_where_they_are_first_used(library: str) -> None:
    assert not [p for p in SOURCES if library in imported(p, top_level_only=True)]


@pytest.mark.parametrize(
    "module",
    [
        "tagger", "tagger.jobs.shell.cli", "tagger.schemas.tables.prediction",
        "tagger.training.progress", "tagger.dataset.blurred",
    ],
)  # fmt: skip
def test_importing_the_command_or_what_its_small_processes_do_loads_neither_torch_nor_ray(module: str) -> None:
    code = (
        f"import sys, {module}; print(sorted({{'torch', 'ray', 'boto3', 'pandas', 'matplotlib'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_constraints_pin_every_package_and_name_no_host() -> None:
    lines = [line for name in ("", "-lowest") for line in (ROOT / f"constraints{name}.txt").read_text().split()]
    assert lines
    assert all("==" in line and "/" not in line and "@" not in line for line in lines)


def test_the_lowest_allowed_version_of_every_library_is_the_one_that_is_tested() -> None:
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pins = {
        Requirement(line).name.lower(): Version(line.partition("==")[2])
        for line in (ROOT / "constraints-lowest.txt").read_text().split()
    }
    for requirement in map(Requirement, requirements):
        (lowest,) = (Version(s.version) for s in requirement.specifier if s.operator == ">=")
        assert pins[requirement.name.lower()] == lowest, requirement.name


def test_the_extras_name_what_a_machine_that_only_tags_and_trains_can_leave_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    everything = {Requirement(text).name for text in project["dependencies"]}
    for extra, packages in EXTRAS.items():
        assert set(project["optional-dependencies"][extra]) == set(packages.values())
        assert {Requirement(text).name for text in packages.values()} <= everything, "the default is complete"
    for extra, packages in FURTHER.items():
        names = {Requirement(text).name for text in project["optional-dependencies"][extra]}
        assert names == set(packages.values())
        assert not names & everything


# One process runs them all, because a training's libraries take seconds to load.
_HELP_OF_EACH = """
import contextlib, io, json, runpy, sys

helps = {}
for job in sys.argv[1:]:
    sys.argv = [job, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.suppress(SystemExit):
        runpy.run_module(f"tagger.jobs.{job}", run_name="__main__")
    helps[job] = output.getvalue()
print(json.dumps(helps))
"""


@pytest.mark.slow
def test_each_job_is_a_module_that_runs_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-c", _HELP_OF_EACH, *JOBS], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    helps = json.loads(done.stdout)
    assert [job for job in JOBS if "--config" not in helps[job]] == []
