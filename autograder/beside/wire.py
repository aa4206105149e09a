"""Plain values and their bytes: all that passes between a check and the learner's code.

`pack` turns what a learner returned into plain values; `dumps` and `loads` carry plain values across a pipe as JSON and raw
tensor bytes. Nothing that arrives is executed or unpickled.
"""

from __future__ import annotations

import itertools
import json
import math
import struct
import types
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

MAX_BYTES = 64 * 2**20  # one message
MAX_HEAD = 4 * 2**20  # all of it but the entries of tensors
MAX_DEPTH = 12  # nesting of containers
MAX_BITS = 1000  # of an integer: larger ones are no floating-point numbers
MAX_ITEMS = 20_000  # in one container, or taken from one generator
MAX_KEYS = 2_000  # of a dict or a set: the keys may be chosen so that all of them collide


class Flags(NamedTuple):
    """What a tensor was before it was made plain."""

    requires_grad: bool = False
    has_graph: bool = False
    alias: int | None = None  # shares its storage with the i-th tensor among the arguments


_UNFLAGGED = Flags()


class WireError(ValueError):
    """A value cannot cross, with the reason."""


class Yielded(list[Any]):
    """What a generator yielded; `more` if it was cut off at MAX_ITEMS."""

    more = False


@dataclass(frozen=True)
class Ref:
    """An object that stays beside the learner's code: its number there, the name of its type, whether it can be called."""

    id: int
    type: str
    callable: bool = False


def flags(tensor: Tensor) -> Flags:
    """What is known of a tensor from the learner besides its values."""
    return getattr(tensor, "_bptt_flags", _UNFLAGGED)


def device(tensor: Tensor) -> str:
    """The device that a tensor was on, even if this process has no such device."""
    return getattr(tensor, "_bptt_device", str(tensor.device))


def plain(tensor: Tensor, was: Flags = _UNFLAGGED) -> Tensor:
    """A detached copy as a plain Tensor, with the same layout in memory and these flags.

    Without flags it carries nothing of ours, so that a learner can pickle it, save it or copy it like any other tensor.
    """
    bare = tensor.detach().as_subclass(Tensor)
    if bare.layout != torch.strided:
        bare = bare.to_dense()
    copy = bare.resolve_conj().resolve_neg().clone()
    if was != _UNFLAGGED:
        copy._bptt_flags = was  # type: ignore[attr-defined]
    return copy


def pack(value: Any, keep: Callable[[Any], Ref], arguments: Sequence[Tensor] = (), depth: int = 0) -> Any:
    """`value` as plain values. `keep(object)` stores what cannot be copied and returns its Ref.

    Raises WireError for nesting deeper than MAX_DEPTH or a container longer than MAX_ITEMS.
    """
    if depth > MAX_DEPTH:
        raise WireError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, Tensor):
        storage = _storage(value)
        alias = next((i for i, other in enumerate(arguments) if storage and storage == _storage(other)), None)
        if value.numel() * value.element_size() > MAX_BYTES // 2:  # refused here, so that a notebook refuses it too
            raise WireError(f"a tensor of shape {tuple(value.shape)} is too large to be judged")
        if _name(value.dtype) not in _DTYPES:
            raise WireError(f"a tensor of dtype {value.dtype} cannot be judged")
        return plain(value, Flags(value.requires_grad, value.grad_fn is not None, alias))
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise WireError("an integer of more than 300 digits")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, bytes | bytearray):
        if len(value) > MAX_BYTES // 2:
            raise WireError(f"{len(value)} bytes are too many to be judged")
        return bytes(value)
    if isinstance(value, bool | int | float | str):
        for kind in (int, float, str):  # subclasses such as numpy.float64
            if isinstance(value, kind):
                return kind(value)

    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()

    def inner(item: Any) -> Any:
        return pack(item, keep, arguments, depth + 1)

    if isinstance(value, deque):
        value = list(itertools.islice(value, MAX_ITEMS + 1))
    if isinstance(value, list | tuple | set | frozenset | dict):
        most = MAX_ITEMS if isinstance(value, list | tuple) else MAX_KEYS
        if len(value) > most:
            raise WireError(f"a {type(value).__name__} of {len(value)} items; at most {most} can be judged")
    if isinstance(value, dict):
        return {_key(key): inner(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(inner(item) for item in value)
    if isinstance(value, list):
        return [inner(item) for item in value]
    if isinstance(value, set | frozenset):
        return {_key(item) for item in value}
    if isinstance(value, range):
        return list(value[:MAX_ITEMS])
    if isinstance(value, types.GeneratorType | Iterator) and not isinstance(value, torch.nn.Module):
        return _drain(value, inner)
    return keep(value)


def tensors(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    """All tensors in nested dicts, lists and tuples, in order, each with the keys that lead to it."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, (*path, key))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from tensors(item, (*path, i))


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same nested dicts, lists and tuples with `change(item)` in place of every item."""
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mapped(item, change) for item in value)
    return change(value)


def _drain(items: Iterator[Any], inner: Callable[[Any], Any]) -> Yielded:
    taken = Yielded()
    for item in items:  # each item is copied when it is yielded, before the learner's code goes on
        if len(taken) == MAX_ITEMS:
            taken.more = True
            break
        taken.append(inner(item))
    return taken


def _key(key: Any) -> Any:
    if key is None or isinstance(key, bool | int | float | str):
        return key
    if isinstance(key, tuple):
        return tuple(_key(item) for item in key)
    raise WireError(
        f"a {type(key).__name__} as a key or in a set; only strings, numbers and tuples of them can be judged"
    )


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):  # sparse, meta and the like have no storage of their own
        return 0


# ------------------------------------------------------------------------------------------------ bytes

_DTYPES = {str(d).removeprefix("torch."): d for d in (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64, torch.complex128)}  # fmt: skip


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def dumps(value: Any) -> bytes:
    """Plain values as bytes: the length of a JSON head, the head, then the tensors' bytes."""
    blobs: list[bytes] = []
    head = json.dumps(_encode(value, blobs)).encode()
    message = struct.pack(">Q", len(head)) + head + b"".join(blobs)
    if len(head) > MAX_HEAD:
        raise WireError(f"{len(head)} bytes beside tensors; at most {MAX_HEAD} can be judged")
    if len(message) > MAX_BYTES:
        raise WireError(f"{len(message)} bytes; at most {MAX_BYTES} can be judged")
    return message


def loads(message: bytes) -> Any:
    """Plain values from bytes; raises WireError for anything that `dumps` does not write."""
    try:
        (length,) = struct.unpack_from(">Q", message)
        if length > min(MAX_HEAD, len(message) - 8):
            raise WireError("the head is too long")
        return _decode(json.loads(message[8 : 8 + length]), _Reader(message, 8 + length), 0)
    except WireError:
        raise
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        struct.error,
        RuntimeError,
        RecursionError,
        OverflowError,
        MemoryError,
    ) as error:
        raise WireError(f"not a message: {error}") from None


def _encode(value: Any, blobs: list[bytes]) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return {"int": hex(value)} if abs(value) > 2**53 else value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Tensor):
        return _encode_tensor(value, blobs)
    if isinstance(value, bytes):
        blobs.append(value)
        return {"bytes": len(value)}
    if isinstance(value, Ref):
        return {"ref": [value.id, value.type, value.callable]}
    if isinstance(value, Yielded):
        return {"yielded": [_encode(item, blobs) for item in value], "more": value.more}
    for kind, name in ((list, "list"), (tuple, "tuple")):
        if isinstance(value, kind):
            return {name: [_encode(item, blobs) for item in value]}
    if isinstance(value, set | frozenset):
        return {"set": sorted((_encode(item, blobs) for item in value), key=json.dumps)}
    if isinstance(value, dict):
        return {"dict": [[_encode(key, blobs), _encode(item, blobs)] for key, item in value.items()]}
    raise WireError(f"a {type(value).__name__} cannot be sent")


def _encode_tensor(tensor: Tensor, blobs: list[bytes]) -> dict[str, Any]:
    dtype = _name(tensor.dtype)
    if dtype not in _DTYPES:
        raise WireError(f"a tensor of dtype {tensor.dtype} cannot be sent")
    bare = tensor.detach()
    strides = bare.stride()
    order = sorted(range(bare.dim()), key=lambda d: -strides[d])  # memory order, so that layouts survive
    # Not contiguous(): it returns a tensor of one entry as it is, whatever its stride, and that may have no view as bytes.
    flat = torch.empty(bare.numel(), dtype=bare.dtype).copy_(bare.permute(order).reshape(-1))
    blob = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    blobs.append(blob)
    was = flags(tensor)
    return {
        "tensor": dtype,
        "shape": list(bare.shape),
        "order": order,
        "device": str(tensor.device),
        "flags": [was.requires_grad or tensor.requires_grad, was.has_graph, was.alias],
    }


class _Reader:
    """The bytes behind the head, read one tensor or one run of bytes after another."""

    def __init__(self, message: bytes, position: int):
        self.message, self.position = message, position

    def take(self, count: int) -> bytes:
        if count < 0 or count > len(self.message) - self.position:
            raise WireError("a tensor or a run of bytes is longer than the message")
        self.position += count
        return self.message[self.position - count : self.position]


def _decode(head: Any, blobs: _Reader, depth: int) -> Any:
    if depth > MAX_DEPTH + 4:
        raise WireError("nested too deep")
    if head is None or isinstance(head, bool | int | float | str):
        return head
    if not isinstance(head, dict):
        raise WireError("an unknown kind of value")

    def items(name: str, most: int = MAX_ITEMS) -> list[Any]:
        if len(head[name]) > most:
            raise WireError(f"a {name} of {len(head[name])} items")
        return [_decode(item, blobs, depth + 1) for item in head[name]]

    if "tensor" in head:
        return _decode_tensor(head, blobs)
    if "ref" in head:
        id, kind, can_call = head["ref"]
        return Ref(int(id), str(kind)[:80], bool(can_call))
    if "bytes" in head:
        return blobs.take(int(head["bytes"]))
    if "int" in head:
        return int(str(head["int"])[:400], 16)
    if "float" in head:
        return float(str(head["float"])[:10])
    if "yielded" in head:
        taken = Yielded(items("yielded"))
        taken.more = bool(head.get("more"))
        return taken
    if "list" in head:
        return items("list")
    if "tuple" in head:
        return tuple(items("tuple"))
    if "set" in head:
        return {_key(item) for item in items("set", MAX_KEYS)}
    if "dict" in head:
        if len(head["dict"]) > MAX_KEYS:
            raise WireError(f"a dict of {len(head['dict'])} items")
        return {_key(_decode(key, blobs, depth + 1)): _decode(item, blobs, depth + 1) for key, item in head["dict"]}
    raise WireError("an unknown kind of value")


def _decode_tensor(head: dict[str, Any], blobs: _Reader) -> Tensor:
    dtype = _DTYPES[head["tensor"]]
    shape, order = [int(n) for n in head["shape"]], [int(d) for d in head["order"]]
    if len(shape) > 16 or min(shape, default=0) < 0 or sorted(order) != list(range(len(shape))):
        raise WireError("a tensor's shape makes no sense")
    blob = blobs.take(math.prod(shape) * dtype.itemsize)
    stored = [shape[d] for d in order]
    raw = torch.uint8 if dtype is torch.bool else dtype  # a byte that is neither 0 nor 1 is not a bool
    flat = (torch.frombuffer(bytearray(blob), dtype=raw) if blob else torch.empty(0, dtype=raw)).to(dtype)
    back = [order.index(d) for d in range(len(order))]
    tensor = flat.reshape(stored).permute(back)
    device = str(head["device"])[:20]
    if device != "cpu":
        tensor = tensor.to(torch.device(device)) if _has(device) else tensor
    requires_grad, has_graph, alias = head["flags"]
    was = Flags(bool(requires_grad), bool(has_graph), None if alias is None else int(alias))
    tensor._bptt_flags = was  # type: ignore[attr-defined]
    tensor._bptt_device = device  # type: ignore[attr-defined]
    return tensor


def _has(device: str) -> bool:
    kind = torch.device(device).type
    return (kind == "cuda" and torch.cuda.is_available()) or (kind == "mps" and torch.backends.mps.is_available())
