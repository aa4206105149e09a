"""What must be built or observed beside the learner's code; probes give plain values or an object that is kept there.

A probe runs where a hostile program could forge it. So what is *observed* (`reach`, `calls`) may take points away or name a
mistake, and what is *built* is judged by values that depend on the hidden draw. An oracle builds the same things in the
judge: `NextToken`, `recurrent` and `curve` are for both.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

PROBES: dict[str, Callable[..., Any]] = {}
MORE = (
    "watch",
)  # modules of autograder with more probes; like this one, they import nothing of ours but wire and probes
LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
MAX_FILE = 8 * 2**20  # bytes of a handed-in file


@dataclass(frozen=True)
class Kept:
    """A value that stays beside the learner's code although it could be copied: the check gets a handle on it."""

    value: Any


class Refused(Exception):
    """What was found is not right: becomes the finding of a wrong answer."""

    def __init__(self, sign: str, summary: str, *clues: str):
        super().__init__(summary)
        self.sign, self.summary, self.clues = sign, summary, clues


def probe(run: Callable[..., Any]) -> Callable[..., Any]:
    """Register `run(names, **plain)` under its name; `names` are the learner's."""
    PROBES[run.__name__] = run
    return run


def find(name: str) -> Callable[..., Any]:
    """The probe of this name, here or in one of the modules in MORE."""
    if name not in PROBES:
        for module in MORE:
            importlib.import_module(f"autograder.{module}")
    return PROBES[name]


# ------------------------------------------------------------------------------------- models and modules


class NextToken(nn.Module):
    """A model that predicts the next token: `embedding`, `rnn` (batch first), `readout`.

    `forward(x, state=None) -> (logits (B, T, V), state)`. Without an `embedding.weight` among the weights, x is
    float (B, T, D). The sizes and the dtype are those of the weights, whose names are those of the state dict.
    """

    shown = "model"  # how a message calls it

    def __init__(self, kind: str, weights: Mapping[str, Tensor]):
        super().__init__()
        embedding, read = weights.get("embedding.weight"), weights["readout.weight"]
        if embedding is not None:
            self.embedding: nn.Module = nn.Embedding(*embedding.shape)
        inner = {name.removeprefix("rnn."): value for name, value in weights.items() if name.startswith("rnn.")}
        self.rnn = recurrent(kind, inner)
        self.readout = nn.Linear(read.shape[1], read.shape[0])
        self.to(read.device, read.dtype)
        self.load_state_dict(dict(weights))
        self.has_embedding = embedding is not None
        self._inputs: list[Tensor] = []  # what the recurrent layer was given, call by call
        self._reached: list[tuple[int, int, int]] = []

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        given = self.embedding(x) if self.has_embedding else x
        if torch.is_grad_enabled():
            given = given if given.requires_grad else given.detach().requires_grad_()
            call = len(self._inputs)
            self._inputs.append(given.detach())
            given.register_hook(lambda grad: self._note(call, grad))
        states, state = self.rnn(given, state)
        return self.readout(states), state

    def _note(self, call: int, grad: Tensor) -> None:
        steps = torch.nonzero(grad.detach().abs().sum((0, 2))).flatten().tolist()
        offset = sum(one.shape[1] for one in self._inputs[:call])
        if steps:
            self._reached.append((len(self._inputs), offset + steps[0] + 1, offset + steps[-1] + 1))


class SequenceModel(NextToken):
    """A NextToken whose state is called `h`; it notes what it was fed, call by call."""

    def __init__(self, weights: Mapping[str, Tensor]):
        super().__init__("rnn", weights)
        self._fed: list[tuple[int, int, bool]] = []

    def forward(self, tokens: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self._vet(tokens)
        self._fed.append((tokens.shape[0], tokens.shape[1], h is not None))
        return super().forward(tokens, h)

    def _vet(self, tokens: Any) -> None:
        """Raise ValueError, in the exercise's words, for tokens that are no (B, T) of whole numbers in 0…V−1."""
        if not isinstance(tokens, Tensor):
            raise ValueError(
                f"the model was called with something of type {type(tokens).__name__}; expected a tensor (B, T)"
            )
        if tokens.dim() != 2:
            asked = (1, *tokens.shape) if tokens.dim() == 1 else (1, 1) if tokens.dim() == 0 else "(B, T)"
            raise ValueError(f"the model was called with tokens of shape {tuple(tokens.shape)}; expected {asked}: "
                             "a batch axis and a time axis, also for one token")  # fmt: skip
        if tokens.is_floating_point():
            raise ValueError(f"the model was called with tokens of dtype {tokens.dtype}; expected whole numbers")
        V = self.embedding.weight.shape[0]
        odd = (tokens < 0) | (tokens >= V)
        if bool(odd.any()):
            raise ValueError(
                f"the model was called with the token {tokens[odd][0].item()}; its tokens are 0 to {V - 1}"
            )

    @staticmethod
    def sent_back(model: Any, pieces: Sequence[Tensor], h: Tensor, toward: Sequence[Tensor]) -> dict[str, Any]:
        """The gradients of Σ toward · what a model gives for one piece of text after another, its state handed on.

        `toward` has a tensor for the logits of each piece, and one for the last state. By the names of the parameters, and "h" for
        the first state; zeros where nothing arrives, None for all of them where no result has a graph.
        """
        first = h.detach().clone().requires_grad_()
        state, results = first, []
        for tokens in pieces:
            logits, state = model(tokens, state)
            results.append(logits)
        parts = [*results, state]
        total = sum((part * weight).sum() for part, weight in zip(parts, toward, strict=True))
        own = {**dict(_named(model)), "h": first}
        if not isinstance(total, Tensor) or not total.requires_grad:
            return dict.fromkeys(own)
        grads = torch.autograd.grad(total, list(own.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(own, grads, strict=True))


def recurrent(kind: str, weights: Mapping[str, Tensor]) -> nn.Module:
    """An `nn.RNN`, `nn.LSTM` or `nn.GRU` of one layer, batch first, with these weights (`weight_ih_l0`, …)."""
    some, hidden = weights["weight_ih_l0"], weights["weight_hh_l0"].shape[1]
    layer = LAYERS[kind](some.shape[1], hidden, batch_first=True).to(some.device, some.dtype)
    layer.load_state_dict(dict(weights))
    return layer


@probe
def model(names: dict[str, Any], kind: str, weights: dict[str, Tensor]) -> NextToken:
    """A NextToken; `draw.next_token(kind, …)` draws its weights."""
    return NextToken(kind, weights)


@probe
def sequence_model(names: dict[str, Any], weights: dict[str, Tensor], stale: Mapping[str, Tensor] = {}) -> nn.Module:
    """A SequenceModel; `stale` are gradients that an earlier step has left on its parameters."""
    made = SequenceModel(weights)
    for name, parameter in made.named_parameters():
        parameter.grad = stale[name].detach().clone() if name in stale else None
    return made


@probe
def module(names: dict[str, Any], kind: str, weights: dict[str, Tensor]) -> nn.Module:
    """A recurrent layer of torch.nn with these weights."""
    return recurrent(kind, weights)


@probe
def optimizer(names: dict[str, Any], model: nn.Module, kind: str = "sgd", **options: float) -> torch.optim.Optimizer:
    """An optimizer for all parameters of a model: "sgd" or "adam", with `lr` and the like."""
    return {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[kind](model.parameters(), **options)


@probe
def leaves(
    names: dict[str, Any],
    values: Sequence[Tensor],
    grads: Sequence[Tensor | None] = (),
    generator: bool = False,
) -> dict[str, Kept]:
    """Parameters with gradients: "all" is the list of them, "given" the same or, on request, a generator over it."""
    made = [nn.Parameter(value.detach().clone()) for value in values]
    for parameter, grad in zip(made, grads, strict=False):
        parameter.grad = None if grad is None else grad.detach().clone()
    return {"all": Kept(made), "given": Kept((one for one in made) if generator else made)}


@probe
def parameters(names: dict[str, Any], of: nn.Module | Iterable[Tensor]) -> Any:
    """Copies of the parameters: a dict by name for a module, else a list."""
    if isinstance(of, nn.Module):
        return {name: value.detach().clone() for name, value in _named(of)}
    return [value.detach().clone() for value in of]


@probe
def gradients(names: dict[str, Any], of: nn.Module | Iterable[Tensor]) -> Any:
    """Copies of the gradients (None where there is none): a dict by name for a module, else a list."""
    if isinstance(of, nn.Module):
        return {name: _copied(value.grad) for name, value in _named(of)}
    return [_copied(value.grad) for value in of]


@probe
def load(names: dict[str, Any], into: Any, weights: dict[str, Tensor], shown: str = "the model") -> None:
    """Put drawn weights into a module of the learner's; Refused with the first name or shape that does not fit."""
    if not isinstance(into, nn.Module):
        raise Refused("type", f"{shown} is a {type(into).__name__}; expected an nn.Module",
                      "Does the class say `class …(nn.Module)`?")  # fmt: skip
    have = {name: tuple(value.shape) for name, value in into.state_dict().items()}
    if extra := [name for name in have if name not in weights]:
        odd = extra[0]
        clue = "A recurrent layer that also reads backwards has weights of that name." if "reverse" in odd else ""
        clue = clue or ("A second recurrent layer has weights of that name." if "_l1" in odd else "")
        summary = f"{shown} has {odd} besides what the exercise asks for"
        if not any(name not in have for name in weights):
            raise Refused("keys", summary, *([clue] if clue else []))
    for name, value in weights.items():
        if name not in have:
            raise Refused("keys", f"{shown} has no {name}; it has {', '.join(have) or 'no parameters'}",
                          "Are the parts called as the exercise says, and set in __init__ after super().__init__()?")  # fmt: skip
        if have[name] != tuple(value.shape):
            raise Refused("shape", f"{name} of {shown} has shape {have[name]}; expected {tuple(value.shape)}",
                          *_misshapen(have[name], tuple(value.shape)))  # fmt: skip
    some = next(iter(weights.values()))
    into.to(some.device, some.dtype)
    into.load_state_dict(weights)


def _misshapen(have: tuple[int, ...], asked: tuple[int, ...]) -> tuple[str, ...]:
    """What a weight of the wrong shape looks like."""
    if have == asked[::-1]:
        return ("Its two sizes are swapped. In which order does the layer ask for them?",)
    gates = have[0] // asked[0] if have and asked and have[0] % asked[0] == 0 and have[1:] == asked[1:] else 0
    if gates in (3, 4):
        kind = "a GRU" if gates == 3 else "an LSTM"
        return (f"It has {gates} times as many rows: this is the weight of {kind}. Which layer is asked for?",)
    return ("Which of the sizes that were given belongs here?",)


def _named(of: nn.Module) -> Iterable[tuple[str, Tensor]]:
    return nn.Module.named_parameters(of)


def _copied(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach().clone()


# -------------------------------------------------------------------------------------------- functions


def curve(kind: str, **given: Tensor) -> Callable[[Tensor], Tensor]:
    """A scalar function of a tensor of any shape, from a fixed menu; `given` are numbers that the check has drawn.

    "linear" (b), "quadratic" (A, b): ½θᵀAθ + bᵀθ; "sine" (b): Σ b sin θ; "cubic" (b): Σ b θ³. θ is taken flat.
    """
    shapes: dict[str, Callable[[Tensor], Tensor]] = {
        "linear": lambda flat: given["b"] @ flat,
        "quadratic": lambda flat: 0.5 * flat @ given["A"] @ flat + given["b"] @ flat,
        "sine": lambda flat: given["b"] @ torch.sin(flat),
        "cubic": lambda flat: given["b"] @ flat**3,
    }
    formula = shapes[kind]
    return lambda theta: formula(theta.reshape(-1))


class Counted:
    """A function that counts how often it was called."""

    shown = "f"

    def __init__(self, function: Callable[[Tensor], Tensor]):
        self.function, self.calls = function, 0

    def __call__(self, theta: Tensor) -> Tensor:
        self.calls += 1
        return self.function(theta)


@probe
def function(names: dict[str, Any], kind: str, **given: Tensor) -> Counted:
    """A `curve`, to be passed to a learner's function that takes a function."""
    return Counted(curve(kind, **given))


# ----------------------------------------------------------------------------------------- observations


@probe
def calls(names: dict[str, Any], of: Counted) -> int:
    """How often a function of the menu was called."""
    return of.calls


@probe
def fed(names: dict[str, Any], model: SequenceModel) -> list[tuple[int, int, bool]]:
    """What a model was called with, call by call: (rows, steps, whether a state was given)."""
    return list(model._fed)


@probe
def reach(names: dict[str, Any], model: NextToken) -> list[tuple[int, int, int]]:
    """Where gradients arrived, backward pass by backward pass: (forward calls so far, first step, last step), from 1.

    Steps are counted over all forward calls of the model, in their order.
    """
    return list(model._reached)


@probe
def written_file(names: dict[str, Any], path: str, at_most: int = MAX_FILE) -> dict[str, Tensor]:
    """The tensors in a safetensors file that was handed in with the notebook; no other format is read."""
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


@probe
def in_turn(
    names: dict[str, Any], of: str, calls: Sequence[Sequence[Any]], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """Call a learner's function several times and look only then: "results" of all calls, and what "shared" has become.

    Each call gets its own arguments and, as the last one, the same dict `shared`. A result that a later call overwrites
    or adds to thus comes back spoilt.
    """
    results = [names[of](*arguments, shared) for arguments in calls]
    return {"results": results, "shared": shared}
