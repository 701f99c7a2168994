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
