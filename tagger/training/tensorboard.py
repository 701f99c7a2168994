"""A log of a training for TensorBoard: `tensorboard --logdir FOLDER`."""

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType

from tensorboardX import SummaryWriter

from tagger.io.location import Location
from tagger.io.scratch import scratch_folder

_NAMES = {
    "train_loss": "loss/train",
    "val_loss": "loss/val",
    "train_accuracy": "accuracy/train",
    "val_accuracy": "accuracy/val",
    "val_macro_f1": "val/macro_f1",
    "val_master_accuracy": "val/master_accuracy",
    "images_per_s": "speed/images_per_s",
    "waited_share": "speed/share_of_time_waited_for_data",
}


class TensorBoardLog:
    """Writes a log to a folder, local or in a bucket; replaces that of an earlier call."""

    def __init__(self, folder: Location) -> None:
        self._folder = folder
        self._epochs = 0

    def __enter__(self) -> "TensorBoardLog":
        """Begin an empty log."""
        for file in self._folder.files():
            file.delete()
        self._scratch = ExitStack()
        self._here = self._scratch.enter_context(scratch_folder("tagger-tensorboard-"))
        self._writer = SummaryWriter(str(self._here), flush_secs=3600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the rest."""
        with self._scratch:
            self._writer.close()  # waits for its thread, which a flush of an older tensorboardX does not
            self._copy()

    def add_step(self, step: int, loss: float) -> None:
        """Log the mean loss of an epoch so far, at a step of the whole training."""
        self._writer.add_scalar("step/loss", loss, step)

    def add_epoch(self, metrics: Mapping[str, float]) -> None:
        """Log the metrics of an epoch."""
        for name, shown in _NAMES.items():
            if name in metrics:
                self._writer.add_scalar(shown, metrics[name], int(metrics["epoch"]) + 1)
        self._publish()

    def _publish(self) -> None:
        self._writer.flush()
        self._copy()

    def _copy(self) -> None:
        for file in self._here.glob("events.*"):
            (self._folder / file.name).write_bytes(file.read_bytes())
