"""Engines say what float32 PyTorch says, or are not taken."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tagger.demo.drawn_catalogue import ARTICLES
from tagger.engines import choose as engines
from tagger.engines.base import PreparedEngine
from tagger.engines.choose import (
    ENOUGH_IMAGES,
    choose_engine,
    engine_names,
    prepare,
    resolve_device,
)
from tagger.engines.reference import MOST_CHECKED_IMAGES
from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.models.classifier import new_classifier, pack, restore
from tagger.schemas.documents.run import EngineCheck
from tests.builders import card

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 48, 36, 3), dtype=np.uint8)
MANY_IMAGES = np.concatenate([IMAGES] * 19)
HERE = engine_names("cpu")


@pytest.fixture(scope="module")
def mobilenet() -> Bundle:
    torch.manual_seed(0)
    draft = card(list(ARTICLES), backbone="mobilenet_v2", dim=1280)
    return pack(draft, new_classifier(draft, "none").state_dict())


def plain(bundle: Bundle) -> Bundle:
    """The same model without the mirror image."""
    inference = bundle.card.inference.model_copy(update={"flip": False})
    return Bundle(bundle.card.model_copy(update={"inference": inference}), bundle.weights)


def with_outputs_of(bundle: Bundle, bias: float) -> Bundle:
    """The same model with another bias of its first leaf."""
    model = restore(bundle)
    state = model.state_dict()
    last = [name for name, weights in state.items() if weights.shape == (len(bundle.card.taxonomy.leaves),)][-1]
    state[last][0] = bias
    return pack(bundle.card, state)


def logits(bundle: Bundle, name: str, images: np.ndarray = IMAGES, batch_size: int = 4) -> np.ndarray:
    return prepare(bundle, name, batch_size).start().run(images)[0]


def test_float32_pytorch_is_the_last_resort_and_openvino_comes_first() -> None:
    assert HERE[-1] == "torch-cpu-float32"
    assert "openvino-cpu-float32" in HERE
    assert HERE.index("openvino-cpu-float32") == len(HERE) - 2


@pytest.mark.parametrize("name", HERE)
def test_images_that_other_processes_share_are_run_without_a_word(
    bundle: Bundle, name: str, recwarn: pytest.WarningsRecorder
) -> None:
    shared = IMAGES.copy()
    shared.flags.writeable = False
    torch.set_warn_always(True)  # else a process is warned once
    try:
        assert np.array_equal(logits(bundle, name, shared), logits(bundle, name))
    finally:
        torch.set_warn_always(False)
    assert not [warning for warning in recwarn if "not writable" in str(warning.message)]


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("count", [1, 3, 8, 11])
def test_a_prediction_does_not_depend_on_what_it_is_batched_with(bundle: Bundle, name: str, count: int) -> None:
    engine = prepare(bundle, name, 4).start()
    whole, embeddings = engine.run(IMAGES)
    some, _ = engine.run(IMAGES[-count:])
    assert np.array_equal(whole[-count:], some)
    assert (whole.shape, embeddings.shape) == ((11, len(bundle.card.taxonomy.leaves)), (11, 128))
    assert whole.dtype == embeddings.dtype == np.float32
    assert engine.name == name


@pytest.mark.parametrize("name", [n for n in HERE if n.endswith("float32")])
def test_float32_engines_compute_what_pytorch_computes(mobilenet: Bundle, name: str) -> None:
    np.testing.assert_allclose(logits(mobilenet, name), logits(mobilenet, "torch-cpu-float32"), atol=2e-4)


@pytest.mark.parametrize("name", HERE)
def test_every_engine_averages_an_image_and_its_mirror_image(bundle: Bundle, name: str) -> None:
    alone = plain(bundle)
    expected = (logits(alone, name) + logits(alone, name, IMAGES[:, :, ::-1].copy())) / 2
    np.testing.assert_allclose(logits(bundle, name), expected, atol=0.05 if "16" in name else 1e-4)


def test_the_digits_do_not_depend_on_the_threads_that_a_notebook_has(mobilenet: Bundle) -> None:
    threads = torch.get_num_threads()
    results = []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(logits(mobilenet, "torch-cpu-float32"))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(results[0], results[1])


def test_converting_leaves_no_files_behind_and_calls_nobody(bundle: Bundle, tmp_path: Path) -> None:
    bundle_dir = tmp_path / "bundle"
    bundle.save(Location(str(bundle_dir)))
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "tmp").mkdir()
    code = (
        "import sys; from tagger.models.bundle import Bundle; from tagger.io.location import Location;"
        "from tagger.engines.choose import prepare;"
        f"prepare(Bundle.load(Location({str(bundle_dir)!r})), 'openvino-cpu-float32', 4).start();"
        "print('openvino' in sys.modules, sys.modules['openvino_telemetry'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "CI"}  # its telemetry keeps quiet where it sees CI
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**environment, "HOME": str(home), "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    assert done.stdout.split() == ["True", "None"]
    assert [p for p in home.rglob("*") if p.is_file()] == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_worker_loads_no_pytorch_to_run_openvino() -> None:
    code = (
        "import sys, tagger.tagging.on_ray, tagger.engines.openvino as engine; engine.cpu_precisions();"
        "print(sorted({'torch', 'torchvision', 'pandas.plotting', 'boto3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout
    assert "boto3" not in done.stdout


def test_the_engine_that_is_taken_agrees_and_says_how_far(bundle: Bundle) -> None:
    prepared, check = choose_engine(bundle, "auto", "cpu", 4, lambda: [IMAGES])
    assert prepared.name == check.engine
    assert check.engine in HERE
    assert check.images in (0, len(IMAGES))
    assert check.agreement >= 10 / 11


def test_an_engine_that_disagrees_is_passed_over_with_the_reason(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar is put where no engine but float32 PyTorch itself reaches it."""
    monkeypatch.setattr(engines, "agrees", lambda check: False)
    prepared, check = choose_engine(bundle, "auto", "cpu", 4, lambda: [MANY_IMAGES])
    assert prepared.name == "torch-cpu-float32"
    assert set(check.passed_over) == set(HERE[:-1])
    assert all("agrees with float32 PyTorch on " in reason for reason in check.passed_over.values())
    with pytest.raises(UsageError, match=r"--engine openvino-cpu-float32: it agrees .* take --engine auto"):
        choose_engine(bundle, "openvino-cpu-float32", "cpu", 4, lambda: [IMAGES])


def test_a_few_images_show_nothing(bundle: Bundle) -> None:
    assert len(MANY_IMAGES) >= ENOUGH_IMAGES > len(IMAGES)
    _, check = choose_engine(bundle, "auto", "cpu", 4, lambda: [IMAGES])
    assert check == EngineCheck(engine="torch-cpu-float32"), "one of them could prove no other engine right"
    _, check = choose_engine(bundle, "auto", "cpu", 4, lambda: [MANY_IMAGES])
    assert check.engine in HERE[:-1] or set(check.passed_over) == set(HERE[:-1]), "others are tried"


def test_the_engine_of_an_earlier_run_is_taken_without_a_look_at_an_image(bundle: Bundle) -> None:
    def no_image() -> Iterator[np.ndarray]:
        raise AssertionError("an image was read")

    before = EngineCheck(engine=HERE[0], images=512, agreement=0.998, largest_difference=0.1)
    prepared, check = choose_engine(bundle, "auto", "cpu", 4, no_image, lambda: before)
    assert (prepared.name, check) == (HERE[0], before.model_copy(update={"earlier": True}))
    elsewhere = EngineCheck(engine="openvino-cpu-int3", images=512)
    chosen = choose_engine(bundle, "auto", "cpu", 4, lambda: [IMAGES], lambda: elsewhere)
    assert chosen[0].name == "torch-cpu-float32"


def test_an_earlier_engine_that_does_not_start_any_more_is_passed_over(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bundle: Bundle, name: str, batch_size: int) -> PreparedEngine:
        if name == HERE[0]:
            raise RuntimeError("no such instruction")
        return prepare(bundle, name, batch_size)

    monkeypatch.setattr(engines, "prepare", broken)
    before = EngineCheck(engine=HERE[0], images=512)
    _, check = choose_engine(bundle, "auto", "cpu", 4, lambda: [IMAGES], lambda: before)
    assert check.engine == "torch-cpu-float32"
    assert check.passed_over == {HERE[0]: "cannot run this model: no such instruction"}


def test_more_images_are_read_only_while_the_agreement_is_uncertain(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def sample() -> Iterator[np.ndarray]:
        for number in range(50):
            read.append(number)
            yield MANY_IMAGES

    name = "openvino-cpu-float32"
    monkeypatch.setattr(engines, "is_certain", lambda check: True)
    assert choose_engine(bundle, name, "cpu", 4, sample)[1].images == len(MANY_IMAGES)
    assert read == [0]
    read.clear()
    monkeypatch.setattr(engines, "is_certain", lambda check: False)
    compared = choose_engine(bundle, name, "cpu", 4, sample)[1].images
    assert MOST_CHECKED_IMAGES <= compared < MOST_CHECKED_IMAGES + len(MANY_IMAGES)


@pytest.mark.parametrize("images", [1, 2, 11])
def test_an_engine_whose_outputs_are_not_finite_is_refused_whatever_the_number_of_images(
    mobilenet: Bundle, images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "openvino-cpu-float32"
    broken = with_outputs_of(mobilenet, float("nan"))
    monkeypatch.setattr(engines, "prepare", lambda _, engine, size: prepare(broken, engine, size))
    with pytest.raises(UsageError, match=f"not finite for {images} of {images} images"):
        choose_engine(mobilenet, name, "cpu", 4, lambda: [IMAGES[:images]])


def test_a_model_whose_own_outputs_are_not_finite_is_named(mobilenet: Bundle) -> None:
    with pytest.raises(InputError, match=r"--model: .* not finite, even in float32"):
        choose_engine(with_outputs_of(mobilenet, float("nan")), "auto", "cpu", 4, lambda: [IMAGES[:1]])


def test_without_an_image_to_measure_on_it_is_float32_pytorch(bundle: Bundle) -> None:
    nothing = IMAGES[:0]
    assert choose_engine(bundle, "auto", "cpu", 4, lambda: [nothing])[0].name == "torch-cpu-float32"
    prepared, check = choose_engine(bundle, "openvino-cpu-float32", "cpu", 4, lambda: [nothing])
    assert (prepared.name, check.images) == ("openvino-cpu-float32", 0)


def test_images_that_cannot_be_had_are_no_fault_of_an_engine(bundle: Bundle) -> None:
    def sample() -> Iterator[np.ndarray]:
        raise OSError("the store is gone")

    with pytest.raises(OSError, match="the store is gone"):
        choose_engine(bundle, "auto", "cpu", 4, sample)


def test_an_engine_of_another_machine_is_told(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match=r"--engine torch-cuda-float16: this machine runs .*torch-cpu-float32"):
        choose_engine(bundle, "torch-cuda-float16", "cpu", 4, lambda: [IMAGES])


def test_auto_takes_a_gpu_only_where_there_is_one() -> None:
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto", "torch-cuda-float16") == "cuda"


@pytest.mark.gpu
@pytest.mark.parametrize("name", engine_names("cuda"))
def test_gpu_engines_agree_with_the_cpu(mobilenet: Bundle, name: str) -> None:
    expected = logits(mobilenet, "torch-cpu-float32")
    assert (logits(mobilenet, name).argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
