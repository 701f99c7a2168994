import pytest
import torch

from schemas.learning import Augmentation
from tagger.imaging.augment import Augment, Mix, random_flip, random_shift


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


def photos(count: int = 16) -> torch.Tensor:
    """Grey squares on white, uint8 [N, 40, 30, 3]."""
    images = torch.full((count, 40, 30, 3), 255, dtype=torch.uint8)
    images[:, 12:28, 9:21] = torch.tensor([200, 80, 40], dtype=torch.uint8)
    return images


@pytest.mark.parametrize("name", ["shift", "crop", "rotation", "colour", "erasing", "noise", "blur"])
def test_each_change_alone_changes_some_images_and_keeps_size_type_and_the_given_ones(name: str) -> None:
    torch.manual_seed(0)
    images = photos()
    strength = {"rotation": 20.0, "shift": 0.2, "crop": 0.5, "erasing": 1.0}.get(name, 0.5)
    nothing = {"flip": False, "shift": 0.0}
    changed = Augment(Augmentation.model_validate({**nothing, name: strength}), (40, 30))(images)
    assert (changed.shape, changed.dtype) == (images.shape, torch.uint8)
    different = [not torch.equal(a, b) for a, b in zip(changed, images, strict=True)]
    assert sum(different) >= 4
    assert torch.equal(images, photos()), "the given images stay as they are"
    assert len({c.numpy().tobytes() for c in changed}) >= 3, "not all are changed alike"


def test_without_a_change_the_images_stay_as_they_are() -> None:
    images = photos()
    assert torch.equal(Augment(Augmentation(flip=False, shift=0), (40, 30))(images), images)


def test_rotated_and_erased_corners_are_white_like_the_shops_background() -> None:
    torch.manual_seed(0)
    images = photos()
    rotated = Augment(Augmentation(flip=False, shift=0, rotation=45), (40, 30))(images)
    assert rotated[:, 0, 0].float().mean() > 240
    erased = Augment(Augmentation(flip=False, shift=0, erasing=1), (40, 30))(images)
    assert {tuple(p) for p in erased.view(-1, 3).tolist()} <= {(255, 255, 255), (200, 80, 40)}


def test_mixed_images_have_shares_of_the_leaves_that_are_in_them() -> None:
    torch.manual_seed(0)
    leaves = torch.arange(16) % 4
    images = (leaves * 60).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 40, 30, 3).contiguous()
    for mixup, cutmix in ((1.0, 0.0), (0.0, 1.0)):
        mixed, shares = Mix(mixup, cutmix, 4)(images, leaves)
        assert (mixed.shape, mixed.dtype, shares.shape) == (images.shape, torch.uint8, (16, 4))
        torch.testing.assert_close(shares.sum(1), torch.ones(16))
        brightness = mixed.float().mean((1, 2, 3))
        expected = shares @ torch.tensor([0.0, 60.0, 120.0, 180.0])
        torch.testing.assert_close(brightness, expected, atol=1.0, rtol=0)
    assert Mix(0, 0, 4)(images, leaves)[1] is leaves
