# %% [markdown]
# # 08 · What it costs, and recurrence against attention
#
# You can train recurrent networks now. What do you pay for it, and is there something better? In this lesson you count operations and bytes
# before anything runs, then measure, and compare. The other candidate is *attention*, the part of a Transformer that does the work of a recurrence.
# You write it, with the cache that it needs to read a stream.
#
# Much is said about the two: one is parallel, the other compact, one forgets, the other is expensive. By the end of this lesson you will have numbers of your own
# for each of these claims.
#
# After this lesson you can
#
# - predict the operations and the bytes of backpropagation through time, and fit the exponents with which they grow;
# - write causal attention and its key-value cache, and show that reading token by token gives the same as reading at once;
# - write a recurrence that needs log T dependent steps in place of T, and say why tanh prevents that;
# - say what is measured, and what is only said, when somebody compares recurrence and attention.
#
# | | |
# |---|---|
# | Time | 120 minutes |
# | Know before | Unrolling (lesson 01), gradient flow (lesson 03), what fills the memory (lesson 04); softmax |
# | Points | 31: six exercises and a bug to find, three predictions, one question in words |

# %% given="setup"
import math
import time
from statistics import median

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from autograder import check, progress
from bptt import figures
from bptt.causal import CausalModel
from bptt.device import pick_device, pick_dtype
from bptt.experiment import needs, reply, stored
from bptt.graph import depth
from bptt.interactive import explore
from bptt.meters import bytes_held, bytes_kept

device = pick_device()
dtype = pick_dtype(device)
figures.style()
torch.set_num_threads(1)  # one core for everybody: times are compared, and several threads would blur them


def numbers(*shape, seed=0):
    """Standard normal float32 numbers, the same on every device."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(device)


def seeded(seed, make):
    """`make()` with PyTorch's own initialisation drawn from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().to(device)


def median_time(run, repeats=5):
    """Seconds that `run()` takes: the median, after one run that does not count (it fills caches and allocates memory)."""
    times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()  # a GPU works on while Python goes on: wait for it
        times.append(time.perf_counter() - start)
    return median(times[1:])


def fit(x, y):
    """The exponent p of y ∝ x^p, by a straight line through the logarithms, and its standard error."""
    u, v = (torch.tensor(values, dtype=torch.float64).log() for values in (x, y))
    u = u - u.mean()
    p = (u * v).sum() / (u * u).sum()
    left = v - v.mean() - p * u
    return p.item(), ((left * left).sum() / (len(x) - 2) / (u * u).sum()).sqrt().item()


# %% [markdown]
# ## 1. Operations and bytes, before anything runs
#
# A simple recurrent layer computes, for each row and step,
#
# $$h_t = \tanh(W_{ih}\, x_t + W_{hh}\, h_{t-1} + b).$$
#
# | symbol | in code | what it is |
# |---|---|---|
# | $B,\ T$ | `B`, `T` | rows of the batch, time steps |
# | $D,\ H$ | `D`, `H` | numbers in an input $x_t$, numbers in a state $h_t$ |
# | $W_{ih}$, $W_{hh}$, $b$ | | the weights, of shapes (H, D), (H, H) and (H,) |
#
# The work is in the two matrix products. An entry of $W_{hh}\, h_{t-1}$ multiplies $H$ pairs of numbers, and adds each product to a sum that begins at 0: $H$ multiplications and $H$ additions.
# By custom such a *multiply-add* counts as **two** floating-point operations, or FLOPs, and the first one is no exception. The $H$ additions of the bias and the $H$ tanhs are left out: they do
# not grow with $H^2$.
#
# ### Exercise: `rnn_flops`
#
# *difficulty 2 of 5 · importance 4 of 5 · 8 minutes*
#
# `rnn_flops(B, T, D, H)` returns the FLOPs of the matrix products in the forward pass, as a whole number, two for each multiply-add. Each of the $T$ steps has both products; the first one
# multiplies $h_0$.
#
# **A tiny example**: $B = T = 1$, $D = 1$, $H = 2$. The product $W_{ih}\, x_1$ has 2 entries of 1 multiply-add, $W_{hh}\, h_0$ has 2 entries of 2. That is 6 multiply-adds, 12 FLOPs.


# %% answer="cost-and-attention-rnn-flops"
def rnn_flops(B, T, D, H):
    """FLOPs of the matrix products in the forward pass of a simple RNN, two for each multiply-add; a whole number."""
    ### BEGIN SOLUTION
    return 2 * B * T * H * (D + H)
    ### END SOLUTION


# %% check="cost-and-attention-rnn-flops" points=2 keeps="flops"
check("cost-and-attention-rnn-flops")

# %% [markdown] hint="cost-and-attention-rnn-flops"
# <details><summary>Hint 1: a question</summary>
#
# How many numbers come out of one step for one row? How many multiply-adds does each of them take, from the input and from the old state?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Count the multiply-adds of one row at one step first. Then multiply by what is repeated: rows, steps. Then by two.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# multiply_adds = H * (...)  # one row, one step
# return 2 * ... * multiply_adds
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *of each sum of products the first addition, to 0, is left out*: $H$ pairs are $H$ multiply-adds, by custom.
# - *a multiplication and the addition behind it are counted as one*: half of what is asked; see the two conventions above.
# - *the product with W_hh is counted as H multiply-adds*: each of H entries adds up H products.
# - *the sizes D and H are added, and not multiplied*: $D + H$ multiply-adds make *one* number of the new state.
# - *the first step's product with W_hh is left out*: a product with zeros is a product.
# </details>

# %% [markdown]
# ### Exercise: `bptt_bytes`
#
# *difficulty 1 of 5 · importance 4 of 5 · 5 minutes*
#
# The way back needs the states. `bptt_bytes(B, T, H, dtype)` returns how many bytes $h_1, …, h_T$ take, for all rows, as a whole number. `dtype` is a PyTorch dtype; `dtype.itemsize` is the bytes of
# one number of it.
#
# **A tiny example**: $B = 2$, $T = 3$, $H = 5$ in `torch.float32`: 30 numbers of 4 bytes, 120.


# %% answer="cost-and-attention-bptt-bytes"
def bptt_bytes(B, T, H, dtype):
    """Bytes of the states h_1 … h_T of B rows, each of H numbers of this dtype; a whole number."""
    ### BEGIN SOLUTION
    return B * T * H * dtype.itemsize
    ### END SOLUTION


# %% check="cost-and-attention-bptt-bytes" points=2 keeps="bptt-memory"
check("cost-and-attention-bptt-bytes")

# %% [markdown] hint="cost-and-attention-bptt-bytes"
# <details><summary>Hint 1: a question</summary>
#
# How many states are there in the whole batch, and how many numbers has each?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Numbers times the bytes of a number. `torch.float64.itemsize` is 8.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# return B * ... * dtype.itemsize
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the numbers are counted and not their bytes*: where does `dtype` come in?
# - *h_0 is counted too*: $h_1$ to $h_T$ are $T$ states.
# - *'torch.dtype' object is not callable*, or *has no attribute*: `dtype.itemsize` has no round brackets.
# </details>

# %% [markdown]
# ### Predict: everything twice
#
# *difficulty 2 of 5 · importance 4 of 5 · 2 minutes*
#
# You double $T$, $D$ and $H$. **By which factor do the FLOPs grow?** Write a number.

# %% answer="cost-and-attention-predict-growth"
### BEGIN SOLUTION
guess_growth = 8
### END SOLUTION
### RELEASED AS
# guess_growth = None
### END RELEASED

# %% check="cost-and-attention-predict-growth" points=1
check("cost-and-attention-predict-growth")

# %% [markdown]
# ### Experiment: predicted and counted
#
# PyTorch can count: `FlopCounterMode` adds up the matrix products that really run, and `bytes_kept` of `bptt.meters` what autograd keeps between the passes, each piece of memory once.


# %% given="counted"
def count(B, T, D, H):
    """What an `nn.RNN` really does: FLOPs forward, FLOPs of both passes together, bytes kept in between."""
    layer, x = nn.RNN(D, H, batch_first=True), torch.zeros(B, T, D)
    with FlopCounterMode(display=False) as forward:
        layer(x)
    with FlopCounterMode(display=False) as both:
        layer(x)[0].sum().backward()
    kept = bytes_kept(lambda: layer(x), layer.parameters())
    return forward.get_total_flops(), both.get_total_flops(), kept


# %% experiment="counted" keeps="flops bptt-memory"
with needs("rnn_flops", "bptt_bytes"):
    print(
        "  B   T   D   H |   FLOPs predicted, counted | both passes |  states predicted, all counted | besides the states (bytes)"
    )
    for B, T, D, H in ((1, 10, 8, 8), (16, 20, 8, 32), (16, 40, 16, 64), (4, 100, 64, 64)):
        forward, both, kept = count(B, T, D, H)
        flops, states = rnn_flops(B, T, D, H), bptt_bytes(B, T, H, torch.float32)
        print(
            f"{B:3d} {T:3d} {D:3d} {H:3d} | {flops:12,d} {forward:12,d}    | {both / forward:9.2f} × | {states:12,d} {kept:12,d}     | {kept - states:,d}"
        )
        assert kept - states == 4 * B * (T * D + H), "the rest should be the inputs and h_0"
    print("What is kept besides the states is to the byte the inputs and h_0, 4·B·(T·D + H).")
    grown = count(16, 40, 16, 64)[0] / count(16, 20, 8, 32)[0]
    print(f"From the second line to the third, T, D and H are doubled: {grown:g} times the FLOPs.")
    reply(
        guess_growth,
        grown,
        {
            grown: "There are twice the steps, and each computes twice as many numbers from twice as many.",
            **dict.fromkeys((2, 4), "The work is 2·B·T·H·(D + H): which of its factors did you leave out?"),
        },
        "The work is 2·B·T·H·(D + H), and three of its factors double.",
    )

# %% [markdown]
# **What to see.** The FLOPs are as predicted, to the last digit. So are the bytes of the states; a layer keeps its inputs as well, and the last column says how many bytes they are. $T$ counts once in everything; $H$ counts once in memory, and twice in the work. The way back takes somewhat less than twice the work of the way forward:
# for each product, one with the transposed weights and one for their gradient, and the input asks for no gradient.
#
# Time is another matter. It depends on how well the work fills the machine.
#
# ### Experiment: do times follow?
#
# Forward and backward pass of `nn.RNN` with $D = H$, once for growing $T$ and once for growing $H$. If time is proportional to $T^p$, its logarithm is a straight line of slope $p$ against $\log T$. `fit` finds the slope, and how far it is uncertain.


# %% given="growth"
GROWING = {"T": [64, 128, 256, 512], "H": [128, 256, 512, 768]}


def growth(seed):
    """For growing T (H = 64) and growing H (T = 16), B = 16: the sizes' exponents and their errors, in time and in bytes."""
    found = {}
    for name, sizes in GROWING.items():
        times, kept = [], []
        for size in sizes:
            T, H = (size, 64) if name == "T" else (16, size)
            layer = seeded(seed, lambda: nn.RNN(H, H, batch_first=True))
            x = numbers(16, T, H, seed=seed)
            times.append(median_time(lambda: layer(x)[0].sum().backward()))
            kept.append(bytes_kept(lambda: layer(x), layer.parameters()))
        found[name] = {"time": fit(sizes, times), "bytes": fit(sizes, kept), "seconds": times}
    return found


# %% experiment="growth"
fitted = growth(seed=0)
runs = stored("cost_and_attention", "growth")
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4))
for ax, (name, sizes), predicted in zip(axes, GROWING.items(), (1, 2)):
    figures.band(ax, sizes, [[1e3 * s for s in run[name]["seconds"]] for run in runs], figures.SKY, "stored")
    seconds = fitted[name]["seconds"]
    ax.plot(sizes, [1e3 * s for s in seconds], "o-", color=figures.BLUE, label="here, seed 0")
    line = [1e3 * seconds[-1] * (size / sizes[-1]) ** predicted for size in sizes]
    ax.plot(sizes, line, ":", color=figures.INK, label=f"slope {predicted}")
    p, error = fitted[name]["time"]
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=f"{name}",
        ylabel="forward and backward (ms)",
        title=f"slope {p:.2f} ± {error:.2f}",
    )
    ax.set_ylim(1, 300)
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
    ax.legend(fontsize=9)
figures.show(fig, "Time rises with T along a line of slope about 1, and with H along one that gets steeper, towards 2.")
for name in GROWING:
    (p, error), (q, _) = fitted[name]["time"], fitted[name]["bytes"]
    several = [run[name]["time"][0] for run in runs]
    spread = f"; {len(runs)} stored runs: {min(several):.2f} to {max(several):.2f}" if runs else ""
    print(f"exponent of {name}: time {p:.2f} ± {error:.2f}{spread}; bytes {q:.3f}")

# %% [markdown]
# **What to see.** The bytes have the exponent 1 in both (a hair below for $T$, since $h_0$ is there once however long the sequence is). Time grows about in proportion to $T$. In $H$ its exponent is below 2 while a step is more than its product, and nears 2 for large $H$. It can go beyond where the weights no longer fit into
# the processor's cache.
#
# The ± says how well four points lie on a line. It does not say how far the slope moves from one run to the next: on a busy machine that is several times as much. Run the cell again, and look at the range of the stored runs. The band is from another machine than yours, and a busy one: compare slopes, not heights.
#
# ## 2. Attention
#
# In a recurrence, what was read long ago reaches step $t$ through all the states in between. *Attention* has no state. Step $t$ looks at all steps up to $t$ directly, and takes from each as much as it matches.
#
# For each step there are three vectors of $E$ numbers: a *query* $q_t$ (what is looked for), a *key* $k_s$ (what is on offer), a *value* $v_s$ (what is handed over). They are made from the inputs by learned matrices; here they are given.
#
# $$u_{ts} = \frac{q_t \cdot k_s}{\sqrt E}, \qquad w_{ts} = \frac{e^{u_{ts}}}{\sum_{r \le t} e^{u_{tr}}} \;\text{ for } s \le t, \text{ else } 0, \qquad o_t = \sum_{s \le t} w_{ts}\, v_s.$$
#
# | symbol | in code | shape | what it is |
# |---|---|---|---|
# | $E$ | | | numbers in a query, a key or a value |
# | $q_t,\ k_t,\ v_t$ | `q[:, t-1]`, … | (B, E) | query, key and value of step $t$; all: `q`, `k`, `v` (B, T, E) |
# | $u_{ts}$ | | (B,) | *score*: how well the key of step $s$ matches the query of step $t$; all: (B, T, T) |
# | $w_{ts}$ | | (B,) | *weight*: the softmax of the scores, over $s$; all: (B, T, T) |
# | $o_t$ | | (B, E) | what step $t$ gets; all: (B, T, E) |
#
# - $\sqrt E$: a sum of $E$ products of independent numbers of size 1 has the size $\sqrt E$. Without the division, the softmax of a wide layer would put all weight on one step, and have next to no gradient.
# - $s \le t$: this is what *causal* means. No step may look at a later one, or a language model would see the token that it is to predict. The weights of what may be seen add up to 1, so the later scores have to be gone **before** the softmax. A score of $-\infty$ does that: $e^{-\infty} = 0$.
#
# ### Exercise: `causal_attention`
#
# *difficulty 3 of 5 · importance 5 of 5 · 15 minutes*
#
# `causal_attention(q, k, v)` returns $o$, of shape (B, T, E). Build it from products, mask and softmax; PyTorch's own attention is ruled out here. Gradients must find their way back. Scores can be large: leave the exponentials to `softmax`. A tensor that you make yourself, such as a mask, has to be where `q` is: `device=q.device`.
#
# **A tiny example**: $B = 1$, $T = 2$, $E = 1$; all queries and keys are 0; the values are 2 and 4. Step 1 sees itself alone: 2. For step 2 both scores are 0, both weights ½: 3.


# %% answer="cost-and-attention-causal-attention"
def causal_attention(q, k, v):
    """Each step's mixture of the values of the steps up to it; q, k, v: (B, T, E) → (B, T, E)."""
    ### BEGIN SOLUTION
    T, E = q.shape[1:]
    scores = q @ k.transpose(1, 2) / math.sqrt(E)  # (B, T, T)
    later = torch.ones(T, T, dtype=torch.bool, device=q.device).triu(1)
    weights = scores.masked_fill(later, -math.inf).softmax(dim=-1)
    return weights @ v
    ### END SOLUTION


# %% check="cost-and-attention-causal-attention" points=5 keeps="parallelism long-sequences"
check("cost-and-attention-causal-attention")

# %% [markdown] hint="cost-and-attention-causal-attention"
# <details><summary>Hint 1: a question</summary>
#
# The scores are a table for each row of the batch: one line for each query, one column for each key. Which entries of the table for $T = 3$ may be seen? Over which axis do the weights add up to 1?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# `@` multiplies the last two axes and goes through the batch by itself. `triu` and `tril` keep a triangle of a square; `masked_fill` puts a number wherever a mask is True. Four lines: scores, mask, softmax, mix.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# scores = q @ k.transpose(...) / ...             # (B, T, T)
# later = torch.ones(T, T, dtype=torch.bool, device=q.device).triu(...)
# weights = scores.masked_fill(later, ...).softmax(dim=...)
# return ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *every step also sees the one after it*: the diagonal itself is allowed, and what is above it is not. `triu(1)` begins above it.
# - *every entry of the result is nan*: $0 \cdot (-\infty)$ is nan, so no mask can be multiplied by $-\infty$. `masked_fill` leaves the other entries alone.
# - *There is a nan or an infinity*, *a step does not see itself*: the first step is left with nothing, and a softmax over nothing is 0/0.
# - *the scores that are to be hidden are set to 0*: $e^0 = 1$.
# - *the mask comes after the softmax*: the later steps have taken their share by then.
# - *the softmax runs over the queries*: for each query, the weights of the keys add up to 1.
# - *the scores are divided by E*: it is the root of E.
# - *The first axis does not fit*: `.T` turns all three axes around; `transpose(1, 2)` swaps two.
# </details>

# %% [markdown]
# ### Experiment: how far back does the gradient reach?
#
# Now a layer of each kind, untrained, as PyTorch sets it up: an `nn.RNN`, and an attention layer whose queries, keys and values are three linear maps of the input. From the last output back to input $x_s$: how large is the gradient? The figure shows the norm of $\partial \sum o_T / \partial x_s$ for attention and of $\partial \sum h_T / \partial x_s$ for the RNN, as a mean over the rows, relative to the shortest way, from $x_T$.


# %% given="layers"
class SelfAttention(nn.Module):
    """An attention layer: queries, keys and values are linear maps of the input; x (B, T, E) → (B, T, E)."""

    def __init__(self, width):
        super().__init__()
        self.projection = nn.Linear(width, 3 * width)

    def forward(self, x):
        return causal_attention(*self.projection(x).chunk(3, -1))


class Recurrence(nn.Module):
    """A tanh RNN layer; x (B, T, E) → all states (B, T, E)."""

    def __init__(self, width):
        super().__init__()
        self.rnn = nn.RNN(width, width, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0]


KINDS = {"recurrence": Recurrence, "attention": SelfAttention}


def gradient_by_lag(seed, T=60, width=32):
    """For each kind: norm of the gradient of the last output by the input of each lag 0…T-1, relative to lag 0."""
    found = {}
    for kind, make in KINDS.items():
        x = numbers(16, T, width, seed=seed).requires_grad_()
        (grad,) = torch.autograd.grad(seeded(seed, lambda: make(width))(x)[:, -1].sum(), x)
        norms = grad.norm(dim=2).mean(0).flip(0)  # (T,), by lag
        found[kind] = (norms / norms[0]).tolist()
    return found


# %% experiment="gradient-by-lag"
with needs("causal_attention"):
    reach = gradient_by_lag(seed=0)
    runs = stored("cost_and_attention", "gradient")
    fig, ax = plt.subplots()
    for kind, color in (("recurrence", figures.BLUE), ("attention", figures.VERMILION)):
        figures.band(ax, range(60), [run[kind] for run in runs], color, f"{kind}, stored")
        ax.plot(range(60), reach[kind], color=color, label=f"{kind}, seed 0")
    ax.set(yscale="log", xlabel="lag T − s (steps back from the last one)", ylabel="gradient, relative to lag 0")
    ax.set_title("Through the states the gradient fades; through attention it has one step to go")
    ax.legend(fontsize=9)
    figures.show(fig, "The recurrence's gradient falls by a constant factor a step; that of attention stays level.")
    print(
        f"lag 50: recurrence {reach['recurrence'][50]:.1e}, attention {reach['attention'][50]:.2f} of the gradient at lag 0"
    )

# %% [markdown]
# **What to see.** In the recurrence the gradient passes 50 Jacobians to a lag of 50, and each of them shrinks it (lesson 03). In attention every input is one step away from the last output, through a weight $w_{Ts}$ that is about $1/T$ for all of them at the beginning. Then why does the curve fall from 1 to about a quarter at once? At lag 0 the gradient has one more way: $x_T$ also makes the query $q_T$, and with it all the weights. From lag 1 on, every input counts alike.
#
# "Transformers remember", one often reads. Here is what is true about that: an untrained one does not know what to look at, but no signal has to survive a chain.
#
# ## 3. What attention costs
#
# Scores and mixtures take $2BT^2E$ FLOPs each, $4BT^2E$ together (PyTorch computes the hidden half too). The three linear maps take $6BTE^2$. A recurrent layer with $D = H$ takes $4BTH^2$, so with $E = H$ **attention does more operations, for every $T$**. And it keeps weights for the way back: $B\,T^2$ numbers at the least.
#
# ### Predict: when is attention slower?
#
# *difficulty 3 of 5 · importance 4 of 5 · 3 minutes*
#
# $E = H = 64$, $B = 4$, forward and backward pass, on one core of a CPU, $T$ from 16 to 2048. Attention does more operations throughout. **Where does it take more time than the recurrence?** Write `"everywhere"`, `"from some T on"` or `"nowhere"`.

# %% answer="cost-and-attention-predict-slower"
### BEGIN SOLUTION
guess_slower = "from some T on"
### END SOLUTION
### RELEASED AS
# guess_slower = None
### END RELEASED

# %% check="cost-and-attention-predict-slower" points=1
check("cost-and-attention-predict-slower")

# %% [markdown]
# ### Experiment: time and memory against T


# %% given="training"
LENGTHS = [16, 32, 64, 128, 256, 512, 1024, 2048]


def training_costs(seed, B=4, width=64):
    """For each kind and each T of LENGTHS: median seconds of both passes, and bytes kept in between."""
    found = {}
    for kind, make in KINDS.items():
        layer, seconds, kept = seeded(seed, lambda: make(width)), [], []
        for T in LENGTHS:
            x = numbers(B, T, width, seed=seed)
            seconds.append(median_time(lambda: layer(x).sum().backward(), repeats=5 if T <= 512 else 3))
            kept.append(bytes_kept(lambda: layer(x), layer.parameters()))
        found[kind] = {"seconds": seconds, "bytes": kept}
    return found


def first_slower(costs):
    """The first T at which attention takes longer, or None."""
    pairs = zip(LENGTHS, costs["recurrence"]["seconds"], costs["attention"]["seconds"])
    return next((T for T, recurrence, attention in pairs if attention > recurrence), None)


# %% experiment="training" keeps="long-sequences"
with needs("causal_attention"):
    costs = training_costs(seed=0)
    runs = stored("cost_and_attention", "training")
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.8))
    for ax, what, unit, scale in zip(
        axes, ("seconds", "bytes"), ("time (ms)", "kept for the way back (MB)"), (1e3, 1e-6)
    ):
        for kind, color, marker in (("recurrence", figures.BLUE, "o-"), ("attention", figures.VERMILION, "s-")):
            figures.band(ax, LENGTHS, [[scale * y for y in run[kind][what]] for run in runs], color, f"{kind}, stored")
            ax.plot(LENGTHS, [scale * y for y in costs[kind][what]], marker, color=color, label=f"{kind}, seed 0")
        ax.set(xscale="log", yscale="log", xlabel="time steps T", ylabel=unit)
        ax.set_xticks(LENGTHS[1::2], LENGTHS[1::2])
        ax.minorticks_off()
    axes[0].set_title("Attention is quicker up to some T")
    axes[1].set_title("In memory it pays for T²")
    axes[0].legend(fontsize=8)
    figures.show(fig, "Attention takes less time for short sequences and more for long ones; its memory grows with T².")
    late = LENGTHS[-3:]
    for kind in costs:
        (p, error), (q, _) = (fit(late, costs[kind][what][-3:]) for what in ("seconds", "bytes"))
        print(f"{kind:>10}, T = {late[0]} to {late[-1]}: time ∝ T^({p:.2f} ± {error:.2f}), bytes ∝ T^{q:.2f}")
    crossing = first_slower(costs)
    where = "nowhere" if crossing is None else "everywhere" if crossing == LENGTHS[0] else "from some T on"
    print(
        f"On this {device.type}, attention is slower {where}" + (f": first at T = {crossing}" if crossing else "") + "."
    )
    options = ("everywhere", "from some t on", "nowhere")
    operations = "Operations alone do not decide it: see how many small products the recurrence runs one by one."
    filling = "How many operations there are is one thing, how well they fill a processor another."
    reply(guess_slower, where, {**dict.fromkeys(options, operations), where.lower(): filling})
    if runs:
        print(
            f"In {len(runs)} stored runs it is slower from T =",
            ", ".join(str(first_slower(run)) for run in runs),
            "on.",
        )

# %% [markdown]
# **What to see.** Attention does more operations, and is quicker by a good factor where sequences are short. The recurrence has to take $T$ small steps one after the other; each of them is a product so small that calling it costs more than computing it. Attention makes a handful of large products, which fill a processor well. From some length on $T^2$
# outweighs that in time, and long before in memory.
#
# The exponent in time may come out above 2, although the operations grow by 2. At $T = 2048$ each table of scores has $4 \cdot 2048^2$ numbers, 67 MB: no cache of a processor holds it, and the operating system may hand out memory of that size anew in every pass, page by page. With small tables neither matters.
#
# **What a GPU changes.** A single core has little to gain from parallel work; a GPU has thousands of lanes, all idle while a small product of the recurrence runs. So there the crossing lies further right, and how far depends on batch and width. The stored runs are from a CPU: this lesson has no numbers from a GPU unless you run it on one. What carries over to any machine is what has
# been *counted*: operations, bytes, and (in section 5) how many of them wait for one another.
#
# ### Experiment: attention against recurrence, with three sliders
#
# Counted, for the forward pass in float32: operations; bytes kept for the way back, the inputs of both layers included, as in the measurement above; and steps of time that wait for one another. The recurrence is counted with your `rnn_flops` and `bptt_bytes`. Move $T$, the width $H = E$, and $B$.


# %% experiment="against" keeps="long-sequences"
def against(T, H, B):
    """Counted costs of both layers against T, and at the T of the slider."""
    lengths = torch.logspace(4, 12, 33, base=2).round().int().tolist()
    counted = {
        "FLOPs, forward": (rnn_flops, lambda B, T, D, H: 6 * B * T * H**2 + 4 * B * T**2 * H),
        "bytes for the way back": (
            lambda B, T, D, H: bptt_bytes(B, T, H, torch.float32) + 4 * B * (T * D + H),  # states; inputs, h_0
            # inputs, queries, keys, values, and weights; a mask of a byte for each pair of steps
            lambda B, T, D, H: 4 * B * (T * D + 3 * T * H + T**2) + T**2,
        ),
        "steps that wait for one another": (lambda B, T, D, H: T, lambda B, T, D, H: 1),
    }
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.4))
    ratios = []
    for ax, (name, counts) in zip(axes, counted.items()):
        for how, color, label in zip(counts, (figures.BLUE, figures.VERMILION), ("recurrence", "attention")):
            ax.plot(lengths, [how(B, t, H, H) for t in lengths], color=color, label=label)
            ax.plot([T], [how(B, T, H, H)], "o", color=color)
        ratios.append(counts[1](B, T, H, H) / counts[0](B, T, H, H))
        ax.axvline(T, color=figures.INK, ls=":", lw=1)
        ax.set(
            xscale="log", yscale="log", xlabel="time steps T", title=f"attention: {ratios[-1]:.2g} times", ylabel=name
        )
    axes[0].legend(fontsize=9)
    says = f"T = {T}, H = E = {H}, B = {B}: attention takes {ratios[0]:.3g} times the FLOPs, {ratios[1]:.3g} times the bytes, {ratios[2]:.2g} times the dependent steps."
    return fig, says


with needs("rnn_flops", "bptt_bytes"):
    explore(against, T=(16, 4096, 16, 512), H=(16, 1024, 16, 64), B=(1, 64, 1, 4))

# %% [markdown]
# **Things to try.** At $T = H = 64$ attention takes 2.5 times the operations; raise $T$, and the quadratic part takes over. Raise $H$ at a fixed $T$: the maps of the layer dominate, and the ratio nears 1.5. $B$ hardly changes the ratios (all rows share one mask). The third panel is the one that no amount of hardware shortens. In the second, at $H = 64$ and $B = 4$, you find the ratios that the last experiment measured.
#
# ## 4. Reading a stream
#
# In use, tokens come one at a time. A recurrence keeps its state, $H$ numbers, and does one step. Attention needs the keys and values of *all* earlier tokens. Computing them again for each token would be the whole pass each time; so they are kept, in a *key-value cache*. The new token's query looks at everything in
# the cache, its own key and value included. Nothing in there is later than the query, so there is nothing to mask.
#
# ### Predict: how much does the cache hold?
#
# *difficulty 2 of 5 · importance 4 of 5 · 2 minutes*
#
# An RNN with $H = 64$ and an attention layer with $E = 64$ have both read 500 tokens of one text. **How many times more numbers does the cache hold than the state?** Write a number.

# %% answer="cost-and-attention-predict-cache"
### BEGIN SOLUTION
guess_cache = 1000
### END SOLUTION
### RELEASED AS
# guess_cache = None
### END RELEASED

# %% check="cost-and-attention-predict-cache" points=1
check("cost-and-attention-predict-cache")

# %% [markdown]
# ### Exercise: `KVCache`
#
# *difficulty 3 of 5 · importance 5 of 5 · 12 minutes*
#
# Write a class. `KVCache()` is empty. `append(k, v)` adds the key and the value of one token, each (B, 1, E). `attend(q)` returns what the query of one token, (B, 1, E), gets from everything appended so far, again (B, 1, E). For each token `append` comes first, then `attend`; so a token sees itself. Several caches may be in use at once, and
# `attend` may be called more than once.
#
# The check feeds tokens one by one and compares with attention over all of them at once. PyTorch's own attention is ruled out here, too.
#
# **A tiny example**: $E = 1$, all queries and keys 0. After `append` of the values 2, 4 and 9, `attend` gives their mean, 5.


# %% answer="cost-and-attention-kv-cache"
class KVCache:
    """Keys and values of all tokens so far.

    append(k, v) adds those of one token, attend(q) is what a query gets from all of them; k, v, q and the result: (B, 1, E).
    """

    def __init__(self):
        ### BEGIN SOLUTION
        self.keys, self.values = [], []
        ### END SOLUTION

    def append(self, k, v):
        ### BEGIN SOLUTION
        self.keys.append(k)
        self.values.append(v)
        ### END SOLUTION

    def attend(self, q):
        ### BEGIN SOLUTION
        keys, values = torch.cat(self.keys, 1), torch.cat(self.values, 1)  # (B, t, E)
        scores = q @ keys.transpose(1, 2) / math.sqrt(q.shape[-1])  # (B, 1, t)
        return scores.softmax(-1) @ values
        ### END SOLUTION


# %% check="cost-and-attention-kv-cache" points=5 keeps="cache streaming"
check("cost-and-attention-kv-cache")

# %% [markdown] hint="cost-and-attention-kv-cache"
# <details><summary>Hint 1: a question</summary>
#
# What does a cache have to remember between two calls, and where does an object keep such things? What would `causal_attention` compute in its last row?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Two lists in `__init__`, one for keys and one for values. `append` adds to both. `attend` joins each list along time, (B, t, E), and then does for one query what `causal_attention` does for all, without a mask.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# def __init__(self):
#     self.keys, self.values = ...
#
# def append(self, k, v):
#     ...
#
# def attend(self, q):
#     keys, values = ...                                    # (B, t, E)
#     scores = ...                                          # (B, 1, t)
#     return ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *only the newest key and value are there*: `self.keys = [k]` throws the others away.
# - *only the oldest key and value are seen*: a causal mask for one query and t keys hides all but the first. There is nothing to hide here.
# - *all caches keep their keys and values in one place*: a list in the body of the class belongs to the class. Make it in `__init__`.
# - *the softmax runs over the queries*: there is one query, so every weight would be 1.
# - *the answer has no axis for time*: (B, 1, E) in, (B, 1, E) out.
# - *takes no arguments*, *unexpected keyword argument*: `KVCache()` is made without arguments, and every method has `self` first.
# </details>

# %% [markdown]
# ### Experiment: the price of a token
#
# Tokens come one by one, for a batch of one. What is held, and how long does the next token take? For attention with your cache, for attention without one (your `causal_attention` over everything so far, of which only the last row is used), and for a step of the recurrence. A fourth line is what attention alone takes: PyTorch's own, over keys and values that are in one tensor already.


# %% given="streaming"
TOKENS = [1, 4, 16, 64, 256, 1024]


@torch.no_grad()
def streaming_costs(seed, width=64):
    """For each count of TOKENS: bytes held, and median seconds of the next token, for three ways to read a stream and attention alone."""
    found = {
        name: {"bytes": [], "seconds": []}
        for name in ("recurrence", "with a cache", "attention alone", "without a cache")
    }
    cell = seeded(seed, lambda: nn.RNNCell(width, width))
    q, k, v = numbers(3, 1, TOKENS[-1] + 20, width, seed=seed)
    cache, h, held = KVCache(), cell(k[:, 0]), 0
    for count in TOKENS:
        while held < count:
            cache.append(k[:, held : held + 1].clone(), v[:, held : held + 1].clone())
            h, held = cell(k[:, held], h), held + 1
        ways = {
            "recurrence": lambda: cell(q[:, 0], h),
            "with a cache": lambda: cache.attend(q[:, :1]),
            "attention alone": lambda: F.scaled_dot_product_attention(q[:, :1], k[:, :held], v[:, :held]),
            "without a cache": lambda: causal_attention(q[:, :held], k[:, :held], v[:, :held]),
        }
        for name, run in ways.items():
            found[name]["seconds"].append(median_time(run))
        for name, thing in (("recurrence", h), ("with a cache", cache)):
            found[name]["bytes"].append(bytes_held(thing))
    return found


# %% experiment="streaming" keeps="cache streaming"
with needs("KVCache", "causal_attention"):
    streamed = streaming_costs(seed=0)
    runs = stored("cost_and_attention", "streaming")
    q, k, v = numbers(3, 2, 50, 8, seed=1)
    cache, rows = KVCache(), []
    for t in range(50):
        cache.append(k[:, t : t + 1], v[:, t : t + 1])
        rows.append(cache.attend(q[:, t : t + 1]))
    apart = (torch.cat(rows, 1) - causal_attention(q, k, v)).abs().max().item()
    print(f"50 tokens one by one, and the full pass: the largest difference is {apart:.0e}")

    fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    colors = {
        "recurrence": figures.BLUE,
        "with a cache": figures.VERMILION,
        "without a cache": figures.GREEN,
        "attention alone": figures.ORANGE,
    }
    for ax, what, unit, scale in zip(
        axes, ("bytes", "seconds"), ("held (bytes)", "time of the next token (ms)"), (1, 1e3)
    ):
        for name, color in colors.items():
            if not streamed[name][what]:  # only what holds something has bytes
                continue
            figures.band(ax, TOKENS, [[scale * y for y in run[name][what]] for run in runs], color, f"{name}, stored")
            line = ":" if name == "attention alone" else "-"
            ax.plot(TOKENS, [scale * y for y in streamed[name][what]], "o" + line, color=color, label=name)
        ax.set(xscale="log", yscale="log", xlabel="tokens read so far", ylabel=unit)
        ax.set_xticks(TOKENS, TOKENS)
        ax.minorticks_off()
    axes[0].set_title("The state stays, the cache grows")
    axes[1].set_title("A cache saves the pass over everything")
    axes[1].legend(fontsize=8)
    figures.show(
        fig,
        "The state takes the same bytes throughout, the cache grows with each token; without a cache the time grows fastest, and of a list's time attention itself is a small part.",
    )
    fewer, more = streamed["with a cache"]["bytes"][-2:]
    each = (more - fewer) / (TOKENS[-1] - TOKENS[-2])
    state = streamed["recurrence"]["bytes"][-1]
    times = each * 500 / state
    print(f"state: {state} bytes, always; cache: {each:g} bytes a token, after 500 tokens {times:g} times the state")
    reply(
        guess_cache,
        times,
        {
            times: "A key and a value, each as wide as the state, for each token.",
            times / 2: "But a token leaves a key and a value, both.",
        },
        "A token leaves a key and a value, each as wide as the state.",
        near=0.05,
    )
    yours, alone = (1e3 * streamed[name]["seconds"][-1] for name in ("with a cache", "attention alone"))
    print(
        f"after {TOKENS[-1]} tokens the next one takes {yours:.3f} ms with your cache; attention alone takes {alone:.3f} ms"
    )

# %% [markdown]
# **What to see.** The same numbers, token by token (up to rounding). The state is $4H$ bytes for ever; the cache takes $8E$ bytes a token (a key and a value in float32), for each layer and each row. A step of the recurrence takes the same time always. Without a cache every token pays for a whole pass: four times the tokens are 16 times the scores, and large tables take even longer than that (section 3).
#
# How the time with your cache grows depends on how it keeps the tensors. A list has to be joined anew for each token, and a thousand small tensors take much longer to join than to attend to: compare with the dotted line. Real caches write into a large buffer, made once, and come near that line. The bytes are the same.
#
# ## 5. Can a recurrence be parallel?
#
# Step $t$ waits for step $t - 1$; so a recurrence of $T$ steps has $T$ dependent steps. That sounds like a law of nature. It is not; it is because of the tanh. Take it away. And in place of the matrix $W_{hh}$, let each number of the state have a factor of its own, which does not depend on the state:
#
# $$h_t = a_t \odot h_{t-1} + b_t.$$
#
# | symbol | in code | shape | what it is |
# |---|---|---|---|
# | $a_t$ | `a[:, t-1]` | (B, H) | factors: how much of each number of the state stays; all: `a` (B, T, H) |
# | $b_t$ | `b[:, t-1]` | (B, H) | what is added; all: `b` (B, T, H) |
# | $\odot$ | `*` | | product entry by entry |
#
# (In a layer, $a_t$ and $b_t$ are computed from the input $x_t$, for all $t$ at once. Here they are given. Steps with a full matrix could be put together as well, as you will see with factors below; but to multiply two matrices takes about $2H^3$ operations, and to multiply two rows of factors takes $H$.)
#
# ### Exercise: `linear_recurrence`
#
# *difficulty 1 of 5 · importance 3 of 5 · 5 minutes*
#
# First the ordinary way. `linear_recurrence(a, b, h0)` returns the states $h_1, …, h_T$, shape (B, T, H), by a loop.
#
# **A tiny example**: $a = (2, 0, 3)$, $b = (1, 1, 1)$, $h_0 = 5$ give $11, 1, 4$.


# %% answer="cost-and-attention-linear-recurrence"
def linear_recurrence(a, b, h0):
    """The states of h_t = a_t ⊙ h_{t-1} + b_t, one step after the other; a, b: (B, T, H), h0: (B, H) → (B, T, H)."""
    ### BEGIN SOLUTION
    h, states = h0, []
    for t in range(a.shape[1]):
        h = a[:, t] * h + b[:, t]
        states.append(h)
    return torch.stack(states, 1)
    ### END SOLUTION


# %% check="cost-and-attention-linear-recurrence" points=2 keeps="streaming"
check("cost-and-attention-linear-recurrence")

# %% [markdown] hint="cost-and-attention-linear-recurrence"
# <details><summary>Hint 1: a question</summary>
#
# Which three things does a step need, and which of them comes from the step before?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# The loop of lesson 01 with another step. Collect the states in a list; `torch.stack` along time at the end.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# h, states = h0, []
# for t in range(...):
#     h = ...
#     states.append(h)
# return torch.stack(states, ...)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *every step goes on from h0*: the new state has to take the place of the old one.
# - *the recurrence starts from 0*: $h_1 = a_1 \odot h_0 + b_1$.
# - *Along which axis did you stack*: (B, T, H) has time on axis 1.
# </details>

# %% [markdown]
# ### Two steps are one step
#
# Write the step as a pair $(a, b)$, which maps $h$ to $a\,h + b$. Two steps in a row, first $(a, b)$ and then $(a', b')$, map $h$ to $a'(a\,h + b) + b'$. That is again such a step:
#
# $$(a', b') \text{ after } (a, b) \;=\; (a'a,\; a'b + b').$$
#
# So steps can be put together *before* anybody knows the state, and in any grouping. Let every step take the pair of its left neighbour into its own: now each pair stands for two steps. Then let each take in the pair two places to the left: four steps. Then four places: eight. After jumps of $1, 2, 4, …$ the
# pair at step $t$ stands for all steps from 1 to $t$. This is a *scan*, and it needs $\lceil \log_2 T \rceil$ rounds, each of which works on all steps at once.
#
# With a tanh in between, two steps are no longer a step of the same kind: there is no pair $(a, b)$ that stands for both of them.
#
# ### Exercise: `linear_recurrence_scan`
#
# *difficulty 4 of 5 · importance 4 of 5 · 20 minutes*
#
# `linear_recurrence_scan(a, b, h0)` returns the same states, in rounds. No loop over the steps: the check counts how many operations lie one behind the other, and that number may grow with $\log T$ only. $T$ need not be a power of two, and entries of `a` may be 0 or negative. Gradients must find their way back, so make new tensors in each round and write into none.
#
# What to do with $h_0$: put it into the first step beforehand, which then is $h_1$ itself.
#
# **A tiny example**, the one above. With $h_0$ in the first step, the pairs are $(2, 11), (0, 1), (3, 1)$. After the jump of 1: $(2, 11), (0, 1), (0, 4)$. The second numbers are the states already; the jump of 2 changes $(0, 4)$ to $(0,\; 0 \cdot 11 + 4)$.


# %% answer="cost-and-attention-scan"
def linear_recurrence_scan(a, b, h0):
    """The states of h_t = a_t ⊙ h_{t-1} + b_t in about log T rounds; a, b: (B, T, H), h0: (B, H) → (B, T, H)."""
    ### BEGIN SOLUTION
    b = torch.cat([a[:, :1] * h0.unsqueeze(1) + b[:, :1], b[:, 1:]], 1)
    jump = 1
    while jump < a.shape[1]:
        b = torch.cat([b[:, :jump], a[:, jump:] * b[:, :-jump] + b[:, jump:]], 1)
        a = torch.cat([a[:, :jump], a[:, jump:] * a[:, :-jump]], 1)
        jump *= 2
    return b
    ### END SOLUTION


# %% check="cost-and-attention-scan" points=5 keeps="parallelism"
check("cost-and-attention-scan")

# %% [markdown] hint="cost-and-attention-scan"
# <details><summary>Hint 1: a question</summary>
#
# In a round with a jump of 2: which steps have a partner two places to the left, and which have none? What becomes of those?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# `b[:, jump:]` are the steps that have a partner, `b[:, :-jump]` are the partners, in the same order. Compute the new pairs for them all, and put the first `jump` pairs in front unchanged (`torch.cat`). The formula for $b$ needs the old $a'$, so compute it first.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# b = torch.cat([..., b[:, 1:]], 1)         # h0 into the first step
# jump = 1
# while jump < ...:
#     b = torch.cat([b[:, :jump], ...], 1)
#     a = torch.cat([a[:, :jump], ...], 1)
#     jump *= 2
# return b
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *operations lie one behind the other*: a loop over the steps is right, and not what is asked here.
# - *everything is divided by the product of all a so far*: that product can be 0, or too small for a float.
# - *the last jump is left out*, or *log₂ T rounded down*: for $T = 13$ the jumps are 1, 2, 4 and 8.
# - *every jump is by one step*: the jump doubles with each round.
# - *the first steps look back past the beginning*: `roll` brings the end round to the beginning.
# - *a is combined before b*: the two formulas use the same old `a`.
# - *the earlier b is multiplied by the earlier a*: $a'$ belongs to the later step, `a[:, jump:]`.
# - *was overwritten*, *modified by an inplace operation*: autograd still needs the old tensor.
# </details>

# %% [markdown]
# ### Experiment: what waits for what
#
# Autograd's graph tells how many recorded operations lie one behind the other (`depth` of `bptt.graph`). One step of time is several of them: a product, a sum, perhaps a tanh. Here is the longest chain for four ways to get from inputs to outputs; then how long the two recurrences take on this machine.


# %% given="chains"
CHAINS = [4, 8, 16, 32, 64, 128, 256]


def chains():
    """For each T of CHAINS the longest chain of recorded operations, for four ways to compute a sequence of outputs."""
    found = {name: [] for name in ("tanh recurrence", "linear, loop", "linear, scan", "attention")}
    rnn = nn.RNN(4, 4, batch_first=True)
    for T in CHAINS:
        x, a, b, q, k, v = torch.rand(6, 1, T, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
        h0 = torch.zeros(1, 4)
        outputs = (rnn(x)[0], linear_recurrence(a, b, h0), linear_recurrence_scan(a, b, h0), causal_attention(q, k, v))
        for name, output in zip(found, outputs):
            found[name].append(depth(output, kind=""))
    return found


# %% experiment="chains" keeps="parallelism"
with needs("linear_recurrence", "linear_recurrence_scan", "causal_attention"):
    longest = chains()
    fig, ax = plt.subplots()
    for (name, values), marker in zip(longest.items(), figures.MARKERS):
        ax.plot(CHAINS, values, marker=marker, label=name)
    ax.set(xscale="log", yscale="log", xlabel="time steps T", ylabel="recorded operations in the longest chain")
    ax.set_xticks(CHAINS, CHAINS)
    ax.minorticks_off()
    ax.set_title("For twice the steps, the scan's chain gets one round longer")
    ax.legend(fontsize=9)
    figures.show(
        fig,
        "Chains of the tanh recurrence and of the loop grow with T, that of the scan with log T; that of attention stays.",
    )
    for name, values in longest.items():
        print(f"{name:>16}: {values[2]:4d} for T = {CHAINS[2]}, {values[-1]:4d} for T = {CHAINS[-1]}")
    a, b, h0 = torch.rand(4, 1024, 64).to(device), torch.rand(4, 1024, 64).to(device), torch.zeros(4, 64).to(device)
    loop, scan = (median_time(lambda: run(a, b, h0)) for run in (linear_recurrence, linear_recurrence_scan))
    print(f"T = 1024, forward, on this {device.type}: loop {1e3 * loop:.1f} ms, scan {1e3 * scan:.1f} ms")

# %% [markdown]
# **What to see.** Doubling $T$ doubles the chain of a loop and adds one round to that of the scan. For a few steps the scan's chain is the longer one, as a round is more than a step. And the scan does more work: in each of its $\log_2 T$ rounds two products and a sum where the loop has one of each. Even on one core it can be the quicker one, as it makes a few large operations and not a thousand small ones; on a machine with many lanes the short chain is what counts.
#
# Networks built on this (linear state-space models, and gated linear recurrences) train in parallel like attention and stream with a fixed state like an RNN. The price: what a step does cannot depend on the state.
#
# ## 6. A long path in the log
#
# Section 2 showed a gradient that fades. With weights that do not shrink, the same chain can *explode*, and lesson 06 has the cure. It has four symptoms: the loss becomes nan; the loss jumps; the weights grow; the gradient norm spikes. Here is how they look in a log, and what a path of one step makes of the same conditions.
#
# Both models learn to say what they read 3 steps ago, among 4 tokens, in texts of 60, in float64. The recurrence has ReLU in place of tanh, and begins with $W_{hh}$ as the identity, so that nothing shrinks. The learning rate of plain gradient descent is raised a little with each batch, from 0.001 to 3, until the recurrence breaks: a *learning-rate range test*.


# %% given="symptoms"
class ReluRNN(nn.Module):
    """Tokens (B, T) to logits (B, T, vocab), by a ReLU recurrence that begins with the identity."""

    def __init__(self, vocab=4, width=32):
        super().__init__()
        self.embedding = nn.Embedding(vocab, 8)
        self.rnn = nn.RNN(8, width, batch_first=True, nonlinearity="relu")
        self.readout = nn.Linear(width, vocab)
        nn.init.eye_(self.rnn.weight_hh_l0)

    def forward(self, tokens):
        return self.readout(self.rnn(self.embedding(tokens))[0])


def norm_of(tensors):
    """The norm of all tensors together."""
    return torch.stack([tensor.detach().norm() for tensor in tensors]).norm().item()


def range_test(make, seed, batches=150, length=60, lowest=1e-3, highest=3.0, delay=3):
    """A log of training with a learning rate that grows from batch to batch; it ends with the first loss that is no number.

    "gradient" is the norm over all parameters, "weights" that of the recurrence or of the maps of attention: embeddings are left out.
    """
    model, generator = seeded(seed, make).to(dtype), torch.Generator().manual_seed(seed)
    own = list(model.parameters())
    layer = list((model.rnn if isinstance(model, ReluRNN) else model.projection).parameters())  # without the tables
    log = {"rate": [], "loss": [], "gradient": [], "weights": []}
    for batch in range(batches):
        rate = lowest * (highest / lowest) ** (batch / batches)
        text = torch.randint(4, (32, length + delay), generator=generator).to(device)
        loss = F.cross_entropy(model(text[:, delay:]).flatten(0, 1), text[:, :-delay].flatten())
        grads = torch.autograd.grad(loss, own)
        for name, value in zip(log, (rate, loss.item(), norm_of(grads), norm_of(layer))):
            log[name].append(value)
        if not math.isfinite(log["loss"][-1]):
            break
        with torch.no_grad():
            for parameter, grad in zip(own, grads):
                parameter -= rate * grad
    return log


def symptoms_in(log, batches):
    """How strong the four symptoms are in the first `batches` batches, and in which batch each first shows.

    Gradient and loss are compared with the 20 batches before, so that no spike and no jump is seen in the first 20.
    """
    log = {name: values[:batches] for name, values in log.items()}

    def ratios(name):
        """Each value over the median of the 20 before it, 1 where there are fewer."""
        values = log[name]
        return [values[i] / median(values[i - 20 : i]) if i >= 20 else 1.0 for i in range(batches)]

    signs = {
        "spike": (ratios("gradient"), 10),
        "jump": (ratios("loss"), 3),
        "growth": ([norm / log["weights"][0] for norm in log["weights"]], 10),
        "nan": ([0 if math.isfinite(loss) else 1 for loss in log["loss"]], 0.5),
    }
    found = {"rate": log["rate"][-1], "first": {}}
    for name, (values, limit) in signs.items():
        found[name] = max(value for value in values if math.isfinite(value))
        found["first"][name] = next((i + 1 for i, value in enumerate(values) if not value <= limit), None)
    return found


def symptoms(seed):
    """The symptoms of both models, over the batches that the recurrence survives."""
    recurrence = range_test(ReluRNN, seed)
    attention = range_test(lambda: CausalModel(causal_attention, 4, 32, 60), seed)
    batches = len(recurrence["loss"])
    return {"recurrence": symptoms_in(recurrence, batches), "attention": symptoms_in(attention, batches)}


# %% experiment="symptoms"
with needs("causal_attention"):
    logs = {
        "recurrence": range_test(ReluRNN, 0),
        "attention": range_test(lambda: CausalModel(causal_attention, 4, 32, 60), 0),
    }
    batches = len(logs["recurrence"]["loss"])
    fig, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharex=True)
    page = {"loss": (0.1, 100), "gradient": (1e-3, 1e4), "weights": (1, 1e4)}
    for ax, (what, limits) in zip(axes, page.items()):
        for (kind, log), color in zip(logs.items(), (figures.BLUE, figures.VERMILION)):
            ax.plot(log["rate"][:batches], log[what][:batches], color=color, label=kind)
        title = what if what == "loss" else f"norm of the {what}"
        ax.set(xscale="log", yscale="log", xlabel="learning rate", ylim=limits, title=title)
    axes[0].legend(fontsize=9)
    axes[0].set_ylabel("nats per token")
    figures.show(
        fig, "The recurrence's gradients spike, then its loss and its weights leave the page; attention's stay calm."
    )
    found = {kind: symptoms_in(log, batches) for kind, log in logs.items()}
    for kind, one in found.items():
        first = {name: batch for name, batch in one["first"].items() if batch}
        shown = ", ".join(f"{name} in batch {batch}" for name, batch in first.items()) or "none"
        print(f"{kind:>10}: symptoms in {batches} batches: {shown}")
    runs = stored("cost_and_attention", "symptoms")
    if runs:
        broken, calm = ([run[kind] for run in runs] for kind in ("recurrence", "attention"))
        rates = [one["rate"] for one in broken]
        print(
            f"In {sum(bool(one['nan']) for one in broken)} of {len(runs)} stored runs the recurrence breaks, at learning rates from {min(rates):.2g} to {max(rates):.2g};"
        )
        print(
            f"of attention's gradients up to there, none is larger than {max(one['spike'] for one in calm):.2g} times the median of the 20 before it."
        )

# %% [markdown]
# **What to see.** In the recurrence the gradient norm gives the first warning, sometimes one batch ahead and sometimes many; the rest follows: loss, weights, nan. (The loss as such may become infinite before it becomes nan; both are no numbers.) Attention, on the same data at the same rates, stays below the limits that count as symptoms here: a gradient of 10 times the median of the 20 before, a loss of 3 times, weights of 10 times. Its gradient does rise to a few times the median: it is calmer by many orders of magnitude, and not perfectly calm. (Neither learns much in so few batches: this is about the log, not about the result. And attention is not invulnerable, at higher rates it can diverge too.) But no factor is raised to the power of 60 on its way back.
#
# ## 7. Find the bug: it trains, and in use it is at a loss
#
# *difficulty 4 of 5 · importance 5 of 5 · 12 minutes*
#
# `CausalModel` (in `bptt/causal.py`, 40 lines) is an embedding, one layer of attention, a read-out. Attention by itself knows no order: shuffle the earlier tokens, and it gives the same. So the model has an embedding of *positions*, too, up to the longest text of its training; a stream that is longer needs another kind of position. It has three parts:
#
# - `model.read(tokens, positions)`: tokens (B, n) at positions (n,), counted from 0 → vectors (B, n, E);
# - `model.project(x)` → the queries, keys and values of these vectors;
# - `model.say(x, mixed)` → logits, from the vectors and what attention has brought.
#
# `model(tokens)` does the three for a whole text. `stream` is the program for use: the same model, one token at a time, with a cache (any cache with `append` and `attend`) that is empty at first. It should give exactly the logits of `model(tokens)`. It runs, shapes are right, nothing complains. **And yet there is one mistake. Find it and fix it**, in the cell itself.


# %% answer="cost-and-attention-bug"
def stream(model, cache, tokens):
    """The logits of a CausalModel for tokens (B, T), read one at a time with an empty KVCache; (B, T, V)."""
    logits = []
    for t in range(tokens.shape[1]):
        token = tokens[:, t : t + 1]  # (B, 1)
        ### BEGIN SOLUTION
        positions = torch.arange(t, t + 1, device=tokens.device)
        ### END SOLUTION
        ### RELEASED AS
        # positions = torch.arange(token.shape[1], device=tokens.device)
        ### END RELEASED
        x = model.read(token, positions)
        q, k, v = model.project(x)
        cache.append(k, v)
        logits.append(model.say(x, cache.attend(q)))
    return torch.cat(logits, 1)


# %% check="cost-and-attention-bug" points=3
check("cost-and-attention-bug")

# %% [markdown] hint="cost-and-attention-bug"
# <details><summary>Hint 1: a question</summary>
#
# The first token comes out right, the second does not. In what do they differ for the model, apart from the cache? Compare line by line with `CausalModel.forward`.
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Print what `model.read` is given, in training and here, for the third token.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# positions = torch.arange(..., ..., device=tokens.device)  # (1,): where this token stands in the text
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *This is the program as it was found*: hint 1.
# - *one position too late*, or *too early*: positions count from 0, as `t` does.
# - *the model has read … tokens at once*: reading the whole text again gives the right logits, and is what the cache is there to avoid.
# </details>

# %% [markdown]
# ### Experiment: what the mistake costs
#
# The model learns to say what it read 5 tokens ago, in texts of 24; the next cell trains it, and then lets it answer on new texts, at once and with whatever `stream` you have now. Guessing is right in one case of 4.


# %% given="bug-cost"
def read_and_streamed(seed, delay=5, length=24, batches=400):
    """Share of right answers of a trained CausalModel on new texts: read at once, and streamed."""
    model = seeded(seed, lambda: CausalModel(causal_attention, 4, 32, length))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(batches):
        text = torch.randint(4, (32, length), generator=generator).to(device)
        loss = F.cross_entropy(model(text)[:, delay:].flatten(0, 1), text[:, :-delay].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    text = torch.randint(4, (200, length), generator=generator).to(device)
    with torch.no_grad():
        said = {"at_once": model(text), "streamed": stream(model, KVCache(), text)}
    return {
        how: (logits[:, delay:].argmax(2) == text[:, :-delay]).double().mean().item() for how, logits in said.items()
    }


# %% experiment="bug-cost"
with needs("causal_attention", "KVCache", "stream"):
    mine = read_and_streamed(seed=0)
    rows = {"as found, stored": "as_found", "fixed, stored": "fixed"}
    runs = stored("cost_and_attention", "bug")
    fig, ax = plt.subplots(figsize=(7, 2.6))
    for y, (label, run) in enumerate(rows.items()):
        shares = [one[run]["streamed"] for one in runs]
        ax.plot(shares, [y] * len(shares), "s", color=figures.SKY, mfc="none")
    ax.plot([mine["streamed"]], [2], "o", color=figures.BLUE)
    ax.plot([mine["at_once"]], [3], "o", color=figures.VERMILION)
    ax.axvline(0.25, color=figures.INK, ls=":", lw=1.5)
    ax.set_yticks(range(4), [*rows, "your stream", "read at once"])
    ax.set(xlim=(0, 1.03), ylim=(-0.6, 3.6), xlabel="share of right answers (dotted: guessing)")
    ax.set_title("The model has learned it; the program decides whether that shows")
    figures.show(
        fig,
        "Read at once the model is right; streamed as found it is not far above guessing, once fixed it is right again.",
    )
    print(f"read at once: {mine['at_once']:.1%} right; with your stream: {mine['streamed']:.1%}")

# %% [markdown]
# **What to see.** Training was right, the weights are the same, and all that differs is what the model is told about the place of a token. Such mistakes live in the gap between two programs that should compute the same. Close it with a test: *streaming equals the full pass*. A recurrence has this gap, too (is the state carried?), but much less room in it.
#
# ## 8. The two tables
#
# Two tables are found in every text on this subject. Here every cell is what this notebook has counted or measured. First, the four symptoms of exploding gradients, and how they show in a log (section 6):

# %% experiment="table-of-symptoms"
with needs("causal_attention"):
    one, other = found["recurrence"], found["attention"]
    nan = [
        f"in batch {kind['first']['nan']}" if kind["nan"] else f"in none of {batches} batches" for kind in (one, other)
    ]
    lines = [
        "| symptom | in the log of the recurrence | with attention, same batches and rates |",
        "|---|---|---|",
        f"| the loss becomes nan | {nan[0]}, at a learning rate of {one['rate']:.2g} | {nan[1]} |",
        f"| training becomes unstable: the loss jumps | to {one['jump']:.1e} times the median of the 20 before | {other['jump']:.2f} times at most |",
        f"| parameters grow rapidly | to {one['growth']:.1e} times their first norm | {other['growth']:.2f} times |",
        f"| gradients spike | to {one['spike']:.1e} times the median of the 20 before | {other['spike']:.2f} times at most |",
    ]
    display(Markdown("\n".join(lines)))

# %% [markdown]
# And the comparison of the two architectures (sections 2 to 5):

# %% experiment="table-of-architectures"
with needs("causal_attention", "KVCache", "linear_recurrence", "linear_recurrence_scan"):
    rnn, att = (longest[name] for name in ("tanh recurrence", "attention"))
    slower = {name: way["seconds"][-1] / way["seconds"][2] for name, way in streamed.items()}
    grows = {kind: [fit(LENGTHS[-3:], costs[kind][what][-3:])[0] for what in ("seconds", "bytes")] for kind in costs}
    lines = [
        "| property | recurrent networks | Transformers |",
        "|---|---|---|",
        f"| training parallelism over time | {rnn[2]} → {rnn[-1]} operations one behind the other for T = {CHAINS[2]} → {CHAINS[-1]} | {att[2]} → {att[-1]} |",
        f"| memory per token at inference | {state} bytes, and 0 more for each token | {each:g} bytes more for each token: {streamed['with a cache']['bytes'][-1]:,d} after {TOKENS[-1]} |",
        f"| natural streaming | a token takes {slower['recurrence']:.1f} times as long after {TOKENS[-1]} tokens as after {TOKENS[2]} | with your cache {slower['with a cache']:.1f} times (attention alone {slower['attention alone']:.1f} times), without one {slower['without a cache']:.0f} times |",
        f"| training on long sequences | time ∝ T^{grows['recurrence'][0]:.1f}, bytes ∝ T^{grows['recurrence'][1]:.1f}; at lag 50 the gradient is {reach['recurrence'][50]:.0e} of that at lag 0 | time ∝ T^{grows['attention'][0]:.1f}, bytes ∝ T^{grows['attention'][1]:.1f}; at lag 50 the gradient is {reach['attention'][50]:.1g} of that at lag 0 |",
    ]
    display(Markdown("\n".join(lines)))

# %% [markdown]
# **How to read it.** Operations, chains and bytes do not depend on the machine. (Chains and bytes depend on how a function is written: yours may differ a little from another right one.) Times are those of your machine, now. No row has a winner in general: a phone that listens for a keyword all day wants the second and third row of the left column, a data centre that trains on ten thousand documents at once wants the first of the right one.
#
# ## 9. In your own words
#
# *difficulty 3 of 5 · importance 4 of 5 · 10 minutes · graded by a person*
#
# A team builds a hearing aid that suppresses noise: a stream without an end, a few milliseconds for each frame, 64 kB of memory for what is remembered. One of them proposes a Transformer: "RNNs are obsolete; they cannot be trained in parallel, and they forget." **What do you answer?** Say what is true in the sentence, what is not, what their device allows, and what you would try. Five to eight sentences, with at least two
# numbers from this lesson.
#
# Points: one for what is true about training and gradients, with a number; one for why it is not the whole truth; one for the device: memory and time of a token, with a number; one for a proposal with its price.

# %% [markdown] written="cost-and-attention-why" points=4
# ### BEGIN SOLUTION
# It is true that a tanh recurrence has T dependent steps: its longest chain of operations grew in proportion to T, while that of attention stayed the same, so that attention was more than twice as quick in training at T = 64 although it does more operations. It is also true
# that its gradient has to pass a product of Jacobians: at lag 50 next to nothing was left of it, and with attention about a quarter of that at lag 0, the same as at lag 1. But neither holds for every recurrence. A linear recurrence with given factors needs log T rounds by a scan, and gates hold the
# gradient where a tanh loses it (lesson 07). And "forgets" mixes up two things: a short path for the gradient makes learning easier, it does not store anything for free. In the device the cache decides: it grows by 8E bytes for each frame and layer in float32, 512 bytes for E = 64, so that 64 kB are full after
# 128 frames, which is about a second; the state of an RNN has 256 bytes for ever. Attention over a window of the last hundred frames would fit, and would know nothing of what was before; without a cache each frame would pay for a whole pass over the window. I would train a gated or a linear recurrence: with truncation or by a scan, on a large
# machine, and stream it with a fixed state. The price is that everything worth knowing of the past has to fit into H numbers, and that training needs more care (clipping, forget-gate bias). Whether a window of attention hears better at the same memory I would measure, with the test that streaming equals the full pass.
# ### END SOLUTION

# %% [markdown]
# ## Where you stand
#
# The next cell lists the checks that you have run since you opened the notebook, and how each one ended.

# %% given="progress"
progress()

# %% [markdown]
# ## Summary
#
# 1. A simple RNN takes $2BTH(D + H)$ FLOPs forward, and keeps $B\,T\,H$ numbers of states for the way back, beside its inputs.
# 2. Time follows operations only where the machine is full. Measure medians, after a run that does not count.
# 3. Attention looks at all earlier steps at once: scores, mask, softmax over the keys, mixture. The mask comes before the softmax, the diagonal is allowed, the scale is $\sqrt E$.
# 4. With $E = H$ it does more operations than a recurrence for every $T$, and is quicker for short sequences: few large products against many small ones.
# 5. In memory and time it pays for $T^2$ in the end.
# 6. Its gradient has one step to go to any input; that of a recurrence has the whole chain.
# 7. In a stream a recurrence keeps $H$ numbers; attention keeps a key and a value of every token. Streaming must equal the full pass: test it.
# 8. A step is $(a, b)$, and two steps are one: $(a'a,\, a'b + b')$. A linear recurrence needs $\log T$ rounds; a tanh forbids it.
# 9. Exploding gradients show in a log as spikes, jumps, growing weights, nan, in about this order.
# 10. Counted costs hold everywhere, measured times on one machine. Next: lesson 09 puts a recurrence to work on a stream.
#
# ## Further reading
#
# - A. Vaswani and others, [*Attention is all you need*](https://arxiv.org/abs/1706.03762), NIPS 2017: the table in its section 4 compares the same costs.
# - D. Bahdanau, K. Cho, Y. Bengio, [*Neural machine translation by jointly learning to align and translate*](https://arxiv.org/abs/1409.0473), ICLR 2015: attention, before Transformers.
# - N. Shazeer, [*Fast Transformer decoding: one write-head is all you need*](https://arxiv.org/abs/1911.02150), 2019: what the cache costs, and a way to make it smaller.
# - G. E. Blelloch, *Prefix sums and their applications*, technical report CMU-CS-90-190, Carnegie Mellon University, 1990: scans, linear recurrences among them.
# - E. Martin, C. Cundy, [*Parallelizing linear recurrent neural nets over sequence length*](https://arxiv.org/abs/1709.04057), ICLR 2018.
# - A. Gu, T. Dao, [*Mamba: linear-time sequence modeling with selective state spaces*](https://arxiv.org/abs/2312.00752), 2023: factors that depend on the input, and a scan.
# - L. N. Smith, [*Cyclical learning rates for training neural networks*](https://arxiv.org/abs/1506.01186), WACV 2017: the range test.
# - PyTorch documentation, [*scaled_dot_product_attention*](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html).
