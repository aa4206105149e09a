# %% [markdown]
# # 05 · Truncated backpropagation through time
#
# A stream has no end: text, sound, a sensor. Backpropagation through time needs the whole graph, from the last loss to the first step, and the
# graph of a stream has no end either. So everybody cuts it. The cut is one word of code, `detach`, and it can go wrong in a dozen ways that
# raise no error. In this lesson you write the cut, see it from outside, and measure what it costs.
#
# After this lesson you can
#
# - train on a stream of any length in constant memory, with the state carried on and its past cut off;
# - tell from outside, without reading the code, how far back each loss reaches;
# - say what truncation cannot learn, and predict the exact window at which it begins to;
# - compute the general truncated gradient, an unbiased one by throwing coins, and an exact one that recomputes what it does not store.
#
# | | |
# |---|---|
# | Time | 150 minutes |
# | Know before | Unrolling and its gradient (lessons 01, 02); the training step in PyTorch (lesson 04) |
# | Points | 40: nine exercises, three predictions, one question in words |

# %% given="setup"
import time

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from autograder import check
from bptt import figures
from bptt.device import pick_device, pick_dtype
from bptt.experiment import needs, reply, stored
from bptt.interactive import explore
from bptt.meters import bytes_kept, peak_bytes
from bptt.tasks import Echo, InfluenceBalancing

device = pick_device()
dtype = pick_dtype(device)
figures.style()
torch.set_num_threads(1)  # for tensors as small as these, several threads only wait for each other


class StreamModel(nn.Module):
    """Reads tokens and a state, gives logits and the new state: model(x, state) -> (logits, state).

    x: (B, n) tokens. The state is None at first, then a tensor for kind "tanh" and a pair (h, c) for kind "lstm".
    """

    def __init__(self, kind="tanh", vocab=2, hidden=32, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(vocab, 4)
            self.rnn = {"tanh": nn.RNN, "lstm": nn.LSTM}[kind](4, hidden, batch_first=True)
            self.readout = nn.Linear(hidden, vocab)
        if kind == "lstm":  # a forget gate that begins open; lesson 07 says why
            with torch.no_grad():
                self.rnn.bias_ih_l0[hidden : 2 * hidden] = 1
                self.rnn.bias_hh_l0[hidden : 2 * hidden] = 0
        self.to(device)

    def forward(self, x, state=None):
        states, state = self.rnn(self.embedding(x), state)  # (B, n, H)
        return self.readout(states), state


def tokens(rows, length, seed, vocab=2):
    """Random tokens (rows, length), the same on every device."""
    return torch.randint(vocab, (rows, length), generator=torch.Generator().manual_seed(seed)).to(device)


# %% [markdown]
# ## 1. A stream, cut into rows and windows
#
# Suppose that a text has a million tokens. One graph over a million steps does not fit into memory, and a million steps one by one use a fraction of the machine. Two
# cuts help, in two directions.
#
# **Rows.** The stream is laid out as $B$ rows, each a contiguous piece. Row 0 is the beginning of the text, row 1 goes on where row 0 ends. The rows are a batch: they are
# read side by side.
#
# **Windows.** The rows are read in windows of $k$ steps. The window of row $b$ is continued by row $b$ of the next window, and that is why a state can be carried from one to the other.
#
# | symbol | in code | shape | what it is |
# |---|---|---|---|
# | $B$ | `B` | | rows |
# | $N$ | | | steps in a row: the tokens of the stream divided by $B$, rounded down |
# | $k$ | `k` | | steps in a window |
# | $n$ | | | steps in the window at hand: $k$, or fewer in the last one |
# | | `stream` | (tokens,) | one long sequence |
# | | `x`, `y` | (B, N) | what is read, and what is to be said: here `y` is given, aligned with `x` |
#
# ### Exercise: `batchify`
#
# *difficulty 1 of 5 · importance 4 of 5 · 6 minutes*
#
# `batchify(stream, B)` lays `stream` out as $B$ contiguous rows. What does not fill a row is dropped, at the end.
#
# **A tiny example**: the stream 0, 1, 2, …, 10 and $B = 3$ give three tokens a row; 9 and 10 are dropped:
#
#     0 1 2
#     3 4 5
#     6 7 8


# %% answer="truncated-bptt-batchify"
def batchify(stream, B):
    """A stream of tokens (tokens,) as B contiguous rows (B, N), as long as can be; the rest at the end is dropped."""
    ### BEGIN SOLUTION
    length = len(stream) // B
    return stream[: B * length].reshape(B, length)
    ### END SOLUTION


# %% check="truncated-bptt-batchify" points=2
check("truncated-bptt-batchify")

# %% [markdown] hint="truncated-bptt-batchify"
# <details><summary>Hint 1: a question</summary>
#
# How long is a row, as a whole number? How many tokens are used in all?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# First take as many tokens as fill the rows. Then the order in memory is already right: row after row. A reshape does not move any number.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# length = len(stream) // B
# used = stream[: ...]
# return used.reshape(...)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the stream is dealt out like cards*: `reshape(-1, B).T` puts neighbours of the stream into different rows.
# - *shape '[3, -1]' is invalid for input of size 14*: drop the rest first.
# - *several values came back where one tensor was asked for*: a batch is one tensor.
# </details>

# %% [markdown]
# ### Exercise: `chunks`
#
# *difficulty 1 of 5 · importance 4 of 5 · 6 minutes*
#
# `chunks(x, y, k)` is a *generator*: with `yield`, it gives out one pair after the other, the windows of `x` and of `y`. They are consecutive, of $k$ steps each; the last is shorter if need be. `x` and `y`
# have shape (B, N), and `x` may have more axes behind; time is axis 1.
#
# **A tiny example**: $N = 5$, $k = 2$. The pairs hold the steps 1–2, then 3–4, then 5.


# %% answer="truncated-bptt-chunks"
def chunks(x, y, k):
    """Yield consecutive windows of k steps: pairs (x (B, n, …), y (B, n, …)), where n = k or, at the end, less."""
    ### BEGIN SOLUTION
    for start in range(0, x.shape[1], k):
        yield x[:, start : start + k], y[:, start : start + k]
    ### END SOLUTION


# %% check="truncated-bptt-chunks" points=2 keeps="truncation"
check("truncated-bptt-chunks")

# %% [markdown] hint="truncated-bptt-chunks"
# <details><summary>Hint 1: a question</summary>
#
# At which steps does a window begin? Write them down for N = 5 and k = 2, counted as Python does.
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# A loop over the beginnings, `range(0, N, k)`. A slice that goes past the end is shorter, and raises no error.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# for start in range(...):
#     yield x[:, ...], y[:, ...]
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *chunks returned a list; expected a generator*: `yield` gives out one pair at a time, and there is no `return`.
# - *the last, shorter window is left out*: `N // k` counts full windows only.
# - *each window begins one step after the one before*: look at the third argument of `range`.
# - *the batch is cut and not the time*, or *the loop goes over as many steps as there are rows*: time is axis 1.
# - *every window ends with step k*: a slice has a beginning and an end, and both move on.
# - *the last, shorter window is filled up to k steps*: the last window may be shorter.
# </details>

# %% [markdown]
# ### Experiment: does each row go on?
#
# A stream of numbers in order shows at once whether rows are continued. The next cell prints your windows of the stream 0, 1, 2, …

# %% experiment="rows-go-on"
with needs("batchify", "chunks"):
    rows = batchify(torch.arange(23), 3)
    windows = [x_w for x_w, _ in chunks(rows, rows, 3)]
    print(
        *[
            "   ".join(" ".join(f"{token:2d}" for token in row) for row in lines)
            for lines in zip(*[w.tolist() for w in windows])
        ],
        sep="\n",
    )
    follow = all((later[:, 0] == earlier[:, -1] + 1).all() for earlier, later in zip(windows, windows[1:]))
    print(f"Each row of a window begins where the same row of the window before it ended: {bool(follow)}")

# %% [markdown]
# **What to see.** Read a line from left to right: the numbers go on across the gaps. Read a block from top to bottom: these are different places of the stream, with nothing to do with one another.
#
# ## 2. Carry the value, cut the graph
#
# Between two windows something has to be handed on: the state. A tensor that was computed is two things in one: a *value*, and a *graph* behind it that says how it came about. The
# next window needs the value, since that is all it knows of the past. The graph it must not get:
#
# $$h_{\text{first of the next window}} = \texttt{detach}(h_{\text{last of this window}})$$
#
# `detach()` returns a tensor with the same numbers and no graph. The old tensor stays as it was: **what `detach()` returns has to be used**.
#
# What would happen without it? Say that windows 1 and 2 have been read. The loss of window 2 goes back through window 2, and on through the state into window 1, whose graph `backward()`
# has already thrown away. You will see the error below. And if PyTorch did not complain: window 1000 would go back through all the 999 before it.
#
# The steps that a loss reaches on its way back are its *credit*: its own step and those before it, as far as the graph goes. The parameters learn what they did at these steps, and nothing about earlier ones.
#
# So the cut is a decision about *mathematics* with a consequence for memory: **past state as context, no credit before the boundary.**
#
# ### Exercise: `detach_state`
#
# *difficulty 2 of 5 · importance 5 of 5 · 8 minutes*
#
# For a tanh network the state is a tensor, for an LSTM a pair (h, c), for several layers of different kinds perhaps a list of such pairs, and before the first window it is `None`. Write
# `detach_state(state)` for all of them: the same structure, the same values, no graph. What is handed in stays as it is. A tuple comes back as a tuple, a list as a list.
#
# **A tiny example**: `(h, [c, None])` becomes `(h.detach(), [c.detach(), None])`.


# %% answer="truncated-bptt-detach-state"
def detach_state(state):
    """The same state without its past: a tensor, None, or tuples and lists of these, nested as they may be."""
    ### BEGIN SOLUTION
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return state.detach()
    return type(state)(detach_state(part) for part in state)
    ### END SOLUTION


# %% check="truncated-bptt-detach-state" points=3 keeps="carry-and-cut"
check("truncated-bptt-detach-state")

# %% [markdown] hint="truncated-bptt-detach-state"
# <details><summary>Hint 1: a question</summary>
#
# Three kinds of things can arrive: nothing, a tensor, a container of such things. What is to be done with each?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# For a container the work is the same, part by part. A function may call itself.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# if state is None:
#     return None
# if isinstance(state, torch.Tensor):
#     return ...
# return type(state)(... for part in state)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *it still has its graph*: `state.detach()` on a line of its own changes nothing.
# - *other parts have lost theirs*, or *every part … still has its graph*: for a pair, both have to go.
# - *'NoneType' object is not iterable*: before the first window there is no state.
# - *state is a list; expected a tuple like the one given*: `type(state)(...)` builds what was given.
# </details>

# %% [markdown]
# ### Predict: how much credit?
#
# *difficulty 2 of 5 · importance 4 of 5 · 2 minutes*
#
# A row of 15 steps is read in windows of $k = 5$. The loss of step 8 goes back. **How many steps does it reach, step 8 itself included?** Write a whole number.

# %% answer="truncated-bptt-predict-credit"
### BEGIN SOLUTION
guess_credit = 3
### END SOLUTION
### RELEASED AS
# guess_credit = None
### END RELEASED


# %% check="truncated-bptt-predict-credit" points=1
check("truncated-bptt-predict-credit")

# %% [markdown]
# ### Exercise: `train_tbptt`
#
# *difficulty 3 of 5 · importance 5 of 5 · 15 minutes*
#
# One pass over a stream. `train_tbptt(model, optimizer, x, y, k)` reads `x` (B, N) in windows of $k$ steps, learns from each, and returns a list: for each window its mean loss per token, as a number (a
# `float`), before the update. `model(x_w, state)` returns `(logits, state)`, logits of shape (B, n, V); at the beginning of the pass the state is `None`.
#
# For each window: empty the gradients, run the model from the carried state, take the cross-entropy averaged over all B·n tokens of the window, go back, step. Then the state goes on without its past.
#
# The model may be a tanh network or an LSTM: leave to `detach_state` what a state looks like. A second pass begins without a state again.
#
# The check trains small models with your function, and looks at their parameters afterwards, in float64. A cut in the wrong place ends elsewhere.


# %% answer="truncated-bptt-train-tbptt"
def train_tbptt(model, optimizer, x, y, k):
    """One pass of truncated BPTT over x, y (B, N) in windows of k steps; the list of the windows' losses per token.

    model(x, state) -> (logits (B, n, V), state), where state is None at the beginning.
    """
    ### BEGIN SOLUTION
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y_w.reshape(-1))
        loss.backward()
        optimizer.step()
        state = detach_state(state)
        losses.append(loss.item())
    return losses
    ### END SOLUTION


# %% check="truncated-bptt-train-tbptt" points=6 keeps="truncation"
check("truncated-bptt-train-tbptt")

# %% [markdown] hint="truncated-bptt-train-tbptt"
# <details><summary>Hint 1: a question</summary>
#
# What has to happen once before the first window, and what for every window? In which order do backward, step and the cut come?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# The loop is a training step with two more things: the state goes into the model and comes out of it, and between two windows it loses its graph. `cross_entropy` wants (B·n, V) and (B·n).
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# state, losses = None, []
# for x_w, y_w in chunks(x, y, k):
#     optimizer.zero_grad()
#     logits, state = ...
#     loss = F.cross_entropy(..., ...)
#     loss.backward()
#     ...
#     state = ...
#     losses.append(loss.item())
# return losses
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *Trying to backward through the graph a second time*: the state still carries the graph of the window before.
# - *modified by an inplace operation*: `retain_graph=True` treats the symptom. The way back still enters the old window, whose weights `step()` has changed.
# - *only h of the state (h, c) has lost its past*, or *it was given one tensor*: the state of an LSTM has two parts.
# - *every window begins without a state*: the state that the model returns is not the one that it gets next time.
# - *the parameters never move*, or *all gradients were empty or 0*: zero, backward, step, in this order.
# - *a second pass over the stream begins with the state at the end of the first*, or *the first window of this pass was given a state*: a state that is kept outside the function outlives it, and the first state is None, not zeros.
# </details>

# %% [markdown]
# ### Experiment: what PyTorch says
#
# The following programs make one change each to a right loop. The next cell runs them, for a tanh network and for an LSTM, and shows what PyTorch says. One of the programs ends differently for the two networks, and two programs end with different errors. Read for each error *what* is missing or has changed.


# %% given="failures"
def broken_pass(kind, carry, retain=False, stepping=True, windows=4, k=5):
    """A pass of four windows in which `carry` says what becomes of the state; returns the last window's loss."""
    model = StreamModel(kind, vocab=3, hidden=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y, state = tokens(2, windows * k, 0, 3), tokens(2, windows * k, 1, 3), None
    for start in range(0, windows * k, k):
        logits, state = model(x[:, start : start + k], state)
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        if stepping:
            optimizer.zero_grad()
        loss.backward(retain_graph=retain)
        if stepping:
            optimizer.step()
        state = carry(state)
    return loss.item()


def only_h(state):
    """The cut as it is often seen: h without its past, c as it was."""
    return (state[0].detach(), state[1]) if isinstance(state, tuple) else state.detach()


# %% experiment="three-failures" keeps="carry-and-cut"
with needs("detach_state"):
    programs = {
        "right": {"carry": detach_state},
        "no detach": {"carry": lambda state: state},
        "retain_graph=True": {"carry": lambda state: state, "retain": True},
        "only h of (h, c)": {"carry": only_h},
    }
    for kind in ("tanh", "lstm"):
        print(f"--- {kind}")
        for name, options in programs.items():
            try:
                said = f"runs, last loss {broken_pass(kind, **options):.3f}"
            except RuntimeError as error:
                said = str(error).split(".")[0].split(":")[0]
            print(f"{name:>20}: {said}")

# %% [markdown]
# **What to see.**
#
# - *No detach*: the second backward pass arrives at the graph of the first window, whose stored values are gone.
# - *`retain_graph=True`* is what the error message seems to recommend. The values are kept, and now the way back meets weights that `step()` has changed in place: another error. It is the right medicine for another illness, two losses on *one* graph.
# - *Only h of (h, c)*: fine for the tanh network, which has no c. For the LSTM the whole past hangs on c.
#
# The first and the third are loud because `backward()` frees the graph that it has gone through: with or without updates, the way back cannot enter it again. The second is loud because an update has changed the weights. Keep `retain_graph=True` and take the update away
# (gradients are often collected over several windows), and nothing is said at all. You see it only in the bill:


# %% given="bill"
def bill(carry, windows, kind="tanh", k=20):
    """The most bytes alive at once while a number of windows go back, with no update between them."""
    model = StreamModel(kind, vocab=3, hidden=32)
    x, y = tokens(8, windows * k, 0, 3), tokens(8, windows * k, 1, 3)

    def run():
        state = None
        for start in range(0, windows * k, k):
            logits, state = model(x[:, start : start + k], state)
            loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
            loss.backward(retain_graph=True)
            state = carry(state)

    return peak_bytes(run)


# %% experiment="bill" keeps="carry-and-cut"
with needs("detach_state"):
    counts = [1, 2, 3, 4, 6, 8]
    fig, ax = plt.subplots()
    ax.plot(
        counts,
        [bill(lambda state: state, n, "lstm") / 1e6 for n in counts],
        "D-",
        ms=9,
        mfc="none",
        color=figures.VERMILION,
        label="LSTM, no cut",
    )
    ax.plot(
        counts, [bill(only_h, n, "lstm") / 1e6 for n in counts], "s--", color=figures.ORANGE, label="LSTM, only h cut"
    )
    ax.plot(
        counts, [bill(detach_state, n, "lstm") / 1e6 for n in counts], "o-", color=figures.BLUE, label="LSTM, both cut"
    )
    ax.set(xlabel="windows read so far", ylabel="most bytes alive (MB)", ylim=(0, None), xticks=counts)
    ax.set_title("Without the cut, every window costs more than the one before")
    ax.legend()
    figures.show(fig, "Uncut, or with only h cut, memory grows with each window; with both cut it stays.")

# %% [markdown]
# **What to see.** With both parts cut, memory stays where it was after the first windows, for a stream of any length. Cutting h alone saves nearly nothing: the graph survives through c.
#
# ### Experiment: what a window costs
#
# Bytes and time against $k$: one pass of your `train_tbptt` over the same 240 steps, in windows of 1 to 240.

# %% given="cost"
WINDOWS = [1, 2, 5, 10, 20, 40, 80, 240]


def bytes_of_window(seed, B=16):
    """Bytes that one window of k steps keeps for its way back, for each k of WINDOWS; tanh, 32 units."""
    model = StreamModel("tanh", vocab=3, seed=seed)
    found = []
    for k in WINDOWS:
        x, y = tokens(B, k, seed, 3), tokens(B, k, seed + 1, 3)
        found.append(bytes_kept(lambda: F.cross_entropy(model(x)[0].flatten(0, 1), y.flatten()), model.parameters()))
    return found


def seconds_per_pass(k, repeats=3, B=16):
    """Median time of a pass over 240 steps, after one pass that is not counted."""
    model = StreamModel("tanh", vocab=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y, times = tokens(B, 240, 0, 3), tokens(B, 240, 1, 3), []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        train_tbptt(model, optimizer, x, y, k)
        times.append(time.perf_counter() - begin)
    return sorted(times[1:])[repeats // 2]


# %% experiment="cost" keeps="truncation"
with needs("train_tbptt"):
    kept = bytes_of_window(seed=0)
    seconds = [seconds_per_pass(k) for k in WINDOWS]
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    left.plot(WINDOWS, [one / 1e3 for one in kept], "o-", color=figures.BLUE)
    left.set(
        xscale="log",
        yscale="log",
        xlabel="steps in a window, k",
        ylabel="kept for the way back (kB)",
        title="Bytes grow with k",
    )
    right.plot(WINDOWS, [1e3 * one for one in seconds], "s-", color=figures.VERMILION)
    right.set(
        xscale="log",
        yscale="log",
        xlabel="steps in a window, k",
        ylabel="a pass over 240 steps (ms)",
        title="A pass is slowest for k = 1",
    )
    figures.show(
        fig,
        "Bytes kept grow with the window, by the same amount for each step; a pass over the same steps is slowest for k = 1.",
    )
    runs = stored("truncated_bptt", "window_bytes")
    print(
        f"bytes for k = 240 over bytes for k = 40: {kept[-1] / kept[5]:.2f}; the same bytes in {sum(run['bytes'] == kept for run in runs)} of {len(runs)} stored runs (on a CPU)"
    )
    print(f"time for k = 1 over time for k = 240, here and now: {seconds[0] / seconds[-1]:.0f}")

# %% [markdown]
# **What to see.** Each further step in the window costs the same number of bytes; they follow from the graph, so on the same kind of device every run gives the same. Time falls: each step is read and gone back through exactly once whatever $k$ is, but every window has its own overhead, its own update.
# So **truncation is not about time, it is about memory**, and about how soon an update comes: $k = 1$ makes 240 updates on this pass, $k = 240$ makes one.
#
# ## 3. Truncation, seen from outside
#
# Reading code is one way to know what was cut. There is a better one. A loss reaches a step if its gradient with respect to that step's *input* is not zero. So ask autograd: $\partial L / \partial x_s$, for every $s$.
#
# ### Exercise: `reach`
#
# *difficulty 3 of 5 · importance 4 of 5 · 12 minutes*
#
# `reach(losses, inputs)` takes a list of scalar losses and the inputs (B, T, D) that they were computed from, a tensor that requires a gradient. For each loss it returns a pair `(first, last)`: the first and the last step, **counted from 1**, at which the gradient of this loss is not
# zero for some row and some entry. A loss that touches no step gives `None`. "Not zero" is meant exactly: a gradient of $10^{-30}$ is not zero, so there is no threshold.
#
# **A tiny example**: $T = 15$, windows of 5, with the right cut. The losses of the three windows give `[(1, 5), (6, 10), (11, 15)]`.
#
# Several losses may share a graph, so keep it from being thrown away: here `retain_graph=True` is the right medicine. And some of the losses may not depend on the inputs at all: a constant, which has no
# graph, or a loss whose graph leads elsewhere.


# %% answer="truncated-bptt-reach"
def reach(losses, inputs):
    """For each scalar loss the first and the last step (1…T) of inputs (B, T, D) that it touches, or None."""
    ### BEGIN SOLUTION
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)  # (B, T, D)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found
    ### END SOLUTION


# %% check="truncated-bptt-reach" points=3
check("truncated-bptt-reach")

# %% [markdown] hint="truncated-bptt-reach"
# <details><summary>Hint 1: a question</summary>
#
# What does `torch.autograd.grad(loss, inputs)` return, and of what shape? How do you turn it into one yes or no for each step?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# For each loss on its own: the gradient (B, T, D); where is it not zero; over rows and entries, `any`; then the first and the last step where that is true. Two more cases: the loss has no graph, or its graph does not contain the inputs (`allow_unused=True`).
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# if not loss.requires_grad:
#     ...
# (grad,) = torch.autograd.grad(loss, inputs, retain_graph=..., allow_unused=...)
# touched = (grad != 0).any(...)  # (T,)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *this is what this loss and those before it reach together*: `inputs.grad` adds up. `torch.autograd.grad` does not.
# - *the way back from one of them has thrown it away*: the next loss needs the graph too.
# - *add up numbers that cancel, or look at one row only*: 1 and −1 add up to 0; one row may be touched while another is not.
# - *some of its gradient is very small and not zero*: compare with 0 itself. `allclose` and `isclose` have a threshold of their own.
# - *counted from 0*: the first step is step 1.
# - *every entry of the gradient is below 0*: a negative number is not zero either.
# - *its gradient is 0 at every step*: then your search finds no step, and there is no first one.
# - *what all the losses reach together*: ask for each loss by itself.
# - *a constant has no graph*: it touches nothing, and you can see it before you ask autograd.
# - *a graph in which the inputs do not occur*: autograd has an argument for this, and gives something else than a tensor then.
# </details>

# %% [markdown]
# ### Experiment: four programs, one forward pass
#
# Four ways to treat the state at a boundary. In all of them the states, the logits and the losses are the same numbers. The next cell draws, for each window's loss, which inputs it reaches; it asks *your* `reach`.


# %% given="pictures"
def window_losses(kind, k, T, carry, every_step=False):
    """The losses of the windows of one row of T steps, and the inputs (1, T, 4) that they were computed from."""
    model = StreamModel(kind, vocab=3, hidden=8).to(dtype)
    inputs = (
        torch.randn(1, T, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        .to(device, dtype)
        .requires_grad_()
    )
    y, state, losses = tokens(1, T, 1, 3), None, []
    for start in range(0, T, k):
        stops = range(start, start + k) if every_step else [start]
        logits = []
        for stop in stops:
            states, state = model.rnn(inputs[:, stop : stop + (1 if every_step else k)], state)
            logits.append(model.readout(states))
            state = carry(state)
        losses.append(F.cross_entropy(torch.cat(logits, 1)[0], y[0, start : start + k]))
    return losses, inputs


def draw_reach(ax, found, k, T):
    """A bar for each loss from the first to the last step that it reaches, and a frame around its own window."""
    for number, pair in enumerate(found):
        first = number * k + 1
        if pair is not None:
            ax.barh(number + 1, pair[1] - pair[0] + 1, left=pair[0] - 0.5, height=0.6, color=figures.SKY)
        width = min(k, T - first + 1)
        ax.barh(number + 1, width, left=first - 0.5, height=0.8, facecolor="none", edgecolor=figures.VERMILION, lw=2)
    ax.set(xlim=(0.2, T + 0.8), ylim=(len(found) + 0.7, 0.3), yticks=range(1, len(found) + 1))


# %% experiment="four-programs"
with needs("reach", "detach_state"):
    programs = {
        "both cut": {"carry": detach_state},
        "nothing cut": {"carry": lambda state: state},
        "only h cut": {"carry": only_h},
        "cut at every step": {"carry": detach_state, "every_step": True},
    }
    fig, axes = plt.subplots(2, 2, figsize=(9, 4.4), sharex=True, sharey=True)
    for ax, (name, options) in zip(axes.flat, programs.items()):
        losses, inputs = window_losses("lstm", 5, 15, **options)
        found = reach(losses, inputs)
        draw_reach(ax, found, 5, 15)
        ax.set_title(f"{name}: {found}".replace("'", ""), fontsize=10)
        print(f"{name:>18}: losses {', '.join(f'{loss.item():.6f}' for loss in losses)}")
    for ax in axes[1]:
        ax.set_xlabel("time step of the input")
    for ax in axes[:, 0]:
        ax.set_ylabel("loss of window")
    figures.show(
        fig,
        "Bars show which inputs each loss reaches: its own window when both are cut, everything before it otherwise.",
    )

# %% [markdown]
# **What to see.** Frames are the windows, bars are what their losses reach. The printed losses are the same in all four rows: **no number of the forward pass tells the four programs apart.** The bars do, for three of them: with only h cut an LSTM reaches
# as far as with nothing cut.
#
# And the fourth? *Cut at every step* looks like *both cut*. The window's loss is the sum of the losses of its steps; each reaches its own step, and together they cover the window. Ask for the losses one by one and the picture changes: a window gives its last step $k$ steps of credit and its first step **one**. The next figure
# shows every single loss.
#
# ### Experiment: the staircase, with two sliders
#
# So far a window does two jobs: it says *how often* we go back and *how far*. Let these be two numbers: every $k_1$ steps, the losses of the last $k_1$ steps go back through the last $k_2 \ge k_1$ steps. Each line of the figure is the loss of one step; the bar shows how far back
# your `reach` finds it. Move the sliders.


# %% experiment="staircase" keeps="k1-and-k2"
def reached(k1, k2, T):
    """The first and last step that the loss of each step reaches, if every k1 steps the newest k1 losses go back k2."""
    model = StreamModel("tanh", vocab=3, hidden=8).to(dtype)
    inputs = (
        torch.randn(1, T, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        .to(device, dtype)
        .requires_grad_()
    )
    with torch.no_grad():
        states = model.rnn(inputs)[0]  # values only: (1, T, H)
    found = []
    for end in sorted({*range(k1, T, k1), T}):
        begin, new = max(0, end - k2), min(k1, end - len(found))
        outputs, _ = model.rnn(inputs[:, begin:end], states[:, begin - 1][None] if begin else None)
        found += reach([output.sum() for output in outputs[0, -new:]], inputs)
    return found


def staircase(k1, k2, T=32):
    """The figure for one position of the sliders, and a sentence that says what it shows."""
    k2 = max(k1, k2)
    found = reached(k1, k2, T)
    fig, ax = plt.subplots(figsize=(7, 4.6))
    for t, pair in enumerate(found, 1):
        ax.barh(t, pair[1] - pair[0] + 1, left=pair[0] - 0.5, height=0.75, color=figures.SKY)
        ax.barh(t, 1, left=t - 0.5, height=0.75, color=figures.BLUE)
    for end in range(k1, T, k1):
        ax.axhline(end + 0.5, color=figures.VERMILION, lw=1)
    credit = [pair[1] - pair[0] + 1 for pair in found]
    inner = credit[k2 : T - T % k1]  # away from both ends
    ax.set(xlabel="time step that is reached", ylabel="time step of the loss", xlim=(0.4, T + 0.6), ylim=(T + 0.6, 0.4))
    ax.set_title(f"k1 = {k1}, k2 = {k2}: between {min(inner)} and {max(inner)} steps of credit")
    return (
        fig,
        f"k1 = {k1}, k2 = {k2}: away from both ends a loss has {min(inner)} to {max(inner)} steps of credit, its own among them.",
    )


with needs("reach"):
    explore(staircase, k1=(1, 8, 1, 4), k2=(1, 16, 1, 4))
    first, last = reached(5, 5, T=15)[8 - 1]
    print(f"15 steps in windows of 5: the loss of step 8 reaches the steps {first} to {last}")
    reply(
        guess_credit,
        last - first + 1,
        {
            last - first + 1: f"Its window begins with step {first}, and it goes back to there.",
            5: "You gave it the whole window. But it can only go back, and only the last step of a window has all five behind it.",
            8: "That is how far it would go without a cut. The cut stands before its window.",
            last - first: "You left out step 8 itself.",
        },
        f"It goes back from step {last}, and stops where its window begins, at step {first}.",
    )

# %% [markdown]
# **Things to try.** Dark is the loss's own step, light is what it reaches; a line stands where a backward pass ends. With $k_1 = k_2$ you see the staircase of ordinary windows: one step of credit at the top of each stair, $k$ at the bottom. Keep $k_1 = 4$ and raise $k_2$: the least credit is $k_2 - k_1 + 1$. Set $k_1 = 1$:
# every loss gets $k_2$ steps, for $k_2$ times the work.
#
# ## 4. What truncation cannot learn
#
# The *echo* task: say again what you heard $d$ steps ago. Symbols are 0 and 1, without any pattern, so guessing gives 0.5. The symbol *is* in the state (it may be, at least: the value of the state is carried over every boundary). The question is whether any loss tells the weights to keep it.
#
# ### Predict: a window of 5 for a delay of 5
#
# *difficulty 3 of 5 · importance 5 of 5 · 3 minutes*
#
# An LSTM with 32 units is trained on the echo with $d = 5$ in windows of $k = 5$, state carried, 600 windows. **How often is it right afterwards?** Write `"near chance"` (0.5 to 0.65), `"half way"` (0.65 to 0.85) or `"nearly perfect"` (above 0.85).

# %% answer="truncated-bptt-predict-echo"
### BEGIN SOLUTION
guess_echo = "near chance"
### END SOLUTION
### RELEASED AS
# guess_echo = None
### END RELEASED


# %% check="truncated-bptt-predict-echo" points=1
check("truncated-bptt-predict-echo")


# %% given="echo"
def echo_run(train, kind, delay, k, seed, windows=600, frozen=False):
    """After `windows` windows of k steps with Adam at 0.01 (32 rows, 32 units): (share right on new streams, moved).

    `moved` is how far weight_hh has moved, in units of its length at the beginning. Frozen: only the read-out learns.
    """
    model = StreamModel(kind, seed=seed)
    before = model.rnn.weight_hh_l0.detach().clone()
    optimizer = torch.optim.Adam((model.readout if frozen else model).parameters(), lr=0.01)
    x, y = (part.to(device) for part in Echo(delay).sample(32, windows * k, seed))
    train(model, optimizer, x, y, k)
    moved = (model.rnn.weight_hh_l0.detach() - before).norm() / before.norm()
    x, y = (part.to(device) for part in Echo(delay).sample(32, 200, seed + 1000))
    with torch.no_grad():
        said = model(x)[0].argmax(2)
    return (said == y)[:, delay:].double().mean().item(), moved.item()


def echo_accuracy(train, kind, delay, k, seed):
    """The share right alone."""
    return echo_run(train, kind, delay, k, seed)[0]


SEEN = {2: [1, 2, 3, 4], 5: [1, 3, 5, 6, 8]}  # windows tried for each delay


# %% [markdown]
# ### Experiment: a threshold
#
# A window of $k$ steps gives its last loss $k$ steps of credit. To reach the symbol of $d$ steps ago, a loss has to go back over $d + 1$ steps, its own among them. So the threshold should lie at $k = d + 1$. Stored runs over five seeds for two delays; your `train_tbptt` runs two of them now, on either side of the threshold.

# %% experiment="echo" keeps="truncation"
with needs("train_tbptt"):
    live = {k: echo_accuracy(train_tbptt, "lstm", 5, k, seed=0) for k in (5, 6)}
    runs = stored("truncated_bptt", "echo")
    fig, ax = plt.subplots(figsize=(7, 4))
    for (delay, windows), color, marker in zip(SEEN.items(), (figures.GREEN, figures.BLUE), figures.MARKERS):
        figures.band(ax, windows, [run[f"lstm {delay}"] for run in runs], color, f"d = {delay}, stored")
        if runs:
            middle = [sorted(column)[len(column) // 2] for column in zip(*[run[f"lstm {delay}"] for run in runs])]
            ax.plot(windows, middle, marker, color=color, label=f"d = {delay}, median")
        ax.axvline(delay + 1, color=color, ls=":", lw=1)
    ax.plot(
        list(live), list(live.values()), "P", ms=9, mfc="none", mew=2, color=figures.INK, label="yours, d = 5, seed 0"
    )
    ax.axhline(Echo(5).chance, color=figures.INK, ls="--", lw=1)
    ax.set(xlabel="steps in a window, k", ylabel="share right (no unit)", ylim=(0.35, 1.05))
    ax.set_title("An LSTM learns the echo from k = d + 1 on (dotted), and not before")
    ax.legend(loc="center right", fontsize=9)
    figures.show(
        fig, "For both delays accuracy is closer to chance than to 1 up to k = d, and near 1 from k = d + 1 on."
    )
    print("yours: " + ", ".join(f"k = {k}: {value:.3f}" for k, value in live.items()))
    five = [run["lstm 5"][SEEN[5].index(5)] for run in runs]
    print("d = 5 and k = 5, stored runs: " + ", ".join(f"{share:.2f}" for share in five))
    reply(
        guess_echo,
        "near chance" if live[5] < 0.65 else "half way" if live[5] < 0.85 else "nearly perfect",
        {
            "near chance": "The state is carried on, but no loss goes back as far as the symbol. So nothing tells the weights to keep it.",
            "half way": "You expected the carried state to help. It could, but no loss goes back as far as the symbol, so nothing tells the weights to keep it there.",
            "nearly perfect": "You counted 5 steps for a delay of 5. But a loss has to go back over its own step as well, which makes 6. In windows of 5 no loss gets to the symbol.",
        },
    )

# %% [markdown]
# **What to see.** One step more in the window, and everything changes. Up to $k = d$ the stored runs are right in 0.50 to 0.68 of the cases, from $k = d + 1$ on in more than 0.99. With $k = d$ no loss ever touches the symbol that it asks for. With $k = d + 1$ exactly *one* loss in each window does, the last, and that is enough.
#
# ### Experiment: no credit is not no memory
#
# Is $k = d + 1$ a law of nature, then? No. Truncation takes away the *credit*; the value of the state still flows on. Here are a tanh network and the LSTM of before at $k = 1$: each loss has one step of credit, its own.
#
# At $k = 1$ the recurrence is still trained, by a gradient that sees one step. So the next cell trains each network a second time, in another way: **only the read-out learns**, and all the rest stays as it was drawn. Before you run it: which of the two ways will answer more often?

# %% experiment="reservoir"
with needs("train_tbptt"):
    live = [echo_run(train_tbptt, "tanh", 2, 1, seed=3, frozen=frozen)[0] for frozen in (False, True)]
    runs = stored("truncated_bptt", "reservoir")
    for kind in ("tanh", "lstm"):
        for delay in SEEN:
            found = [run[f"{kind} {delay}"] for run in runs]
            print(f"{kind}, delay {delay}, k = 1: share right in {len(found)} stored runs")
            for way, name in (("trained", "all of it learns"), ("frozen", "read-out only")):
                print(f"  {name:>16}: {', '.join(f'{one[way]:.2f}' for one in found)}")
            moved = ", ".join(f"{one['moved']:.1f}" for one in found)
            print(f"  where all of it learns, weight_hh moves by these multiples of its own length: {moved}")
    print(f"yours, tanh, delay 2, seed 3: all of it learns {live[0]:.2f}, read-out only {live[1]:.2f}")

# %% [markdown]
# **What to see.** With the read-out alone, the tanh network answers for a delay of 2 without a mistake in every stored run, although no loss ever went back over a boundary. Nobody taught its recurrence to remember: random recurrent weights mix the past into the state, where traces of it last for a few steps, and the read-out, whose
# gradient is never truncated, learns to find them. Such a network is called a *reservoir*. At a delay of 5 the traces are weaker: 0.64 to 0.85. The LSTM, begun as it is here, holds some too: 0.66 to 0.71 at a delay of 2, about 0.65 at a delay of 5.
#
# Where all of it learns, the recurrence moves too: `weight_hh` by about two to six times its own length. The gradient that moves it sees one step and knows nothing of the delay, and it can destroy the traces. For a delay of 2 one tanh run of five ends at chance. In all twenty comparisons the network of which all learns is right no more often than the frozen one, and mostly less often.
# What the LSTM finds above one half in windows of up to $d$ steps may be such traces as well.
#
# So say it exactly: **truncation at $k$ does not forbid memory beyond $k$ steps. It forbids learning to remember.**
#
# ## 5. The truncated gradient and its bias
#
# ### Exercise: `truncated_gradient`
#
# *difficulty 4 of 5 · importance 4 of 5 · 20 minutes*
#
# Now the general form of Williams and Peng (1990), as a function. `truncated_gradient(x, h0, params, targets, k1, k2)` returns a dict of gradients with the keys of `params`, for the simple network of lessons 01 and 02,
#
# $$h_t = \tanh(x_t W_{ih}^\top + h_{t-1} W_{hh}^\top + b), \qquad \ell_t = \text{cross-entropy}(h_t W_{out}^\top + b_{out},\ \text{target}_t),$$
#
# with $\ell_t$ averaged over the batch, and losses *summed* over time. At $t = k_1, 2k_1, …, T$ ($T$ is a multiple of $k_1$) the losses of the **last $k_1$ steps** go back, together, through the **last $k_2$ steps**, where $k_2 \ge k_1$. The state before those, $h_{t-k_2}$, is a constant; near the beginning there may be fewer
# than $k_2$ steps, and then one goes back to $h_0$, which is a constant too. The gradients of all these passes are added up. The parameters stay the same meanwhile. Autograd is allowed.
#
# **A tiny example**: $T = 4$, $k_1 = 2$, $k_2 = 3$. At $t = 2$, $\ell_1$ and $\ell_2$ go back through steps 1–2. At $t = 4$, $\ell_3$ and $\ell_4$ go back through steps 2–4, with $h_1$ held constant; $\ell_2$ is not counted again.
#
# | | `weight_ih` | `weight_hh` | `bias` | `weight_out` | `bias_out` |
# |---|---|---|---|---|---|
# | shape | (H, D) | (H, H) | (H,) | (V, H) | (V,) |
#
# `x` is (B, T, D), `h0` (B, H), `targets` (B, T). Make leaves of your own from `params`: `value.detach().requires_grad_()`.


# %% answer="truncated-bptt-truncated-gradient"
def truncated_gradient(x, h0, params, targets, k1, k2):
    """Gradient of params where, every k1 steps, the losses of the last k1 steps go back through the last k2 steps.

    x: (B, T, D), h0: (B, H), targets: (B, T), T a multiple of k1, k1 ≤ k2. Returns a dict with the keys of params.
    """
    ### BEGIN SOLUTION
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    states = [h0.detach()]  # constants
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])  # (B, H)
            if s >= t - k1:
                logits = h @ params["weight_out"].T + params["bias_out"]  # (B, V)
                loss = loss + F.cross_entropy(logits, targets[:, s])
                states.append(h.detach())
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total
    ### END SOLUTION


# %% check="truncated-bptt-truncated-gradient" points=5 keeps="k1-and-k2 truncation-bias"
check("truncated-bptt-truncated-gradient")

# %% [markdown] hint="truncated-bptt-truncated-gradient"
# <details><summary>Hint 1: a question</summary>
#
# For one t: from which state do you start, which steps do you run, and which of the losses do you count?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Keep the *values* of all states in a list, h_0 first. For each t = k1, 2·k1, …: start from the value of h at step max(0, t − k2), run forward to t, with a graph, and add up the losses of the last k1 steps only. Ask for the gradients of this sum, and add them to a running total.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# for t in range(k1, T + 1, k1):
#     start = ...
#     h, loss = states[start], 0.0       # a constant
#     for s in range(start, t):
#         h = ...
#         if ...:                        # is this loss new?
#             loss = loss + ...
#     grads = torch.autograd.grad(loss, ...)
#     ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the loss of step t goes back to step …; expected …*: the check has worked out from your numbers which loss reached which step. Compare `start` with what is asked for.
# - *some are counted again*: with k2 > k1 the windows overlap. Only the newest k1 losses count.
# - *gradients of earlier windows are still there when a window is added*: `backward()` adds to `.grad`, and adding `.grad` to a total adds the old ones once more.
# - *are the states right, whatever is cut*, or *every window but the first begins from a zero state*: a window starts from the value of the state, not from zero.
# - *a graph that has gone back once was reached again*: a state in your list still has its past.
# - *a leaf Variable that requires grad is being used in an in-place operation*: a total that requires a gradient must not be changed with `+=`; make it from zeros that do not.
# - *the tensors in `params` do not require a gradient as they are given*: see the last sentence before the cell.
# </details>


# %% given="dynamics"
def driven(seed, radius, T, H=16, V=5):
    """One sequence through a tanh network whose weight_hh has the given spectral radius: (x, h0, params, targets)."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weight_hh = normal(H, H)
    weight_hh = weight_hh * radius / torch.linalg.eigvals(weight_hh).abs().max()
    params = {
        "weight_ih": normal(H, 4) / 4,
        "weight_hh": weight_hh,
        "bias": 0.1 * normal(H),
        "weight_out": normal(V, H) / 4,
        "bias_out": 0.1 * normal(V),
    }
    params = {name: value.to(device, dtype) for name, value in params.items()}
    x, h0 = normal(1, T, 4).to(device, dtype), torch.zeros(1, H, device=device, dtype=dtype)
    return x, h0, params, torch.randint(V, (1, T), generator=generator).to(device)


def exponent(x, h0, params, warmup=10):
    """Mean growth of a small disturbance, ln per step: below 0 the network forgets it, above 0 it blows it up."""
    h, tangent, total = h0, torch.ones_like(h0) / h0.shape[1] ** 0.5, 0.0
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        tangent = (tangent @ params["weight_hh"].T) * (1 - h * h)
        if t >= warmup:
            total += tangent.norm().log().item()
        tangent = tangent / tangent.norm()
    return total / (x.shape[1] - warmup)


def relative(found, want, name="weight_hh"):
    """How far a gradient is from the right one, as a share of the right one's length."""
    return ((found[name] - want[name]).norm() / want[name].norm()).item()


BACK = [1, 2, 5, 10, 20, 30]  # steps of credit that each loss gets
RADII = [0.9, 1.2, 3.0]


def bias_by_window(seed, radius, T=60):
    """The measured exponent, and the error of the truncated gradient of weight_hh for each of BACK; k1 = 1."""
    case = driven(seed, radius, T)
    full = truncated_gradient(*case, T, T)
    return {"exponent": exponent(*case[:3]), "error": [relative(truncated_gradient(*case, 1, k), full) for k in BACK]}


# %% [markdown]
# ### Experiment: how wrong is it?
#
# Is a truncated gradient nearly right? That depends on what the network does with its past. The next cell compares your `truncated_gradient` ($k_1 = 1$: each loss goes back $k$ steps) with the full one, for three networks that differ in the size of `weight_hh`. Whether a network is
# contracting or expanding is *measured*: its exponent is the mean growth of a small disturbance per step, on this input. (Lesson 03 shows why the spectral radius alone does not tell.)

# %% experiment="bias" keeps="truncation-bias"
with needs("truncated_gradient"):
    fig, ax = plt.subplots(figsize=(7, 4))
    for radius, color, marker in zip(RADII, (figures.BLUE, figures.GREEN, figures.VERMILION), figures.MARKERS):
        runs = [run[str(radius)] for run in stored("truncated_bptt", "bias")]
        exponents = sorted(run["exponent"] for run in runs)
        label = f"exponent {exponents[0]:+.2f} … {exponents[-1]:+.2f}" if runs else f"radius {radius}"
        figures.band(ax, BACK, [run["error"] for run in runs], color, label)
        mine = bias_by_window(0, radius)
        ax.plot(
            BACK, mine["error"], marker + "-", color=color, label=f"yours, seed 0: exponent {mine['exponent']:+.2f}"
        )
    ax.set(
        yscale="log",
        ylim=(1e-5, 5),
        xlabel="steps of credit for each loss, k",
        ylabel="relative error of the gradient (no unit)",
    )
    ax.set_title("Truncation is nearly right where the past fades, and wrong where it grows")
    ax.legend(fontsize=9, loc="lower left")
    figures.show(fig, "The error falls steeply with k for negative exponents and stays near 1 for positive ones.")

# %% [markdown]
# **What to see.** With a clearly negative exponent the contributions from far back shrink, and what is cut off is small: the error falls by roughly the same factor for each further step of credit. With an exponent above 0 they grow, and the full gradient is *dominated* by what truncation leaves out: the error stays near 1 (100 %), even with 30 of the 60 steps. Note what follows and what does not: in the expanding
# case the truncated gradient is wrong, but the full one would hardly be a good guide either. It belongs to a loss surface that is crumpled, and lesson 06 deals with that.
#
# ### Experiment: when the short view points the wrong way
#
# An error of 100 % can be harmless or fatal. Here is a system built to make it fatal, by Tallec and Ollivier (2017), *influence balancing*. It is linear, with one parameter $\theta$ and 23 units in a row that hand their value on, from the last to the first. $\theta$ pushes the ten units nearest to the output **up** and the thirteen behind them **down**. Soon after a change of $\theta$ the output rises; in the long run,
# when the thirteen have arrived, it falls. The output should become 1, and the best $\theta$ is $-\frac16$.
#
# `learn_balance` makes an update every $K$ steps, with a loss at the last of them that reaches back through all $K$.

# %% given="balancing"
balancing = InfluenceBalancing()


def learn_balance(K, seed, updates=300, lr=1e-3):
    """θ after each update; begins at ½ and stops where |θ| passes 1000."""
    A, push = balancing.matrix(), balancing.push()
    h = torch.randn(len(A), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    theta = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    path = [theta.item()]
    for _ in range(updates):
        h = detach_state(h)
        for _ in range(K):
            h = A @ h + theta * push
        (grad,) = torch.autograd.grad((h[0] - 1) ** 2 / 2, theta)
        with torch.no_grad():
            theta -= lr * grad
        path.append(theta.item())
        if abs(path[-1]) > 1000:
            break
    return path


def seen_influence(longest):
    """d(output)/dθ as a loss sees it that goes back K steps, for K = 1…longest: the sum of what arrives within K steps."""
    A, arriving, total, seen = balancing.matrix(), balancing.push(), 0.0, []
    for _ in range(longest):
        total += arriving[0].item()
        seen.append(total)
        arriving = A @ arriving
    return seen


# %% experiment="balancing" keeps="truncation-bias"
with needs("detach_state"):
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    seen = seen_influence(80)
    left.plot(range(1, 81), seen, color=figures.BLUE)
    left.axhline(0, color=figures.INK, lw=1)
    left.fill_between(range(1, 81), 0, seen, where=[value > 0 for value in seen], color=figures.VERMILION, alpha=0.35)
    left.annotate("wrong sign", (14, 4), color=figures.VERMILION)
    left.set(
        xlabel="steps of credit K",
        ylabel="influence of θ on the output that is seen",
        title="The long run has the opposite sign",
    )
    for K, color, marker in ((1, figures.ORANGE, "o"), (10, figures.VERMILION, "s"), (50, figures.BLUE, "^")):
        path = learn_balance(K, seed=0)
        right.plot(path, color=color, marker=marker, markevery=40, label=f"K = {K}")
    right.axhline(balancing.optimum, color=figures.INK, ls=":", label="best θ")
    right.set(
        yscale="symlog", xlabel="update", ylabel="θ (no unit)", title="θ runs away from the best value, or towards it"
    )
    right.legend()
    figures.show(
        fig,
        "Up to about 40 steps of credit the influence has the wrong sign; with K = 1 and 10 θ comes nearer first and then runs away, with K = 50 it finds the best value.",
    )
    for K in (1, 10, 50):
        ends = [run[str(K)] for run in stored("truncated_bptt", "balance")]
        print(
            f"K = {K:2d}: θ ends at {', '.join(f'{end:.4g}' for end in ends)} in the stored runs; best is {balancing.optimum:.4f}"
        )

# %% [markdown]
# **What to see.** On the left: within 10 or 30 steps the upward push outweighs what has arrived of the downward one, so the gradient that is seen has the **wrong sign**. On the right: $K = 1$ and $K = 10$ first come a little nearer, to about 0.37. The upward push arrives first, the output
# is above 1, and $\theta$ falls. Then the thirteen arrive, the output falls below 1, and both turn and go the wrong way: $K = 1$ slowly (1.33 to 1.37 after 300 updates in the stored runs), $K = 10$, which sees more of the wrong part, *faster* (past 1000 after some 200 updates). $K = 50$ sees enough, and settles at $-\frac16$. More credit is
# not always better than less; what matters is whether the part that is seen points where the whole points.
#
# ## 6. Unbiased by throwing coins
#
# A cut at a fixed place leaves out the same terms every time: bias. Suppose instead that at each boundary between two steps a coin decides: with probability $p$ the graph is **kept**, else it is cut. A path across three boundaries then survives with probability $p^3$. If what flows back over a kept boundary is
# multiplied by $1/p$, such a path arrives with weight $1/p^3$ in $p^3$ of the cases, and on average with weight
#
# $$p^3 \cdot \frac{1}{p^3} = 1.$$
#
# This holds for every path and every loss. **The mean over the coins is the full gradient, exactly**, although no single draw is. (Tallec and Ollivier, 2017, with $p$ depending on the step; the principle is that of importance sampling.)
#
# The weight acts on the way back alone: every state keeps its value. In PyTorch one writes a number that has one value and another gradient as
#
# $$h_{\text{det}} + w\,(h - h_{\text{det}}), \qquad h_{\text{det}} = \texttt{h.detach()}:$$
#
# the bracket is 0 forwards, and its gradient is $w$ backwards.
#
# ### Exercise: `randomized_truncation_gradient`
#
# *difficulty 4 of 5 · importance 3 of 5 · 15 minutes*
#
# `randomized_truncation_gradient(x, h0, params, targets, p, seed)`: the network, the loss and the result as in `truncated_gradient`. Between any two neighbouring steps one coin is thrown, for all rows of the batch and all losses together: with probability `p` the graph is kept and what flows back is weighted by $1/p$, else it is cut. The read-out
# and a step's own loss are never cut or weighted. The coins come from `seed` alone: the same seed gives the same gradient, another seed other coins. `h0` is a constant.
#
# **A tiny example**: $T = 2$, $p = 0.5$. There is one boundary. In half of the draws nothing flows from $\ell_2$ to step 1; in the other half it flows with weight 2.
#
# The check asks for 150 draws at $T = 5$. Each has to be one of the $2^4$ possible gradients, and they have to come as often as $p$ says.


# %% answer="truncated-bptt-randomized-truncation-gradient"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    """An unbiased estimate of the full gradient: each step boundary is kept with probability p, and weighted by 1/p.

    x: (B, T, D), h0: (B, H), targets: (B, T), 0 < p ≤ 1. Returns a dict with the keys of params.
    """
    ### BEGIN SOLUTION
    coins = torch.Generator().manual_seed(seed)
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    h, loss = h0.detach(), 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])  # (B, H)
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))
    ### END SOLUTION


# %% check="truncated-bptt-randomized-truncation-gradient" points=5 keeps="randomised-truncation"
check("truncated-bptt-randomized-truncation-gradient")

# %% [markdown] hint="truncated-bptt-randomized-truncation-gradient"
# <details><summary>Hint 1: a question</summary>
#
# Where in the forward loop does a gradient later cross from step t + 1 to step t? What stands there now, and what should stand there in the two cases of the coin?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# One forward loop, with the losses summed. Before each step but the first, throw a coin: `torch.rand((), generator=...)` with a generator that was seeded once. Cut: the detached state. Kept: the state that has its value and 1/p of its gradient. At the end one call for the gradients.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# coins = torch.Generator().manual_seed(seed)
# for t in range(T):
#     if t > 0:
#         kept = torch.rand((), generator=coins).item() < p
#         h = ... if kept else h.detach()
#     h = torch.tanh(...)
#     loss = loss + ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *what flows back across a kept boundary is not weighted*: without 1/p the mean is too small for every path that crosses a boundary.
# - *the states themselves seem to change with the cuts*: h / p changes the value too. Or one coin was thrown for each unit; it should be one for all.
# - *all 150 draws … are the full gradient*: is what `detach()` returns used?
# - *either every boundary is kept or every one is cut*: throw a coin for each boundary, from a generator that is seeded once.
# - *each loss meets other cuts*: throw the coins once, in the one forward pass.
# - *two calls with the same seed gave two different gradients*: the coins must come from your seeded generator.
# </details>

# %% [markdown]
# ### Experiment: the mean, exactly
#
# With $p = \frac12$ and $T = 5$ all 16 patterns of cuts are equally likely. So collect the 16 gradients and average them. No statistics is needed.

# %% experiment="all-patterns"
with needs("randomized_truncation_gradient", "truncated_gradient"):
    case = driven(0, 0.9, T=5)
    full = truncated_gradient(*case, 5, 5)
    found = {}
    for seed in range(1000):
        grads = randomized_truncation_gradient(*case, 0.5, seed)
        found[tuple(grads["bias"].mul(1e6).round().tolist())] = grads
        if len(found) == 16:
            break
    mean = {name: torch.stack([grads[name] for grads in found.values()]).mean(0) for name in full}
    errors = sorted(relative(grads, full) for grads in found.values())
    print(f"{len(found)} different gradients after {seed + 1} draws")
    print(f"each by itself is off by {errors[0]:.2f} to {errors[-1]:.2f} of the full gradient's length")
    print(f"their mean is off by {relative(mean, full):.0e}")

# %% given="spread"
COUNTS = [1, 2, 5, 10, 20, 50, 100]


def error_of_means(seed, radius=0.9, T=40, p=0.9):
    """Relative error of the mean of several draws, for each number of COUNTS, and that of 10 steps of credit for each loss."""
    case = driven(seed, radius, T)
    full = truncated_gradient(*case, T, T)
    draws = [randomized_truncation_gradient(*case, p, 1000 * seed + i)["weight_hh"] for i in range(COUNTS[-1])]
    means = [{"weight_hh": torch.stack(draws[:n]).mean(0)} for n in COUNTS]
    return {
        "random": [relative(mean, full) for mean in means],
        "fixed": relative(truncated_gradient(*case, 1, 10), full),
    }


CROSSED = [1, 2, 5, 10, 20]


def share_of_spread(seed, radius=0.9, T=40, p=0.9):
    """Shares of one draw's mean squared error: of paths across at most m boundaries, for each m of CROSSED, and of cut paths.

    No coins are needed: the weights of two paths that share j boundaries have the covariance 1/pʲ − 1.
    """
    x, h, params, targets = driven(seed, radius, T)
    copies = params["weight_hh"].expand(T, -1, -1).clone().requires_grad_()  # one for each step, as in lesson 02
    paths = []
    for t in range(T):
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ copies[t].T + params["bias"])
        loss = F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
        (grad,) = torch.autograd.grad(loss, copies, retain_graph=True)
        paths.append(grad[: t + 1].flatten(1))  # from this loss to step 1…t + 1
    paths, (end, start) = torch.cat(paths), torch.tril_indices(T, T).to(device)
    shared = (torch.minimum(end, end[:, None]) - torch.maximum(start, start[:, None])).clamp(min=0)
    products, crossed = paths @ paths.T, end - start
    errors = products * ((1 / p) ** shared - 1)
    near = [(crossed <= m).to(dtype) for m in CROSSED]
    whole, other = p**crossed, p ** crossed[:, None]  # how likely a path is whole
    both_cut = 1 - whole - other + p ** (crossed + crossed[:, None] - shared)
    return {
        "near": [(one @ errors @ one / errors.sum()).item() for one in near],
        "cut": ((products * both_cut).sum() / errors.sum()).item(),
    }


# %% [markdown]
# ### Experiment: the price of being unbiased
#
# Right on average is not right each time. The next cell averages more and more draws for a longer sequence ($T = 40$, $p = 0.9$: 10 steps of credit on average), in a contracting network, and compares with a fixed 10 steps of credit.

# %% experiment="price-of-unbiased" keeps="randomised-truncation"
with needs("randomized_truncation_gradient", "truncated_gradient"):
    mine = error_of_means(seed=0)
    runs = stored("truncated_bptt", "randomized")
    fig, ax = plt.subplots()
    figures.band(ax, COUNTS, [run["random"] for run in runs], figures.BLUE, "random cuts, p = 0.9")
    figures.band(ax, COUNTS, [[run["fixed"]] * len(COUNTS) for run in runs], figures.VERMILION, "fixed, k = 10")
    ax.plot(COUNTS, mine["random"], "o-", color=figures.BLUE, label="yours, seed 0")
    ax.plot(COUNTS, [mine["fixed"]] * len(COUNTS), "s-", color=figures.VERMILION, label="yours, seed 0")
    ax.plot(
        COUNTS, [mine["random"][0] / n**0.5 for n in COUNTS], ":", color=figures.INK, label="one over the square root"
    )
    ax.set(xscale="log", yscale="log", xlabel="number of draws in the mean", ylabel="relative error (no unit)")
    ax.set_title("Where the past fades, a fixed cut is closer than a single random one")
    ax.legend(fontsize=9)
    figures.show(
        fig,
        "The error of the mean falls as one over the square root of the number of draws, from far above that of a fixed cut.",
    )
    better = sum(run["fixed"] < run["random"][0] for run in runs)
    print(f"a fixed cut is closer than one random draw in {better} of {len(runs)} stored runs")
    spread = stored("truncated_bptt", "spread")
    for m, column in zip(CROSSED, zip(*[run["near"] for run in spread])):
        print(
            f"paths across at most {m:2d} boundaries: {min(column):.0%} to {max(column):.0%} of the mean squared error of one draw"
        )
    lacking = [run["cut"] for run in spread] or [float("nan")]
    print(f"what cut paths lack, by itself: {min(lacking):.0%} to {max(lacking):.0%}")

# %% [markdown]
# **What to see.** The error of random cuts falls towards 0, as one over the square root of the number of draws, and that of the fixed cut stays where it is. But it starts high: a single draw is far worse than ten fixed steps. Unbiasedness is paid for in variance. It is worth its price
# where the bias points the wrong way, as in influence balancing, and not where it is small.
#
# Where does the spread come from? Not from the rare draws in which a long path survives with a large weight ($1/p^{20}$ is about 8): in this network next to nothing comes from so far back. It comes from **near boundaries, and mostly from those that are cut**. In the stored runs the paths that cross
# five boundaries or fewer make 85 to 99 % of the mean squared error, and what cut paths lack, taken by itself, makes 72 to 81 %. At a single boundary it is plain: the weight is off by 1 where it is cut, in a tenth of the draws, and by $1/p - 1 = 0.11$ in the others. Squared and averaged, that is 0.1 from the cuts and 0.01 from the rest. A fixed cut leaves the near paths whole.
#
# ## 7. Exact, with less memory: recompute what you did not store
#
# Truncation saves memory by giving up terms. *Checkpointing* gives up none. It stores only the states at the boundaries of $S$ segments, and throws the rest away. On the way back, each segment is run forward once more from its stored boundary, goes back, and is thrown away again. The gradient
# is the full one; the price is one more forward pass (Chen et al. 2016; for recurrent networks Gruslys et al. 2016).
#
# `torch.utils.checkpoint.checkpoint(function, *args, use_reentrant=False)` does this for one function: it returns `function(*args)`, keeps `args`, forgets everything inside, and runs `function` again when its gradient is wanted.
#
# ### Predict: how many segments?
#
# *difficulty 3 of 5 · importance 3 of 5 · 3 minutes*
#
# $T = 100$ steps in $S$ segments. In memory are, at the worst moment, the $S$ boundaries and the $100/S$ states of the one segment that is going back. **Which $S$ needs the fewest states?** Write a whole number.

# %% answer="truncated-bptt-predict-segments"
### BEGIN SOLUTION
guess_segments = 10
### END SOLUTION
### RELEASED AS
# guess_segments = None
### END RELEASED


# %% check="truncated-bptt-predict-segments" points=1
check("truncated-bptt-predict-segments")

# %% [markdown]
# ### Exercise: `checkpointed_loss`
#
# *difficulty 3 of 5 · importance 3 of 5 · 12 minutes*
#
# `checkpointed_loss(model, x, y, segments)` returns the loss of the whole sequence, as a tensor that `backward()` can start from: cross-entropy **summed over time and averaged over the batch**, for `x`, `y` (B, T) and `model(x_s, state) -> (logits, state)` with state `None` at first. The sequence is cut
# into pieces, and each is run through `checkpoint`, **its loss included**: logits are memory too. Here the state goes from piece to piece *with* its graph.
#
# There are **at most `segments` pieces, and none is longer than** $\lceil T / \texttt{segments} \rceil$ **steps** (the brackets round up). How you share the steps is up to you. The easiest is to give each piece $\lceil T / \texttt{segments} \rceil$ steps and the last one what is left;
# it can happen that fewer than `segments` pieces come out, and that is right too.
#
# **A tiny example**: $T = 7$ and three segments: pieces of 3, 3 and 1 steps, or of 3, 2 and 2. Pieces of 2, 2, 2 and 1 are too many. $T = 9$ and four segments: 3, 3 and 3, or 3, 2, 2 and 2.
#
# The check compares loss and gradients with the plain ones. It also looks at which steps are computed again, piece by piece, and counts the bytes that are alive at once.


# %% answer="truncated-bptt-checkpointed-loss"
def checkpointed_loss(model, x, y, segments):
    """Cross-entropy of x, y (B, T), summed over time and averaged over the batch, with one checkpoint for each segment."""

    ### BEGIN SOLUTION
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y_s.reshape(-1), reduction="sum")
        return loss / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total
    ### END SOLUTION


# %% check="truncated-bptt-checkpointed-loss" points=4 keeps="checkpointing"
check("truncated-bptt-checkpointed-loss")

# %% [markdown] hint="truncated-bptt-checkpointed-loss"
# <details><summary>Hint 1: a question</summary>
#
# What does one piece need from outside, and what does it have to give out? Those are the arguments and the results of the function that you checkpoint.
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Write an inner function for one piece: from a window of x and y and a state to its loss and the new state. In a loop over the pieces, call it through `checkpoint`, add the losses, and pass the state on as it is.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# def piece(x_s, y_s, state):
#     logits, state = model(x_s, state)
#     loss = ...                       # summed over time, averaged over the batch
#     return loss, state
#
# length = ...                         # steps in a piece, rounded up
# for start in range(0, T, length):
#     loss, state = checkpoint(piece, ..., use_reentrant=False)
#     ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the graph is cut between the segments*: this is not truncation, so nothing is detached.
# - *averaged over its own steps*, or *over the time steps*: summed over time, averaged over the batch. What does `cross_entropy` do if you say nothing?
# - *no step was computed again*: is every piece run through `checkpoint`?
# - *expected at most … pieces, none longer than … steps*: `segments` is how many pieces there are, and the division rounds up.
# - *more than the logits of all … steps take together*: is the loss inside the piece?
# - *None of the inputs have requires_grad*, or *the loss has no graph*: this is the old way of `checkpoint`; say `use_reentrant=False`.
# - *a piece is run again on the way back, when the loop has moved on*: a function that reads `start` from outside finds the last one then. What a piece needs comes in as arguments.
# </details>

# %% [markdown]
# ### Experiment: bytes against segments
#
# The most bytes alive during forward and backward pass for $T = 100$, with your `checkpointed_loss`.

# %% given="segments"
SEGMENTS = [1, 2, 5, 10, 20, 50, 100]


def bytes_by_segments(seed, T=100, B=16):
    """Most bytes alive at once without checkpoints, and for each number of segments; tanh, 32 units."""
    x, y = tokens(B, T, seed, 3), tokens(B, T, seed + 1, 3)
    model = StreamModel("tanh", vocab=3, seed=seed)

    def plain():
        (F.cross_entropy(model(x)[0].flatten(0, 1), y.flatten(), reduction="sum") / B).backward()

    measured = {"plain": peak_bytes(plain), "segments": []}
    for S in SEGMENTS:
        measured["segments"].append(peak_bytes(lambda: checkpointed_loss(model, x, y, S).backward()))
    return measured


# %% experiment="segments" keeps="checkpointing"
with needs("checkpointed_loss"):
    measured = bytes_by_segments(seed=0)
    fig, ax = plt.subplots()
    ax.plot(SEGMENTS, [one / 1e3 for one in measured["segments"]], "o-", color=figures.BLUE, label="checkpointed")
    ax.axhline(measured["plain"] / 1e3, color=figures.VERMILION, ls="--", label="without checkpoints")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="number of segments S",
        ylabel="most bytes alive (kB)",
        title="In between there is a best number of segments",
    )
    ax.set_xticks(SEGMENTS, SEGMENTS)
    ax.set_yticks([100, 200, 400, 800], [100, 200, 400, 800])
    ax.minorticks_off()
    ax.legend()
    figures.show(fig, "Bytes fall from one segment to a best number and rise again towards one segment per step.")
    best = SEGMENTS[measured["segments"].index(min(measured["segments"]))]
    runs = stored("truncated_bptt", "segments")
    print(
        f"least with S = {best}: {min(measured['segments']) / measured['plain']:.2f} of what the plain pass needs; the same bytes in {sum(run == measured for run in runs)} of {len(runs)} stored runs (on a CPU)"
    )
    states = {S: S - (-100 // S) for S in range(1, 101)}
    fewest = min(states, key=states.get)
    print("boundaries and states, counted: " + ", ".join(f"S = {S}: {states[S]}" for S in SEGMENTS))
    reply(
        guess_segments,
        fewest,
        {
            best: "That is best in bytes, as you see above. Counting states alone, fewer segments are better.",
            1: "One segment has nearly no boundaries, but all 100 states are in memory while it goes back.",
            100: "A segment for each step leaves one state in it, but all 100 boundaries are kept.",
            2: "You have only two boundaries, but 50 states are in memory while a segment goes back.",
            50: "You have only two states in a segment, but 50 boundaries are kept.",
            fewest: "There are as many boundaries as states in a segment, and the sum is least.",
        },
        "You have few boundaries, and long segments. The sum is least where there are as many of one as of the other.",
        high="You have short segments, and many boundaries. The sum is least where there are as many of one as of the other.",
    )

# %% [markdown]
# **What to see.** One segment saves nothing, since it is recomputed as a whole; a segment for each step stores every boundary. The best lies between. Counting states alone it is at $\sqrt T = 10$. The measured best lies further right, because a step that goes back costs several states' worth (the embedded input, the output, logits), and
# a boundary only one: with $q$ states' worth for a step, the sum $S + q\,T/S$ is least at $\sqrt{qT}$. Either way memory grows with $\sqrt T$ and not with $T$.
#
# | | gradient | memory | work |
# |---|---|---|---|
# | full backpropagation through time | exact | $T$ | 1 |
# | windows of $k$ | biased | $k$ | 1 |
# | $k_1$, $k_2$ | biased, usually less | $k_2$ | about $k_2 / k_1$ |
# | random cuts | unbiased, noisy | $T$ with one way back at the end; the longest stretch without a cut if one goes back at every cut | 1 |
# | checkpoints | exact | $\sqrt T$ | one more forward pass |
#
# ## 8. Find the bug: it trains, and every window is good text
#
# *difficulty 4 of 5 · importance 5 of 5 · 12 minutes*
#
# `train_on_text` trains on a stream of exactly $B\,m\,k + 1$ tokens, in $m$ batches of $B$ windows of $k$ steps. The targets are the next tokens. Each window is a proper piece of the stream, each target is right, the state is carried and cut, the losses fall. **And yet there is one mistake. Find it and fix it**, in the cell itself. It
# should use the same $B \cdot m \cdot k$ tokens, in $m$ batches of shape (B, k).
#
# You have the tools: feed it the stream 0, 1, 2, … in a cell of your own, and print what the model would be given.


# %% answer="truncated-bptt-bug"
def train_on_text(model, optimizer, stream, B, k):
    """One pass over a stream of B·m·k + 1 tokens in m batches of B windows of k steps; the list of their losses."""
    m = (len(stream) - 1) // (B * k)
    ### BEGIN SOLUTION
    x = stream[:-1].reshape(B, m, k).transpose(0, 1)  # (m, B, k)
    y = stream[1:].reshape(B, m, k).transpose(0, 1)
    ### END SOLUTION
    ### RELEASED AS
    # x = stream[:-1].reshape(m, B, k)
    # y = stream[1:].reshape(m, B, k)
    ### END RELEASED
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% check="truncated-bptt-bug" points=3
check("truncated-bptt-bug")

# %% [markdown] hint="truncated-bptt-bug"
# <details><summary>Hint 1: a question</summary>
#
# Take row 0 of the first batch and row 0 of the second. Is the second the continuation of the first? What does the carried state belong to?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# `reshape(m, B, k)` cuts the stream into windows in the order in which they stand there. Which window is then row 1 of the first batch, and which should it be?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# First B contiguous rows, then windows along each row; then the batches have to come first:
#
# ```python
# x = stream[:-1].reshape(B, ...).transpose(...)  # (m, B, k)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *This is the program as it was found*: print `x_w` for the stream 0, 1, 2, …, window after window; then hint 1.
# - *The inputs have changed, and the targets are as they were found*: whatever you do with one, do with the other.
# - *the model was given … windows of … rows*: `zip(x, y)` goes along the first axis; it has to be the one of the batches.
# - *in another order than those of the stream*, or *with other tokens*: print `x[:, 0]` for the stream 0, 1, 2, …
# - *every window begins without a state*: that would hide the mistake, and lose the memory.
# </details>

# %% [markdown]
# ### Experiment: what the mistake costs
#
# A text over 4 tokens: each token repeats the one two places before it with probability 0.8, else it is any of the four. So the best loss there can be is known in closed form. Windows have 3 steps: for the first of them, what is repeated stands before the window. The next cell trains with whatever
# `train_on_text` you have now; the bands are stored runs with the program as you found it, and fixed.


# %% given="bug-cost"
def text_losses(seed, B=16, batches=300, k=3, repeats=0.8):
    """Losses of `train_on_text` on one text, means of 20 batches; see above for the text."""
    generator = torch.Generator().manual_seed(seed)
    stream = torch.randint(4, (B * batches * k + 1,), generator=generator)
    fresh = torch.rand(len(stream), generator=generator) > repeats
    for t in range(2, len(stream)):
        if not fresh[t]:
            stream[t] = stream[t - 2]
    model = StreamModel("lstm", vocab=4, seed=seed)
    losses = train_on_text(model, torch.optim.Adam(model.parameters(), lr=0.01), stream.to(device), B, k)
    return torch.tensor(losses).reshape(-1, 20).mean(1).tolist()


# %% experiment="what-it-costs"
with needs("train_on_text", "detach_state"):
    mine = text_losses(seed=0)
    steps = range(20, 301, 20)
    runs = stored("truncated_bptt", "bug")
    fig, ax = plt.subplots()
    figures.band(ax, steps, [run["as_found"] for run in runs], figures.VERMILION, "as found")
    figures.band(ax, steps, [run["mended"] for run in runs], figures.BLUE, "fixed")
    ax.plot(steps, mine, "o-", color=figures.INK, label="yours, seed 0")
    same = torch.tensor(0.8 + 0.2 / 4)
    floor = -(same * same.log() + (1 - same) * ((1 - same) / 3).log()).item()
    ax.axhline(floor, color=figures.INK, ls=":", lw=1.5)
    ax.text(18, floor - 0.07, f"nobody can do better: {floor:.3f}")
    figures.level(ax, torch.tensor(4.0).log().item(), "guessing: ln 4")
    ax.set(xlabel="batch", ylabel="loss (nats per token, mean of 20)", title="It trains either way", ylim=(0.4, 1.55))
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.38), fontsize=9)
    figures.show(fig, "As found the loss falls and stays far above the floor; once fixed, it comes down to the floor.")

# %% [markdown]
# **What to see.** As found, the loss falls too: some of what can be seen inside a window is learned. What stood before it cannot be used, because the carried state comes from another place of the text. (A mean over few tokens can dip below the floor by chance; the floor holds for the long run.) No shape is wrong, no number looks odd. A stream of numbers in order shows it in one line.
#
# The same happens when windows are *shuffled* (`DataLoader(shuffle=True)`) while a state is carried, and when a state is carried from one document into the next.

# %% [markdown]
# ## 9. In your own words
#
# *difficulty 3 of 5 · importance 4 of 5 · 10 minutes · graded by a person*
#
# A colleague trains an LSTM on log files, in windows of 50 steps, with the state carried and detached. "The state is carried through the whole file," they say, "so the model can learn dependencies of any length. And if it doesn't, I set `retain_graph=True`." **What is right in this, what is wrong, and what would you propose if they need dependencies of 300 steps?** Five to eight sentences.
#
# Points: one for what a carried state gives and what it does not; one for `retain_graph`; one for proposals with their prices; one for the difference between memory and learning to remember, with evidence from this lesson.

# %% [markdown] written="truncated-bptt-why" points=4
# ### BEGIN SOLUTION
# The value of the state is carried on, so in the forward pass the model can make use of things that happened any number of steps ago: the state is context.
# But no loss sends credit across the boundary of its window, so nothing in training tells the weights to keep something for more than 50 steps; in the first steps of a
# window it is even less. So the model may hold traces of what is further back, as a reservoir does (with a frozen recurrence a tanh network answered the echo of 2 steps in all runs), but it does not learn to keep them, and training with the short gradient can destroy them (at k = 1 one of five runs ended at chance): the LSTM's echo was near chance (at most 0.68) up to
# k = d and nearly perfect from k = d + 1 on. `retain_graph=True` does not help. Together with a detached state it changes nothing but memory; without the detach the way back enters the old windows, whose weights the optimizer
# has changed, and PyTorch raises an error; without steps in between, memory and time grow with every window. For 300 steps they can make the window 301 or longer, at six times the memory; keep an update every 50 steps and go back k2 = 350 steps, at seven times the work;
# use checkpoints, which give the exact gradient of a long window at memory in proportion to its square root, for one more forward pass; or cut at random with weights 1/p, which is unbiased and noisy.
# Before paying, they should measure: if the dynamics contract, most of the gradient from 300 steps back is gone anyway, and only gates or another architecture will help.
# ### END SOLUTION

# %% [markdown]
# ## Summary
#
# 1. A stream is laid out as B contiguous rows and read in windows of $k$ steps; row $b$ goes on in row $b$ of the next window.
# 2. Between windows the value of the state is carried on and its graph is cut: `state = detach_state(state)`.
# 3. For an LSTM both of (h, c) are cut; one is not enough.
# 4. Without the cut autograd complains. With `retain_graph=True` and no update between the windows it is silent, and memory grows with every window.
# 5. `retain_graph=True` is for several losses on one graph, not for windows.
# 6. The gradient with respect to the inputs shows from outside what each loss reaches; forward numbers never do.
# 7. A window of $k$ gives its last step $k$ steps of credit and its first step one; $k_1$ and $k_2$ separate how often from how far.
# 8. No credit is not no memory; but what lies further back than the window is not *learned*: the LSTM's echo needs $k = d + 1$.
# 9. Truncation is biased: little where the past fades, wholly where it grows, and with the wrong sign in influence balancing. Random cuts with $1/p$ are unbiased and noisy.
# 10. Checkpoints are exact: $\sqrt T$ memory for one more forward pass. Next: lesson 06, gradients that explode.
#
# ## Further reading
#
# - R. J. Williams, J. Peng, *An efficient gradient-based algorithm for on-line training of recurrent network trajectories*, Neural Computation 2(4), 1990: the general form with two numbers.
# - T. Mikolov, M. Karafiát, L. Burget, J. Černocký, S. Khudanpur, *Recurrent neural network based language model*, Interspeech 2010; and T. Mikolov, *Statistical language models based on neural networks*, PhD thesis, Brno University of Technology, 2012: truncation in practice.
# - C. Tallec, Y. Ollivier, [*Unbiasing truncated backpropagation through time*](https://arxiv.org/abs/1705.08209), 2017: random cuts, and influence balancing.
# - T. Chen, B. Xu, C. Zhang, C. Guestrin, [*Training deep nets with sublinear memory cost*](https://arxiv.org/abs/1604.06174), 2016.
# - A. Gruslys, R. Munos, I. Danihelka, M. Lanctot, A. Graves, [*Memory-efficient backpropagation through time*](https://arxiv.org/abs/1606.03401), NIPS 2016.
# - PyTorch documentation, [*torch.utils.checkpoint*](https://docs.pytorch.org/docs/stable/checkpoint.html) and [*torch.Tensor.detach*](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html).
