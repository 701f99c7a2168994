import pytest
import torch
from torch.nn.functional import conv2d

from tagger.models import backbones
from tagger.models.depthwise import StridedDepthwise, avoid_slow_gradients
from tagger.workarounds import SWITCH


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        ((12, 9), (3, 3), (2, 2), (1, 1)),
        ((11, 8), (3, 3), (2, 2), (1, 1)),
        ((13, 13), (5, 5), (2, 2), (2, 2)),
        ((9, 14), (3, 3), (3, 2), (0, 1)),
        ((10, 7), (1, 3), (2, 1), (0, 2)),
    ],
)
def test_gradients_of_strided_depthwise_convolutions_are_those_of_pytorch(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 6, *size, dtype=torch.double, requires_grad=True)
    weight = torch.rand(6, 1, *kernel, dtype=torch.double, requires_grad=True)
    plain = conv2d(images, weight, None, stride, padding, 1, 6)
    result = StridedDepthwise.apply(images, weight, stride, padding)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(result, plain)
    gradient = torch.rand_like(plain)
    expected = torch.autograd.grad(plain, (images, weight), gradient)
    torch.testing.assert_close(torch.autograd.grad(result, (images, weight), gradient), expected)


def test_only_the_gradients_that_are_asked_for_are_computed() -> None:
    images, weight = torch.rand(1, 4, 6, 6), torch.rand(4, 1, 3, 3, requires_grad=True)
    StridedDepthwise.apply(images, weight, (2, 2), (1, 1)).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None and images.grad is None
    frozen, images = weight.detach(), images.requires_grad_()
    StridedDepthwise.apply(images, frozen, (2, 2), (1, 1)).sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None and frozen.grad is None


def test_a_model_keeps_its_numbers_and_has_half_precision_under_autocast() -> None:
    torch.manual_seed(0)
    model = backbones.build("mobilenet_v2", "none", (48, 36)).eval()
    images = torch.rand(2, 3, 48, 36)
    expected, names = model(images), list(model.state_dict())
    avoid_slow_gradients(model)
    assert torch.equal(model(images), expected)
    assert list(model.state_dict()) == names
    strided = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1 and m.stride == (2, 2)]
    assert len(strided) == 4
    for module in strided:
        images = torch.rand(8, module.in_channels, 9, 8)
        gradients = []
        for half in (False, True):
            module.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                result = module(images)
            assert result.dtype == (torch.bfloat16 if half else torch.float32)
            result.float().square().sum().backward()
            assert module.weight.grad is not None
            gradients.append(module.weight.grad.clone())
        torch.testing.assert_close(gradients[1], gradients[0], rtol=0.03, atol=0.03 * float(gradients[0].abs().max()))


def test_the_quick_gradient_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "quick_depthwise")
    strided = torch.nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4)
    avoid_slow_gradients(strided)
    assert type(strided) is torch.nn.Conv2d


def test_other_convolutions_are_left_alone() -> None:
    unchanged = [
        torch.nn.Conv2d(4, 4, 3, stride=1, padding=1, groups=4),
        torch.nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=4),
        torch.nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, padding_mode="reflect"),
        torch.nn.Conv2d(4, 4, 3, stride=2, dilation=2, groups=4),
    ]
    avoid_slow_gradients(torch.nn.Sequential(*unchanged))
    assert {type(module) for module in unchanged} == {torch.nn.Conv2d}
