"""Files handed in with the notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from autograder.beside.probes import Refused, probe

MAX_FILE = 8 * 2**20  # bytes of a handed-in file


@probe
def written_file(names: dict[str, Any], path: str, at_most: int = MAX_FILE) -> dict[str, Tensor]:
    """The tensors in a safetensors file that was handed in; no other format is read."""
    from safetensors import SafetensorError
    from safetensors.torch import load as tensors_in

    file = Path(path)
    if not file.is_file():
        raise Refused(
            "missing", f"there is no file {path} beside the notebook", "Hand it in together with the notebook."
        )
    if file.stat().st_size > at_most:
        raise Refused("size", f"{path} has {file.stat().st_size} bytes; at most {at_most} are allowed")
    try:
        return dict(tensors_in(file.read_bytes()))
    except SafetensorError as error:
        raise Refused("format", f"{path} is not a safetensors file: {error}",
                      "Write it with safetensors.torch.save_file.") from None  # fmt: skip
