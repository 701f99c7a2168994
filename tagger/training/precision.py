"""Numeric precision of training."""

import torch


def use_bfloat16(precision: str, device: str) -> bool:
    """Whether to train in bfloat16: if configured, or if the hardware multiplies it natively."""
    if precision != "auto":
        return precision == "bfloat16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def use_tensor_float32() -> None:
    """Let this process multiply and convolve float32 on CUDA in TensorFloat-32, with 10 bits after the point.

    Convolutions do so by default; PyTorch leaves it to the user for products of matrices. A CPU is not affected.
    """
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.conv.fp32_precision = "tf32"  # type: ignore[attr-defined]  # a property that it makes itself
