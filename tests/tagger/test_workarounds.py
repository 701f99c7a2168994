import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from tagger.allocator import keep_freed_memory
from tagger.workarounds import SWITCH, Workaround

_HERE = tuple(int(part) for part in version("torch").split(".")[:2])


@pytest.mark.parametrize(
    ("first", "last", "is_on"),
    [((0, 0), _HERE, True), (_HERE, (99, 0), True), ((0, 0), (0, 9), False), ((99, 0), (99, 9), False)],
)
def test_a_workaround_is_used_with_tested_versions_alone(
    first: tuple[int, int], last: tuple[int, int], is_on: bool
) -> None:
    assert Workaround("some", "torch", first, last).is_on() == is_on


def test_a_workaround_of_a_library_that_is_absent_is_not_used() -> None:
    assert not Workaround("some", "no-such-library", (0, 0), (99, 0)).is_on()


def test_workarounds_are_switched_off_by_name_or_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for names, is_on in (("", True), ("other", True), ("other, some", False), ("all", False)):
        monkeypatch.setenv(SWITCH, names)
        assert Workaround("some").is_on() == is_on, names
    assert keep_freed_memory() == {}


_LOADED = """
import sys, threading
{before}
from tagger.models.quick_torchvision import torchvision
loaded = "torch._dynamo" in sys.modules
import torch
assert torchvision.ops.roi_align(torch.rand(1, 3, 8, 8), [torch.tensor([[0.0, 0, 4, 4]])], 2).shape == (1, 3, 2, 2)
assert torch.compiler.is_dynamo_compiling() is False
import torch._dynamo
assert torch._dynamo.__file__, "the real one"
print(loaded)
"""
_THREAD = "threading.Thread(target=threading.Event().wait, daemon=True).start()"
_RAY_WORKER = "from ray._private.gc_collect_manager import PythonGCThread; PythonGCThread().start()"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "off", "loaded"),
    [
        ("", "", "False"),
        (_RAY_WORKER, "", "False"),
        ("", "quick_torchvision", "True"),
        (_THREAD, "", "True"),
        ("import torch._dynamo", "", "True"),
    ],
    ids=["alone", "in a Ray worker", "switched off", "beside another thread", "with the compiler loaded"],
)
def test_the_compiler_is_left_out_of_an_import_only_where_nobody_sees_it(before: str, off: str, loaded: str) -> None:
    script = _LOADED.format(before=before)
    environment = {**os.environ, SWITCH: off}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout.strip()) == (0, loaded), done.stderr
