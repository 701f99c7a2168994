"""What a command does first when a process of Ray is lost."""

import time

from ray._private import worker

from tagger.errors import TaggerError

_MOMENT_S = 0.5


def check_after_loss() -> None:
    """Call this when a worker is lost, before Ray is asked for another one.

    A service manager, or the end of a session, stops all processes of a command. Workers, and the Ray inside the
    command, may end before its own signal comes: so it waits for that for a moment. Whoever asks the object store of a
    Ray that has ended is itself ended by Ray's core (2.60, `plasma/connection.cc`), without a word.

    Raises:
        KeyboardInterrupt: after a signal.
        TaggerError: the Ray inside this command has ended.
    """
    node = worker._global_node
    if node is None or not node.head:  # a Ray of its own; that of a cluster belongs to others
        return
    (raylet,) = node.all_processes["raylet"]
    time.sleep(_MOMENT_S)
    if (code := raylet.process.poll()) is not None:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise TaggerError(
            f"Ray, which runs inside this command, {how} (was memory used up?); the same command goes on from here"
        )
