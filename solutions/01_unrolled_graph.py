# %% [markdown]
# # 01 · The unrolled graph
#
# A recurrent network is a small formula, applied again and again to its own result. Written out over time it turns into an
# ordinary deep network. Backpropagation through time is ordinary
# backpropagation on *that* network. So before any gradient, look at the graph.
#
# After this lesson you can
#
# - write one step of a recurrent network and run it over a batch of sequences, also of unequal lengths;
# - draw its unrolled graph from memory, and check the drawing against what PyTorch recorded from your own code;
# - say how depth, memory, paths and parameters change with the number of steps $T$, and why;
# - find a mistake that shows in no state and in no loss.
#
# | | |
# |---|---|
# | Time | 90 minutes |
# | Know before | Lesson 00; matrix products; what backpropagation does in an ordinary network |
# | Points | 27: seven exercises, three predictions, one question in words |

# %% given="setup"
import matplotlib.pyplot as plt
import torch

from autograder import check, progress
from bptt import figures, graph
from bptt.device import pick_device, pick_dtype
from bptt.experiment import needs, reply, stored
from bptt.meters import bytes_kept

device = pick_device()
dtype = pick_dtype(device)
figures.style()


def normal(generator, *shape):
    """Random numbers of the given shape, the same on every device."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)


def make_params(D, H, V, seed):
    """Random parameters of a simple recurrent network with a read-out; names and shapes as in the table below."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight_ih": normal(generator, H, D) / D**0.5,
        "weight_hh": normal(generator, H, H) / H**0.5,
        "bias": 0.1 * normal(generator, H),
        "weight_out": normal(generator, V, H) / H**0.5,
        "bias_out": 0.1 * normal(generator, V),
    }


# %% [markdown]
# ## 1. A network that keeps a state
#
# A sequence arrives one piece at a time: $x_1, x_2, …, x_T$. The network keeps a *state* $h$, a handful of numbers. At each step it
# mixes the new input with its old state and gets a new state:
#
# $$h_t = f(h_{t-1},\, x_t;\ \theta), \qquad t = 1, …, T.$$
#
# $\theta$ stands for all parameters of $f$. Note what it does *not* carry: an index $t$. The same parameters are used at
# every step. Whatever the network knows about the past, it knows through the numbers in $h_{t-1}$.
#
# The *simple* recurrent network chooses a matrix product and a tanh:
#
# $$a_t = x_t W_{ih}^\top + h_{t-1} W_{hh}^\top + b, \qquad h_t = \tanh(a_t).$$
#
# | symbol | in code | shape | what it is |
# |---|---|---|---|
# | $B,\ T$ | | | number of sequences in the batch, number of time steps |
# | $D,\ H,\ V$ | | | size of an input, of the state, of the output |
# | $x_t$ | `x[:, t-1]` | (B, D) | input at step $t$; all of them: `x` (B, T, D) |
# | $h_t$ | `states[:, t-1]` | (B, H) | state after step $t$; all of them: `states` (B, T, H) |
# | $h_0$ | `h0` | (B, H) | state before the first step |
# | $W_{ih}$ | `params["weight_ih"]` | (H, D) | input to hidden |
# | $W_{hh}$ | `params["weight_hh"]` | (H, H) | hidden to hidden: the recurrence itself |
# | $b$ | `params["bias"]` | (H,) | bias |
# | $W_{out},\ c$ | `params["weight_out"]`, `params["bias_out"]` | (V, H), (V,) | read-out: $z_t = h_t W_{out}^\top + c$, when an output is wanted |
#
# Steps are counted $1, …, T$, as on paper; Python counts from 0, so step $t$ stands at index $t-1$. Books write $W x$ with $x$ as a
# column. We have a batch whose *rows* are examples, so the matrix comes from the right and is transposed. The numbers are the same.
# Names and shapes are PyTorch's, without the number of the layer: `torch.nn.RNN` says `weight_ih_l0`. It has two biases, which are only ever
# added together; our `bias` is its `bias_ih_l0`, and its `bias_hh_l0` is 0. It has no read-out: that is a `torch.nn.Linear`.
#
# **One rule for all exercises.** A tensor that you make yourself takes its dtype *and* its device from the inputs:
# `torch.zeros(B, H, dtype=x.dtype, device=x.device)`, `torch.arange(T, device=x.device)`, or shorter `torch.zeros_like(h)`. On your
# machine a tensor without `device=` may work. On a GPU it would not, and the checks notice. And what you are given stays as it is: make a
# new tensor rather than write into an argument.
#
# ### Exercise: `rnn_step`
#
# *difficulty 1 of 5 · importance 5 of 5 · 8 minutes*
#
# **A tiny example**, with one sequence, one input, one unit: $W_{ih} = 0.5$, $W_{hh} = 0.8$, $b = 0$, $h_0 = 0$, and the inputs are 1, 0, 0.
#
# $$h_1 = \tanh(0.5 \cdot 1 + 0.8 \cdot 0) = 0.4621$$
# $$h_2 = \tanh(0.5 \cdot 0 + 0.8 \cdot 0.4621) = 0.3537$$
# $$h_3 = \tanh(0.5 \cdot 0 + 0.8 \cdot 0.3537) = 0.2757$$
#
# The input was there for one step. Two steps later the state still shows it.
#
# Write one step for a whole batch: `rnn_step(x_t, h_prev, params)` takes `x_t` (B, D) and `h_prev` (B, H) and returns
# the new state (B, H). `params` is a dict; use the three entries that belong to the recurrence and leave the others alone.


# %% answer="unrolled-graph-rnn-step"
def rnn_step(x_t, h_prev, params):
    """One step of a simple recurrent network, for every row of the batch.

    x_t: (B, D), h_prev: (B, H), params: dict with weight_ih (H, D), weight_hh (H, H), bias (H,). Returns h_t: (B, H).
    """
    ### BEGIN SOLUTION
    a_t = x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"]  # (B, H)
    return torch.tanh(a_t)
    ### END SOLUTION


# %% check="unrolled-graph-rnn-step" points=3 keeps="recurrence"
check("unrolled-graph-rnn-step")

# %% [markdown] hint="unrolled-graph-rnn-step"
# <details><summary>Hint 1: a question</summary>
#
# `x_t` has shape (B, D), the result has shape (B, H), and `weight_ih` has shape (H, D). Which product of the two gives (B, H)?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Three terms of shape (B, H) are added: one from the input, one from the old state, and the bias, which PyTorch repeats for
# every row. The sum is squashed.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# from_input = x_t @ params["weight_ih"].T   # (B, H)
# from_state = ...                           # (B, H)
# return torch.tanh(...)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *mat1 and mat2 shapes cannot be multiplied*: print the three shapes. A matrix that maps D numbers to H is stored as (H, D).
# - *weight_hh is used the other way round*: it is square, so both ways run, and only one is right.
# - *the tanh is left out*: then the result is $a_t$ and not yet $h_t$.
# - *h_t is a tuple of 1 item*: there is a comma at the end of the `return` line.
# - *h_t has no graph behind it*: the check also sends a gradient back through your step. `detach`, `.data` and `no_grad` stop it.
# - *cut up with `reshape` or `view`*: the shapes fit then, and the numbers stand in other places. `reshape` does not swap axes.
# - *go through a tanh each*: look where the bracket behind $\tanh$ closes in the formula. There is one tanh, around the sum.
# </details>

# %% [markdown]
# ### Experiment: one click, then silence
#
# One unit hears a click, $x_1 = 1$, and then nothing, $x_2 = x_3 = … = 0$. What is left of the click after 30 steps? The three
# curves differ in one number, the weight $w_{hh}$ from the unit to itself.

# %% experiment="one-click" keeps="recurrence"
with needs("rnn_step"):
    T = 30
    fig, ax = plt.subplots()
    for w_hh, marker in zip((0.5, 0.95, 1.5), figures.MARKERS):
        one = torch.ones(1, 1, device=device, dtype=dtype)
        params = {"weight_ih": one, "weight_hh": w_hh * one, "bias": 0 * one[0]}
        h, heard = 0 * one, []
        for t in range(1, T + 1):
            h = rnn_step(one if t == 1 else 0 * one, h, params)
            heard.append(h.item())
        ax.plot(range(1, T + 1), heard, marker=marker, label=f"$w_{{hh}}$ = {w_hh}")
    ax.set(xlabel="time step t", ylabel="state $h_t$ (no unit)", ylim=(-0.03, 1))
    ax.set_title("One weight decides whether a click is remembered")
    ax.legend()
    figures.show(fig, "With weight 0.5 the click is gone in 8 steps, with 0.95 it fades, with 1.5 it is kept.")

# %% [markdown]
# **What to see.** With 0.5 the state falls by more than half at each step: the click is gone after a few. With 0.95
# it fades slowly. With 1.5 it does not fade at all: pushing outward (times 1.5) and squashing inward (tanh) balance at 0.86, and the
# unit stays there. The state is the network's memory, and $W_{hh}$ decides how long it lasts.
#
# ## 2. Unrolling: a loop becomes a deep network
#
# Next you run the step in a loop. Before you look at what becomes of it, commit to two numbers.
#
# ### Predict: how often is the matrix there?
#
# *difficulty 2 of 5 · importance 4 of 5 · 2 minutes*
#
# While your code runs, PyTorch records a graph: which operation used which tensors. A tensor that was not computed from others,
# such as a parameter, is a *leaf* of that graph. You are about to run `rnn_step` in a loop, $T = 6$ times, and each step multiplies by $W_{hh}$.
# **How many leaves will the recorded graph have for $W_{hh}$?** Write a whole number.

# %% answer="unrolled-graph-predict-leaves"
### BEGIN SOLUTION
guess_leaves = 1
### END SOLUTION
### RELEASED AS
# guess_leaves = None
### END RELEASED

# %% check="unrolled-graph-predict-leaves" points=1
check("unrolled-graph-predict-leaves")

# %% [markdown]
# ### Predict: what makes it deep?
#
# *difficulty 2 of 5 · importance 3 of 5 · 2 minutes*
#
# Call *depth* the number of tanh operations that you pass on the way from $h_T$ back to $h_0$, where units that are computed side by side count
# as one. You go from $T = 10$ steps with $H = 4$ units to $T = 40$ steps with $H = 16$ units.
# **By what factor does the depth grow?** Write a number.

# %% answer="unrolled-graph-predict-depth"
### BEGIN SOLUTION
guess_depth_factor = 4
### END SOLUTION
### RELEASED AS
# guess_depth_factor = None
### END RELEASED

# %% check="unrolled-graph-predict-depth" points=1
check("unrolled-graph-predict-depth")

# %% [markdown]
# ### What the loop is
#
# Put the formula into itself. With three inputs,
#
# $$h_3 = f(h_2, x_3; \theta) = f(f(h_1, x_2; \theta), x_3; \theta) = f(f(f(h_0, x_1; \theta), x_2; \theta), x_3; \theta).$$
#
# There is no loop any more: this is a composition of three functions, as in a network with three layers. Now let each state
# feed a loss $L_t$ of its own (it may be absent at some steps), and draw every quantity as a node and every "is used to compute" as an arrow.

# %% experiment="first-picture"
UNROLLED_3 = [
    *[("h0", "h1"), ("x1", "h1"), ("theta", "h1"), ("h1", "L1")],
    *[("h1", "h2"), ("x2", "h2"), ("theta", "h2"), ("h2", "L2")],
    *[("h2", "h3"), ("x3", "h3"), ("theta", "h3"), ("h3", "L3")],
]
fig, ax = plt.subplots(figsize=(7, 4))
graph.draw(ax, UNROLLED_3)
ax.set_title("A recurrent network, unrolled over T = 3 steps")
figures.show(fig, "Unrolled graph: a chain of states from left to right, one parameter node that feeds every state.")

# %% [markdown]
# **What to see.** Read the chain of blue circles from left to right: that is time, and it is also *depth*. From $h_0$ to $h_3$
# there are three layers, each with an input of its own from below ($x_t$) and a loss of its own above ($L_t$).
#
# One thing is different from the deep networks that you know. There is **one** $\theta$, and it has an arrow to **every** layer. An ordinary
# network has a $\theta$ for each layer. Everything that is special about backpropagation through time comes from these arrows.
#
# ### Exercise: `unroll`
#
# *difficulty 2 of 5 · importance 5 of 5 · 10 minutes*
#
# Run the recurrence over whole sequences. `unroll(x, h0, params)` takes `x` (B, T, D) and `h0` (B, H) and returns all states
# $h_1, …, h_T$ as one tensor (B, T, H). $h_0$ is not among them. You may call your `rnn_step`. The result must keep its graph: the check also
# sends a gradient back through it, and it has to arrive at the parameters and at $h_0$.
#
# **A tiny example**: with the numbers from above, `x` has shape (1, 3, 1) and holds 1, 0, 0. The result has shape (1, 3, 1) and holds
# 0.4621, 0.3537, 0.2757.


# %% answer="unrolled-graph-unroll"
def unroll(x, h0, params):
    """All states of a simple recurrent network.

    x: (B, T, D), h0: (B, H), params as in rnn_step. Returns states: (B, T, H), where states[:, t-1] is h_t.
    """
    ### BEGIN SOLUTION
    h = h0
    states = []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)  # (B, H)
        states.append(h)
    return torch.stack(states, 1)  # (B, T, H)
    ### END SOLUTION


# %% check="unrolled-graph-unroll" points=4 keeps="unrolling"
check("unrolled-graph-unroll")

# %% [markdown] hint="unrolled-graph-unroll"
# <details><summary>Hint 1: a question</summary>
#
# At step $t$ you need the state from step $t-1$. Which variable holds it, what is in it before the first step, and where does
# it change?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Begin with the first state. Go through the time axis (which of the three axes of `x` is it?). At each step compute the new state,
# keep it in a list, and go on *from it*. At the end, put the list together along a new axis, so that time comes second.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# h = h0
# states = []
# for t in range(...):
#     h = ...
#     states.append(h)
# return torch.stack(states, ...)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the axes stand in another order*: `torch.stack(states)` puts time first. The batch comes first here.
# - *every step starts from h_0*: what does the second step start from in your loop?
# - *the first entry is one too many*, or *h_0 comes first*: $h_0$ is not part of the result.
# - *cut up with `reshape` or `view`*: `reshape` does not swap axes, it cuts the same numbers into other rows. `transpose` swaps.
# - *every entry of the result is the last state*, or *changed its argument h0 in place*: a state is overwritten that is still needed. Let
#   each step make a new tensor.
# - *states has dtype torch.float32*: `torch.zeros(...)` makes float32 unless told otherwise.
# - *on a GPU*: a tensor was made with `dtype=` and without `device=`. See the rule in section 1.
# - *states has no graph behind it*, *every gradient goes back one step only*, or *the way back ends at a detached tensor*: the numbers are
#   right, and their past is lost. Nothing here needs `detach`, `.data`, `no_grad` or `requires_grad_`.
# - *shapes cannot be multiplied*, or *must match*: print the shapes of what you hand to `rnn_step`, in the order of its arguments.
# - *modified by an inplace operation*: a tensor that holds all states was written into while steps still read from it. Collect them in a list.
# - *Fix rnn_step first*: this exercise uses it.
# </details>

# %% [markdown]
# ### Experiment: the graph that autograd recorded
#
# A tensor that was computed carries `grad_fn`: the operation that made it. An operation carries `next_functions`: the operations
# that made *its* inputs. Follow these from the result, and you walk the whole graph backwards. This is the very road that `backward()` takes.
#
# The next cell defines two helpers. One runs **your** `unroll` and keeps the leaves by name. The other looks whether one tanh was recorded for each step.
#
# The cell after it runs your `unroll` for 6 steps and walks. It prints how often each operation was met. `AccumulateGrad` is PyTorch's name for a
# leaf: the place where a gradient is added up.


# %% given="recorded"
def recorded_run(T, H=4, seed=0):
    """The states of your unroll with their graph, and the leaves from which it starts, by name; B = 2, D = 3."""
    generator = torch.Generator().manual_seed(seed)
    x, h0 = normal(generator, 2, T, 3), normal(generator, 2, H).requires_grad_()
    params = {name: tensor.requires_grad_() for name, tensor in make_params(3, H, V=5, seed=seed).items()}
    return unroll(x, h0, params), {name: params[name] for name in ("weight_ih", "weight_hh", "bias")} | {"h0": h0}


def one_tanh_a_step(states):
    """Whether one tanh was recorded for each step of states (B, T, H); where not, a line that says so."""
    T, found = states.shape[1], sum(node.name().startswith("Tanh") for node in graph.operations(states))
    if found != T:
        print(f"Your step records {found / T:g} tanh operations a step; these pictures assume one.")
        print("The answer may well be right. To see the picture, write the step with one `torch.tanh` for all rows.")
    return found == T


# %% experiment="walk"
with needs("unroll"):
    states, leaves = recorded_run(T=6)

    met, waiting = set(), [states.grad_fn]
    while waiting:
        operation = waiting.pop()
        if operation not in met:
            met.add(operation)
            waiting += [source for source, _ in operation.next_functions if source is not None]

    names = [type(operation).__name__ for operation in met]
    for name in sorted(set(names)):
        print(f"{names.count(name):4d} × {name}")
    matrix = sum(getattr(operation, "variable", None) is leaves["weight_hh"] for operation in met)
    print(f"leaves for W_hh: {matrix}")
    reply(
        guess_leaves,
        matrix,
        {
            matrix: "All six steps use the same tensor, and a tensor is one leaf, however often it is used.",
            6: "You expected one for each step. The steps do use it six times, and each use has an arrow of its own, but all six arrows start at the same leaf.",
        },
        "But W_hh is a tensor that was not computed from others, and the steps used it: so it is a leaf.",
        high="The graph has a node for each operation and a leaf for each tensor that it began with. All six steps use the same tensor.",
    )

# %% [markdown]
# There is a `TanhBackward0` for each step, if you wrote one `torch.tanh` for all rows. If you wrote the step as in the formula, you also find 12 × `MmBackward0`: six
# products with $W_{ih}$ and six with $W_{hh}$. For each product there is a transpose (`PermuteBackward0` or `TBackward0`). `AddBackward0` stands for the two plus
# signs of each step, and `StackBackward0` for the one `torch.stack` at the end.
#
# And there are four leaves, however many steps you run: $W_{ih}$, $W_{hh}$, $b$ and $h_0$. The inputs are missing: nobody asked for a gradient of `x`, so
# nothing was recorded about it.
#
# Now the same graph, drawn. Only the tanh operations and the leaves get a circle; all operations between two of them are one arrow.

# %% experiment="recorded-graph" keeps="unrolling"
with needs("unroll"):
    states, leaves = recorded_run(T=6)
    recorded = graph.recorded_edges(states, leaves)
    from_w_hh = [(start, end) for start, end in recorded if start == "weight_hh"]

    if one_tanh_a_step(states):
        fig, ax = plt.subplots(figsize=(8, 4))
        graph.draw(ax, recorded, path=from_w_hh)
        ax.set_title(f"Recorded from your unroll: $W_{{hh}}$ is there once, with {len(from_w_hh)} arrows")
        figures.show(fig, "The graph that autograd recorded: a chain of states, and one leaf for each parameter.")

# %% [markdown]
# **What to see.** It is the picture from above as autograd sees it, and nobody drew it: PyTorch recorded it while your loop ran. There are no inputs,
# since no gradient was asked for them, and no losses, since you computed none. $\theta$ shows as the three tensors that it consists of. $h_0$ is a leaf
# like them, and stands where time begins. The chain of states is as long as the loop. Each parameter is *one* leaf with an arrow to every step (those of $W_{hh}$ are
# thick). On the way back a gradient comes along each of these arrows, and the leaf adds them up. That is why it is called
# `AccumulateGrad`, and it is all that "shared weights" means to the backward pass.
#
# The graph is recorded again at every call. A sequence with another $T$ gets another graph, with the same leaves.
#
# How deep is it? The next cell measures the depth for several $T$, and for two sizes of the state.

# %% experiment="depth" keeps="unrolling"
with needs("unroll"):
    lengths = [1, 2, 5, 10, 20, 40]
    if one_tanh_a_step(recorded_run(T=1)[0]):
        fig, ax = plt.subplots()
        depths = {}
        ax.plot(lengths, lengths, ls="--", color=figures.INK, label="depth = T")
        for H, marker, size in ((4, "o", 11), (16, "s", 5)):
            depths[H] = [graph.depth(recorded_run(T, H)[0][:, -1]) for T in lengths]
            ax.plot(lengths, depths[H], marker, ms=size, mfc="none", mew=2, label=f"recorded, H = {H}")
        ax.set(
            xlabel="number of time steps T",
            ylabel="depth (tanh operations one behind the other)",
            title="Depth is T, whatever the size of the state",
        )
        ax.legend()
        figures.show(fig, "Measured depth lies on the line depth = T, for 4 units and for 16.")
        few, many = depths[4][lengths.index(10)], depths[16][lengths.index(40)]
        print(f"T = 10, H = 4: depth {few}; T = 40, H = 16: depth {many}")
        reply(
            guess_depth_factor,
            many / few,
            {
                many / few: "Each step puts one tanh behind the last; the units of a state lie side by side in it.",
                16: "You counted the units, too: four times the steps, each with four times the units. But the units of a state lie side by side in one tanh.",
                many - few: "That is how many more there are. You were asked for the factor.",
                1: "You expected no change. But each step puts one more tanh behind the last.",
            },
            "Each step puts one tanh behind the last, and the units of a state lie side by side in it. So T counts, and H does not.",
        )

# %% [markdown]
# **What to see.** With one tanh a step, all points lie on the line. A network that reads 1000 steps is 1000 layers deep, even with four units. The depth is not
# chosen by you, it is chosen by your data.
#
# ## 3. The graph on paper
#
# You have seen the graph twice. Now write it down for any $T$, as a list of arrows. From here on, "the graph" is something that
# you can count on.
#
# ### Exercise: `unrolled_edges`
#
# *difficulty 2 of 5 · importance 4 of 5 · 8 minutes*
#
# Return the arrows of the graph unrolled over $T$ steps, as pairs of names `(from, to)`, in any order, each once. The nodes are
#
# - `"theta"`: the recurrent parameters, as one node;
# - `"h0"`, `"h1"`, …: the states; `"x1"`, …: the inputs; `"L1"`, …: the losses, one at every step.
#
# The arrows: $\theta$, $x_t$ and $h_{t-1}$ to $h_t$, and $h_t$ to $L_t$, for each $t$. The read-out's own parameters are left out.
#
# **A tiny example**: `unrolled_edges(1)` is `[("theta", "h1"), ("x1", "h1"), ("h0", "h1"), ("h1", "L1")]`.


# %% answer="unrolled-graph-unrolled-edges"
def unrolled_edges(T):
    """The arrows of the unrolled graph as a list of pairs (from, to) of node names, in any order; T ≥ 1."""
    ### BEGIN SOLUTION
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges
    ### END SOLUTION


# %% check="unrolled-graph-unrolled-edges" points=3 keeps="unrolling"
check("unrolled-graph-unrolled-edges")

# %% [markdown] hint="unrolled-graph-unrolled-edges"
# <details><summary>Hint 1: a question</summary>
#
# How many arrows does each step add? Which of the names in them carry the step's own number, which carry the one before?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# A loop over the steps, counted as on paper. Each round adds four pairs. An f-string makes the names: `f"x{t}"`.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# edges = []
# for t in range(1, ...):
#     edges.append((f"x{t}", f"h{t}"))
#     ...                                # three more arrows
# return edges
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the last step is missing*: `range(1, T)` stops before `T`.
# - *every step has parameters of its own*: the parameters are one node, shared by all steps.
# - *every arrow points the wrong way*: a pair is (from, to), and "from" is what is used.
# - *the arrows between states are one step late*: $h_t$ is computed from the state before it. Which arrow leads into `h1`?
# - *the arrows of the first step come back, and no others*: a `return` inside the loop ends the function in its first round.
# - *the inputs are counted from 0*: the first step uses `x1`.
# - *… lacks …* and *it has …, which does not belong*: lay the two arrows side by side. Which letter or number differs?
# - *the answer is None*: `edges.append(...)` changes the list and returns nothing; the function needs a `return`.
# </details>

# %% [markdown]
# ### Experiment: your arrows against the recorded ones
#
# Theory against record: the arrows that you wrote down, and those that autograd recorded from your `unroll`. To compare, the three
# leaves $W_{ih}$, $W_{hh}$, $b$ are merged into one node `theta`, and the inputs and losses, which were not recorded, are left out.

# %% experiment="theory-and-record"
with needs("unroll", "unrolled_edges"):
    T = 5
    states, leaves = recorded_run(T, seed=1)
    recorded = graph.recorded_edges(states, leaves)
    merged = {("theta" if start in ("weight_ih", "weight_hh", "bias") else start, end) for start, end in recorded}
    on_paper = {(start, end) for start, end in unrolled_edges(T) if start[0] != "x" and end[0] != "L"}

    if one_tanh_a_step(states):
        print(f"{len(on_paper)} arrows on paper, {len(merged)} recorded; the same: {on_paper == merged}")
        fig, ax = plt.subplots(figsize=(8, 4))
        graph.draw(ax, unrolled_edges(T), path=merged)
        ax.set_title("Your arrows; thick: those that autograd recorded")
        figures.show(fig, "Arrows between parameters and states: thick where autograd recorded what is on paper.")

# %% [markdown]
# **What to see.** Where both exercises are right, every arrow between parameters and states is thick: what you wrote on paper is what the machine has
# recorded.
#
# ## 4. Paths: how can $\theta$ reach a loss?
#
# A parameter influences a loss along every *path* of arrows that leads from one to the other. The chain rule says what to do with
# them: multiply the local derivatives along each path, and add up all paths. So the number of paths is the number of terms in the gradient.
#
# ### Predict: twice the steps
#
# *difficulty 3 of 5 · importance 3 of 5 · 3 minutes*
#
# Take a loss at every step, and count the paths from $\theta$ to *all* losses $L_1, …, L_T$ together. You go from $T = 50$ to $T = 100$.
# **By what factor does the number of paths grow, about?** Write a number. Don't compute yet; go by the picture.

# %% answer="unrolled-graph-predict-paths"
### BEGIN SOLUTION
guess_path_factor = 4
### END SOLUTION
### RELEASED AS
# guess_path_factor = None
### END RELEASED

# %% check="unrolled-graph-predict-paths" points=1
check("unrolled-graph-predict-paths")

# %% [markdown]
# ### Exercise: `count_paths`
#
# *difficulty 2 of 5 · importance 4 of 5 · 5 minutes*
#
# `count_paths(t)` returns the number of paths from `theta` to `L_t`, for a single $t \ge 1$, in the graph of `unrolled_edges`.
#
# **A tiny example**, $t = 2$. There are the paths $\theta → h_2 → L_2$ and $\theta → h_1 → h_2 → L_2$, and no others. How does it
# go on with $t = 3$? Lay a finger on the first picture.


# %% answer="unrolled-graph-count-paths"
def count_paths(t):
    """How many paths lead from theta to L_t in the unrolled graph; t ≥ 1."""
    ### BEGIN SOLUTION
    return t
    ### END SOLUTION


# %% check="unrolled-graph-count-paths" points=2 keeps="paths"
check("unrolled-graph-count-paths")

# %% [markdown] hint="unrolled-graph-count-paths"
# <details><summary>Hint 1: a question</summary>
#
# A path leaves $\theta$ by exactly one arrow. Once it has reached a state, how many ways does it have to go on to $L_t$?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# A path is settled as soon as you know at which state it *enters* the chain of states. From which states can $L_t$ be reached?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# Count by adding up over the step at which the path enters:
#
# ```python
# paths = 0
# for enters_at in range(1, ...):
#     paths += ...               # ways to go on from there to L_t
# return paths
# ```
#
# When it works, look for the formula without a loop.
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the paths to all losses … are counted together*: the question is about one loss, $L_t$.
# - *counted once for each of W_ih, W_hh and b*: in this graph the three are one node.
# - *the number of paths doubles with every step*: at which node would a path have a choice between two arrows that both lead to $L_t$?
# - *one path is forgotten*, or *one path too many*: $h_0$ is not computed with $\theta$; the state $h_t$ is.
# </details>

# %% [markdown]
# ### Experiment: all paths, one by one
#
# The next cell finds every path in *your* graph by trying all arrows, and compares the number with your formula.


# %% given="paths"
def paths_between(edges, start, end):
    """Every path from start to end, each as a list of arrows; found by following all arrows."""
    edges = list(edges)
    if start == end:
        return [[]]
    onward = [arrow for arrow in edges if arrow[0] == start]
    return [[arrow, *rest] for arrow in onward for rest in paths_between(edges, arrow[1], end)]


# %% experiment="all-paths" keeps="paths"
with needs("unrolled_edges", "count_paths"):
    found = paths_between(unrolled_edges(3), "theta", "L3")
    fig, axes = plt.subplots(1, len(found), figsize=(10, 3.4))
    for number, (ax, path) in enumerate(zip(axes, sorted(found, key=len)), 1):
        graph.draw(ax, unrolled_edges(3), path=path)
        ax.set_title(f"path {number}: enters at ${path[0][1][0]}_{path[0][1][1]}$")
    figures.show(fig, "The three paths from the parameters to the third loss, one for each step at which it enters.")

    for t in (1, 2, 3, 10, 20):
        one_by_one = len(paths_between(unrolled_edges(t), "theta", f"L{t}"))
        print(f"t = {t:2d}: {one_by_one:3d} paths found, your formula says {count_paths(t)}")
    totals = {T: sum(count_paths(t) for t in range(1, T + 1)) for T in (50, 100)}
    print(
        f"to all losses: {totals[50]} paths for T = 50, {totals[100]} for T = 100, {totals[100] / totals[50]:.2f} times as many"
    )
    factor, doubling = totals[100] / totals[50], 2**50
    reply(
        guess_path_factor,
        factor,
        {
            factor: "There are twice as many losses, and each has about twice as many paths.",
            2: "You counted one doubling, but there are two: twice as many losses, and about twice as many paths to each.",
            doubling: "You expected the paths to double with every step. But a path has no choice once it is in the chain: it enters at one step and goes straight on.",
            1: "You expected no change. But with every step there is one more place to enter, and one more loss to reach.",
        },
        "It is more than that: there are more losses, and there are more paths to each of them.",
        high="The number grows, but it does not explode: a path has no choice once it is in the chain.",
        near=0.15,
    )

# %% [markdown]
# **What to see.** Each path enters the chain of states at one step, and from there it has no choice: along the chain to $h_t$, then up to $L_t$. So there are
# as many paths as steps to enter at. Over all losses together that is
#
# $$1 + 2 + … + T = \frac{T\,(T+1)}{2},$$
#
# about four times as many for twice the steps. Depth often suggests an *exponential* number of paths. Here it is not so, because the nodes are
# whole states: the chain has no branches. (Inside an arrow $h_{t-1} → h_t$ sits a matrix that mixes all $H$ units; what a product of
# many such matrices does is the subject of lesson 03.)
#
# Still, 1000 steps have 500 500 paths, and nobody wants to walk them one by one. They overlap: of all paths that lead to $L_t$ or a later loss, those
# that enter before step $t$ share the arrow $h_{t-1} → h_t$. Backpropagation through time uses this, and sums all of them in **one** sweep of $T$ steps. You write this sweep in lesson 02.
#
# ## 5. What grows with $T$, and what does not
#
# ### Exercise: `parameter_count`
#
# *difficulty 1 of 5 · importance 3 of 5 · 4 minutes*
#
# How many numbers does training adjust? `parameter_count(D, H, V)` counts all entries of the five parameters in the table of section 1:
# the recurrent part and the read-out, with one bias each.
#
# **A tiny example**: for $D = H = V = 1$ every parameter is a single number, and there are 5. Work out $D = 3$, $H = 4$, $V = 5$ on paper before you
# run the check: it is 57.


# %% answer="unrolled-graph-parameter-count"
def parameter_count(D, H, V):
    """Entries of weight_ih, weight_hh, bias, weight_out and bias_out together: a whole number."""
    ### BEGIN SOLUTION
    return H * (D + H + 1) + V * (H + 1)
    ### END SOLUTION


# %% check="unrolled-graph-parameter-count" points=2 keeps="paths"
check("unrolled-graph-parameter-count")

# %% [markdown] hint="unrolled-graph-parameter-count"
# <details><summary>Hint 1: a question</summary>
#
# A tensor of shape (H, D) has how many entries? Which five shapes does the table list?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Five terms, one for each parameter. Three of them belong to the recurrence, two to the read-out.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# recurrent = H * D + ... + H
# read_out = ...
# return recurrent + read_out
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *a second recurrent bias is counted …; or when h_0 is counted*: `torch.nn.RNN` has two biases that are always added together; we have one.
#   And $h_0$ is where a sequence starts: it comes with the data, and the table does not count it.
# - *the bias of the read-out is taken to have H entries*: it is added to the output. How many numbers has that?
# - *… is left out*: put a finger on each row of the table, and find its term in your formula.
# - *sizes are added where they should be multiplied*: a tensor of shape (H, D) has H · D entries.
# </details>

# %% [markdown]
# One argument that you might have expected is not there: $T$. A network trained on 10 steps runs on 10 000, with the same parameters.
#
# ### Experiment: the price of time
#
# The next cell runs your `unroll` for growing $T$ and measures four things: the parameters, the depth of the recorded graph, the bytes that PyTorch
# keeps for the backward pass, and the paths from $\theta$ to all losses.

# %% given="price"
LENGTHS = [1, 2, 4, 8, 16, 32, 64, 128, 256]


def price_of_time(seed):
    """Parameters, depth, bytes kept for the backward pass, and paths, for each T of LENGTHS; B = 16, D = 8, H = 32."""
    B, D, H, V = 16, 8, 32, 5
    price = {"parameters": [], "depth": [], "bytes": [], "paths": []}
    for T in LENGTHS:
        generator = torch.Generator().manual_seed(seed)
        params = {name: tensor.requires_grad_() for name, tensor in make_params(D, H, V, seed).items()}
        x, h0 = normal(generator, B, T, D), normal(generator, B, H)
        price["parameters"].append(parameter_count(D, H, V))
        price["depth"].append(graph.depth(unroll(x, h0, params)))
        price["bytes"].append(bytes_kept(lambda: unroll(x, h0, params), params.values()))
        price["paths"].append(sum(count_paths(t) for t in range(1, T + 1)))
    return price


# %% experiment="price-of-time" keeps="paths"
with needs("unroll", "count_paths", "parameter_count"):
    price = price_of_time(seed=5)  # the stored runs are those of seeds 0 to 4
    fig, ax = plt.subplots(figsize=(7, 4))
    for (name, values), marker in zip(price.items(), figures.MARKERS):
        if values[0]:  # without a tanh in the graph, its depth in tanh operations is 0
            ax.plot(LENGTHS, [value / values[0] for value in values], marker=marker, label=name)
    ax.set(xscale="log", yscale="log", xticks=LENGTHS, xticklabels=LENGTHS)
    ax.minorticks_off()
    ax.set(xlabel="number of time steps T", ylabel="times the value at T = 1")
    ax.set_title("More steps: more depth, memory and paths, no more parameters")
    ax.legend()
    figures.show(fig, "Against T: parameters stay, depth and in the end bytes grow like T, paths like its square.")

    one_tanh_a_step(recorded_run(T=1)[0])
    for name, values in price.items():
        print(f"{name:>10}: {values[0]:>6} at T = 1, {values[-1]:>7} at T = {LENGTHS[-1]}")
    runs = stored("unrolled_graph", "price")
    number, B, D, H = torch.ones((), dtype=dtype).element_size(), 16, 8, 32
    each, once = B * (H + D) * number, B * H * number
    print(
        f"bytes worked out: {each} a step and {once} for h_0, together {each * LENGTHS[-1] + once} at T = {LENGTHS[-1]}"
    )
    print(
        f"The same numbers in {sum(run == price for run in runs)} of {len(runs)} stored runs with other weights and inputs."
    )

# %% [markdown]
# **What to see.** On axes that are both logarithmic, a power of $T$ is a straight line, and its slope is the power. Parameters: slope 0. Depth: slope 1.
# Bytes and paths bend at first and end with slopes 1 and 2. These are not estimates: they follow from the graph, so other weights and inputs
# give the same numbers.
#
# The bytes can be worked out. What does the way back through step $t$ need? The slope of the tanh needs $h_t$. The gradient of $W_{hh}$ needs $h_{t-1}$, and that
# of $W_{ih}$ needs $x_t$. But $h_{t-1}$ is already kept, as the output of the step before; only $h_0$ is not. So each step keeps one state (B, H) and one
# input (B, D), and $h_0$ comes once:
#
# $$T \cdot B\,(H + D) + B\,H \quad\text{numbers, of 8 bytes each in float64.}$$
#
# The last term is why the line of the bytes bends: at $T = 1$ it is nearly half of the whole, later it counts for nothing. (If you wrote the step in another
# way, PyTorch may keep something more, and your line lies differently.)
#
# The bytes are what limits you in practice: all states are kept until `backward()` has passed. Lesson 05 is about sequences too long for that.
#
# ## 6. Sequences of unequal length
#
# Sentences are not equally long. To run a batch at once, the short ones are filled up (*padded*) to the length of the longest, mostly with
# zeros. But a zero input is not *no* input: the recurrence goes on, $h_t = \tanh(h_{t-1} W_{hh}^\top + b)$, and the state drifts away
# from where the sequence ended. So past its end the state of a sequence has to stay as it was. Count the sequences of the batch by $n$; write $\ell_n$ for the length of sequence $n$, and
# $x_{n,t}$ and $h_{n,t}$ for its input at step $t$ and its state after it:
#
# $$h_{n,t} = \begin{cases} f(h_{n,t-1},\, x_{n,t};\ \theta) & \text{if } t \le \ell_n, \\ h_{n,t-1} & \text{if } t > \ell_n. \end{cases}$$
#
# ### Exercise: `unroll_padded`
#
# *difficulty 3 of 5 · importance 4 of 5 · 15 minutes*
#
# `unroll_padded(x, h0, lengths, params)` takes a padded batch `x` (B, T, D) and `lengths` (B,), a tensor of whole numbers between 0 and $T$. It returns two
# tensors: `states` (B, T, H), as above, and `h_last` (B, H), the state of each sequence at its own end.
#
# **A tiny example**: $T = 3$, lengths 3 and 1. Sequence 1 has states $h_{1,1}, h_{1,2}, h_{1,3}$; sequence 2 has $h_{2,1}, h_{2,1}, h_{2,1}$. `h_last` holds
# $h_{1,3}$ and $h_{2,1}$. A sequence of length 0 keeps its $h_{n,0}$ throughout.
#
# **What stands in the padding must not matter**, neither to the states nor to any gradient. The check puts nan and infinite numbers there, and sends a
# gradient back. That is stricter than it sounds. The natural line is to compute the new state for the whole batch and to choose with `torch.where`.
# Choosing is safe for the *values*: what is not chosen leaves no trace. It is not safe on the *way back*: the state that was not chosen was
# computed all the same, so the way back goes through its tanh too. It arrives there with the gradient 0 and is multiplied by the slope $1 - h^2$, and
# where $h$ is nan, $0 \cdot \text{nan}$ is nan. The gradient of $W_{hh}$ is a sum over the batch, so one such sequence spoils all of it.
#
# The full cure is to *clean the padding before anything is computed from it*: put other numbers in its place. A product with 0 does not clean:
# $0 \cdot \text{nan}$ is nan here too. What decides is the *length*, never the value. A nan **within** a sequence, before its end, is no padding: something is wrong
# with the data, and the state must show it, so that somebody notices. The check tries that too.


# %% answer="unrolled-graph-unroll-padded"
def unroll_padded(x, h0, lengths, params):
    """States of a padded batch, where a sequence's state stays as it was past its own length.

    x: (B, T, D), h0: (B, H), lengths: (B,) whole numbers in 0…T. Returns states (B, T, H) and h_last (B, H).
    """
    ### BEGIN SOLUTION
    h = h0
    states = []
    for t in range(x.shape[1]):
        going = (t < lengths).unsqueeze(1)  # (B, 1): has this sequence a step t + 1?
        x_t = torch.where(going, x[:, t], 0)  # (B, D): whatever stood in the padding is gone
        h = torch.where(going, rnn_step(x_t, h, params), h)  # (B, H)
        states.append(h)
    return torch.stack(states, 1), h
    ### END SOLUTION


# %% check="unrolled-graph-unroll-padded" points=4
check("unrolled-graph-unroll-padded")

# %% [markdown] hint="unrolled-graph-unroll-padded"
# <details><summary>Hint 1: a question</summary>
#
# At step $t$, which rows of the batch take the new state, and which keep the old one? Can you write that as a tensor of B yes/no values?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Compute the new state for *all* rows, then choose row by row between new and old: `torch.where(condition, new, old)`. The condition
# must have shape (B, 1), so that it holds for all H units of a row. The same condition tells which rows of $x_t$ are padding, to be replaced by 0
# before the step. And where does `h_last` stand, if a state that has ended no longer moves?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# for t in range(x.shape[1]):             # this is step t + 1 on paper
#     going = ...                         # (B, 1), True where the sequence still has this step
#     x_t = ...                           # (B, D), without its padding
#     new = rnn_step(x_t, h, params)      # (B, H)
#     h = torch.where(...)
#     states.append(h)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *one step too long* or *too early*: in Python's count `t` starts at 0, the lengths count from 1.
# - *set to zero past the end*: the state has to stay, not vanish.
# - *the wrong way round*: say aloud when the condition is true, and which of its two arguments `torch.where` takes then.
# - *a sequence starts from the state in which the row before it ended*: in a loop over the rows, each one begins with its own $h_0$.
# - *Only the sequence of length 0 is wrong*: it makes no step at all. What does `lengths - 1` give for it?
# - *The size of tensor a … must match*: the condition has shape (B,); give it a second axis with `unsqueeze(1)`.
# - *h_last[…] is …*: then `states` is right. Look where each row's last state stands in it.
# - *every entry of `states` is the last state*: rows are written into one tensor again and again. Make a new one at each step.
# - *on a GPU*: `torch.arange(T)` without `device=` is made on the CPU. See the rule in section 1.
# - *changed its argument x in place*: a line such as `x[mask] = 0` writes into the caller's tensor. Clean a copy, or choose.
# - *states has no graph behind it*, or *is detached*: the numbers are right, and their past is lost. Which line uses `detach`, `.data` or `no_grad`?
# - *states[…] is nan*: past the end there may be anything in `x`, also nan, and 0 · nan is nan. Choose, don't multiply; better still, clean the padding first.
# - *the gradient of … is nan*: the values are right, but the way back goes through a step that was computed from nan. Replace the padding *before* the
#   step. If you do, how? A product with 0 keeps a nan.
# - *by value, or by length*: what is padding follows from `lengths` alone. A nan within a sequence has to stay.
# - *Fix rnn_step first*: this exercise uses it.
# </details>

# %% [markdown]
# ### Experiment: what padding does to a state
#
# Three sequences of lengths 3, 8 and 14, padded with zeros to 14. Solid: your `unroll_padded`. Dotted: your `unroll`, which does not know about
# lengths.

# %% experiment="padding"
with needs("unroll", "unroll_padded"):
    lengths = torch.tensor([3, 8, 14], device=device)
    generator = torch.Generator().manual_seed(3)
    params = make_params(3, 16, V=5, seed=5)
    x, h0 = normal(generator, 3, 14, 3), torch.zeros(3, 16, device=device, dtype=dtype)
    for row, length in enumerate(lengths):
        x[row, length:] = 0
    states, h_last = unroll_padded(x, h0, lengths, params)
    drifting = unroll(x, h0, params)

    fig, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True)
    steps = range(1, 15)
    for row, (ax, length) in enumerate(zip(axes, lengths.tolist())):
        ax.axvline(length, color=figures.INK, ls="-", lw=1)
        ax.plot(steps, drifting[row, :, 0].cpu(), "s:", color=figures.VERMILION, label="unroll")
        ax.plot(steps, states[row, :, 0].cpu(), "o-", color=figures.BLUE, label="unroll_padded")
        ax.set(xlabel="time step t", title=f"length {length}", ylim=(-1.1, 1.1), xticks=[1, *lengths.tolist()])
    axes[0].set_ylabel("first unit of the state (no unit)")
    axes[0].legend(loc="upper right")
    figures.show(fig, "Past a sequence's end its state stays with unroll_padded and drifts with unroll.")

    alone = [unroll(x[row : row + 1, :length], h0[:1], params)[0, -1] for row, length in enumerate(lengths)]
    print(
        f"largest difference between h_last and each sequence run alone: {(h_last - torch.stack(alone)).abs().max():.1e}"
    )

# %% [markdown]
# **What to see.** Up to its end (the vertical line) a sequence does not notice the padding. After it, the dotted state wanders on through nothing but zeros,
# while the solid one stays. The third sequence has no padding: there the two curves are the same, one on top of the other. The printed difference is the real test: in the batch each sequence ends where it ends alone.
#
# ## 7. Find the bug: every number is right
#
# *difficulty 4 of 5 · importance 5 of 5 · 15 minutes*
#
# A network reads $T$ random numbers and has to say, at the end, what the *first* one was. `loss_and_gradients` runs it, logs every state for a
# plot, and returns the loss and the gradient of each parameter. The states are right. The loss is right, to the last digit. With these gradients, training
# lowers the loss. **And yet there is one mistake. Find it and fix it**, in the cell itself. The log has to stay.
#
# You have the tools: which graph did autograd record? `graph.depth(loss)` counts the tanh operations that lie one behind the other, on the way back from `loss`. Make a cell
# of your own below the next one, and try:
#
# ```python
# x = normal(torch.Generator().manual_seed(0), 2, 5, 1)  # two sequences of five numbers
# h0 = torch.zeros(2, 4, device=device, dtype=dtype)
# loss, gradients, log = loss_and_gradients(x, h0, make_params(1, 4, V=1, seed=0), x[:, 0, 0])
# graph.depth(loss)
# ```


# %% answer="unrolled-graph-bug"
def loss_and_gradients(x, h0, params, target):
    """Loss of guessing target (B,) from the last state, its gradients (a dict with the keys of params), and the log.

    x: (B, T, D), h0: (B, H), params with a read-out of size V = 1. The log is a list of h_0, …, h_T without a graph.
    """
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    ### BEGIN SOLUTION
    h, log = h0, [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], h, *recurrent)  # PyTorch's own rnn_step, (B, H)
        log.append(h.detach())  # for a plot, numbers are enough
    ### END SOLUTION
    ### RELEASED AS
    # log = [h0]
    # for t in range(x.shape[1]):
    #     h = torch.rnn_tanh_cell(x[:, t], log[-1], *recurrent)  # PyTorch's own rnn_step, (B, H)
    #     log.append(h.detach())  # for a plot, numbers are enough
    ### END RELEASED
    guess = h @ params["weight_out"].T + params["bias_out"]  # (B, 1)
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% check="unrolled-graph-bug" points=3
check("unrolled-graph-bug")

# %% [markdown] hint="unrolled-graph-bug"
# <details><summary>Hint 1: a question</summary>
#
# Run the function on a few steps and print `graph.depth(loss)`. How many tanh operations should lie behind the loss, how many do?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# `detach()` returns the same numbers without the graph behind them. Follow the state from one step to the next: through which variable does it go?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# Two jobs are done by one list. Keep a variable for the state that is carried on, and use the list for the plot alone:
#
# ```python
# h, log = ..., [h0]
# for t in range(x.shape[1]):
#     h = torch.rnn_tanh_cell(x[:, t], ..., *recurrent)
#     log.append(h.detach())
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *This is the program as it was found*: measure `graph.depth(loss)` for a few T, and go on with hint 1.
# - *No path leads from this parameter to the loss*, or *appears to not have been used in the graph*: a parameter no longer has a part in the loss.
#   `allow_unused=True` takes the error away, not its cause.
# - *log[…] still has a graph*: the log is for a plot; it must not keep the graph of every step alive.
# - *log has 4 items; expected 5*: the log begins with $h_0$, as you found it.
# </details>

# %% [markdown]
# ### Experiment: what the mistake costs
#
# The next cell trains with whatever `loss_and_gradients` you have now. The shaded bands are stored runs over five seeds, one with the program as you found it,
# one with it fixed. Your own run is that of seed 4, one of the five. Guessing 0 every time costs 1.


# %% given="recall"
def recall_first(seed, steps=300, T=5):
    """Losses of training a network with 16 units to recall the first of T random numbers; Adam, batches of 32."""
    generator = torch.Generator().manual_seed(seed)
    params = make_params(1, 16, 1, seed)
    optimizer = torch.optim.Adam(params.values(), lr=0.01)
    losses = []
    for _ in range(steps):
        x = normal(generator, 32, T, 1)
        h0 = torch.zeros(32, 16, device=device, dtype=dtype)
        loss, gradients, _ = loss_and_gradients(x, h0, params, x[:, 0, 0])
        for name, tensor in params.items():
            tensor.grad = gradients[name]
        optimizer.step()
        losses.append(loss.item())
    return losses


def smooth(losses, width=20):
    """Means over windows of `width` steps."""
    return torch.tensor(losses).reshape(-1, width).mean(1).tolist()


# %% experiment="every-number-is-right"
with needs("loss_and_gradients"):
    losses = smooth(recall_first(seed=4))
    steps = range(20, 301, 20)
    runs = stored("unrolled_graph", "recall")
    fig, ax = plt.subplots()
    figures.band(ax, steps, [run["as_found"] for run in runs], figures.VERMILION, "as found")
    figures.band(ax, steps, [run["mended"] for run in runs], figures.BLUE, "fixed")
    ax.plot(steps, losses, "o-", color=figures.INK, label="yours, seed 4")
    figures.level(ax, 1, "guessing 0 every time")
    ax.set(yscale="log", xlabel="training step", ylabel="squared error (mean of 20 steps)")
    ax.set_title("It trains, with the cut too")
    ax.legend()
    figures.show(fig, "With the cut the loss falls below guessing, and stays far above the fixed program's.")

    x, h0 = normal(torch.Generator().manual_seed(0), 2, 5, 1), torch.zeros(2, 16, device=device, dtype=dtype)
    loss, _, _ = loss_and_gradients(x, h0, make_params(1, 16, 1, seed=0), x[:, 0, 0])
    print(f"depth behind your loss: {graph.depth(loss)}, for T = 5 steps")

# %% [markdown]
# **What to see.** The program as found learns something, though not steadily: in each of the five runs the loss ends well below where it began. The read-out's gradient is
# whole, and a random recurrence happens to keep traces of the first number. But of the five paths from $\theta$ to the loss, four are cut: no gradient ever tells the recurrence to carry the number on. No state, no loss
# value, no error message tells you. The graph does.
#
# A cut can also be made on purpose, to save memory. That is truncated backpropagation through time, the subject of lesson 05.

# %% [markdown]
# ## 8. In your own words
#
# *difficulty 3 of 5 · importance 4 of 5 · 8 minutes · graded by a person*
#
# Somebody says: "My recurrent network reads 1000 steps. So it is a 1000-layer network, with 1000 times the parameters of one step. And to get the
# gradient of one weight matrix from a loss at every step, the computer has to walk half a million paths." **What is right in this, what is wrong, and what
# does the computer do instead?** Four to six sentences; use the unrolled graph.
#
# Points: one for depth and parameters, one for the number of paths, one for what happens in place of walking them.

# %% [markdown] written="unrolled-graph-why" points=3
# ### BEGIN SOLUTION
# The depth is right: unrolled over 1000 steps, the graph has a chain of 1000 states, so 1000 layers lie between the first
# state and the last. The parameters are not multiplied: all layers use the same $\theta$, which is one node with 1000 arrows, so the number of
# parameters does not depend on T. The number of paths is right: t paths lead to the loss at step t, one for each step at which a path can enter, which makes
# 1000 · 1001 / 2 = 500 500 in all. But nobody walks them one by one, because they overlap: of all paths to L_t or a later loss, those that entered before step t
# pass through the same arrow h_{t-1} → h_t. Going backwards once, the computer keeps for each state the sum over everything that comes from later losses, hands it on by one
# step, and adds each step's contribution to the one leaf of θ: 1000 steps of work instead of half a million paths. What does grow with
# T is the memory, since all states are kept for this way back.
# ### END SOLUTION

# %% [markdown]
# ## Where you stand
#
# The last cell lists the checks that you have run since you opened the notebook, and how each one ended.

# %% given="progress"
progress()

# %% [markdown]
# ## Summary
#
# 1. A recurrent network applies one formula again and again: $h_t = f(h_{t-1}, x_t; \theta)$.
# 2. Unrolled over $T$ steps it is an ordinary network of depth $T$ whose layers share one $\theta$.
# 3. PyTorch records this graph while your loop runs, again at each call; `grad_fn` and `next_functions` let you walk it.
# 4. A shared parameter is *one* leaf with $T$ arrows, and its gradient is added up there.
# 5. What needs no gradient, such as the inputs, is not recorded.
# 6. $t$ paths lead from $\theta$ to $L_t$, and $T(T+1)/2$ to all losses. Each is a term of the gradient.
# 7. Depth and memory grow with $T$, paths with $T^2$, parameters not at all.
# 8. Padding moves a state unless you hold it still past the sequence's end; and it must be cleaned before it is computed with, or a nan in it comes back in the gradient.
# 9. A detached state has the right numbers and no past: the loss is right, and the gradient is not.
# 10. Next: lesson 02 sums all paths in one sweep. That is backpropagation through time.
#
# ## Further reading
#
# - P. J. Werbos, *Backpropagation through time: what it does and how to do it*, Proceedings of the IEEE 78(10), 1990.
# - D. E. Rumelhart, G. E. Hinton, R. J. Williams, *Learning internal representations by error propagation*, in: Parallel Distributed Processing 1,
#   MIT Press, 1986: its section on recurrent nets unrolls one.
# - I. Goodfellow, Y. Bengio, A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/contents/rnn.html), MIT Press, 2016, sections 10.1 and 10.2.
# - PyTorch documentation, [*Autograd mechanics*](https://docs.pytorch.org/docs/stable/notes/autograd.html).
