"""One rule, in every notebook, for where tensors live and how precise they are."""

import os

import torch


def pick_device() -> torch.device:
    """The device named by the environment variable BPTT_DEVICE, else the CPU.

    The tensors of this course are small: on the CPU a lesson runs in seconds, and mostly faster than on a GPU. To use
    another device, start Jupyter with ``BPTT_DEVICE=cuda`` (or ``mps``, or ``auto`` for the fastest there is).

    Raises ``RuntimeError`` where the named device is not there.
    """
    name = os.environ.get("BPTT_DEVICE", "cpu").strip().lower() or "cpu"
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RuntimeError(f"BPTT_DEVICE={name} cannot be used here: {reason}. Unset it to use the CPU.") from None
    return device


def pick_dtype(device: torch.device) -> torch.dtype:
    """float64, in which a small mistake cannot hide behind rounding; float32 on MPS, which has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
