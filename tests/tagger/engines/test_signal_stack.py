"""A signal reaches its handler after engines came and went."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import signal, sys
import numpy as np
from tagger.engines.openvino import convert
from tagger.io.location import Location
from tagger.models.bundle import Bundle

size = {size!r}
prepared = convert(Bundle.load(Location({folder!r})), "float32", 4)
images = np.zeros((1, *size, 3), np.uint8)
first, second = prepared.start(), prepared.start()
for engine in (first, second):
    engine.run(images)
del first, engine
del second
arrived = []
signal.signal(signal.SIGTERM, lambda *_: arrived.append(1))
signal.raise_signal(signal.SIGTERM)
print(arrived)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's signal stacks are looked after")
def test_a_signal_arrives_after_two_engines_were_let_go_the_older_one_first(bundle_dir: Path) -> None:
    from tagger.io.location import Location
    from tagger.models.bundle import Bundle

    size = Bundle.load(Location(str(bundle_dir))).card.preprocessing
    code = CODE.format(folder=str(bundle_dir), size=(size.height, size.width))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[1]"), done.stderr
