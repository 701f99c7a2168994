import subprocess
import sys

import pytest

CODE = """
import sys
import tagger.models.backbones
assert "torch._dynamo" not in sys.modules, "the compiler was loaded"

import torch
from torchvision.ops import roi_align
pooled = roi_align(torch.arange(64.0).reshape(1, 1, 8, 8), [torch.tensor([[0.0, 0.0, 4.0, 4.0]])], 2)
assert pooled.shape == (1, 1, 2, 2), pooled.shape

from torchvision.ops.roi_align import is_compile_supported
from torch._dynamo.utils import is_compile_supported as real
assert is_compile_supported("cpu") == real("cpu")
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist() == [2.0, 2.0]
"""


@pytest.mark.slow
def test_networks_load_without_the_compiler_which_works_when_it_is_wanted() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
