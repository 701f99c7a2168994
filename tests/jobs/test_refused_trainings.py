"""What cannot be trained on is refused with its cause and the way out, before Ray is started, and leaves nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from tests.builders import encoded, picture
from tests.conftest import Outcome

Run = Callable[..., Outcome]


@pytest.fixture
def catalogue(tmp_path: Path) -> Callable[..., list[object]]:
    """Writes a manifest of rows (masterCategory, articleType), and says which flags name it."""

    def write(*labels: tuple[str, str]) -> list[object]:
        rows = [f"{n},{master},{article}" for n, (master, article) in enumerate(labels)]
        (tmp_path / "m.csv").write_text("\n".join(["id,masterCategory,articleType", *rows]) + "\n")
        (tmp_path / "images").mkdir(exist_ok=True)
        return ["--manifest", tmp_path / "m.csv", "--images", f"{tmp_path}/images/{{id}}.jpg", "--min-items", 1]

    return write


SHIRTS, SHOES = ("Apparel", "Shirts"), ("Footwear", "Shoes")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([("", "")] * 8, ["not one of 8 items has both a masterCategory and an articleType"]),
        ([], ["--manifest: it has no rows"]),
        ([SHIRTS] * 8, ["all of one leaf, Apparel/Shirts", "label items of another leaf"]),
        ([SHIRTS, SHOES], ["not one of 2 items in 2 leaves falls to val and test", "label more items"]),
    ],
)
def test_too_few_labels_are_told_before_ray_is_started_and_leave_nothing(
    tagger: Run, catalogue: Callable[..., list[object]], tmp_path: Path, labels: list[tuple[str, str]], words: list[str]
) -> None:
    running = ray.is_initialized()
    inputs = catalogue(*labels)
    outcome = tagger("train", *inputs, "--recipe", "cnn-2conv", "--out", tmp_path / "made/b")
    assert outcome.code == 3
    assert all(word in outcome.err for word in words), outcome.err
    assert ray.is_initialized() == running
    assert not (tmp_path / "made/b").exists()
    space = tmp_path / "space.yaml"
    space.write_text("recipe: cnn-2conv\nset: {min_items: 1}\nspace: {lr: [0.1, 0.01]}\n")
    searched = tagger("tune", *inputs[:4], "--space", space, "--out", tmp_path / "made/s")
    assert (searched.code, (tmp_path / "made/s").exists()) == (3, False), searched.err
    assert all(word in searched.err for word in words), searched.err


def test_a_refused_training_leaves_what_lay_in_its_folder(
    tagger: Run, catalogue: Callable[..., list[object]], tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/notes.txt").write_text("mine")
    assert tagger("train", *catalogue(SHIRTS, SHOES), "--recipe", "cnn-2conv", "--out", tmp_path / "b").code == 3
    assert [file.name for file in (tmp_path / "b").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--weights", "mobilenet.safetensors"], "take pretrained, none or file:mobilenet.safetensors"),
        (["--weights", "file:nowhere.pth"], "there is no file nowhere.pth"),
        (["--backbone", "resnet999"], "no model 'resnet999'"),
        (["--backbone", "cnn_2"], "--weights pretrained: there are none for cnn_2"),
    ],
)
def test_wrong_weights_are_told_before_the_manifest_is_read(
    tagger: Run, tmp_path: Path, given: list[str], words: str
) -> None:
    outcome = tagger("train", "--manifest", tmp_path / "nothing.csv", "--out", tmp_path / "b", *given)
    assert outcome.code == 2
    assert words in outcome.err


def test_images_that_cannot_be_used_are_shown_with_path_and_reason(
    tagger: Run, catalogue: Callable[..., list[object]], tmp_path: Path, embedded_ray: None
) -> None:
    inputs = catalogue(*[SHIRTS, SHOES] * 20)
    for n in range(40):
        (tmp_path / f"images/{n}.jpeg").write_bytes(encoded(picture(seed=n)))

    outcome = tagger("train", *inputs, "--recipe", "cnn-2conv", "--epochs", 1, "--out", tmp_path / "b")
    assert outcome.code == 3
    assert "40 of 40 labelled items have an image that cannot be used, and is left out" in outcome.err
    assert "not_found 40:" in outcome.err
    assert f"{tmp_path}/images/" in outcome.err
    assert ".jpeg is there: another suffix" in outcome.err
