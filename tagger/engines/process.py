"""Chooses a run's engine in a separate process on this machine.

The engines' libraries take seconds to load, so a second process loads them while the command goes on. Their threads
also read the environment, which Ray writes while it starts: in one process, that crashed now and then.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue

import numpy as np

from tagger.engines.base import BATCH_SIZE, Engine, PreparedEngine
from tagger.engines.choice_progress import ChoiceProgress, Watch, unwatched
from tagger.engines.choose import ENOUGH_IMAGES, choose_engine, engine_names, prepare, resolve_device
from tagger.engines.measured import load_measured, store_measured
from tagger.engines.sample import RunSample
from tagger.errors import TaggerError
from tagger.io.location import Location
from tagger.io.scratch import scratch_folder
from tagger.models.bundle import Bundle
from tagger.schemas.documents.run import EngineCheck

_PROGRESS_EVERY_S = 0.25


@dataclass(frozen=True)
class PickledEngine:
    """A pickled PreparedEngine; it is unpickled where it starts, so that only that process loads its library."""

    name: str
    data: bytes

    def start(self) -> Engine:
        """Load the model in this process."""
        engine: Engine = pickle.loads(self.data).start()
        return engine


ChosenEngine = tuple[PickledEngine, EngineCheck]


@dataclass(frozen=True)
class EngineRequest:
    """What the choice of a run's engine depends on."""

    bundle: Bundle
    requested: str
    """`auto`, or an engine's name."""
    batch_size: int
    """Images per pass; 0 for the device's default."""
    sample: RunSample
    previous: EngineCheck | None
    """The engine of a resumed run, which is used again where this machine can run it."""
    folder: Location | None = None
    """The bundle's folder, where a choice is stored for later runs."""
    images: int = 0
    """Number of images of the run."""

    def choose(self, device: str, watch: Watch = unwatched) -> ChosenEngine:
        """Choose an engine for `cpu` or `cuda` in this process. It raises what `choose_engine` raises."""
        batch_size = self.batch_size or BATCH_SIZE[device]
        if self.previous and self.previous.engine in engine_names(device):
            prepared, check = prepare(self.bundle, self.previous.engine, batch_size), self.previous
        else:
            prepared, check = self._choose(device, batch_size, watch)
        return PickledEngine(prepared.name, pickle.dumps(prepared)), check

    def choosing(self, device: str) -> Iterator[ChoiceProgress | ChosenEngine]:
        """Choose in a thread; yield the progress a few times a second, and the answer last."""
        queue: SimpleQueue[ChoiceProgress | None] = SimpleQueue()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.choose, device, queue.put)
            answer.add_done_callback(lambda _: queue.put(None))
            last_yield = 0.0
            while (progress := queue.get()) is not None:
                if time.monotonic() - last_yield >= _PROGRESS_EVERY_S:
                    last_yield = time.monotonic()
                    yield progress
            yield answer.result()

    def _choose(self, device: str, batch_size: int, watch: Watch) -> tuple[PreparedEngine, EngineCheck]:
        bundle, folder, card = self.bundle, self.folder, self.bundle.card
        if self.requested != "auto" or folder is None:
            sample = partial(self.sample.pieces, watch)
            return choose_engine(bundle, self.requested, device, batch_size, sample, watch=watch)
        sizes: list[int] = []

        def pieces() -> Iterator[np.ndarray]:
            for piece in self.sample.pieces(watch):
                sizes.append(len(piece))
                yield piece

        measured = partial(load_measured, folder, card, device, self.images)
        chosen = choose_engine(bundle, "auto", device, batch_size, pieces, measured, watch)
        if sizes and sizes[0] >= ENOUGH_IMAGES:
            store_measured(folder, card, device, self.images, chosen[1])
        return chosen

    def isolated(self) -> "EngineRequest":
        """The same request with each image decoded in a subprocess, for use after an image has crashed a process."""
        return replace(self, sample=replace(self.sample, is_isolated=True))

    def choose_on_cpu(self, device: str, watch: Watch = unwatched) -> ChosenEngine | None:
        """Choose for this machine's CPUs; None for a GPU, which only a worker may use.

        Args:
            device: `cpu`, `cuda` or `auto`.
            watch: Receives the progress.
        """
        return self.choose("cpu", watch) if resolve_device(device, self.requested) == "cpu" else None


@dataclass(frozen=True)
class Answer:
    """The last message of the process."""

    value: ChosenEngine | TaggerError | None


class EngineProcess:
    """A process that loads the libraries at once, and then answers one request."""

    def __init__(self) -> None:
        self._scratch = contextlib.ExitStack()
        self._temp_dir = self._scratch.enter_context(scratch_folder("tagger-engine-"))  # a kill leaves files in it
        self._stderr = self._temp_dir / "stderr"  # a file, so that it need not be read while the process runs
        self._is_closed = False
        self._process = self._start()

    def choose(self, request: EngineRequest, device: str, watch: Watch = unwatched) -> ChosenEngine | None:
        """Run `EngineRequest.choose_on_cpu` in the process.

        When an image of the sample crashes the process, a second one repeats the request with isolated decoding.

        Raises:
            TaggerError: the error that was raised in the process, or that it ended without an answer.
        """
        answer = self._ask(request, device, watch)
        if answer is None and not self._is_closed:
            self._process = self._start()
            answer = self._ask(request.isolated(), device, watch)
        if answer is None:
            raise TaggerError(f"choosing an engine ended with {self._process.returncode}: {self._last_stderr_line()}")
        if isinstance(answer.value, TaggerError):
            raise answer.value
        return answer.value

    def _ask(self, request: EngineRequest, device: str, watch: Watch) -> Answer | None:
        """Send a request and pass on its progress until the answer; None when the process ends without one."""
        with self._process as process:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the process has no pipes")
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(pickle.dumps((request, device)))
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            while True:
                try:
                    message: ChoiceProgress | Answer = pickle.load(process.stdout)
                except (EOFError, pickle.UnpicklingError):  # it ended, perhaps in the middle of a message
                    return None
                if isinstance(message, Answer):
                    return message
                watch(message)

    def _last_stderr_line(self) -> str:
        """The last line that the process wrote to standard error."""
        try:
            lines = self._stderr.read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:  # deleted when the process was killed
            return ""
        return lines[-1] if lines else ""

    def close(self) -> None:
        """Kill the process."""
        self._is_closed = True
        with self._scratch:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: without it, Python would import modules from the current folder first
        command = [sys.executable, "-P", "-m", "tagger.engines.chooser"]
        with self._stderr.open("wb") as stderr:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True,
                env={**os.environ, "TMPDIR": str(self._temp_dir)},
            )  # fmt: skip
