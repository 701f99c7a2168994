"""Several bundles as one."""

import numpy as np
import pytest
import torch
from safetensors.torch import load
from scipy.special import log_softmax
from torch import Tensor, nn

from tagger.demo.drawn_catalogue import ARTICLES
from tagger.engines.choose import engine_names, prepare
from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.models.classifier import new_classifier, pack, restore
from tagger.models.combine import average_predictions, average_weights, update_batchnorm
from tagger.schemas.documents.bundle import Calibration, Policy
from tests.builders import card

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 48, 36, 3), dtype=np.uint8)


def bundle_of(seed: int, temperature: float = 1.0, backbone: str = "small_cnn", flip: bool = True) -> Bundle:
    torch.manual_seed(seed)
    draft = card(list(ARTICLES), backbone=backbone)
    update = {
        "calibration": Calibration(method="temperature", temperature=temperature),
        "inference": draft.inference.model_copy(update={"flip": flip}),
    }
    return pack(draft.model_copy(update=update), new_classifier(draft, "none").state_dict())


def logits(bundle: Bundle, name: str = "torch-cpu-float32") -> np.ndarray:
    return prepare(bundle, name, 4).start().run(IMAGES)[0]


def test_the_average_of_predictions_is_the_mean_of_the_calibrated_probabilities() -> None:
    members = [bundle_of(1, 0.7), bundle_of(2, 1.9, "cnn_2", flip=False), bundle_of(3)]
    both = average_predictions(members)
    expected = np.mean([np.exp(log_softmax(logits(b) / b.card.calibration.temperature, 1)) for b in members], axis=0)
    np.testing.assert_allclose(np.exp(logits(both)), expected, rtol=1e-4, atol=1e-7)
    assert [m.model_id for m in both.card.members] == [b.card.model_id for b in members]
    assert both.card.architecture.backbone == "small_cnn+cnn_2+small_cnn"


@pytest.mark.parametrize("name", engine_names("cpu"))
def test_every_engine_runs_an_average_and_it_is_saved_and_loaded(name: str, tmp_path: object) -> None:
    both = average_predictions([bundle_of(1, 0.7), bundle_of(2, 1.9)])
    folder = Location(str(tmp_path))
    both.save(folder)
    loaded = Bundle.load(folder)
    assert loaded.card == both.card
    averaged, embeddings = prepare(loaded, name, 4).start().run(IMAGES)
    assert embeddings.shape == (7, 256)
    tolerance = 1e-4 if name.endswith("float32") else 0.1
    np.testing.assert_allclose(averaged, logits(both), atol=tolerance)


def test_the_average_of_weights_is_one_model_with_their_means() -> None:
    members = [bundle_of(1), bundle_of(2)]
    mean, first, second = (load(b.weights) for b in (average_weights(members), *members))
    for name in mean:
        if mean[name].is_floating_point():
            torch.testing.assert_close(mean[name], (first[name] + second[name]) / 2)
    assert average_weights([members[0], members[0]]).weights == members[0].weights


def test_batch_norm_of_averaged_weights_has_the_statistics_of_what_it_sees() -> None:
    members = [trained_a_little(bundle_of(1)), trained_a_little(bundle_of(2))]
    mean = average_weights(members)
    batches = [torch.from_numpy(IMAGES[:3]), torch.from_numpy(IMAGES[3:6]), torch.from_numpy(IMAGES[6:])]
    weights = load(update_batchnorm(mean, members, batches, "cpu").weights)
    model = restore(mean)
    (first, norm), *_ = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    inputs_seen: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _, inputs: inputs_seen.append(inputs[0]))
    for batch in batches[:2]:  # the last is of one image
        model(batch)
    torch.testing.assert_close(weights[f"{first}.running_mean"], torch.cat(inputs_seen).mean((0, 2, 3)))
    variance = (inputs_seen[0].var((0, 2, 3)) + inputs_seen[1].var((0, 2, 3))) / 2
    torch.testing.assert_close(weights[f"{first}.running_var"], variance)
    for name, before in load(mean.weights).items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(weights[name], before, rtol=0, atol=0)


def test_statistics_that_all_members_have_stay() -> None:
    members = [trained_a_little(bundle_of(1)), trained_a_little(bundle_of(1))]
    updated = update_batchnorm(average_weights(members), members, [torch.from_numpy(IMAGES)], "cpu")
    assert updated.weights == members[0].weights


def trained_a_little(bundle: Bundle) -> Bundle:
    """The same with batch statistics of some images."""
    model = restore(bundle).train()
    with torch.no_grad():
        model(torch.from_numpy(IMAGES))
    return pack(bundle.card, model.state_dict())


def test_what_cannot_be_combined_is_refused_with_a_message() -> None:
    with pytest.raises(UsageError, match="name two or more"):
        average_predictions([bundle_of(1)])
    with pytest.raises(UsageError, match="differ in architecture"):
        average_weights([bundle_of(1), bundle_of(2, backbone="cnn_2")])
    other = bundle_of(1)
    size = other.card.preprocessing.model_copy(update={"width": 30})
    with pytest.raises(UsageError, match="differ in preprocessing"):
        average_predictions(
            [bundle_of(2), Bundle(other.card.model_copy(update={"preprocessing": size}), other.weights)]
        )
    with pytest.raises(UsageError, match="averages several already"):
        average_predictions(
            [average_predictions([bundle_of(1), bundle_of(2)]), average_predictions([bundle_of(3), bundle_of(4)])]
        )


def test_weights_that_are_missing_are_told() -> None:
    both = average_predictions([bundle_of(1), bundle_of(2)])
    with pytest.raises(InputError, match="do not fit its card"):
        prepare(Bundle(both.card, bundle_of(1).weights), "torch-cpu-float32", 4).start()


def test_a_policy_goes_with_the_confidences_that_it_was_fitted_on() -> None:
    policy = Policy(probability=0.95, fitted_on=100, levels={})
    members = [bundle_of(seed).changed(policy=policy) for seed in (1, 2)]
    assert members[0].card.policy == policy
    assert average_predictions(members).card.policy is None
    assert average_weights(members).card.policy is None
    first = members[0]
    assert first.changed(calibration=Calibration(method="temperature", temperature=2.0)).card.policy is None
    assert first.changed(metrics=()).card.policy == policy, "a change that decides no prediction keeps it"
    assert first.changed(blur_threshold=9.0, policy=policy).card.policy == policy
