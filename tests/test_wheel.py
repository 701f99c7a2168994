"""What is installed is what lies in the packages: an editable install would hide a file that the wheel lacks."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tagger
from tagger.jobs.shell.cli import main

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "tagger", "jobs")


def listed(*folders: str) -> list[str]:
    """Files that are under version control, or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).exists()]


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    for name in listed(*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "source" / name, follow_symlinks=False)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(tmp_path / "source")], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {name for name in listed(*PACKAGES) if not (ROOT / name).is_symlink()}
    assert inside == {name if name.startswith("tagger/") else f"tagger/{name}" for name in files}


@pytest.mark.parametrize("flags", [["--version"], ["-h"], ["train", "-h"]])
def test_version_and_help_have_their_usual_flags(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(flags)
    assert not ended.value.code
    said = capsys.readouterr().out
    assert (
        said == f"tagger {tagger.__version__}\n"
        if flags == ["--version"]
        else said.lstrip().startswith("Usage: tagger")
    )
