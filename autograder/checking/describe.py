"""A value in a few characters, as a message shows it."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def describe(value: Any) -> str:
    """A value in a few characters: tensors by shape, small things as they are."""
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}" for key in list(value)[:6]) + "}" if value else "{}"
    if isinstance(value, tuple) and len(value) <= 4:
        return "(" + ", ".join(describe(item) for item in value) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, list | tuple):
        inner = ", ".join(describe(item) for item in value[:4])
        return f"[{inner}{', …' if len(value) > 4 else ''}]"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _tensor(value: Tensor) -> str:
    """A small vector by its numbers, so that an entry can be checked by hand; anything larger by its shape."""
    if value.dim() == 0:
        return f"tensor({value.item():.6g})" if value.is_floating_point() else f"tensor({value.item()})"
    if value.dim() == 1 and value.numel() <= 6 and not value.is_complex():
        shown = [f"{one:.6g}" if isinstance(one, float) else str(one) for one in value.tolist()]
        return f"tensor([{', '.join(shown)}])"
    return f"tensor of shape {tuple(value.shape)}"
