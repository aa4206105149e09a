"""Checks of the lesson of kinds: one for each way in which a learner's code can be asked."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autograder.beside.probes.models import NextToken
from autograder.beside.probes.shared_gradients import curve
from autograder.checking.expect import deny, expect
from autograder.checking.spec import Slip, check, reference

# ------------------------------------------------------------------ a training step, judged by the parameters


@reference(
    Slip("no-cut", "every chunk's loss goes back to the very first step", "Where is the graph cut?"),
    Slip("reset", "the state starts anew in each chunk", "What does a chunk know of the one before it?"),
    Slip("late", "the graph is cut one step before the chunk begins", "Which step is the first that gets credit?"),
    Slip("per-step", "the graph is cut at every step", "How many steps does a chunk's loss go back?"),
    Slip("stale", "the gradients of earlier chunks are still there", "When are the gradients set to zero?"),
)
def trained(slips, weights, x, y, k, lr):
    """The parameters after one pass, and the losses of the chunks."""
    model = NextToken("lstm", weights)
    optimizer = torch.optim.SGD(model.parameters(), lr)
    state, before, losses = None, None, []
    for start in range(0, x.shape[1], k):
        part, first = x[:, start : start + k], max(start - 1, 0)
        if "stale" not in slips:
            optimizer.zero_grad()
        if "no-cut" in slips:
            logits = model(x[:, : start + k])[0][:, start:]
        elif "per-step" in slips:
            steps = []
            for t in range(part.shape[1]):
                one, state = model(part[:, t : t + 1], state)
                state = cut(state)
                steps.append(one)
            logits = torch.cat(steps, 1)
        elif "late" in slips:
            logits = model(x[:, first : start + k], before)[0][:, start - first :]
        else:
            logits, state = model(part, None if "reset" in slips else state)
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward()
        if "late" in slips:
            with torch.no_grad():
                before = model(x[:, first : start + k - 1], before)[1]
        optimizer.step()
        state = cut(state)
        losses.append(loss.item())
    return {name: value.detach() for name, value in model.named_parameters()}, losses


def cut(state):
    """The state's values without their graph."""
    return None if state is None else tuple(part.detach() for part in state)


@check("kinds-train", of="train_tbptt")
def train(student, draw):
    """`train_tbptt` trains chunk by chunk: the state is carried, its graph is cut."""
    weights = draw.next_token("lstm", V=5, D=3, H=4)
    x, y = draw.integers(0, 5, 2, 7), draw.integers(0, 5, 2, 7)
    model = student.probe("model", kind="lstm", weights=weights)
    optimizer = student.probe("optimizer", model=model, kind="sgd", lr=0.8)
    losses = student.train_tbptt(model, optimizer, x, y, 3)
    after = student.probe("parameters", of=model, shown=student.last)
    want = trained(weights, x, y, 3, 0.8)
    named = trained.on(weights, x, y, 3, 0.8, pick=lambda value: value[0])
    expect(after, want[0], "the model's parameters", slips=named)
    expect(losses, want[1], "the losses")
    # Observed, so it can only take away: how far back each backward pass has gone.
    for calls, first, last in student.probe("reach", model=model):
        if last - first >= 3:
            deny("reach", f"a backward pass went from step {last} to step {first}; expected at most 3 steps")


# ------------------------------------------------------------------------------------------ a class with state


@reference(
    Slip("unscaled", "the scores are not scaled", "By what are the scores divided?"),
    Slip("forgets", "only the newest key and value are kept", "What does append leave of the earlier ones?"),
)
def attended(slips, keys, values, q):
    """Attention of one query over all keys so far; (B, T, E), (B, T, E), (B, 1, E) → (B, 1, E)."""
    if "forgets" in slips:
        keys, values = keys[:, -1:], values[:, -1:]
    scores = q @ keys.transpose(1, 2) * (1.0 if "unscaled" in slips else 1 / math.sqrt(q.shape[-1]))
    return scores.softmax(-1) @ values


@check("kinds-cache", of="KVCache")
def cache(student, draw):
    """`KVCache` attends over everything that was appended."""
    keys, values = draw.normal(2, 3, 4), draw.normal(2, 3, 4)
    cache = student.make("KVCache")
    for t in range(3):
        cache.append(keys[:, t : t + 1], values[:, t : t + 1])
        q = draw.normal(2, 1, 4)
        seen = keys[:, : t + 1], values[:, : t + 1]
        want = F.scaled_dot_product_attention(q, *seen)
        expect(cache.attend(q), want, "the output", axes="B T E", slips=attended.on(*seen, q))


# ---------------------------------------------------------------------------------------- a module of the learner's


@check("kinds-model", of="SequenceModel")
def model(student, draw):
    """`SequenceModel` is an embedding, an RNN and a read-out, and carries its state."""
    made = student.make("SequenceModel", 5, 3, 4)
    weights = draw.next_token("rnn", V=5, D=3, H=4)
    student.probe("load", into=made, weights=weights, shown="SequenceModel(5, 3, 4)")
    oracle = NextToken("rnn", weights)
    tokens, h = draw.integers(0, 5, 2, 6), draw.normal(1, 2, 4)
    with torch.no_grad():
        want, without = oracle(tokens, h), oracle(tokens)
    expect(made(tokens), without, ("logits", "h"))
    expect(made(tokens, h), want, ("logits", "h"), clue="What happens to the `h` that is handed in?")


# ------------------------------------------------------------------------------- a function that takes a function


@reference(
    Slip("one-sided", "the difference is taken on one side", "Which two points lie around theta?"),
    Slip("not-halved", "it is divided by eps and not by the whole way", "How far apart are the two points?"),
)
def difference(slips, f, theta, eps):
    """The gradient of f at theta by differences."""
    grad = torch.zeros_like(theta).reshape(-1)
    for i in range(theta.numel()):
        step = torch.zeros_like(grad)
        step[i] = eps
        step = step.reshape(theta.shape)
        low = f(theta) if "one-sided" in slips else f(theta - step)
        width = eps if slips & {"one-sided", "not-halved"} else 2 * eps
        grad[i] = (f(theta + step) - low) / width
    return grad.reshape(theta.shape)


@check("kinds-finite-difference", of="finite_difference")
def finite_difference(student, draw):
    """`finite_difference` is the central difference in every entry of theta."""
    theta, eps = draw.normal(2, 3), 1e-3
    for kind, given in (("sine", {"b": draw.normal(6)}), ("quadratic", {"A": draw.normal(6, 6), "b": draw.normal(6)})):
        f = student.probe("function", kind=kind, **given)
        got = student.finite_difference(f, theta, eps)
        ours = curve(kind, **given)
        want = torch.func.grad(ours)(theta)
        expect(got, want, "the gradient", rtol=1e-5, slips=difference.on(ours, theta, eps))
        if student.probe("calls", of=f) > 12:
            deny("calls", "f was called more often than twice for each entry")


# -------------------------------------------------------------------------------------------------- a generator


@check("kinds-chunks", of="chunks")
def chunks(student, draw):
    """`chunks` yields consecutive windows, the last one shorter."""
    x, y = draw.integers(0, 9, 2, 7), draw.integers(0, 9, 2, 7)
    got = student.chunks(x, y, 3)
    want = [(x[:, a:b], y[:, a:b]) for a, b in ((0, 3), (3, 6), (6, 7))]
    expect(got, want, "the windows", clue="Where does the next window begin, and is the shorter one yielded too?")


# ---------------------------------------------------------------------------------------------- a predicted value


@check("kinds-guess", of="guess")
def guess(student, draw):
    """`guess` is a number: any honest prediction counts."""
    value = student.value("guess")
    if not isinstance(value, int | float):
        deny("missing", f"guess is {value!r}; expected a number")
    return "It was right." if value == 4 else "It came out otherwise: it is 4."


# -------------------------------------------------------------------------------------- weights handed in as a file


@check("kinds-weights", of="predict")
def weights(student, draw):
    """The weights in kinds_weights.safetensors double what they are given."""
    found = student.probe("written_file", path="kinds_weights.safetensors", shown="kinds_weights.safetensors")
    expect(found, {"weight": 2 * torch.eye(3, dtype=torch.float64)}, "the file")
    x = draw.normal(4, 3)
    expect(student.predict(x), 2 * x, "the prediction")


# ------------------------------------------------------------------------- a function lent to one that builds on it


def double_right(x: Tensor) -> Tensor:
    """The stand-in."""
    return 2 * x


@check("kinds-double", of="double", standin=double_right)
def double(student, draw):
    """`double` doubles."""
    x = draw.normal(2, 3)
    expect(student.double(x), nn.functional.linear(x, 2 * torch.eye(3).double()), "the double")


@check("kinds-quadruple", of="quadruple", needs=("kinds-double",))
def quadruple(student, draw):
    """`quadruple` doubles twice."""
    x = draw.normal(2, 3)
    expect(student.quadruple(x), 4 * x, "the quadruple")
