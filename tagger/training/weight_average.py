"""An exponential moving average of a model's weights, which is more accurate than the last weights."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def weight_average(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of weights and buffers, whose window grows with the number of steps.

    The decay of step n is at most (1 + n) / (10 + n), as in TensorFlow's ExponentialMovingAverage with `num_updates`:
    so the average of a short training does not keep the initial weights.
    """

    def follow(averages: Sequence[Tensor], now: Sequence[Tensor], count: Tensor | int) -> None:
        steps = float(average.n_averaged)  # on the CPU; `count` is its copy on the device, and reading it would wait
        growing = min(decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(growing)(averages, now, count)  # type: ignore[no-untyped-call]

    average = AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
    return average
