"""Shows the progress of a training: a line per epoch, a bar, and a log for TensorBoard."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType

from tagger.reporter import Bar, Reporter
from tagger.training.plan import Plan
from tagger.training.progress import Progress
from tagger.training.tensorboard import TensorBoardLog

_ONCE = "Looking at each image once"
_STEPS = "steps"


class TrainingWatch:
    """Receives the progress of a training, and reports what is new.

    Args:
        plan: The training.
        log: The log for TensorBoard.
        reporter: Receives lines and bars.
    """

    def __init__(self, plan: Plan, log: TensorBoardLog, reporter: Reporter) -> None:
        self._plan = plan
        self._log = log
        self._reporter = reporter
        self._epochs_reported: int | None = None
        self._bars = ExitStack()
        self._bar: Bar | None = None
        self._label = ""

    def __enter__(self) -> "TrainingWatch":
        """Begin with an empty bar."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._bars.close()

    def show(self, progress: Progress) -> None:
        """Report the progress."""
        if self._epochs_reported is None:
            self._epochs_reported = 0
            if progress.notice:
                self._reporter.step(progress.notice)
            if progress.resumed or progress.resumed_step:
                within = f" and step {progress.resumed_step:,} of the next" if progress.resumed_step else ""
                self._reporter.step(f"Going on after epoch {progress.resumed} of {self._plan.epochs}{within}")
        self._report_epochs(progress.history)
        if progress.images:
            self._bar_of(_ONCE, progress.images, "images").update(progress.images_seen)
            return
        done = progress.epoch * progress.steps + progress.step
        if progress.step:
            self._log.add_step(done, progress.loss)
        bar = self._bar_of(_STEPS, self._plan.epochs * self._plan.steps)
        bar.update(done, note_of(progress, self._plan.config.monitor))

    def finish(self, history: Sequence[Mapping[str, float]]) -> None:
        """Report the epochs that ended since the last call of `show`."""
        self._report_epochs(history)

    def _report_epochs(self, history: Sequence[Mapping[str, float]]) -> None:
        reported = self._epochs_reported or 0
        for epoch in history[reported:]:
            self._reporter.step(epoch_line(epoch, self._plan))
            self._log.add_epoch(epoch)
        self._epochs_reported = max(reported, len(history))

    def _bar_of(self, label: str, total: float, unit: str = "") -> Bar:
        """The bar of the current step; replaces that of the previous step."""
        if self._bar is None or label != self._label:
            self._bars.close()
            self._label = label
            self._bar = self._bars.enter_context(self._reporter.progress(label, total, unit))
        return self._bar


def epoch_line(epoch: Mapping[str, float], plan: Plan) -> str:
    """The metrics of an epoch, in a line."""
    waited = f", {100 * epoch['waited_share']:.0f}% of the time waiting for data" if plan.use_gpu else ""
    return (
        f"epoch {epoch['epoch'] + 1:.0f} of {plan.epochs}: train loss {epoch['train_loss']:.3f}, "
        f"val loss {epoch['val_loss']:.3f}, val accuracy {100 * epoch['val_accuracy']:.2f}%, "
        f"{epoch['images_per_s']:,.0f} images/s{waited}"
    )


def note_of(progress: Progress, monitor: str) -> str:
    """The text beside the bar: loss and speed of this epoch, and the best score so far."""
    best = max(progress.history, key=lambda epoch: epoch["score"], default=None)
    parts = [f"loss {progress.loss:.3f}", f"{progress.images_per_s:,.0f} images/s"] if progress.step else []
    return ", ".join([*parts, *([f"best val {monitor} {best[f'val_{monitor}']:.4f}"] if best else [])])
