"""One training process without Ray, on small coloured images."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.models.classifier import new_classifier, pack
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.values import parse_range
from tagger.training.augment import resized
from tagger.training.checkpoint import load_weights
from tagger.training.examples import Examples
from tagger.training.learner import Learner
from tagger.training.plan import Plan, draft_card, with_edge_threshold
from tagger.training.validation import figures
from tests.builders import card

pytestmark = pytest.mark.slow
PAIRS = [("A", "red"), ("A", "green"), ("B", "blue")]
ITEMS = (40, 24, 8)


def examples(items: tuple[int, ...] = ITEMS, seed: int = 0) -> Examples:
    """Noise with one brighter colour, by leaf."""
    rng = np.random.default_rng(seed)
    leaves = rng.permutation(np.repeat(np.arange(len(items)), items))
    images = rng.integers(0, 120, (len(leaves), 24, 18, 3))
    images[np.arange(len(leaves)), :, :, leaves] += 90
    batch = {"image": images.astype(np.uint8), "leaf": leaves}
    return Examples({name: values[i : i + 10] for name, values in batch.items()} for i in range(0, len(leaves), 10))


def plan_of(folder: Path, **settings: object) -> Plan:
    given = {
        "backbone": "cnn_2", "weights": "none", "image_size": "24x18", "dropout": 0, "epochs": 3, "batch_size": 8,
        "lr": 2e-3, "head_lr": 2e-3, "precision": "float32", "schedule": "constant", "patience": 0, "shift": 0,
        "label_smoothing": 0, "weight_decay": 0, "min_items": 1, "flip": False,
    }  # fmt: skip
    config = TrainConfig.model_validate({"manifest": "m", "out": "o", **given, **settings})
    known = card(PAIRS)
    draft = with_edge_threshold(draft_card(config, known.taxonomy, known.provenance), threshold=1e6)
    torch.manual_seed(config.seed)
    weights = Location(str(folder / "initial.safetensors"))
    weights.write_bytes(pack(draft, new_classifier(draft, "none").state_dict()).weights)
    return Plan(config, draft, weights, ITEMS, use_gpu=False, workers=parse_range(config.workers)[1])


def learner_of(folder: Path, **settings: object) -> Learner:
    return Learner(plan_of(folder, **settings), examples(), examples(seed=1), torch.device("cpu"))


def weights_of(learner: Learner, folder: Path) -> dict[str, torch.Tensor]:
    folder.mkdir(exist_ok=True)
    learner.save(folder)
    return load_weights(folder)


def finish(learner: Learner) -> Learner:
    while not learner.finished:
        learner.run_epoch()
    return learner


SETTINGS: list[dict[str, object]] = [
    {},
    {"optimiser": "sgd", "lr": 0.02, "head_lr": 0.02, "schedule": "cosine"},
    {"optimiser": "rmsprop", "lr": 5e-4, "head_lr": 5e-4, "momentum": 0.5, "schedule": "exponential"},
    {"frozen_epochs": 4, "epochs": 0, "head": "batchnorm", "hidden": [16], "head_lr": 2e-2},
    {"frozen_epochs": 2, "epochs": 2, "head": "fc", "hidden": [16, 8], "head_lr": 2e-2},
    {"sampling": "balanced", "ema": 0.9, "epochs": 4},
    {"class_weights": "balanced", "focal_gamma": 1, "logit_adjustment": 0.5, "epochs": 5},
    {"flip": True, "shift": 0.1, "crop": 0.2, "rotation": 10, "noise": 0.02, "erasing": 0.2, "blur": 0.2, "epochs": 5},
    {"edges": "channel", "epochs": 4},
    {"edges": "branch", "frozen_epochs": 1, "blur": 0.5, "epochs": 4},
    {"mixup": 0.2, "cutmix": 0.5, "minority_items": 20, "epochs": 6},
    {"backbone": "small_cnn", "tuned_blocks": 2, "layer_decay": 0.7, "lr": 1e-2, "head_lr": 2e-2, "epochs": 6},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(s) or "plain")
def test_every_ingredient_learns_what_is_easy(settings: dict[str, object], tmp_path: Path) -> None:
    learner = finish(learner_of(tmp_path, **settings))
    first, last = learner.state.history[0], learner.state.history[-1]
    assert max(e["val_accuracy"] for e in learner.state.history) > 0.9, learner.state.history
    assert last["val_loss"] < max(first["val_loss"], 0.5)
    assert 0 <= last["waited_share"] < 1


@pytest.mark.parametrize(
    "settings",
    [
        {"ema": 0.9, "schedule": "one_cycle"},
        {"frozen_epochs": 2, "epochs": 2, "head_lr": 1e-2},
        {"dropout": 0.3, "flip": True, "shift": 0.1, "mixup": 0.2, "sampling": "sqrt"},
    ],
    ids=["average", "both phases", "chance"],
)
@pytest.mark.parametrize("done", [1, 2])
def test_going_on_after_a_stop_is_going_on(settings: dict[str, object], done: int, tmp_path: Path) -> None:
    whole = finish(learner_of(tmp_path, epochs=3, **{k: v for k, v in settings.items() if k != "epochs"}))
    stopped = learner_of(tmp_path, epochs=3, **{k: v for k, v in settings.items() if k != "epochs"})
    for _ in range(done):
        stopped.run_epoch()
    (tmp_path / "stop").mkdir()
    stopped.save(tmp_path / "stop")
    again = learner_of(tmp_path, epochs=3, **{k: v for k, v in settings.items() if k != "epochs"})
    again.resume(tmp_path / "stop")
    finish(again)
    kept = ("epoch", "train_loss", "val_loss", "val_accuracy", "val_macro_f1", "val_master_accuracy", "score")
    for ours, theirs in zip(again.state.history, whole.state.history, strict=True):
        assert [ours[k] for k in kept] == pytest.approx([theirs[k] for k in kept], rel=1e-4)
    for name, tensor in weights_of(whole, tmp_path / "a").items():
        torch.testing.assert_close(weights_of(again, tmp_path / "b")[name], tensor, rtol=1e-3, atol=1e-5)


# AdamW divides by the size of a gradient: it makes rounding of one near 0 a whole step, and hides a wrong scale.
GRADIENT_STEPS: dict[str, object] = {"optimiser": "sgd", "lr": 0.02, "head_lr": 0.02, "epochs": 2}


def test_several_passes_make_the_step_that_one_makes(tmp_path: Path) -> None:
    one, four = (finish(learner_of(tmp_path, accumulate=passes, **GRADIENT_STEPS)) for passes in (1, 4))
    for name, tensor in weights_of(one, tmp_path / "one").items():
        torch.testing.assert_close(weights_of(four, tmp_path / "four")[name], tensor, rtol=1e-3, atol=1e-5)


class Looking(Learner):
    """Looks at every image each time."""

    _keeps_embeddings = False  # type: ignore[assignment]


def test_embeddings_that_are_kept_teach_the_head_what_the_backbone_would(tmp_path: Path) -> None:
    """Up to the rounding of half precision, which shows in no figure."""
    plan = plan_of(tmp_path, frozen_epochs=3, epochs=0, head_lr=1e-2)
    kept, each_time = (
        finish(kind(plan, examples(), examples(seed=1), torch.device("cpu"))) for kind in (Learner, Looking)
    )
    expected = weights_of(each_time, tmp_path / "b")
    for name, tensor in weights_of(kept, tmp_path / "a").items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-2, atol=1e-4)
    for ours, theirs in zip(kept.state.history, each_time.state.history, strict=True):
        assert ours["val_accuracy"] == theirs["val_accuracy"]
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-3)


def test_a_frozen_backbone_looks_at_each_image_once(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, frozen_epochs=3, epochs=0)
    seen: list[int] = []
    learner._model.backbone.register_forward_hook(lambda module, given, found: seen.append(len(found)))
    finish(learner)
    assert sum(seen) == 2 * sum(ITEMS), "each of train and val"


def test_what_is_frozen_stays_as_it_is(tmp_path: Path) -> None:
    before = new_state(tmp_path, frozen_epochs=2, epochs=0, backbone="small_cnn")
    after = weights_of(finish(learner_of(tmp_path, frozen_epochs=2, epochs=0, backbone="small_cnn")), tmp_path / "a")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head.1.weight", "head.1.bias"}
    after = weights_of(finish(learner_of(tmp_path, epochs=1, backbone="small_cnn", tuned_blocks=1)), tmp_path / "b")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    of_norm = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    expected = {"head.1.weight", "head.1.bias", "backbone.blocks.12.weight"}
    assert changed == expected | {f"backbone.blocks.13.{name}" for name in of_norm}


@pytest.mark.parametrize("phase", [{"epochs": 9}, {"frozen_epochs": 9, "epochs": 0}], ids=["whole", "frozen"])
def test_training_ends_when_patience_does(phase: dict[str, int], tmp_path: Path) -> None:
    learner = finish(learner_of(tmp_path, patience=2, lr=1e-12, head_lr=1e-12, monitor="accuracy", **phase))
    assert learner.state.epoch == 3, "one that is the best so far, and two that are no better"


def test_patience_does_not_end_the_phase_before_the_last(tmp_path: Path) -> None:
    settings = {"frozen_epochs": 4, "epochs": 3, "patience": 2, "lr": 1e-12, "head_lr": 1e-12, "monitor": "accuracy"}
    assert finish(learner_of(tmp_path, **settings)).state.epoch == 4 + 2


def new_state(folder: Path, **settings: object) -> dict[str, torch.Tensor]:
    (folder / "new").mkdir()
    return weights_of(learner_of(folder, **settings), folder / "new")


def test_the_average_of_the_weights_follows_them_with_a_growing_memory(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, ema=0.3, epochs=1, backbone="small_cnn")
    steps: list[dict[str, torch.Tensor]] = []
    learner.run_epoch(lambda *_: steps.append({n: t.clone() for n, t in learner._model.state_dict().items()}))
    average = weights_of(learner, tmp_path / "a")
    assert len(steps) == sum(ITEMS) // 8
    for name in ("head.1.weight", "backbone.blocks.1.running_mean"):
        expected = steps[0][name]
        for seen, step in enumerate(steps[1:], 1):
            decay = min(0.3, (1 + seen) / (10 + seen))
            expected = decay * expected + (1 - decay) * step[name]
        torch.testing.assert_close(average[name], expected)


def test_the_figures_of_a_confusion_matrix() -> None:
    confusion = torch.tensor([[8.0, 2.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.double)
    found = figures(confusion, torch.tensor([0, 0, 1]), loss_sum=7.0)
    assert found == pytest.approx(
        {"val_loss": 0.5, "val_accuracy": 11 / 14, "val_macro_f1": (16 / 19 + 6 / 9) / 2, "val_master_accuracy": 1.0}
    )


def test_a_branch_learns_from_edges_alone(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, edges="branch", tuned_blocks=1, lr=1e-9)
    before = weights_of(learner, tmp_path / "a")
    finish(learner)
    after = weights_of(learner, tmp_path / "b")
    assert not torch.equal(before["edges.blocks.0.weight"], after["edges.blocks.0.weight"])
    images = torch.zeros(2, 24, 18, 4, dtype=torch.uint8)
    images[1, 10, :, 3] = 255
    embeddings = learner._model.eval().embed(images)
    assert not embeddings[0, -64:].any(), "where there are no edges, the branch says nothing"
    assert embeddings[1, -64:].any()


def test_a_fourth_channel_changes_nothing_at_first() -> None:
    from tagger.models.backbones import add_input_channel, build

    torch.manual_seed(0)
    backbone = build("mobilenet_v3_small", "none", (48, 36)).eval()
    images = torch.rand(2, 3, 48, 36)
    expected = backbone(images)
    add_input_channel(backbone)
    assert torch.allclose(backbone(torch.cat([images, torch.rand(2, 1, 48, 36)], dim=1)), expected, atol=1e-5)


def test_early_epochs_see_smaller_images_and_the_last_ones_and_val_the_models_own(tmp_path: Path) -> None:
    settings = {"backbone": "small_cnn", "epochs": 3, "early_epochs": 2, "early_size": "12x10", "flip": True}
    learner = learner_of(tmp_path, **settings)
    seen: list[tuple[bool, tuple[int, ...]]] = []
    learner._model.register_forward_pre_hook(lambda m, given: seen.append((m.training, tuple(given[0].shape[1:3]))))
    finish(learner)
    assert [size for training, size in seen if training] == [(12, 10)] * 18 + [(24, 18)] * 9
    assert {size for training, size in seen if not training} == {(24, 18)}
    assert learner.state.history[-1]["val_accuracy"] == 1.0


def test_smaller_images_are_averages() -> None:
    images = (
        torch.tensor([[0, 200], [100, 40]], dtype=torch.uint8).repeat(6, 5).reshape(1, 12, 10, 1).repeat(1, 1, 1, 3)
    )
    small = resized(images, (6, 5))
    assert small.shape == (1, 6, 5, 3)
    assert small.dtype == torch.uint8
    assert (small[:, 1:-1, 1:-1].int() - 85).abs().max() <= 1


def test_an_early_size_that_the_backbone_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--early-size 12x10: the backbone cannot take it"):
        plan_of(tmp_path, backbone="cnn_2", early_epochs=1, early_size="12x10")
    with pytest.raises(ValueError, match="go together"):
        plan_of(tmp_path, early_epochs=1)
    with pytest.raises(ValueError, match="not above image_size"):
        plan_of(tmp_path, early_epochs=1, early_size="32x18")


@pytest.mark.parametrize(("flip", "tagging", "found"), [(True, None, True), (True, False, False), (False, True, True)])
def test_mirror_images_are_averaged_when_tagging_as_in_training_or_as_asked(
    flip: bool, tagging: bool | None, found: bool, tmp_path: Path
) -> None:
    assert plan_of(tmp_path, flip=flip, flip_when_tagging=tagging).card.inference.flip is found


def test_a_frozen_epoch_reads_no_images(tmp_path: Path) -> None:
    kept = examples()
    numbers, images, leaves = next(kept.batches(np.arange(5), 5, with_images=False))
    assert images.shape == (5, 0) and leaves.tolist() == kept.leaves[:5].tolist() and numbers.tolist() == [*range(5)]
    train, val = examples(), examples(seed=1)
    learner = Learner(plan_of(tmp_path, frozen_epochs=2, epochs=0), train, val, torch.device("cpu"))
    learner.run_epoch()
    train._images = np.zeros((0, 24, 18, 3), np.uint8)  # whatever was read from here would fail
    val._images = np.zeros((0, 24, 18, 3), np.uint8)
    learner.run_epoch()


class _SlowToRead(Examples):
    def batches(self, *arguments: Any, **settings: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        for batch in super().batches(*arguments, **settings):
            time.sleep(0.05)
            yield batch


class _Pacing(Learner):
    """Whose steps only take their time."""

    step_s = 0.0

    def _step(self, *_: torch.Tensor) -> torch.Tensor:
        time.sleep(self.step_s)
        return torch.zeros(3, dtype=torch.double)


def test_the_share_of_time_that_was_waited_for_images(tmp_path: Path) -> None:
    slow_data, slow_steps = (
        _Pacing(plan_of(tmp_path), examples(), examples(seed=1), torch.device("cpu")) for _ in range(2)
    )
    slow_data._train.__class__ = _SlowToRead
    slow_steps.step_s = 0.05
    for learner in (slow_data, slow_steps):
        learner.run_epoch()
    found = (slow_data.state.history[0], slow_steps.state.history[0])
    data, steps = (epoch["waited_share"] * epoch["seconds"] for epoch in found)
    assert data >= 0.9 * 9 * 0.05, "nine batches of 72 images"
    assert steps < data / 2
