"""A quick gradient for strided depthwise convolutions, for training in bfloat16 on a CPU."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from tagger.workarounds import Workaround

QUICK_DEPTHWISE = Workaround("quick_depthwise", "torch", first=(2, 11), last=(2, 14))


def avoid_slow_gradients(model: nn.Module) -> None:
    """Give strided depthwise convolutions a quicker gradient where autocast computes them in half precision.

    Weights, their names and results stay; only a module's class changes, which a copy or a pickle keeps.

    PyTorch's gradient is slow in bfloat16 on a CPU. Measured with torch 2.14 on two cores (MobileNetV2 at 112 × 84,
    batches of 48, medians of CPU time): a step takes 0.37 s instead of 0.53 s; 0.41 s in float32.
    """
    if not QUICK_DEPTHWISE.is_on():
        return
    for module in model.modules():
        if type(module) is nn.Conv2d and _is_strided_depthwise(module):
            module.__class__ = _StridedDepthwise


def _is_strided_depthwise(module: nn.Conv2d) -> bool:
    if isinstance(module.padding, str) or module.padding_mode != "zeros" or module.dilation != (1, 1):
        return False
    return (
        module.groups == module.in_channels == module.out_channels > 1
        and max(module.stride) > 1
        and module.padding[0] < module.kernel_size[0]
        and module.padding[1] < module.kernel_size[1]
    )


class _StridedDepthwise(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, H', W'], in autocast's precision."""
        device = input.device.type
        if device != "cpu" or not torch.is_autocast_enabled(device):
            return super().forward(input)
        half = torch.get_autocast_dtype(device)
        output: Tensor = StridedDepthwise.apply(input.to(half), self.weight.to(half), self.stride, self.padding)
        return output if self.bias is None else output + self.bias.to(half).view(1, -1, 1, 1)


class StridedDepthwise(torch.autograd.Function):
    """A depthwise convolution whose input gradient is a convolution without stride.

    That convolution's input is the output's gradient, dilated with zeros, and its kernels are flipped (Dumoulin and
    Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4.6).
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        """[B, C, H, W] and kernels [C, 1, K, K'] to [B, C, H', W']."""
        ctx.save_for_backward(input, weight)
        ctx.stride, ctx.padding = stride, padding
        return conv2d(input, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Gradients of the input and of the kernels, those that autograd needs."""
        (gradient,) = gradients
        input, weight = ctx.saved_tensors
        input_gradient = (
            _input_gradient(gradient, input, weight, ctx.stride, ctx.padding) if ctx.needs_input_grad[0] else None
        )
        if not ctx.needs_input_grad[1]:
            return input_gradient, None, None, None
        convolution = (ctx.stride, ctx.padding, (1, 1), False, (0, 0), len(weight))
        weight_only = (False, True, False)
        _, weight_gradient, _ = torch.ops.aten.convolution_backward(
            gradient, input, weight, None, *convolution, weight_only
        )
        return input_gradient, weight_gradient, None, None


def _input_gradient(
    gradient: Tensor, input: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    batch, channels, *size = input.shape
    kernel = weight.shape[2:]
    height, width = (s - k + 1 + 2 * p for s, k, p in zip(size, kernel, padding, strict=True))
    dilated = gradient.new_zeros(batch, height, width, channels).permute(0, 3, 1, 2)
    dilated[:, :, :: stride[0], :: stride[1]] = gradient
    outer_padding = [k - 1 - p for k, p in zip(kernel, padding, strict=True)]
    return conv2d(dilated, weight.flip(2, 3), None, 1, outer_padding, 1, channels)
