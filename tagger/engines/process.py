"""Chooses a run's engine, on this machine in a process of its own.

The engines' libraries take seconds to load, which a second process does while the command does other things. And they
read the environment in their threads, which Ray writes while it starts: in one process that crashed now and then.
"""

import contextlib
import importlib
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace

from tagger.engines.base import BATCH_SIZE, Engine, PreparedEngine
from tagger.engines.choose import ENOUGH_IMAGES, choose_engine, device_here, engine_names, prepare
from tagger.engines.measured import keep_measured, last_measured
from tagger.engines.sample import RunSample
from tagger.errors import TaggerError
from tagger.imaging.threads import decode_in_one_thread
from tagger.io.location import Location, first_line
from tagger.io.scratch import scratch_folder
from tagger.models.bundle import Bundle
from tagger.schemas.documents.run import EngineCheck


@dataclass(frozen=True)
class PickledEngine:
    """A PreparedEngine that is unpacked where it starts, so that nobody on the way loads its library."""

    name: str
    data: bytes

    def start(self) -> Engine:
        """Load the model in this process."""
        engine: Engine = pickle.loads(self.data).start()
        return engine


Chosen = tuple[PickledEngine, EngineCheck]


@dataclass(frozen=True)
class Question:
    """Which engine a run is to have."""

    bundle: Bundle
    requested: str
    """`auto`, or an engine's name."""
    batch_size: int
    """Images per pass; 0 for what suits the device."""
    sample: RunSample
    before: EngineCheck | None
    """What a run that goes on had, and will have again where it can."""
    folder: Location | None = None
    """The bundle's, where a choice by many images is kept for those who have few."""

    def answer(self, device: str) -> Chosen:
        """Choose an engine for `cpu` or `cuda`, here. Errors are those of `choose_engine`."""
        batch_size = self.batch_size or BATCH_SIZE[device]
        if self.before and self.before.engine in engine_names(device):
            prepared, check = prepare(self.bundle, self.before.engine, batch_size), self.before
        else:
            prepared, check = self._choose(device, batch_size)
        return PickledEngine(prepared.name, pickle.dumps(prepared)), check

    def _choose(self, device: str, batch_size: int) -> tuple[PreparedEngine, EngineCheck]:
        folder, model_id = self.folder, self.bundle.card.model_id
        if self.requested != "auto" or folder is None:
            return choose_engine(self.bundle, self.requested, device, batch_size, self.sample)
        images = self.sample()
        chosen = choose_engine(
            self.bundle, "auto", device, batch_size, lambda: images, lambda: last_measured(folder, model_id, device)
        )
        if len(images) >= ENOUGH_IMAGES:
            keep_measured(folder, model_id, device, chosen[1])
        return chosen

    def with_care(self) -> "Question":
        """The same question, to be answered where an image has ended a process that answered it."""
        return replace(self, sample=replace(self.sample, is_careful=True))

    def answer_here(self, device: str) -> Chosen | None:
        """Choose for this machine's CPUs; None where a GPU is wanted or found, which only a worker is to touch.

        Args:
            device: `cpu`, `cuda` or `auto`.
        """
        return self.answer("cpu") if device_here(device, self.requested) == "cpu" else None


class EngineProcess:
    """A process that loads the libraries at once, and then answers one question."""

    def __init__(self) -> None:
        self._scratch = contextlib.ExitStack()
        self._temporary = self._scratch.enter_context(scratch_folder("tagger-engine-"))  # killed ones leave files there
        self._is_closed = False
        self._process = self._start()

    def ask(self, question: Question, device: str) -> Chosen | None:
        """`Question.answer_here`, over there.

        An image of the sample may end the process; then another one is asked, with a careful sample.

        Raises:
            TaggerError: what it raised there, or that the process ended without an answer.
        """
        out, said = self._process.communicate(pickle.dumps((question, device)))
        if not out and not self._is_closed:
            self._process = self._start()
            out, said = self._process.communicate(pickle.dumps((question.with_care(), device)))
        if not out:
            last = (said.decode(errors="replace").strip().splitlines() or [""])[-1]
            raise TaggerError(f"choosing an engine ended with {self._process.returncode}: {last}")
        answer: Chosen | TaggerError | None = pickle.loads(out)
        if isinstance(answer, TaggerError):
            raise answer
        return answer

    def close(self) -> None:
        """End it, whatever it does."""
        self._is_closed = True
        with self._scratch:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        # -P: without it Python would look for modules in the current folder first, whatever lies there
        command = [sys.executable, "-P", "-m", "tagger.engines.process"]
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True,
            env={**os.environ, "TMPDIR": str(self._temporary)},
        )  # fmt: skip


def main() -> None:
    """Answer the question that comes on standard input, as a pickle, on standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    importlib.import_module("tagger.engines.torch")
    engine_names("cpu")
    decode_in_one_thread()
    asked = sys.stdin.buffer.read()
    if not asked:
        return  # the command has ended
    question, device = pickle.loads(asked)
    try:
        answer: Chosen | TaggerError | None = question.answer_here(device)
    except TaggerError as error:
        answer = error
    except OSError as error:
        answer = TaggerError(f"choosing an engine: {first_line(error)}")
    with contextlib.suppress(BrokenPipeError), answers:
        pickle.dump(answer, answers)


if __name__ == "__main__":
    main()
