import os
import subprocess
import sys
from collections.abc import Mapping

from tagger.allocator import keep_freed_memory

CODE = """
import resource, threading
import numpy as np
def work():
    np.ones(8 * 2**20)  # the heap grows once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(8 * 2**20)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def page_faults(settings: Mapping[str, str]) -> int:
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0", **settings}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout)


def test_memory_that_was_freed_is_used_again_in_any_thread() -> None:
    assert page_faults(keep_freed_memory()) < 2000 < page_faults({})  # 10 × 64 MiB are 160,000 pages of 4 KiB
