"""Makes probabilities honest: fits a temperature on held-out items."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from schemas.bundle import Calibration
from tagger.models.bundle import Bundle

_RANGE = (0.05, 20.0)


def calibrated(bundle: Bundle, logits: np.ndarray, leaves: np.ndarray) -> Bundle:
    """The bundle with a temperature fitted on held-out items; arguments are those of `fit_temperature`."""
    temperature = fit_temperature(logits, leaves)
    return bundle.changed(calibration=Calibration(method="temperature", temperature=temperature, fitted_on=len(leaves)))


def fit_temperature(logits: np.ndarray, leaves: np.ndarray) -> float:
    """Return the T that minimises the negative log-likelihood of softmax(logits / T).

    Source: Guo et al. 2017, "On calibration of modern neural networks" (arXiv:1706.04599); targets are smoothed by
    1 / (N + 2) as in Platt 1999, so that a few items that are all right do not prove a confidence of 1.

    Args:
        logits: float32 [N, L], of items that the model was not trained on.
        leaves: Their true leaf numbers, int [N].
    """
    scores = torch.from_numpy(np.ascontiguousarray(logits, np.float32)).double()
    truth = torch.from_numpy(np.asarray(leaves, np.int64))
    log_temperature = torch.zeros(1, dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature], lr=0.1, max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = cross_entropy(scores / log_temperature.exp(), truth, label_smoothing=1 / (len(truth) + 2))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return float(np.clip(log_temperature.exp().item(), *_RANGE))
