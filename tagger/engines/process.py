"""Chooses a run's engine in a separate process on this machine.

The engines' libraries take seconds to load, so a second process loads them while the command goes on. Their threads
also read the environment, which Ray writes while it starts: in one process, that crashed now and then.
"""

import contextlib
import importlib
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace

from tagger.engines.base import BATCH_SIZE, Engine, PreparedEngine
from tagger.engines.choose import ENOUGH_IMAGES, choose_engine, engine_names, prepare, resolve_device
from tagger.engines.measured import load_measured, store_measured
from tagger.engines.sample import RunSample
from tagger.errors import TaggerError
from tagger.imaging.threads import decode_in_one_thread
from tagger.io.location import Location, first_line
from tagger.io.scratch import scratch_folder
from tagger.models.bundle import Bundle
from tagger.schemas.documents.run import EngineCheck


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
    """The bundle's folder, where a choice with many images is stored for runs that have few."""

    def choose(self, device: str) -> ChosenEngine:
        """Choose an engine for `cpu` or `cuda` in this process. It raises what `choose_engine` raises."""
        batch_size = self.batch_size or BATCH_SIZE[device]
        if self.previous and self.previous.engine in engine_names(device):
            prepared, check = prepare(self.bundle, self.previous.engine, batch_size), self.previous
        else:
            prepared, check = self._choose(device, batch_size)
        return PickledEngine(prepared.name, pickle.dumps(prepared)), check

    def _choose(self, device: str, batch_size: int) -> tuple[PreparedEngine, EngineCheck]:
        folder, model_id = self.folder, self.bundle.card.model_id
        if self.requested != "auto" or folder is None:
            return choose_engine(self.bundle, self.requested, device, batch_size, self.sample)
        images = self.sample()
        chosen = choose_engine(
            self.bundle, "auto", device, batch_size, lambda: images, lambda: load_measured(folder, model_id, device)
        )
        if len(images) >= ENOUGH_IMAGES:
            store_measured(folder, model_id, device, chosen[1])
        return chosen

    def isolated(self) -> "EngineRequest":
        """The same request with each image decoded in a subprocess, for use after an image has crashed a process."""
        return replace(self, sample=replace(self.sample, is_isolated=True))

    def choose_on_cpu(self, device: str) -> ChosenEngine | None:
        """Choose for this machine's CPUs; None for a GPU, which only a worker may use.

        Args:
            device: `cpu`, `cuda` or `auto`.
        """
        return self.choose("cpu") if resolve_device(device, self.requested) == "cpu" else None


class EngineProcess:
    """A process that loads the libraries at once, and then answers one request."""

    def __init__(self) -> None:
        self._scratch = contextlib.ExitStack()
        self._temp_dir = self._scratch.enter_context(scratch_folder("tagger-engine-"))  # a kill leaves files in it
        self._is_closed = False
        self._process = self._start()

    def choose(self, request: EngineRequest, device: str) -> ChosenEngine | None:
        """Run `EngineRequest.choose_on_cpu` in the process.

        When an image of the sample crashes the process, a second one repeats the request with isolated decoding.

        Raises:
            TaggerError: the error that was raised in the process, or that it ended without an answer.
        """
        stdout, stderr = self._process.communicate(pickle.dumps((request, device)))
        if not stdout and not self._is_closed:
            self._process = self._start()
            stdout, stderr = self._process.communicate(pickle.dumps((request.isolated(), device)))
        if not stdout:
            last = (stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
            raise TaggerError(f"choosing an engine ended with {self._process.returncode}: {last}")
        answer: ChosenEngine | TaggerError | None = pickle.loads(stdout)
        if isinstance(answer, TaggerError):
            raise answer
        return answer

    def close(self) -> None:
        """Kill the process."""
        self._is_closed = True
        with self._scratch:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        # -P: without it, Python would import modules from the current folder first
        command = [sys.executable, "-P", "-m", "tagger.engines.process"]
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True,
            env={**os.environ, "TMPDIR": str(self._temp_dir)},
        )  # fmt: skip


def main() -> None:
    """Read a pickled request from standard input, and write the pickled answer to standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes to standard error
    importlib.import_module("tagger.engines.torch")
    engine_names("cpu")
    decode_in_one_thread()
    received = sys.stdin.buffer.read()
    if not received:
        return  # the command has ended
    request, device = pickle.loads(received)
    try:
        answer: ChosenEngine | TaggerError | None = request.choose_on_cpu(device)
    except TaggerError as error:
        answer = error
    except OSError as error:
        answer = TaggerError(f"choosing an engine: {first_line(error)}")
    with contextlib.suppress(BrokenPipeError), answers:
        pickle.dump(answer, answers)


if __name__ == "__main__":
    main()
