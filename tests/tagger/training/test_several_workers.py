"""Several workers make the steps that one makes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch.nn.parallel import DistributedDataParallel

from tagger.training.checkpoint import load_weights
from tagger.training.examples import Examples
from tagger.training.learner import Learner
from tests.tagger.training.test_learner import (
    GRADIENT_STEPS,
    ITEMS,
    examples,
    finish,
    learner_of,
    plan_of,
    weights_of,
)

pytestmark = pytest.mark.slow


def _train_as_one_of_two(rank: int, folder: Path, accumulate: int) -> None:
    meeting = f"file://{folder}/meeting-{accumulate}"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    work = folder / f"{accumulate}-{rank}"
    work.mkdir()
    plan = plan_of(work, workers=2, accumulate=accumulate, **GRADIENT_STEPS)
    share = tuple(items // 2 for items in ITEMS)
    learner = Learner(
        plan, examples(share, seed=rank), examples(seed=2), torch.device("cpu"), rank, DistributedDataParallel
    )
    finish(learner).save(work)
    torch.distributed.destroy_process_group()


def test_several_passes_on_several_workers_make_the_step_that_one_makes(tmp_path: Path) -> None:
    for accumulate in (1, 2):
        torch.multiprocessing.spawn(  # type: ignore[attr-defined]
            _train_as_one_of_two, (tmp_path, accumulate), nprocs=2
        )
    once, twice, beside = (load_weights(tmp_path / name) for name in ("1-0", "2-0", "2-1"))
    begun = load(plan_of(tmp_path).initial_weights.read_bytes())
    for name, weights in once.items():
        assert torch.equal(twice[name], beside[name]), "the workers have one model"
        torch.testing.assert_close(twice[name], weights, rtol=1e-3, atol=1e-5)
    assert any((once[name] - weights).abs().max() > 1e-3 for name, weights in begun.items())


def _train_on_one_of_two_shares(rank: int, folder: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    work = folder / str(rank)
    work.mkdir()
    plan = plan_of(work, workers=2, batch_size=sum(ITEMS), **GRADIENT_STEPS)
    everything = examples()
    mine = np.argsort(everything.leaves, kind="stable")[rank * 36 : rank * 36 + 36]  # no two shares have like leaves
    _, images, leaves = next(everything.batches(mine, 36))
    share = Examples([{"image": images.numpy(), "leaf": leaves.numpy()}])
    learner = Learner(plan, share, examples(seed=2), torch.device("cpu"), rank, DistributedDataParallel)
    finish(learner).save(work)
    torch.distributed.destroy_process_group()


def test_two_workers_make_the_steps_that_one_makes_of_the_same_items(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_train_on_one_of_two_shares, (tmp_path,), nprocs=2)  # type: ignore[attr-defined]
    alone = finish(learner_of(tmp_path, batch_size=sum(ITEMS), **GRADIENT_STEPS))
    for name, weights in weights_of(alone, tmp_path / "alone").items():
        torch.testing.assert_close(load_weights(tmp_path / "0")[name], weights, rtol=1e-4, atol=1e-6)
