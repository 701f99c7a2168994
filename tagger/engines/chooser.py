"""The process that chooses an engine beside the command: `python -m tagger.engines.chooser`, which `process` starts."""

import contextlib
import importlib
import os
import pickle
import sys
from functools import partial
from typing import BinaryIO

from tagger.engines.choice_progress import ChoiceProgress
from tagger.engines.choose import engine_names
from tagger.engines.process import Answer
from tagger.errors import TaggerError
from tagger.imaging.threads import decode_in_one_thread
from tagger.io.location import first_line


def main() -> None:
    """Read a pickled request from standard input; write pickled messages to standard output, the answer last."""
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes to standard error
    importlib.import_module("tagger.engines.torch")
    engine_names("cpu")
    decode_in_one_thread()
    received = sys.stdin.buffer.read()
    if not received:
        return  # the command has ended
    request, device = pickle.loads(received)
    try:
        answer = Answer(request.choose_on_cpu(device, partial(_send, messages)))
    except TaggerError as error:
        answer = Answer(error)
    except OSError as error:
        answer = Answer(TaggerError(f"choosing an engine: {first_line(error)}"))
    with contextlib.suppress(BrokenPipeError), messages:
        _send(messages, answer)


def _send(stream: BinaryIO, message: ChoiceProgress | Answer) -> None:
    pickle.dump(message, stream)
    stream.flush()


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)  # the libraries' own end takes a second, for which the command would wait; nothing is left to be done
