"""Does what crosses the wire arrive as it was, and is everything else refused?"""

import copy
import io
import json
import math
import pickle

import pytest
import torch

from autograder.beside import wire
from autograder.beside.beside import Beside
from autograder.beside.wire import Flags, Ref, WireError, Yielded, dumps, flags, loads, pack


def keep(value):
    return Ref(0, type(value).__name__, callable(value))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2**80,
        -1.5,
        math.inf,
        "θ",
        b"\x00state",
        [b"", (b"one", b"two")],
        (1, (2,)),
        [1, [2]],
        {"a": 1, 2: (3,)},
        {("x1", "h1"), ("h1", "h2")},
        [],
        (),
    ],
)
def test_plain_values_arrive_as_they_were(value):
    """None, numbers, text and containers of them come back equal, and of the same type."""
    back = loads(dumps(pack(value, keep)))
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_arrive_with_dtype_shape_and_layout(dtype):
    """A transposed tensor arrives with its values, dtype and strides."""
    tensor = torch.arange(6).reshape(2, 3).to(dtype).T
    back = loads(dumps(pack(tensor, keep)))
    assert back.dtype == dtype and torch.equal(back, tensor) and back.stride() == tensor.stride()


def test_empty_and_0d_tensors_arrive():
    """A tensor without entries and one without axes keep their shapes."""
    for tensor in (torch.empty(0, 3), torch.tensor(2.5)):
        assert loads(dumps(tensor)).shape == tensor.shape


def test_flags_tell_what_a_tensor_was():
    """A plain copy carries the gradient flag, the graph and the argument that it shares memory with."""
    x = torch.ones(2, requires_grad=True)
    assert flags(pack(x, keep, [x])) == Flags(True, False, 0)
    assert flags(loads(dumps(pack(x * 2, keep, [x])))) == Flags(True, True, None)
    assert not pack(x * 2, keep).requires_grad


def test_a_generator_is_taken_as_it_yields():
    """Each item is copied before the generator goes on; an endless generator is cut off and marked."""

    def filling():
        buffer = torch.zeros(2)
        for i in range(3):
            buffer += i
            yield buffer

    taken = loads(dumps(pack(filling(), keep)))
    assert isinstance(taken, Yielded) and [item[0].item() for item in taken] == [0, 1, 3]
    endless = pack(iter(int, 1), keep)
    assert endless.more and len(endless) == wire.MAX_ITEMS


def test_objects_stay_where_they_are():
    """What is not a plain value crosses as a reference with the name of its type."""
    assert loads(dumps(pack([open], keep))) == [Ref(0, "builtin_function_or_method", True)]


def test_bottomless_and_huge_values_are_refused():
    """A list that contains itself, and one with too many items, are refused with a reason."""
    loop = []
    loop.append(loop)
    with pytest.raises(WireError, match="deep"):
        pack(loop, keep)
    with pytest.raises(WireError, match="items"):
        pack([0] * (wire.MAX_ITEMS + 1), keep)
    with pytest.raises(WireError, match="items"):
        pack(dict.fromkeys(range(wire.MAX_KEYS + 1)), keep)


def test_what_is_forged_to_be_slow_is_refused():
    """Keys chosen to collide, a list without end, a head of many megabytes: refused before they are built."""
    colliding = [[{"int": f"{n * (2**61 - 1):x}"}, None] for n in range(wire.MAX_KEYS + 1)]
    for forged in ({"dict": colliding}, {"set": [key for key, _ in colliding]}, {"list": [0] * (wire.MAX_ITEMS + 1)}):
        head = json.dumps(forged).encode()
        with pytest.raises(WireError, match="items"):
            loads(len(head).to_bytes(8, "big") + head)
    with pytest.raises(WireError, match="too long"):
        loads((wire.MAX_HEAD + 1).to_bytes(8, "big") + b" " * (wire.MAX_HEAD + 1))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 8,
        b"\0" * 7 + b"\x02[]",
        (2**60).to_bytes(8, "big") + b"{}",
        b"\0" * 7 + b"\x02{}",
        b"\0" * 7 + b"\x53" + b'{"tensor":"float64","shape":[99999],"order":[0],"device":"cpu","flags":[0,0,null]}  ',
        b"\0" * 7 + b"\x53" + b'{"tensor":"float64","shape":[-1],"order":[0],"device":"cpu","flags":[0,0,null]}     ',
        b"\0" * 7 + b"\x0d" + b'{"tensor": 1}',
    ],
)
def test_malformed_messages_are_refused(message):
    """Nothing that `dumps` does not write is read."""
    with pytest.raises(WireError):
        loads(message)


def test_a_single_entry_cut_out_of_a_matrix_crosses():
    """A one-row column, which keeps the stride of the matrix it was cut from, arrives as it was."""
    column = torch.arange(5.0).reshape(1, 5).split([3, 1, 1], dim=1)[1]
    assert torch.equal(wire.loads(wire.dumps(column)), column)


def by_torch(value):
    file = io.BytesIO()
    torch.save(value, file)
    return torch.load(io.BytesIO(file.getvalue()))


def by_module(value):
    module, other = (torch.nn.ParameterList(one.clone() for one in value) for _ in range(2))
    other.load_state_dict(by_torch(module.state_dict()))
    return tuple(one.detach() for one in other)


ROADS = {"torch.save": by_torch, "pickle": lambda value: pickle.loads(pickle.dumps(value)),
         "deepcopy": copy.deepcopy, "state_dict": by_module}  # fmt: skip


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("crossed", [lambda value: value, lambda value: loads(dumps(value))], ids=["here", "by pipe"])
def test_what_a_learner_is_given_can_be_saved(road, crossed):
    """A tensor that comes as an argument, or from a stand-in, carries nothing of ours: it can be saved and copied by any road."""

    def answer(state):
        lent = names["other"](state[0])
        assert not any(map(vars, (*state, lent)))
        return ROADS[road]((*state, lent))

    names = {"answer": answer}
    beside = Beside(names, lambda check, args, toward=None: crossed(args[0] * 2))
    state = (torch.ones(1, 2), pack(torch.zeros(1, 3, requires_grad=True), keep))
    request = {"do": "call", "target": "answer", "method": None, "args": crossed([state]), "kwargs": {}, "pretend": False,
               "lend": {"other": "counting-other"}}  # fmt: skip
    reply = beside.ask(request)
    assert reply["ok"], reply
    assert [[[1, 1]], [[0, 0, 0]], [[2, 2]]] == [one.tolist() for one in reply["value"]]


def test_a_tensor_that_carries_flags_cannot():
    """The twin: what comes back from a learner is for us, and torch.load refuses it."""
    with pytest.raises(pickle.UnpicklingError, match=r"wire\.Flags"):
        by_torch(pack(torch.ones(2, requires_grad=True), keep))
