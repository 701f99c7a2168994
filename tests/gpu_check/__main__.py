"""The steps in a row, each with its checks: exit code 1 when one does not hold."""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ray
import torch

from tagger.cluster.session import ray_session
from tagger.schemas.configs.options import RayOptions
from tagger.workflows.open_catalog import versions
from tests.gpu_check.commands import bench, faults, tag, train
from tests.gpu_check.engines import engines
from tests.gpu_check.setting import Check, CommandError, Setting

_ROOT = Path(__file__).parents[2]
_TESTED = (
    "tests/tagger/engines", "tests/tagger/training/test_learner.py", "tests/tagger/training/test_on_gpus.py",
    "tests/tagger/tagging",
)  # fmt: skip
_NEEDS_GPU = "test_gpu_engines_agree_with_the_cpu"


def machine(setting: Setting) -> Iterator[Check]:
    """PyTorch and Ray see the device."""
    yield Check("versions", True, f"{platform.platform()}, {versions()}")
    devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    yield Check("PyTorch sees a GPU", bool(devices) or setting.device == "cpu", f"{devices}, CUDA {torch.version.cuda}")
    with ray_session(RayOptions()):
        resources = ray.cluster_resources()
    yield Check("Ray sees a GPU", "GPU" in resources or setting.device == "cpu", str(resources))


def tests(setting: Setting) -> Iterator[Check]:
    """Tests that need a GPU run and pass; none of them is left out."""
    report = setting.out / "tests.txt"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *_TESTED]
    command += ["-k", "gpu"] if setting.is_small else []
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    report.write_text(done.stdout + done.stderr)
    last = done.stdout.strip().splitlines()[-1:]
    has_run = _NEEDS_GPU in done.stdout
    yield Check("tests of engines, learner and tagging pass", done.returncode == 0, f"{last}, all in {report}")
    yield Check("tests that need a GPU have run", has_run or setting.device == "cpu", f"run: {has_run}")


STEPS: dict[str, Callable[[Setting], Iterator[Check]]] = {
    "machine": machine,
    "engines": engines,
    "tests": tests,
    "tag": tag,
    "bench": bench,
    "faults": faults,
    "train": train,
}


def main() -> int:
    """Run steps; print each check, and the seconds of each step."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check", description=__doc__)
    parser.add_argument("steps", nargs="*", choices=[[], *STEPS], help="which steps; all of them by default")
    parser.add_argument("--out", type=Path, required=True, help="folder for logs and figures")
    parser.add_argument("--work", type=Path, help="folder for catalogues, bundles and runs; a temporary one by default")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="a dry run on few items")
    parser.add_argument("--catalogue", type=Path, help="Parquet with id, masterCategory, articleType and image")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tagger-gpu-") as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        setting = Setting(given.device, given.small, given.out, work, given.catalogue)
        failed = [name for name in given.steps or STEPS if not _passes(name, setting)]
    print(f"failed: {', '.join(failed)}" if failed else "every check holds")
    return 1 if failed else 0


def _passes(name: str, setting: Setting) -> bool:
    """Run a step and print its checks; whether all of them hold."""
    started = time.monotonic()
    print(f"== {name}", flush=True)
    holds = True
    try:
        for check in STEPS[name](setting):
            holds &= check.holds
            print(f"  {check}", flush=True)
    except (CommandError, subprocess.TimeoutExpired) as error:
        holds = False
        print(f"  FAILED {error}", flush=True)
    print(f"  {time.monotonic() - started:.0f} s", flush=True)
    return holds


if __name__ == "__main__":
    sys.exit(main())
