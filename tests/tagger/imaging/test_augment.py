import torch

from tagger.imaging.augment import random_flip, random_shift


def test_each_image_is_flipped_or_not_by_its_own_draw() -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (64, 4, 6, 3), dtype=torch.uint8)
    found = random_flip(images)
    flipped = torch.tensor([torch.equal(f, i.flip(1)) for f, i in zip(found, images, strict=True)])
    same = torch.tensor([torch.equal(f, i) for f, i in zip(found, images, strict=True)])
    assert bool((flipped | same).all())
    assert 10 < int(flipped.sum()) < 54


def test_a_shift_moves_content_by_whole_pixels_and_repeats_the_edge() -> None:
    torch.manual_seed(0)
    image = torch.arange(20, dtype=torch.uint8).view(1, 1, 20, 1).expand(200, 10, 20, 3)
    found = random_shift(image, 0.2)
    offsets = found[:, 0, 10, 0].int() - 10
    assert set(offsets.tolist()) == set(range(-4, 5))
    for row, offset in zip(found[:, 0, :, 0].int(), offsets, strict=True):
        assert torch.equal(row, (torch.arange(20) + offset).clamp(0, 19).int())


def test_no_shift_changes_nothing() -> None:
    images = torch.randint(0, 256, (2, 4, 6, 3), dtype=torch.uint8)
    assert random_shift(images, 0.0) is images
