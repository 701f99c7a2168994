import csv
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from tagger.demo.drawn_catalogue import ARTICLES, Drawn, draw_catalogue


def test_the_drawn_catalogue_has_the_oddities_it_names(drawn: Drawn) -> None:
    lines = drawn.manifest.read_text().splitlines()
    width = len(lines[0].split(","))
    assert [line.split(",")[0] for line in lines if len(line.split(",")) > width] == drawn.ragged
    assert not (drawn.images / f"{drawn.missing[0]}.jpg").exists()
    assert sum(line.startswith(",") for line in lines) == drawn.blank_ids == 1
    assert len(lines) == 1 + drawn.items + 2


def test_it_has_at_least_twelve_types_under_five_master_categories() -> None:
    assert len(ARTICLES) >= 12
    assert len({master for master, _ in ARTICLES}) == 5


def test_the_same_seed_draws_the_same_and_another_does_not(tmp_path: Path) -> None:
    one, same, other = (
        draw_catalogue(tmp_path / n, 28, seed=s, oddities=False) for n, s in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.manifest.read_text() == same.manifest.read_text()
    files = sorted(f.name for f in one.images.iterdir())
    assert all((one.images / f).read_bytes() == (same.images / f).read_bytes() for f in files)
    assert (one.images / files[0]).read_bytes() != (other.images / files[0]).read_bytes()


def test_pictures_of_one_type_vary(tmp_path: Path) -> None:
    drawn = draw_catalogue(tmp_path, 14 * 4, oddities=False)
    with drawn.manifest.open() as file:
        rows = [r for r in csv.DictReader(file) if r["articleType"] == "Boots"]
    found = [np.asarray(Image.open(drawn.images / f"{r['id']}.jpg").resize((30, 40)), int) for r in rows]
    assert len(found) >= 2
    assert np.abs(found[0] - found[1]).mean() > 5


def test_a_third_of_the_items_have_two_to_four_images(tmp_path: Path) -> None:
    drawn = draw_catalogue(tmp_path, 14 * 10, oddities=False)
    images = Counter(file.stem.partition("_")[0] for file in drawn.images.iterdir())
    assert len(images) == 140
    assert drawn.several == sum(count > 1 for count in images.values())
    assert 30 < drawn.several < 65
    assert set(images.values()) == {1, 2, 3, 4}
