"""Do the errors that learners meet get the question that leads out of them?"""

import pytest
import torch

from autograder.beside import advice
from autograder.beside.advice import TABLE, Raised

ROWS = {name: row for name, row in vars(advice).items() if isinstance(row, Raised)}

# What every snippet finds: weights with and numbers without a graph, in two precisions.
SETUP = """
import math, numpy, torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint
W = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
x, f32 = torch.ones(2, 3, dtype=torch.float64), torch.ones(2, 3)
whole, pair = torch.ones(2, dtype=torch.int64), [1, 2]
def f(a, b): pass
def loop(a):
    return loop(a)
def unset():
    for h in []: last = h
    return last
class Bare(nn.Module):
    def __init__(self): self.part = nn.Linear(1, 1)
def again(first, then):
    runs = [then, first]
    checkpoint(lambda a: runs.pop()(a).sum(), torch.ones(3, requires_grad=True), use_reentrant=False).backward()
"""

# A snippet for each text of a row, in the order of the texts; more where one text is met in several ways.
SNIPPETS = {
    "IN_PLACE": ["h = W.tanh(); h += 1; h.sum().backward()"],
    "GRAPH_FREED": ["loss = (W * W).sum(); loss.backward(); loss.backward()"],
    "UNUSED": ["torch.autograd.grad(W.sum(), x.requires_grad_())"],
    "NO_GRAPH": ["x.sum().backward()", "torch.autograd.grad(W.sum(), x)"],
    "NOT_SCALAR": ["(W * 2).backward()"],
    "LEAF_CHANGED": ["W.add_(1)", "W[0] = 1"],
    "VIEW_CHANGED": ["for h in W.exp(): h += 1"],
    "NO_LEAF": ["torch.optim.SGD([W * 2], 0.1)", "(W * 2).requires_grad_(False)", "import copy; copy.deepcopy(W * 2)"],
    "RECOMPUTED": ["again(lambda a: a.tanh().tanh(), torch.tanh)", "again(torch.tanh, lambda a: a[1:].tanh())"],
    "PAIR": ["nn.RNN(3, 4)(f32).shape", "torch.tanh(nn.RNN(3, 4)(f32))", "(x, x) + x", "x - (x, x)", "-(x,)", "x[0] = (x,)", "torch.stack([(x,)])", "x.max(1).sum()"],
    "PLACE": ["F.cross_entropy(f32, whole, 'sum')", "torch.tanh(None)", "torch.tanh(0.5)"],
    "KINDS": ["x.sum('time')"],
    "NOT_STACKED": ["torch.stack([1.0, 2.0])"],
    "BUILT_IN": ["sum(x, dim=1)"],
    "SIGNATURE": ["f(1, 2, 3)", "f(c=1)", "f(1, a=2)", "f(1)"],
    "NONE": ["W.grad.norm()", "x + None", "W.grad[0]", "a, b = None", "[].append(1)(2)"],
    "NUMBER": ["W.sum().item().backward()", "x.shape[0].sum()"],
    "LIST": ["[x].shape", "[x] + x", "x @ [1, 2]", "[1, 2] * 0.5"],
    "NOT_CALLED": ["x(1 - x)"],
    "NOT_SET_UP": ["Bare()"],
    "NO_PARAMETERS": ["torch.optim.SGD([], 0.1)"],
    "VIEW": ["x.T.view(6)"],
    "TARGET_SIZE": ["F.cross_entropy(torch.ones(3, 4, 5), torch.zeros(3, 4, dtype=torch.int64))"],
    "TARGET_AXES": ["F.cross_entropy(f32, f32.long())", "F.cross_entropy(f32, whole.unsqueeze(1))"],
    "BATCH_SIZE": ["F.cross_entropy(f32, torch.zeros(4, dtype=torch.int64))"],
    "MASK": ["x[torch.ones(2, 2) > 0]"],
    "FACTORS": [
        "x @ x",
        "x @ x[:, 0]",
        "x[0] @ x[:, 0]",
        "torch.ones(2, 3, 4) @ torch.ones(2, 3, 4)",
        "torch.einsum('ij,jk->ik', x, x)",
    ],
    "AXES_OF_FACTORS": ["torch.einsum('ij->ji', x[0])", "x.mm(x[0])", "x.bmm(x)", "x.sum() @ x", "torch.outer(x, x)"],
    "SHAPES": [
        "x + x[:, 0]",
        "torch.stack([x, x.T])",
        "torch.cat([x, x[0]])",
        "torch.ones(3).add_(f32)",
        "x[[0, 1]] = torch.ones(3, 3).double()",
        "torch.autograd.grad(W * 2, W, x[0])",
        "torch.cat([x, x.T])",
    ],
    "COUNT": ["x.view(4)", "x.reshape(4, -1)"],
    "EMPTY": ["torch.stack([])", "torch.cat([])"],
    "UNPACKED": ["B, T, D = x.shape", "first, = x"],
    "SQUARE": ["torch.linalg.eigvals(x)"],
    "LAYER_INPUT": ["nn.RNN(4, 2)(f32)", "nn.RNNCell(4, 2)(f32)"],
    "LAYER_STATE": [
        "nn.RNN(3, 2, batch_first=True)(torch.ones(5, 4, 3), torch.ones(1, 4, 2))",
        "nn.RNN(3, 2)(torch.ones(5, 4, 3), torch.ones(4, 2))",
        "nn.LSTM(3, 2)(torch.ones(5, 4, 3), (torch.ones(1, 3, 2), torch.ones(1, 3, 2)))",
    ],
    "LENGTHS": ["pack_padded_sequence(torch.ones(3, 5, 2), torch.tensor([5, 4, 2]))"],
    "SLICE": ["x.narrow(1, 0, 9)"],
    "LENGTH_ZERO": ["pack_padded_sequence(torch.ones(2, 2, 2), torch.tensor([2, 0]), batch_first=True)"],
    "LENGTHS_SORTED": ["pack_padded_sequence(torch.ones(2, 5, 2), torch.tensor([3, 5]), batch_first=True)"],
    "LENGTHS_ON_CPU": ["pack_padded_sequence(torch.ones(5, 2, 2), torch.tensor([5, 3], device='meta'))"],
    "COMPLEX": ["torch.linalg.eigvals(torch.eye(2)).max()", "max([1j, 2j])"],
    "YES_OR_NO": ["bool(numpy.ones(2) > 0)", "if x > 0: pass"],
    "TARGET": ["F.cross_entropy(f32, torch.tensor([0, -1]))"],
    "TOKEN": ["nn.Embedding(3, 2)(torch.tensor([3]))"],
    "AXES": [
        "x.shape[2]",
        "x.sum(2)",
        "len(x.sum())",
        "list(x.sum())",
        "x.sum()[0]",
        "x.sum().size(0)",
    ],
    "INDICES": ["x[0, 0, 0]"],
    "ONE_NUMBER": ["x.item()", "float(x)", "math.exp(x)"],
    "POWER": ["x ^ 2"],
    "NUMPY": ["numpy.tanh(W)"],
    "NOTHING_THERE": ["x[:0][0]"],
    "LIST_INDEX": ["[1][1]"],
    "INDEX": ["range(3)[5]", "x[:, 3]"],
    "PICKED": ["x.gather(1, torch.tensor([[3]]))"],
    "KEY": ["{'weight': 1}['weights']"],
    "CLASSES": ["F.cross_entropy(f32, f32[:, 0])", "F.one_hot(f32)", "nn.Embedding(3, 2)(f32)"],
    "WHOLE": ["x[x]", "x[1.0]", "pair[2 / 2]", "pair[f32[0]]", "range(4 / 2)", "x.gather(1, x)"],
    "NOT_WHOLE": ["whole.softmax(0)", "whole.mean()", "whole.requires_grad_()"],
    "DTYPES": ["x @ f32.T", "torch.einsum('ij,kj->ik', x, f32)", "nn.RNN(3, 2)(x)", "f32[[0]] = x[[0]]"],
    "DEVICES": ["x + torch.ones(2, 3, device='meta')"],
    "DIVIDED": ["1 / 0"],
    "LOGARITHM": ["math.log(0)"],
    "NOT_DATA": ["import io; file = io.BytesIO(); torch.save(math.sin, file); file.seek(0); torch.load(file)"],
    "UNBOUND": ["unset()"],
    "NAME": ["hidden"],
    "RECURSION": ["loop(1)"],
}  # fmt: skip

NOT_HERE = {
    "device-side assert": "it takes a GPU, and no work on that GPU is possible afterwards",
    "Expected all tensors to be on the same device": "said of a GPU and the CPU alone; of a meta tensor it is said otherwise",
}


def provoked(snippet):
    """The error that a snippet ends with."""
    names = {}
    exec(SETUP, names)
    with pytest.raises(Exception) as caught:
        exec(snippet, names)
    return caught.value


@pytest.mark.parametrize(("name", "snippet"), [(name, one) for name, some in SNIPPETS.items() for one in some])
def test_an_error_gets_its_question(name, snippet):
    """What this PyTorch and this Python say is recognised, and by no row that stands before."""
    assert (ROWS[name].asks,) == advice.on(provoked(snippet))


def unheard(rows):
    """The texts that no error says which the snippets provoke."""
    errors = [f"{type(error).__name__}: {error}" for some in SNIPPETS.values() for error in map(provoked, some)]
    return {text for row in rows for text in row.texts if not any(Raised(text, "").fits(said) for said in errors)}


def test_every_text_is_provoked():
    """Each text of each row is heard here, or it is said why not."""
    assert set(NOT_HERE) == unheard(TABLE)


def test_a_misspelt_text_would_be_noticed():
    """The twin: a text that nobody says is named."""
    assert {"modified by an in-place operation"} == unheard([Raised("modified by an in-place operation", "")])


def test_an_unknown_error_gets_none():
    """What is not known is left without a guess."""
    assert () == advice.on(RuntimeError("something else"))


def test_what_varies_in_a_text_may_be_anything():
    """… stands for anything, also for nothing, and the rest has to be there in its order."""
    row = Raised(("Target … is out of bounds", "never said"), "")
    assert [True, True, False] == [
        row.fits(said)
        for said in ("IndexError: Target -1 is out of bounds.", "Target  is out of bounds", "is out of bounds: Target")
    ]


def test_a_broken_gpu_is_told_from_other_errors():
    """Whatever line waits for the GPU, the words are the same."""
    said = [torch.AcceleratorError("CUDA error: device-side assert triggered"), RuntimeError("something else")]
    assert [(advice.BROKEN_GPU.asks,), ()] == [advice.on_a_broken_gpu(error) for error in said]
