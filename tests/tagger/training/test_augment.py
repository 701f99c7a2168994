import math

import pytest
import torch

from tagger.schemas.configs.learning import Augmentation
from tagger.training.augment import Augment, Mix, random_flip, random_shift


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


def changed(images: torch.Tensor, **wanted: float) -> torch.Tensor:
    """The images, each of which was changed by a draw of its own: calls with one image."""
    augment = Augment(Augmentation.model_validate({"flip": False, "shift": 0, **wanted}), (40, 30))
    return torch.cat([augment(image[None]) for image in images])


def test_noise_has_the_standard_deviation_that_is_asked_for() -> None:
    torch.manual_seed(0)
    grey = torch.full((16, 40, 30, 3), 128, dtype=torch.uint8)
    noise = changed(grey, noise=0.05).float() - 128
    assert abs(noise.mean().item()) < 0.6  # a fraction of a grey value is cut off
    assert noise.std().item() == pytest.approx(0.05 * 255, rel=0.02)


@pytest.mark.parametrize("name", ["blur", "erasing"])
def test_so_many_of_the_images_are_blurred_or_erased_as_are_asked_for(name: str) -> None:
    torch.manual_seed(0)
    images = photos(400) // 2
    different = (changed(images, **{name: 0.25}) != images).flatten(1).any(1).float()
    assert different.mean().item() == pytest.approx(0.25, abs=0.07)  # three standard deviations


def test_a_blurred_image_has_softer_edges_and_the_same_mean() -> None:
    torch.manual_seed(0)
    images = photos(8)
    blurred = changed(images, blur=1.0)
    assert blurred.float().mean().item() == pytest.approx(images.float().mean().item(), abs=1)
    steepest = blurred.float().diff(dim=2).abs().flatten(1).max(1).values
    assert (steepest < images.float().diff(dim=2).abs().max()).all()


def test_what_is_erased_is_a_rectangle_of_two_to_twenty_percent() -> None:
    torch.manual_seed(0)
    dark = torch.zeros((100, 40, 30, 3), dtype=torch.uint8)
    erased = changed(dark, erasing=1.0)[..., 0] == 255
    for image in erased:
        rows, columns = image.any(1).sum(), image.any(0).sum()
        assert image.sum() == rows * columns
        assert 0.015 <= image.float().mean() <= 0.21  # its sides are whole pixels


def test_images_are_turned_by_any_angle_up_to_the_one_that_is_asked_for() -> None:
    torch.manual_seed(0)
    bar = torch.full((200, 40, 30, 3), 255, dtype=torch.uint8)
    bar[:, 8:32, 14:16] = 0
    turned = changed(bar, rotation=20)[..., 0] < 128
    angles = []
    for image in turned:
        rows, columns = image.nonzero().double().T
        angles.append(math.degrees(math.atan(((rows - 19.5) * (columns - 14.5)).sum() / (rows - 19.5).square().sum())))
    assert 17 < max(angles) < 21 and -21 < min(angles) < -17
    assert abs(sum(angles) / len(angles)) < 3


def test_a_crop_keeps_at_least_the_share_that_is_asked_for() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(40).view(40, 1, 1).expand(40, 30, 3) * 6
    heights = changed(ramp.to(torch.uint8).expand(200, 40, 30, 3).clone(), crop=0.3)[:, :, 15, 0].float()
    kept = (heights[:, -1] - heights[:, 0] + 6) / 240  # of the height; the width keeps the ratio, more or less
    assert kept.min() > (0.7 * 0.85) ** 0.5 - 0.05
    assert 0.8 < kept.mean() < 1 and kept.min() < 0.88


def test_brightness_changes_by_as_much_as_is_asked_for() -> None:
    torch.manual_seed(0)
    grey = torch.full((300, 40, 30, 3), 100, dtype=torch.uint8)  # contrast, saturation and hue leave this as it is
    levels = changed(grey, colour=0.2)[:, 20, 15].float().mean(1)
    assert 79 <= levels.min() < 83 and 117 < levels.max() <= 121


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
