"""What a process keeps that imports the package, such as a notebook."""

import subprocess
import sys

_ASKED = """
import csv, logging, os, signal, sys, warnings
import cv2, torch
from PIL import Image, ImageFile

cv2.setNumThreads(3)
csv.field_size_limit(100_000)

def settings():
    return {
        "pixels": Image.MAX_IMAGE_PIXELS, "truncated": ImageFile.LOAD_TRUNCATED_IMAGES, "OpenCV": cv2.getNumThreads(),
        "torch": torch.get_num_threads(), "gradients": torch.is_grad_enabled(), "csv": csv.field_size_limit(),
        "warnings": len(warnings.filters), "environment": dict(os.environ), "path": list(sys.path),
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)], "log": logging.root.handlers[:],
        "float": torch.get_default_dtype(), "recursion": sys.getrecursionlimit(), "hook": sys.excepthook,
    }

before = settings()
from tagger import Tagger
from tagger.imaging.decode import decode_whole
from tests.builders import encoded, picture
Image.MAX_IMAGE_PIXELS = before["pixels"] = 10
assert decode_whole(encoded(picture(), "PNG"), 10_000).shape == (80, 60, 3)
after = settings()
print({name: (value, after[name]) for name, value in before.items() if value != after[name]})
"""


def test_importing_the_tagger_and_decoding_change_nothing_in_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", _ASKED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{}"
    assert not done.stderr, "the limit of pixels is our own, and nothing warns of another"
