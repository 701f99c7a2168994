"""Decoded images lie where there is room for them, and leave nothing behind."""

from pathlib import Path

import numpy as np
import pytest

from tagger.training.examples import Examples


def batch(images: int) -> dict[str, np.ndarray]:
    return {"image": np.full((images, 8, 6, 3), 7, np.uint8), "leaf": np.arange(images)}


def test_the_file_of_decoded_images_takes_room_in_the_folder_that_was_named_and_has_no_name(tmp_path: Path) -> None:
    examples = Examples([batch(40), batch(30)], tmp_path)
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(tmp_path) in line]
    assert mapped
    assert all(line.endswith("(deleted)") for line in mapped)
    assert not list(tmp_path.iterdir())
    ((_, images, leaves),) = examples.batches(np.array([41, 3]), 8)
    assert images.shape == (2, 8, 6, 3)
    assert leaves.tolist() == [1, 3]


def test_without_the_folder_they_lie_in_the_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    examples = Examples([batch(40)], Path("/nowhere/on/this/node"))
    assert len(examples) == 40
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    assert not list(tmp_path.iterdir())
