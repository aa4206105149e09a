# %% [markdown]
# # 02 · Gradients of shared weights
#
# A recurrent network uses one set of parameters at every step. How does the loss depend on a number that is used fifty times? The answer is short:
# give every use a copy of its own, take ordinary gradients, add them up. **Backpropagation through time** is the way to do this in one sweep.
#
# In this lesson you write that sweep yourself, without autograd, and hold it against autograd, against finite differences and against
# a second algorithm that runs forward in time. You will hardly ever need to. You do it once, to know what `backward()` does.
#
# After it you can
#
# - tell three things apart that share a name: an upstream gradient, a local factor, and a gradient;
# - tell the *immediate* derivative of a state by a weight from the *total* one, and say which of them a formula needs;
# - write backpropagation through time by hand, for a loss at the end and for a loss at every step;
# - test any gradient, and say how exact the test itself is.
#
# | | |
# |---|---|
# | Time | 150 minutes |
# | Know before | Lessons 00 and 01; the chain rule; matrix products |
# | Points | 34: eight exercises, three predictions, one question in words |

# %% given="setup"
import math

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from autograder import check
from bptt import figures, graph
from bptt.device import pick_device, pick_dtype
from bptt.experiment import needs, reply, stored

device = pick_device()
dtype = pick_dtype(device)
torch.set_num_threads(1)  # for tensors as small as these, one thread is faster than two
figures.style()


def normal(generator, *shape):
    """Random numbers of the given shape, the same on every device."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(device, dtype)


def make_params(D, H, V, seed, gain=1.0):
    """Random parameters of a simple recurrent network; `gain` scales weight_hh. Without a read-out for V = 0."""
    generator = torch.Generator().manual_seed(seed)
    params = {
        "weight_ih": normal(generator, H, D) / D**0.5,
        "weight_hh": gain * normal(generator, H, H) / H**0.5,
        "bias": 0.1 * normal(generator, H),
    }
    if V:
        params["weight_out"] = normal(generator, V, H) / H**0.5
        params["bias_out"] = 0.1 * normal(generator, V)
    return params


# %% [markdown]
# ## 1. One weight, many uses
#
# The network is the one from lesson 01, and so are the names and shapes:
#
# $$a_t = x_t W_{ih}^\top + h_{t-1} W_{hh}^\top + b, \qquad h_t = \tanh(a_t), \qquad t = 1, …, T.$$
#
# | symbol | in code | shape |
# |---|---|---|
# | $x_1, …, x_T$ | `x` | (B, T, D) |
# | $h_0$ | `h0` | (B, H) |
# | $W_{ih},\ W_{hh},\ b$ | `params["weight_ih"]`, `params["weight_hh"]`, `params["bias"]` | (H, D), (H, H), (H,) |
# | $W_{out},\ c$, from section 4 on | `params["weight_out"]`, `params["bias_out"]` | (V, H), (V,) |
#
# The letters count: $B$ sequences in the batch, $T$ steps, $D$ inputs at each step, $H$ units, and $V$ scores at each step.
#
# The forward pass is given. It returns a **list** of $T + 1$ states, each (B, H), and it begins with $h_0$: so $h_t$ is `states[t]`, and the step that made it
# read `x[:, t - 1]`.


# %% given="forward"
def forward(x, h0, params):
    """All states of a simple recurrent network, as a list: states[t] is h_t, (B, H), for t = 0…T."""
    states = [h0]
    for x_t in x.unbind(1):
        a_t = F.linear(x_t, params["weight_ih"], params["bias"]) + F.linear(states[-1], params["weight_hh"])
        states.append(torch.tanh(a_t))
    return states


# %% [markdown]
# **Which precision, which device?** New tensors take their dtype and their device from the inputs: `torch.zeros_like(x)` and `x.new_zeros(…)` do it by
# themselves, and `torch.zeros`, `torch.eye` or `torch.tensor` do it with `dtype=x.dtype, device=x.device`. This holds in every exercise. The checks try
# both precisions, and they look for a tensor that would stay behind on the CPU while the inputs are on a GPU.
#
# Now forget the matrices for a moment. Take the smallest network in which a weight is used twice, without a tanh and without inputs:
#
# $$h_1 = w\,h_0, \qquad h_2 = w\,h_1.$$
#
# ### Predict: the derivative of $h_2$ by $w$
#
# *difficulty 1 of 5 · importance 5 of 5 · 2 minutes*
#
# Let $h_0 = 1$ and $w = 3$, so $h_1 = 3$ and $h_2 = 9$. **What is $\dfrac{dh_2}{dw}$?** Write a number. Trust your first thought, and keep it in mind.

# %% answer="shared-gradients-predict-total"
### BEGIN SOLUTION
guess_total = 6
### END SOLUTION
### RELEASED AS
# guess_total = None
### END RELEASED

# %% check="shared-gradients-predict-total" points=1
check("shared-gradients-predict-total")

# %% experiment="two-uses"
w = torch.tensor(3.0, requires_grad=True)
h_1 = w * 1.0
(total,) = torch.autograd.grad(w * h_1, w, retain_graph=True)
(held,) = torch.autograd.grad(w * h_1.detach(), w)  # h_1 as a plain number
print(f"autograd says {total:g}; with h_1 held fixed it says {held:g}")
reply(
    guess_total,
    total.item(),
    {
        total.item(): "Both uses of w count: the one in step 2, and the one in step 1.",
        held.item(): "You held h_1 fixed. Then only the w of step 2 moves. But h_1 was made with the same w, so it moves, too.",
        9: "That is h_2 itself. The question is how fast h_2 moves when w does.",
        1: "That is h_0. It is what the w of step 1 is multiplied by, and this w is used in step 2, too.",
    },
    "Write h_2 with w and h_0 alone: w stands there twice, and the derivative has to count both.",
)

# %% [markdown]
# ### Immediate and total
#
# Look at the second formula alone, $h_2 = w\,h_1$, and you may differentiate it in two ways.
#
# **Immediate.** Hold $h_1$ fixed, as if it were a number that fell from the sky. Then only the $w$ that is written there moves. We write a plus:
# $\dfrac{\partial^+ h_2}{\partial w} = h_1 = 3.$
#
# **Total.** Do not hold anything. $h_1$ was made with the same $w$, so it moves too, and drags $h_2$ along:
#
# $$\frac{dh_2}{dw} = \underbrace{\frac{\partial^+ h_2}{\partial w}}_{\text{the use in step 2}} + \underbrace{\frac{\partial h_2}{\partial h_1}\,\frac{\partial^+ h_1}{\partial w}}_{\text{the use in step 1}} = h_1 + w\,h_0 = 3 + 3 = 6.$$
#
# No pair of notions in this subject is confused more often, because both are written $\partial h_2/\partial w$ in many books. Keep them apart by name.
# **The immediate derivative knows one use of the weight. The total derivative knows them all.** Training needs the total one.
#
# A plain $\partial$ stands where the two agree. Either what is moved is used at one place only, like a copy of a weight that belongs to one step
# (below). Or only one of its uses reaches what is differentiated, as in $\partial h_t/\partial h_{t-1}$, which is one step, whatever else $h_{t-1}$ is used for.
#
# ### Untie the weights
#
# Write $\theta$ for all recurrent parameters together: $W_{ih}$, $W_{hh}$ and $b$. There is a way to see the sum without any care about what is held fixed.
# Give each step a copy of its own, $\theta^{(1)}, …, \theta^{(T)}$, all with the same values. Now the network is an ordinary deep network, with different weights in every layer.

# %% experiment="tied-and-untied"
TIED = [(f"h{t - 1}", f"h{t}") for t in (1, 2, 3)] + [("theta", f"h{t}") for t in (1, 2, 3)] + [("h3", "L3")]
COPIES = {f"h{t}": rf"${'{}' * (3 - t)}\theta^{{({t})}}$" for t in (1, 2, 3)}
UNTIED = [(start if start != "theta" else COPIES[end], end) for start, end in TIED]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4))
for ax, edges, title in zip(axes, (TIED, UNTIED), ("one θ, three arrows", "three copies, one arrow each"), strict=True):
    graph.draw(ax, edges)
    ax.set_title(title)
figures.show(
    fig,
    "Left: one parameter node feeds every state. Right: each state has a parameter node of its own. "
    "There is one loss, at step 3: the text calls it L.",
)

# %% [markdown]
# In the network on the right nothing is shared, so each $\partial L/\partial\theta^{(t)}$ is a gradient as you know it. Going back to the network on
# the left means to
# move all copies *together*. If each copy moves by the same $d\theta$, the loss moves by the sum of what the single copies cause:
#
# $$\boxed{\ \frac{dL}{d\theta} = \sum_{t=1}^{T} \frac{\partial L}{\partial\theta^{(t)}}\ }$$
#
# Call $\partial L/\partial\theta^{(t)}$ the **share** of step $t$. In the example, the share of step 2 is 3 and the share of step 1 is 3. That is the
# whole secret of shared weights;
# what follows is how to compute the shares without waste.
#
# ### Exercise: `untied_gradients`
#
# *difficulty 2 of 5 · importance 5 of 5 · 12 minutes · autograd is allowed*
#
# Compute all shares, for a loss that looks at the last state only. All that the network has to know about such a loss is
# `dh_T`, a tensor (B, H) with $dL/dh_T$. For example, if $L$ is the sum of all entries of $h_T$, then `dh_T` is full of ones.
#
# `untied_gradients(x, h0, params, dh_T)` returns a list of $T$ dicts. Entry $t - 1$ has the keys of `params` (here the three recurrent ones) and holds
# the gradient for
# the copy of step $t$.
#
# *With autograd:* for an output `out` that is no single number, `torch.autograd.grad(out, leaves, grad_outputs=dout)` gives the gradients of $L$ for a
# list of leaves, where `dout` is the derivative of $L$ by `out`. A leaf is a tensor on which you called `requires_grad_()`. If `out` does not depend
# on one of the leaves, that is an error.
#
# **A tiny example**, the one with the click from lesson 01: one sequence, one unit, $W_{ih} = 0.5$, $W_{hh} = 0.8$, $b = 0$, $h_0 = 0$, inputs 1, 0, 0.
# The states are 0.4621, 0.3537, 0.2757.
# With $dL/dh_3 = 1$ the shares of $W_{hh}$ are, for steps 1, 2, 3: 0, 0.2989, 0.3268. (Why is the first one 0? Which number does $W_{hh}$ multiply in step 1?)


# %% answer="shared-gradients-untied"
def untied_gradients(x, h0, params, dh_T):
    """The gradient for each step's own copy of the parameters, for a loss on the last state.

    x: (B, T, D), h0: (B, H), params: weight_ih (H, D), weight_hh (H, H), bias (H,);
    dh_T: dL/dh_T, (B, H). Returns a list of T dicts with the keys of params; entry t - 1 is the share of step t.
    """
    ### BEGIN SOLUTION
    T = x.shape[1]
    copies = [{name: value.clone().requires_grad_() for name, value in params.items()} for _ in range(T)]
    h = h0
    for t in range(T):
        h = forward(x[:, t : t + 1], h, copies[t])[-1]  # one step, with a copy of its own
    every = [leaf for copy in copies for leaf in copy.values()]
    found = iter(torch.autograd.grad(h, every, grad_outputs=dh_T))
    return [{name: next(found) for name in copy} for copy in copies]
    ### END SOLUTION


# %% check="shared-gradients-untied" points=3 keeps="untied"
check("shared-gradients-untied")

# %% [markdown] hint="shared-gradients-untied"
# <details><summary>Hint 1: a question</summary>
#
# `copy = params` makes no copy: it is a second name for the same dict of the same tensors. What do you need, so that step 1 and step 2 use *different*
# tensors with equal
# values, each of which asks for a gradient?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# First make a list of $T$ dicts, each with cloned tensors that require a gradient. Then run the recurrence; in step $t$ use dict $t - 1$. `forward` on
# a piece of one step,
# `x[:, t:t+1]`, does one step and returns `[h_before, h_after]`. At the end ask autograd for the gradients of all leaves at once.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# copies = [{name: ... for name, value in params.items()} for _ in range(T)]
# h = h0
# for t in range(T):
#     h = ...                             # one step, from h, with copies[t]
# for copy in copies:
#     shares = torch.autograd.grad(h, list(copy.values()), grad_outputs=..., retain_graph=True)
#     ...                                 # a dict of them
# ```
#
# `retain_graph=True` keeps the graph for the next call.
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *each entry of the list holds the whole gradient*: all steps share one copy. `[copy] * T` repeats the same object.
# - *None*, or *appears to not have been used in the graph*: this copy was never used (does step $t$ use `copies[t - 1]`?), or the graph is cut.
# - *only step T gets a gradient*: the graph is cut between the steps; look for `detach`, `.data` or `torch.no_grad()`.
# - *Trying to backward through the graph a second time*: ask for all leaves in one call, or pass `retain_graph=True`.
# - *grad can be implicitly created only for scalar outputs*: pass `grad_outputs=dh_T`.
# </details>

# %% [markdown]
# ### Experiment: whose gradient is it?
#
# Now the sum can be taken apart. A network with 16 units reads 30 steps; the loss looks at the last state. How large is the share of each step in
# $dL/dW_{hh}$, compared with the
# share of the last step? Three networks differ in one number, the *gain*: a factor on the random matrix $W_{hh}$.


# %% given="shares"
GAINS = (0.5, 1.0, 2.5)


def share_sizes(seed, gain, T=30):
    """Size of each step's share of dL/dweight_hh, relative to that of step T; steps 2…T (h_0 is zero)."""
    generator = torch.Generator().manual_seed(seed)
    params = make_params(3, 16, 0, seed, gain)
    x, dh_T = normal(generator, 8, T, 3), normal(generator, 8, 16)
    shares = untied_gradients(x, torch.zeros_like(dh_T), params, dh_T)
    sizes = [share["weight_hh"].norm().item() for share in shares]
    return [size / sizes[-1] for size in sizes[1:]]


# %% experiment="shares" keeps="untied"
with needs("untied_gradients"):
    fig, ax = plt.subplots()
    steps = range(2, 31)
    for gain, color, marker in zip(GAINS, figures.PALETTE, figures.MARKERS):
        runs = [run[str(gain)] for run in stored("shared_gradients", "shares")]
        figures.band(ax, steps, runs, color, f"gain {gain}, stored")
        ax.plot(steps, share_sizes(0, gain), marker=marker, color=color, label=f"gain {gain}, seed 0")
    ax.set(yscale="log", ylim=(1e-16, 1e4), xlabel="time step t", ylabel="size of the share (share of step 30 = 1)")
    ax.set_title("Who contributes to the gradient depends on one factor")
    ax.legend(fontsize=8, loc="lower right")
    figures.show(
        fig,
        "Shares of the steps in the gradient of weight_hh: with gain 0.5 they fall by orders of magnitude going back in time.",
    )

    generator = torch.Generator().manual_seed(0)
    params = {name: value.requires_grad_() for name, value in make_params(3, 16, 0, seed=0).items()}
    x, h0, dh_T = normal(generator, 8, 30, 3), normal(generator, 8, 16), normal(generator, 8, 16)
    shared = torch.autograd.grad(forward(x, h0, params)[-1], params["weight_hh"], grad_outputs=dh_T)[0]
    shares = untied_gradients(x, h0, {name: value.detach() for name, value in params.items()}, dh_T)
    gap = (sum(share["weight_hh"] for share in shares) - shared).abs().max() / shared.abs().max()
    print(
        f"Sum of your shares against autograd with one shared weight_hh: they differ by {gap:.0e} of the largest entry."
    )

# %% [markdown]
# **What to see.** Read the figure from the right to the left, back in time. With gain 0.5 each step back costs about a factor of 3, and 15 steps back a
# share is less than a
# millionth of the last one. With gain 1 a step costs less. With gain 2.5 the first steps contribute *more* than the last one. The sum hides all this: it is
# one matrix, whoever contributed. Why the shares shrink or grow is the subject of lesson 03. Here we compute them.

# %% [markdown]
# ## 2. One step backwards: what comes from above, what happens here
#
# Autograd is put aside now. Cut one step out of the network. Going forward, $h_{t-1}$ and $x_t$ go in, $h_t$ comes out:
#
# $$h_{t-1},\ x_t \ \longrightarrow\ a_t = x_t W_{ih}^\top + h_{t-1} W_{hh}^\top + b \ \longrightarrow\ h_t = \tanh(a_t)\ \longrightarrow\ \text{everything later} \ \longrightarrow\ L$$
#
# What happens later is not the step's business. One tensor tells it all that it needs to know: the **upstream gradient** $\dfrac{dL}{dh_t}$, of the
# shape of $h_t$. It says: *if
# this entry of $h_t$ moves by a little, the loss moves by so much.* It comes from above, and the step has no say in it.
#
# What the step does know is itself: how its output moves if its input moves. That is the **local factor**. Every gradient that leaves the step is a product:
#
# $$\text{gradient that goes down} = \text{upstream gradient} \times \text{local factor}.$$
#
# Whenever you are lost in a backward pass, ask of each number: is this what comes from above, or what happens here?
#
# **Through the tanh.** Each unit for itself, with the slope from lesson 00: $\dfrac{dL}{da_t} = \dfrac{dL}{dh_t} \odot (1 - h_t \odot h_t)$, where
# $\odot$ multiplies entry by entry. Call it
# `da` in code. *Everything else in the step lies before the tanh. So everything else starts from `da`, not from `dh`.*
#
# **Through the matrix.** Written out for row $n$ of the batch and unit $i$,
#
# $$a_{n,i} = \sum_k x_{n,k}\,(W_{ih})_{i,k} + \sum_k h_{n,k}\,(W_{hh})_{i,k} + b_i \qquad (h \text{ is } h_{t-1} \text{ here}).$$
#
# Read off who meets whom. How does $a_{n,i}$ move if one of the others moves?
#
# | moves | it moves | by the factor | so its gradient is |
# |---|---|---|---|
# | $h_{n,k}$ | $a_{n,i}$ for every $i$ | $(W_{hh})_{i,k}$ | $\sum_i \dfrac{dL}{da_{n,i}}\,(W_{hh})_{i,k}$ |
# | $x_{n,k}$ | $a_{n,i}$ for every $i$ | $(W_{ih})_{i,k}$ | $\sum_i \dfrac{dL}{da_{n,i}}\,(W_{ih})_{i,k}$ |
# | $(W_{hh})_{i,k}$ | $a_{n,i}$ for every $n$ | $h_{n,k}$ | $\sum_n \dfrac{dL}{da_{n,i}}\,h_{n,k}$ |
# | $(W_{ih})_{i,k}$ | $a_{n,i}$ for every $n$ | $x_{n,k}$ | $\sum_n \dfrac{dL}{da_{n,i}}\,x_{n,k}$ |
# | $b_i$ | $a_{n,i}$ for every $n$ | 1 | $\sum_n \dfrac{dL}{da_{n,i}}$ |
#
# Each line sums over everything that the thing *reaches*. A weight is used once for each row of the batch, so its gradient sums over the batch: the
# same rule as for the
# steps of time. Each sum is a matrix product; the shapes tell you which way round.
#
# ### Exercise: `rnn_step_backward`
#
# *difficulty 3 of 5 · importance 5 of 5 · 15 minutes · without autograd*
#
# `rnn_step_backward(dh, x_t, h_prev, h, params)` takes the upstream gradient `dh` (B, H) and what the step saw going forward: `x_t` (B, D), `h_prev`
# (B, H), and its output `h` (B, H).
# It returns `(dx, dh_prev, dparams)`: `dx` (B, D), `dh_prev` (B, H), and a dict with the gradients of `weight_ih`, `weight_hh` and `bias`, each of its
# parameter's shape.
#
# Return the contribution of *this* step, in a fresh dict: adding up over the steps is the caller's business. And write into none of the tensors that
# you were given.
#
# *What "without autograd" means:* the check reads your code, and the helpers that it calls, and sends the answer back if it uses `torch.autograd`, `torch.func` or
# `backward()`. You may use them in a cell of your own, to compare. Helpers are welcome.
#
# **A tiny example**: step 2 of the click, with $h_1 = 0.4621$, $x_2 = 0$, $h_2 = 0.3537$ and the upstream gradient 1. The slope is $1 - h_2^2 =
# 0.8749$. So `dh_prev` is
# $0.8749 \cdot 0.8 = 0.6999$, `dx` is $0.8749 \cdot 0.5 = 0.4374$, and the gradients of `weight_hh`, `weight_ih`, `bias` are $0.8749 \cdot 0.4621 =
# 0.4043$, $0$ and $0.8749$.


# %% answer="shared-gradients-step-backward"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    """One step of a simple recurrent network, backwards.

    dh: dL/dh_t, (B, H); x_t: (B, D); h_prev: h_{t-1}, (B, H); h: h_t, (B, H);
    params: weight_ih (H, D), weight_hh (H, H), bias (H,).
    Returns dx (B, D), dh_prev (B, H), and a dict with this step's gradients of the three parameters.
    """
    ### BEGIN SOLUTION
    da = dh * (1 - h**2)  # (B, H): back through the tanh
    dparams = {
        "weight_ih": da.T @ x_t,  # (H, D)
        "weight_hh": da.T @ h_prev,  # (H, H)
        "bias": da.sum(0),  # (H,)
    }
    dx = da @ params["weight_ih"]  # (B, D)
    dh_prev = da @ params["weight_hh"]  # (B, H)
    return dx, dh_prev, dparams
    ### END SOLUTION


# %% check="shared-gradients-step-backward" points=4 keeps="bptt-last"
check("shared-gradients-step-backward")

# %% [markdown] hint="shared-gradients-step-backward"
# <details><summary>Hint 1: a question</summary>
#
# Which of the three lines of the step, read backwards, comes first: the matrix products or the tanh? What is its local factor, and what do you have at
# hand to write it with?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# First `da` (B, H), from `dh` and `h`. Then five results from it, one for each line of the table. Write the shapes behind each line: `dh_prev` (B, H)
# is made from
# `da` (B, H) and a matrix (H, H); the gradient of `weight_hh` (H, H) is made from `da` (B, H) and `h_prev` (B, H), and B has to disappear.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# da = dh * ...                         # (B, H)
# dh_prev = da @ ...                    # (B, H): the sum over i
# dx = ...                              # (B, D)
# dparams = {
#     "weight_hh": da.T @ ...,          # (H, B) times (B, H): the sum over the batch
#     "weight_ih": ...,
#     "bias": ...,
# }
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *1 − tanh(h_t)²* or *1 − a_t²*: `h` is the output of the tanh already; lesson 00 has the slope in terms of the output.
# - *summed from dL/dh_t and not from dL/da_t*: everything before the tanh starts from `da`.
# - *multiplied by weight_hh the wrong way round*: look at the first line of the table: the sum runs over the *row* index $i$.
# - *the slope of the tanh is written as (1 − h_t)²*: which of the two is squared, $h_t$ or $1 - h_t$?
# - *comes out transposed*, or *the axes stand in another order*: row $i$ of a weight belongs to unit $i$ of $a_t$, so `da` gives the rows.
# - *changed its argument dh in place*: `dh *= …` writes into the caller's tensor. `dh = dh * …` does not.
# - *all three dparams hold the same numbers*: the dict or its tensors are made outside of the function.
# </details>

# %% [markdown]
# ### Experiment: a gradient is a promise about small moves
#
# `dh_prev` claims: *if $h_{t-1}$ moves by a little, the loss moves by the sum of `dh_prev` times that move.* Take it at its word. The next cell moves
# $h_{t-1}$ in the direction of your `dh_prev`, by a
# growing distance, runs the step forward again, and draws what the loss really does.

# %% experiment="promise"
with needs("rnn_step_backward"):
    generator = torch.Generator().manual_seed(2)
    params = make_params(3, 8, 0, seed=2)
    x_t, h_prev, dh = normal(generator, 1, 3), 0.5 * normal(generator, 1, 8), normal(generator, 1, 8)
    h = forward(x_t[:, None], h_prev, params)[-1]
    _, dh_prev, _ = rnn_step_backward(dh, x_t, h_prev, h, params)
    direction = dh_prev / dh_prev.norm()
    distances = torch.linspace(-3, 3, 41, dtype=dtype, device=device)
    moved = [forward(x_t[:, None], h_prev + s * direction, params)[-1] for s in distances]
    change = torch.stack([(dh * (new - h)).sum() for new in moved])

    fig, ax = plt.subplots()
    ax.plot(distances.cpu(), change.cpu(), "o", color=figures.VERMILION, label="what the loss does")
    ax.plot(
        distances.cpu(),
        (distances * (dh_prev * direction).sum()).cpu(),
        color=figures.BLUE,
        label="what your gradient promises",
    )
    ax.axvline(0, color=figures.INK, lw=0.8)
    ax.set(
        xlabel="distance that $h_{t-1}$ is moved (no unit)",
        ylabel="change of the loss L",
        title="The promise holds near 0, and only there",
    )
    ax.legend()
    figures.show(
        fig, "Change of the loss against the distance moved: the gradient's line touches the measured points at 0."
    )

# %% [markdown]
# **What to see.** The line and the points touch at 0 and have the same slope there. That is all that a gradient says. Farther out the tanh saturates
# and the points leave the line.
#
# ## 3. Backpropagation through time: a loss at the end
#
# Now put the steps together. A loss that looks at $h_T$ alone sends its upstream gradient into the last step. What comes out below, `dh_prev`, is the
# upstream gradient
# of the step before. And so on, down to the first step. With a name for the upstream gradient of step $t$, the **adjoint** $\delta_t =
# \dfrac{dL}{dh_t}$, this reads
#
# $$\delta_T = \frac{dL}{dh_T}\ \text{(given)}, \qquad \delta_{t-1} = \delta_t\,\frac{\partial h_t}{\partial h_{t-1}}.$$
#
# Here $\delta_t$ is a row, one for each sequence of the batch, and the matrix $\partial h_t/\partial h_{t-1}$, with a row for each unit of $h_t$, stands
# on its right.
#
# Each step leaves behind its share of the parameters' gradients, and the shares are added up:
#
# $$\frac{dL}{d\theta} = \sum_{t=1}^{T} \delta_t\,\frac{\partial^+ h_t}{\partial \theta}.$$
#
# Look at the plus sign. The derivative in the sum is the *immediate* one: step $t$, with $h_{t-1}$ held fixed. You need not worry that $h_{t-1}$
# depends on $\theta$
# too: that dependence is not lost, it is the business of $\delta_{t-1}$ and of the terms for the earlier steps. **The immediate derivatives, weighted
# by the adjoints, sum to the total one.**
#
# Why is this a good algorithm? Written out path by path, the share of step 1 needs a product of $T - 1$ factors, that of step 2 a product of $T - 2$,
# and so on: $T(T-1)/2$ factors. The sweep
# reuses what the paths have in common and needs one multiplication for each step. That is all there is to "through time".
#
# **A tiny example**: the click again, with $\delta_3 = 1$.
#
# | $t$ | $\delta_t$ | slope $1 - h_t^2$ | $da_t$ | share of $W_{hh}$: $da_t\,h_{t-1}$ | $\delta_{t-1} = 0.8\,da_t$ |
# |---|---|---|---|---|---|
# | 3 | 1 | 0.9240 | 0.9240 | 0.3268 | 0.7392 |
# | 2 | 0.7392 | 0.8749 | 0.6467 | 0.2989 | 0.5174 |
# | 1 | 0.5174 | 0.7864 | 0.4069 | 0 | 0.3255 |
#
# So $dL/dW_{hh} = 0.6257$ and $dL/dh_0 = 0.3255$. The shares are those that you found with untied copies.
#
# ### Exercise: `bptt_last`
#
# *difficulty 3 of 5 · importance 5 of 5 · 15 minutes · without autograd*
#
# `bptt_last(x, h0, params, dh_T)` returns one dict with the gradients of the three parameters, under their own names, and of the inputs under `"x"` (B,
# T, D) and `"h0"` (B, H). Use `forward`, and your `rnn_step_backward`
# if you like. Leave the arguments as they are.


# %% answer="shared-gradients-bptt-last"
def bptt_last(x, h0, params, dh_T):
    """Backpropagation through time for a loss on the last state.

    x: (B, T, D), h0: (B, H), params: the three recurrent parameters, dh_T: dL/dh_T, (B, H).
    Returns a dict of gradients with the keys of params, "x" and "h0", each of the shape of its tensor.
    """
    ### BEGIN SOLUTION
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    dh = dh_T
    for t in range(x.shape[1], 0, -1):  # T, …, 1
        grads["x"][:, t - 1], dh, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], states[t], params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh
    return grads
    ### END SOLUTION


# %% check="shared-gradients-bptt-last" points=4 keeps="bptt-last"
check("shared-gradients-bptt-last")

# %% [markdown] hint="shared-gradients-bptt-last"
# <details><summary>Hint 1: a question</summary>
#
# Which step do you have to treat first, and why can no other one be first? What does it hand to the next, and what does it leave behind?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Run `forward` and keep the list. Make sums of zeros, one for each parameter. Go through $t = T, T - 1, …, 1$: call the step's backward with the
# current upstream gradient,
# add its `dparams` to the sums, put its `dx` where it belongs, and let its `dh_prev` be the upstream gradient of the next turn. When the loop is over,
# one last tensor is left: whose gradient is it?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# states = forward(x, h0, params)
# grads = {name: ... for name in params}
# dxs = []
# delta = dh_T
# for t in ...:                                  # T, T-1, ..., 1
#     dx, delta, dparams = rnn_step_backward(delta, x[:, t - 1], ..., ..., params)
#     dxs.append(dx)                             # found in which order?
#     for name in dparams:
#         ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *assigned again at each step, so that only step t = 1 is left*: `=` where `+=` was meant. The most common mistake of all, and it trains.
# - *the way back stops before step t = 1*, or *does not stop behind step t = 1*: print the values of your loop's counter.
# - *dL/dh_1 is returned in place of dL/dh_0*: what is left after the loop has passed the first step too.
# - *index t − 1 is −1 there*: in Python, `states[-1]` is the last state.
# - *last step first* or *mixes the rows of the batch*: the list of `dx` was filled from the back; `torch.stack(…, 1)` makes the time axis, and
#   `reshape` never swaps axes.
# - *Fix rnn_step_backward first*: this exercise uses it.
# </details>

# %% [markdown]
# ### Experiment: the sweep against autograd, for long sequences
#
# Errors of rounding are handed on from step to step, like everything else. Do they pile up? The next cell runs your `bptt_last` and autograd on
# sequences of growing length and draws how far
# the two gradients of `weight_hh` lie apart, in both precisions.


# %% given="long"
LENGTHS = (2, 5, 10, 20, 50, 100)


def gap_to_autograd(seed, kind):
    """Largest difference between bptt_last and autograd in dL/dweight_hh, relative to the largest entry, for each T of LENGTHS."""
    generator = torch.Generator().manual_seed(seed)
    params = {name: value.to(kind) for name, value in make_params(3, 16, 0, seed).items()}
    x, h0, dh_T = (normal(generator, *shape).to(kind) for shape in ((8, max(LENGTHS), 3), (8, 16), (8, 16)))
    gaps = []
    for T in LENGTHS:
        yours = bptt_last(x[:, :T], h0, params, dh_T)["weight_hh"]
        leaf = params["weight_hh"].clone().requires_grad_()
        last = forward(x[:, :T], h0, {**params, "weight_hh": leaf})[-1]
        (right,) = torch.autograd.grad(last, leaf, grad_outputs=dh_T)
        gaps.append(((yours - right).abs().max() / right.abs().max()).item())
    return gaps


# %% experiment="long" keeps="bptt-last"
with needs("bptt_last"):
    fig, ax = plt.subplots()
    kinds = {"float32": (torch.float32, figures.VERMILION, "s"), "float64": (torch.float64, figures.BLUE, "o")}
    for name, (kind, color, marker) in kinds.items():
        if kind == torch.float64 and dtype != kind:
            continue  # this device has no float64
        figures.band(ax, LENGTHS, [run[name] for run in stored("shared_gradients", "long")], color, f"{name}, stored")
        ax.plot(
            LENGTHS,
            [max(gap, 1e-18) for gap in gap_to_autograd(0, kind)],
            marker=marker,
            color=color,
            label=f"{name}, seed 0",
        )
    ax.set(xscale="log", yscale="log", ylim=(1e-18, 1e-3), xticks=LENGTHS, xticklabels=LENGTHS)
    ax.minorticks_off()
    ax.set(
        xlabel="number of steps T",
        ylabel="relative difference (no unit)",
        title="By hand and by autograd: the same, but for rounding",
    )
    ax.legend(loc="center right", fontsize=9)
    figures.show(fig, "The hand-written gradient and autograd's differ by rounding only, for up to 100 steps.")

# %% [markdown]
# **What to see.** The difference stays at the level of rounding, however long the sequence: here the adjoint shrinks going back, and so do the errors
# that it carries. (Values of exactly 0 are drawn at $10^{-18}$.)
# You have written what `backward()` does.

# %% [markdown]
# ## 4. A loss at every step
#
# Language models, taggers and predictors have something to say at every step. A read-out turns each state into $V$ scores, and each step has a loss of its own:
#
# $$z_t = h_t W_{out}^\top + c, \qquad \ell_t = \text{cross-entropy}(z_t, y_t), \qquad L = \sum_{t=1}^{T} \ell_t,$$
#
# with targets $y_t$, whole numbers from 0 to $V - 1$. The loss is **summed over time and averaged over the batch**: $\ell_t$ is the mean over the $B$ rows.
#
# Does this make $T$ sweeps, one for each loss? No. Ask what $\delta_t = dL/dh_t$ is now. If $h_t$ moves by a little, who notices?
#
# - its own loss $\ell_t$, directly, through the read-out;
# - all later losses, and *only through $h_{t+1}$*.
#
# Two ways, so two terms, and they are added before anything else happens:
#
# $$\delta_t = \underbrace{\frac{\partial \ell_t}{\partial h_t}}_{\text{from its own loss}} + \underbrace{\delta_{t+1}\,\frac{\partial h_{t+1}}{\partial h_t}}_{\text{from all later losses}}, \qquad \delta_{T+1} = 0.$$
#
# One sweep of $T$ steps sums all $T(T+1)/2$ paths that you counted in lesson 01.
#
# **From the loss to the scores.** For one row with target $y$, let $q = 0, …, V - 1$ count the classes. The softmax probabilities are $p_q = e^{z_q} / Z$,
# where $Z$ is the sum of $e^{z_q}$ over all classes, so the loss is $-\ln p_y = \ln Z - z_y$. Differentiate this by $z_q$: the first term gives $p_q$, the
# second gives $-1$ if $q = y$ and 0 otherwise. So the gradient is *softmax minus one-hot*. For three classes with $p = (0.7, 0.2, 0.1)$ and target 0 it is $(-0.3, 0.2,
# 0.1)$: push the right score up, the others down, by as much as they are off. The mean over the batch divides it by $B$.
#
# **From the scores to the state.** The read-out is a matrix product like the others: the table of section 2 holds with $z_t$ in place of $a_t$,
# $W_{out}$ in place of the weight, $h_t$ in place of what enters. Its parameters, too, are shared by all steps.
#
# ### Exercise: `bptt_every_step`
#
# *difficulty 4 of 5 · importance 5 of 5 · 25 minutes · without autograd*
#
# `bptt_every_step(x, h0, params, targets)` gets `targets` (B, T) and all five parameters. It returns `(loss, grads)`: the loss as above, a tensor of
# shape (), and a dict of gradients for the five parameters, `"x"` and `"h0"`.
# For the value of the loss you may use `F.cross_entropy`, which takes scores (N, V) and targets (N,); the gradients you write yourself.
#
# **A tiny example**: the click, with $V = 2$, $W_{out} = (1, -1)^\top$, $c = 0$ and the target 0 at all three steps. The scores are $(h_t, -h_t)$, the
# probabilities of class 0 are 0.7159, 0.6698, 0.6344, and the loss is
# $-\ln 0.7159 - \ln 0.6698 - \ln 0.6344 = 1.1899$. Every step pushes its state up: $\partial \ell_t/\partial h_t = 2\,(p_0 - 1)$, which is $-0.5682$,
# $-0.6603$, $-0.7311$. The adjoints, rounded only at the end, are
# $\delta_3 = -0.7311$, $\delta_2 = -0.6603 - 0.5404 = -1.2008$, $\delta_1 = -0.5682 - 0.8404 = -1.4086$.


# %% answer="shared-gradients-bptt"
def bptt_every_step(x, h0, params, targets):
    """Loss and gradients of a simple recurrent network with a cross-entropy at every step.

    x: (B, T, D), h0: (B, H), targets: (B, T) in 0…V-1;
    params: the recurrent three, weight_out (V, H), bias_out (V,).
    Returns the loss, summed over time and averaged over the batch, and a dict of gradients: params, "x", "h0".
    """
    ### BEGIN SOLUTION
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.zeros_like(h0)  # what comes from later steps; behind the last one there are none
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]  # (B, V)
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.softmax(scores, 1) - F.one_hot(y, scores.shape[1])) / B  # (B, V)
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next  # the two ways in which h_t matters
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads
    ### END SOLUTION


# %% check="shared-gradients-bptt" points=6 keeps="bptt-every-step"
check("shared-gradients-bptt")

# %% [markdown] hint="shared-gradients-bptt"
# <details><summary>Hint 1: a question</summary>
#
# Compare with `bptt_last`. There, one tensor started the sweep, and after that each step got all that it needed from the step after it. What does each
# step need in addition now, and
# at which place do the two meet?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Keep the loop of `bptt_last`, with two changes. It starts from zeros: no step comes after the last. And before each step's backward: compute the
# scores, the gradient of the scores, from it the gradients of the read-out (added up over the steps)
# and what the own loss wants of $h_t$. The sum of this and of what comes from later is the upstream gradient of the step.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# from_later = torch.zeros_like(h0)
# for t in range(T, 0, -1):
#     scores = ...                                 # (B, V)
#     loss = loss + ...
#     dscores = (torch.softmax(...) - F.one_hot(...)) / ...
#     grads["weight_out"] += ...
#     grads["bias_out"] += ...
#     from_own_loss = ...                          # (B, H)
#     dx, from_later, dparams = rnn_step_backward(..., x[:, t - 1], states[t - 1], states[t], params)
#     ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# The card says which tensors are right. Read it as a map:
#
# - *The loss comes first*: sum over time, mean over the batch. `F.cross_entropy` takes the mean over its rows.
# - *the gradients of the read-out are not*: look at `dscores` first, before the sweep. For one row, is it softmax minus one-hot, divided by $B$?
# - the read-out is right and the rest is not: the mistake lies behind `dscores`, in the sweep.
# - *The last steps are right*, and the earlier ones are wrong: what is passed from a step to the one before it?
# - *wrong at the last step already*: what is $\delta_{T+1}$, and what happens within one step?
# - *averaged over the batch, and the gradients are not*: where does the loss's $1/B$ enter?
# - *each step sees its own loss only*: the second term of $\delta_t$ is missing; *at the last step only*: the first one.
# - *paired in different orders*: `reshape(T, B)` is no transpose, and `flatten` keeps the order of the axes.
# </details>

# %% [markdown]
# ### Experiment: what the second term is good for
#
# A network sees a random symbol at each step (one of 3) and has to name the symbol from **two steps ago**. It is trained with *your* gradients; no
# autograd anywhere. The stored runs compare three ways to train:
#
# - **all paths**: `bptt_every_step` as it stands;
# - **own step only**: the second term of $\delta_t$ is dropped. The same function can do it: each step is called as a sequence of length 1 that starts
#   from the state as a given number;
# - **read-out alone**: $W_{ih}$, $W_{hh}$ and $b$ stay as they were drawn, and only $W_{out}$ and $c$ are trained.
#
# Whoever knows nothing pays $\ln 3 = 1.10$ nats per step. The first two targets cannot be known, which costs $\frac{2}{10} \ln 3 = 0.22$ for $T = 10$:
# the floor.


# %% given="echo"
def learn_echo(seed, all_paths=True, frozen=False, updates=160, T=10, delay=2, V=3):
    """Losses per step of learning to name the symbol from `delay` steps ago; Adam; means over 20 updates.

    `frozen` leaves the recurrence as it was drawn and trains the read-out alone.
    """
    generator = torch.Generator().manual_seed(seed)
    params = make_params(V, 16, V, seed)
    optimizer = torch.optim.Adam(params.values(), lr=0.03)
    losses = []
    for _ in range(updates):
        symbols = torch.randint(0, V, (32, T + delay), generator=generator).to(device)
        x, targets = F.one_hot(symbols[:, delay:], V).to(dtype), symbols[:, :T]
        h0 = torch.zeros(32, 16, device=device, dtype=dtype)
        if all_paths:
            loss, grads = bptt_every_step(x, h0, params, targets)
        else:
            states = forward(x, h0, params)
            parts = [bptt_every_step(x[:, t : t + 1], states[t], params, targets[:, t : t + 1]) for t in range(T)]
            loss = sum(part[0] for part in parts)
            grads = {name: sum(part[1][name] for part in parts) for name in params}
        for name, value in params.items():
            if not frozen or name in ("weight_out", "bias_out"):
                value.grad = grads[name]
        optimizer.step()  # Adam leaves alone what has no gradient
        losses.append(float(loss) / T)
    return torch.tensor(losses).reshape(-1, 20).mean(1).tolist()


# %% experiment="echo" keeps="bptt-every-step"
with needs("bptt_every_step"):
    fig, ax = plt.subplots()
    steps = range(20, 161, 20)
    runs = stored("shared_gradients", "echo")
    for number, run in enumerate(runs):
        name = f"own step only, stored ({len(runs)} seeds)" if number == 0 else None
        ax.plot(steps, run["own_step"], color=figures.VERMILION, lw=1, label=name)
    figures.band(ax, steps, [run["readout_alone"] for run in runs], figures.GREEN, "read-out alone, stored")
    figures.band(ax, steps, [run["all_paths"] for run in runs], figures.BLUE, "all paths, stored")
    ax.plot(steps, learn_echo(seed=0), "o-", color=figures.INK, label="all paths, with your gradients, seed 0")
    for level, name, side in (
        (math.log(3), "knows nothing: ln 3", "bottom"),
        (0.2 * math.log(3), "knows all that can be known", "top"),
    ):
        ax.axhline(level, color=figures.INK, ls=":")
        ax.text(160, level + (0.02 if side == "bottom" else -0.03), name, ha="right", va=side, fontsize=9)
    ax.set(xlabel="update", ylabel="loss (nats per step)", ylim=(0, 1.75))
    ax.set_title("Without what comes from later, the loss falls and then rises")
    ax.legend(fontsize=9, loc="upper right")
    figures.show(
        fig,
        "With all paths the loss falls to the floor; with each step's own loss only it falls at first and then rises again; "
        "with the read-out alone it goes on falling, slowly.",
    )

# %% [markdown]
# **What to see.** With all paths the loss goes down to the floor and stays there. With the own step only (one thin line for each seed) it falls too, at
# first: a random recurrence keeps traces of the past by itself, and the read-out learns to use them. Then it *rises*.
#
# The third way to train tells where the rise comes from. Leave the random recurrence alone and train the read-out: the loss goes on falling, to
# between 0.32 and 0.44 in the end, for all five seeds. With the own step only it ends between 0.70 and 1.00. So it is not the read-out that fails. The
# recurrence had traces of the past, and training it by the own step alone has spoilt them.
#
# To be useful two steps later, a symbol has to be stored in step $t$. The reward for that arrives at $t + 2$ and travels back through the second
# term. Without the term no step is ever told that somebody later needs something from it, and the weights are changed for the sake of the present. A
# sum in which terms are missing is not a poorer gradient of the loss, it is no gradient of the loss.
#
# ## 5. How do you know that a gradient is right?
#
# So far autograd was the referee. Who checks autograd, or a gradient for which there is none? Go back to what a derivative is: move one entry
# $\theta_i$ by a small $\varepsilon$ to both sides and see what the loss does,
#
# $$\frac{\partial f}{\partial \theta_i} \approx \frac{f(\theta + \varepsilon e_i) - f(\theta - \varepsilon e_i)}{2\varepsilon},$$
#
# where $e_i$ is 1 at entry $i$ and 0 elsewhere. This is the **central difference**. It needs nothing but $f$, and it costs two evaluations for *each*
# entry, which is why nobody trains with it.
#
# How small should $\varepsilon$ be? Two errors pull in opposite directions. A Taylor expansion shows that the curve itself costs
# $\frac{\varepsilon^2}{6} f'''$: smaller is better. But the two values of $f$ are rounded, in float64 by about $10^{-16}$ of their size, and their
# difference is divided by $2\varepsilon$: an error of about $10^{-16}\, |f| / \varepsilon$. Here larger is better.
#
# ### Predict: the best step
#
# *difficulty 3 of 5 · importance 3 of 5 · 3 minutes*
#
# For the sine, in float64: **at which $\varepsilon = 10^{-k}$ is the central difference most accurate?** Write the whole number $k$. (Compare the two
# errors, with $f$ and $f'''$ of order 1.)

# %% answer="shared-gradients-predict-eps"
### BEGIN SOLUTION
guess_k = 5
### END SOLUTION
### RELEASED AS
# guess_k = None
### END RELEASED

# %% check="shared-gradients-predict-eps" points=1
check("shared-gradients-predict-eps")

# %% [markdown]
# ### Exercise: `finite_difference`
#
# *difficulty 2 of 5 · importance 4 of 5 · 8 minutes*
#
# `finite_difference(f, theta, eps)` takes a function `f`, which maps a tensor of the shape of `theta` to a tensor of shape (), and returns the central
# differences, a tensor of the shape of `theta`. `theta` may have any shape and any layout in memory, and
# may be a single number, of shape `()`; it must not be changed.
#
# **A tiny example**: $f(\theta) = \theta_1^3 + \theta_1\theta_2$ at $\theta = (1, 2)$ with $\varepsilon = 0.1$. For the first entry: $(1.1^3 + 2.2 -
# 0.9^3 - 1.8) / 0.2 = 5.01$; the derivative is $3 + 2 = 5$. For the second: $(2.1 - 1.9)/0.2 = 1$.


# %% answer="shared-gradients-finite-difference"
def finite_difference(f, theta, eps):
    """Central differences of f at theta, one entry at a time.

    f: a function of a tensor of theta's shape, to a tensor of shape (). Returns a tensor of theta's shape.
    """
    ### BEGIN SOLUTION
    slopes = []
    for i in range(theta.numel()):
        step = torch.zeros(theta.numel(), dtype=theta.dtype, device=theta.device)
        step[i] = eps
        step = step.reshape(theta.shape)
        slopes.append((f(theta + step) - f(theta - step)) / (2 * eps))
    return torch.stack(slopes).reshape(theta.shape)
    ### END SOLUTION


# %% check="shared-gradients-finite-difference" points=2 keeps="differences"
check("shared-gradients-finite-difference")

# %% [markdown] hint="shared-gradients-finite-difference"
# <details><summary>Hint 1: a question</summary>
#
# For one entry you need two tensors of the shape of `theta` that differ from it in that entry only. How do you make them without touching `theta`?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Think of `theta` as flat, with `theta.numel()` entries. For each $i$ make a flat step of zeros with $\varepsilon$ at place $i$ and give it the shape
# of `theta`. Evaluate `f` on both sides, divide by the distance of the two points. Collect, and give the result the shape of `theta`.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# slopes = []
# for i in range(theta.numel()):
#     step = torch.zeros(theta.numel(), dtype=..., device=...)
#     step[i] = ...
#     step = step.reshape(...)
#     slopes.append(...)
# return torch.stack(slopes)...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *divided by ε and not by 2ε*: how far apart are the two points?
# - *off by the factor ε²*: `a / 2 * b` divides by 2 and multiplies by `b`.
# - *theta may have any number of axes*: `theta.numel()` counts the entries of any of them, and of a single number too.
# - *f saw no move of it*, or *`view` … not compatible*: fill a flat step, and give it the shape of `theta` afterwards.
# - *the step is made to one side*: a central difference evaluates `f` at two points, and neither is `theta` itself.
# - *an entry that was moved is not moved back*: start from `theta` again for each entry.
# - *changed its argument theta in place*: `theta.reshape(-1)` shares its memory with `theta`, most of the time; `view` always does, where it works at all.
# </details>

# %% [markdown]
# ### Experiment: how exact is the test?
#
# The next cell takes the gradient of `weight_hh` from your `bptt_every_step` and holds your central differences against it, for every $\varepsilon$
# from $10^{-1}$ down to $10^{-12}$, in both precisions.


# %% given="differences"
STEPS = [10.0**-k for k in range(1, 13)]


def difference_errors(seed, kind):
    """Largest error of central differences in dL/dweight_hh, relative to the largest entry, for each step of STEPS.

    The gradient that they are compared with is always computed in the notebook's own precision.
    """
    generator = torch.Generator().manual_seed(seed)
    params = make_params(3, 4, 5, seed)
    x, h0 = normal(generator, 2, 6, 3), normal(generator, 2, 4)
    targets = torch.randint(0, 5, (2, 6), generator=generator).to(device)
    right = bptt_every_step(x, h0, params, targets)[1]["weight_hh"]
    x, h0 = x.to(kind), h0.to(kind)
    others = {name: value.to(kind) for name, value in params.items()}

    def loss(weight_hh):
        return torch.as_tensor(bptt_every_step(x, h0, {**others, "weight_hh": weight_hh}, targets)[0])

    found = [finite_difference(loss, others["weight_hh"], eps).to(dtype) for eps in STEPS]
    return [((one - right).abs().max() / right.abs().max()).item() for one in found]


# %% experiment="differences" keeps="differences"
with needs("finite_difference", "bptt_every_step"):
    fig, ax = plt.subplots()
    for name, (kind, color, marker) in {
        "float32": (torch.float32, figures.VERMILION, "s"),
        "float64": (torch.float64, figures.BLUE, "o"),
    }.items():
        if kind == torch.float64 and dtype != kind:
            continue  # this device has no float64
        runs = [run[name] for run in stored("shared_gradients", "differences")]
        figures.band(ax, STEPS, runs, color, f"{name}, stored")
        ax.plot(STEPS, difference_errors(0, kind), marker=marker, color=color, label=f"{name}, seed 0")
    ax.axhline(5e-6, color=figures.INK, ls=":", label="where the checks draw their line")
    ax.set(xscale="log", yscale="log", xlabel="step ε (no unit)", ylabel="relative error (no unit)", ylim=(1e-14, 1e3))
    ax.set_title("Too large a step sees the curve, too small a one sees rounding")
    ax.legend(fontsize=8, loc="lower left")
    figures.show(
        fig,
        "Error of central differences against the step: lowest near 1e-5 in float64 and near 1e-2 in float32, "
        "which does not see the smallest steps at all.",
    )

    errors = {}
    for k in range(1, 16):
        points = torch.linspace(-2, 2, 41, dtype=torch.float64)
        slopes = torch.stack([finite_difference(torch.sin, point, 10.0**-k) for point in points])
        errors[k] = (slopes - torch.cos(points)).abs().max().item()
    best = min(errors, key=errors.get)
    print("the sine, float64: " + ", ".join(f"k = {k}: {error:.0e}" for k, error in errors.items()))
    reply(
        guess_k,
        best,
        {
            best: f"There ε²/6 has become about as small as what rounding costs, and the error is {errors[best]:.0e}.",
            8: "That is best for a difference to one side. Its error is ε/2 and not ε²/6, so it needs a smaller step.",
            15: "You made the step as small as the digits allow. But the two values are then nearly equal, and their rounding is divided by ε.",
        },
        "Your step is larger than the best: the curve costs ε²/6, and that is still more than the rounding. Find your k in the line above.",
        high="Your step is smaller than the best: rounding is divided by ε, and that costs more than the curve. Find your k in the line above.",
    )

# %% [markdown]
# **What to see.** Each curve has a lowest point. To the right of it the error grows with the square of $\varepsilon$; to the left of it rounding
# grows as $1/\varepsilon$. The curve of float32 ends in a plateau: for $\varepsilon = 10^{-9}$ and less, $\theta + \varepsilon$ and
# $\theta - \varepsilon$, or the two losses, round to the same number. The step is not seen at all, the answer is 0 and its relative error 1. In float64 the lowest point is near $10^{-5}$ and far below the dotted line. In float32 it is near $10^{-2}$ and stays above: **a
# gradient check in float32 cannot tell a mistake in the fourth digit from rounding.** That is why the checks use float64, and why
# `torch.autograd.gradcheck`, PyTorch's own test of this kind, asks for it.
#
# ## 6. The other direction: derivatives that run forward
#
# Backpropagation through time needs the whole sequence before it can start, and it needs all states. There is an algorithm that needs neither. It
# carries the *total derivative of the state* along, forward in time, beside the state itself. In it, immediate and total
# derivative stand in one formula, and you can see the difference in the code.
#
# Take one sequence, without a batch, so $h_t$ has $H$ entries, and look at $W_{hh}$ alone. Write $S_t$ for the total derivative $dh_t/dW_{hh}$: a
# tensor with three axes, whose entry $[i, j, k]$ says how unit $i$ of $h_t$ moves if entry $[j, k]$ of $W_{hh}$ moves, in *all* steps so far. The rule
# from
# section 1, immediate part plus what the previous state brings along, becomes
#
# $$S_t = \underbrace{J_t\, S_{t-1}}_{\text{through } h_{t-1}} + \underbrace{\frac{\partial^+ h_t}{\partial W_{hh}}}_{\text{immediate}}, \qquad S_0 = 0, \qquad J_t = \frac{\partial h_t}{\partial h_{t-1}} = \text{diag}(1 - h_t^2)\, W_{hh}.$$
#
# This is **real-time recurrent learning** (Williams and Zipser, 1989): at any time $t$, with any loss on $h_t$, the gradient is there at once,
# $\frac{\partial \ell_t}{\partial h_t}\, S_t$, and nothing of the past was stored but $S_t$.
#
# ### Exercise: `immediate_jacobian`
#
# *difficulty 3 of 5 · importance 4 of 5 · 10 minutes · without autograd*
#
# First the immediate part. Unit $i$ is $h_t[i] = \tanh(\sum_k W_{hh}[i, k]\, h_{t-1}[k] + …)$. Hold $h_{t-1}$ fixed and move $W_{hh}[j, k]$. Which
# units move at all?
#
# `immediate_jacobian(h_t, h_prev)` takes two tensors (H,) and returns a tensor (H, H, H), with $\partial^+ h_t[i] / \partial W_{hh}[j, k]$ at `[i, j, k]`.
#
# **A tiny example**: $H = 2$, $h_t = (0.6,\, 0)$, $h_{t-1} = (0.5,\, -1)$. The slopes are 0.64 and 1. Of the 8 entries 4 are not zero: `[0, 0]` is
# $(0.32, -0.64)$ and `[1, 1]` is $(0.5, -1)$.


# %% answer="shared-gradients-immediate"
def immediate_jacobian(h_t, h_prev):
    """The immediate derivative of a state by weight_hh: entry [i, j, k] is ∂⁺h_t[i]/∂weight_hh[j, k], h_prev held fixed.

    h_t, h_prev: (H,), for one sequence. Returns (H, H, H).
    """
    ### BEGIN SOLUTION
    H = len(h_t)
    jacobian = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        jacobian[i, i] = (1 - h_t[i] ** 2) * h_prev  # row i of weight_hh moves unit i and no other
    return jacobian
    ### END SOLUTION


# %% check="shared-gradients-immediate" points=2 keeps="immediate-and-total"
check("shared-gradients-immediate")

# %% [markdown] hint="shared-gradients-immediate"
# <details><summary>Hint 1: a question</summary>
#
# In the tiny example, why is `[0, 1]` zero? Which row of $W_{hh}$ makes unit 0?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Start from zeros (H, H, H). Only the blocks with $i = j$ are filled. In block `[i, i]` stand $H$ numbers, one for each $k$: what comes through the
# tanh of unit $i$, times what $W_{hh}[i, k]$ multiplies.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# jacobian = torch.zeros(..., dtype=h_t.dtype, device=h_t.device)
# for i in range(len(h_t)):
#     jacobian[i, ...] = ...        # (H,): one number for each k
# return jacobian
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *every row j of weight_hh acts on every unit i of h_t*: fill only $i = j$.
# - *the last two axes are swapped*: the second axis counts the row of $W_{hh}$.
# - *dtype*: `torch.zeros(H, H, H)` is float32; say `dtype=h_t.dtype`.
# </details>

# %% [markdown]
# ### Predict: what does it cost to carry $S_t$?
#
# *difficulty 3 of 5 · importance 4 of 5 · 3 minutes*
#
# For one sequence, backpropagation through time keeps all states: $T$ times $H$ numbers. Real-time recurrent learning keeps $S_t$, whose size you know.
# Take $H = 64$. **Beyond which length $T$ does $S_t$ take less memory than the states
# $h_1, …, h_T$?** Write a whole number.

# %% answer="shared-gradients-predict-memory"
### BEGIN SOLUTION
guess_T = 64**2
### END SOLUTION
### RELEASED AS
# guess_T = None
### END RELEASED

# %% check="shared-gradients-predict-memory" points=1
check("shared-gradients-predict-memory")

# %% [markdown]
# ### Exercise: `total_jacobian`
#
# *difficulty 4 of 5 · importance 4 of 5 · 15 minutes · without autograd*
#
# `total_jacobian(x, h0, params)` takes one sequence, `x` (T, D) and `h0` (H,), and returns all of $S_1, …, S_T$ as one tensor (T, H, H, H). You may use
# your `immediate_jacobian`. (`forward` wants a batch: `x[None]` is a batch of one. Its states are then (1, H): `[0]` takes the row out of each.)
#
# **A tiny example**: the click, $W_{hh} = 0.8$. $S_1 = 0.7864 \cdot 0 = 0$. $S_2 = 0.8749\,(0.8 \cdot 0 + 0.4621) = 0.4043$. $S_3 = 0.9240\,(0.8 \cdot
# 0.4043 + 0.3537) = 0.6257$. That last number you have met: it is $dL/dW_{hh}$ from section 3, found from the other end.


# %% answer="shared-gradients-total"
def total_jacobian(x, h0, params):
    """The total derivative of every state by weight_hh, for one sequence, by real-time recurrent learning.

    x: (T, D), h0: (H,), params: the three recurrent parameters. Returns (T, H, H, H): entry [t - 1, i, j, k] is
    dh_t[i]/dweight_hh[j, k].
    """
    ### BEGIN SOLUTION
    H = len(h0)
    states = [h[0] for h in forward(x[None], h0[None], params)]  # T + 1 times (H,)
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)  # h_0 does not depend on weight_hh
    found = []
    for t in range(1, len(states)):
        J = (1 - states[t] ** 2)[:, None] * params["weight_hh"]  # (H, H): dh_t/dh_{t-1}
        S = (J @ S.reshape(H, H * H)).reshape(H, H, H) + immediate_jacobian(states[t], states[t - 1])
        found.append(S)
    return torch.stack(found)  # (T, H, H, H)
    ### END SOLUTION


# %% check="shared-gradients-total" points=4 keeps="immediate-and-total"
check("shared-gradients-total")

# %% [markdown] hint="shared-gradients-total"
# <details><summary>Hint 1: a question</summary>
#
# $S_{t-1}[l, j, k]$ says how unit $l$ of $h_{t-1}$ moves. $J_t[i, l]$ says how unit $i$ of $h_t$ moves if unit $l$ of $h_{t-1}$ does. Over which letter
# do you have to sum to get $[i, j, k]$?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Compute the states. Start with $S$ full of zeros: $h_0$ is given, and no weight moves it. In each step build $J_t$ (H, H), whose *rows* are scaled by
# the slopes; multiply it into the first axis of $S$ (`torch.einsum`, `torch.tensordot`, or a reshape to (H, H·H) and a matrix product);
# add the immediate part; store.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# S = torch.zeros(...)
# found = []
# for t in range(1, T + 1):
#     J = ...                                          # (H, H)
#     S = torch.einsum("...,ljk->ijk", J, S) + ...     # which two letters has J?
#     found.append(S)
# return torch.stack(found)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *with h_{t-1} held fixed, and not the total one*: the first term is missing.
# - *the immediate derivatives are summed up*: $S_{t-1}$ has to pass $J_t$ first.
# - *J_t is used the wrong way round*: the sum runs over the unit of $h_{t-1}$, the second index of $J_t$.
# - *S_1 is the immediate part alone*: nothing is carried along in step 1. Is $S_0$ zero, and is $J_t$ multiplied into $S_{t-1}$ only?
# - *all T entries are one tensor*: `S[:] = …` and `S += …` write into the tensor that is in your list already.
# - *number of subscripts*: a state of shape (1, H) where (H,) is meant.
# - *the slope multiplies the columns*: `slope * W` scales columns, `slope[:, None] * W` scales rows.
# - *Fix immediate_jacobian first*: this exercise uses it.
# </details>

# %% [markdown]
# ### Experiment: three roads to one gradient
#
# A forward mode does not need the whole $S_t$, if one direction is enough. `torch.func.jvp` carries along *one* number for each value of the network:
# how it moves if all parameters move in a given direction. For the loss this must be the sum, over all entries, of the gradient by your backward sweep
# times the direction. The next cell compares, and then counts what the two full gradients cost.


# %% given="roads"
def gaps_between_roads(seed):
    """Relative differences: forward mode against bptt_every_step, and total_jacobian against bptt_last."""
    generator = torch.Generator().manual_seed(seed)
    params = make_params(3, 8, 5, seed)
    x, h0 = normal(generator, 4, 12, 3), normal(generator, 4, 8)
    targets = torch.randint(0, 5, (4, 12), generator=generator).to(device)
    direction = {name: normal(generator, *value.shape) for name, value in params.items()}

    def loss(given):
        scores = F.linear(torch.stack(forward(x, h0, given)[1:], 1), given["weight_out"], given["bias_out"])
        return F.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="sum") / len(x)

    _, forwards = torch.func.jvp(loss, (params,), (direction,))
    _, grads = bptt_every_step(x, h0, params, targets)
    backwards = sum((grads[name] * direction[name]).sum() for name in params)

    recurrent = {name: params[name] for name in ("weight_ih", "weight_hh", "bias")}
    dh_T = normal(generator, 1, 8)
    realtime = torch.einsum("i,ijk->jk", dh_T[0], total_jacobian(x[0], h0[0], recurrent)[-1])
    sweep = bptt_last(x[:1], h0[:1], recurrent, dh_T)["weight_hh"]
    return {
        "forward_mode": ((forwards - backwards).abs() / backwards.abs()).item(),
        "realtime": ((realtime - sweep).abs().max() / sweep.abs().max()).item(),
    }


def operations(run):
    """Floating-point operations in the matrix products of `run()`, two for each multiply-add."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


# %% experiment="roads" keeps="immediate-and-total"
with needs("bptt_every_step", "bptt_last", "total_jacobian"):
    gaps = [gaps_between_roads(seed) for seed in range(3)]
    for name, road in (
        ("forward_mode", "jvp against bptt_every_step"),
        ("realtime", "total_jacobian against bptt_last"),
    ):
        print(f"{road:34s} relative difference at most {max(gap[name] for gap in gaps):.0e} (3 seeds)")

    sizes, T = (4, 8, 16, 32), 6
    costs = {"total_jacobian": [], "bptt_last": []}
    for H in sizes:
        generator = torch.Generator().manual_seed(H)
        params = make_params(3, H, 0, seed=H)
        x, h0, dh_T = normal(generator, 1, T, 3), normal(generator, 1, H), normal(generator, 1, H)
        costs["total_jacobian"].append(operations(lambda: total_jacobian(x[0], h0[0], params)))
        costs["bptt_last"].append(operations(lambda: bptt_last(x, h0, params, dh_T)))

    fig, ax = plt.subplots()
    for (name, cost), color, marker in zip(costs.items(), figures.PALETTE[1::-1], figures.MARKERS, strict=False):
        if min(cost) > 0:  # loops over single entries are not counted
            power = math.log(cost[-1] / cost[-2]) / math.log(sizes[-1] / sizes[-2])
            ax.plot(sizes, cost, marker=marker, color=color, label=f"{name}: grows as H to the power {power:.1f}")
    ax.set(
        xscale="log",
        yscale="log",
        xticks=sizes,
        xticklabels=sizes,
        xlabel="number of units H",
        ylabel="operations in matrix products",
    )
    ax.minorticks_off()
    ax.set_title(f"The price of running forward (one sequence, T = {T})")
    ax.legend()
    figures.show(
        fig,
        "Counted operations against H: real-time recurrent learning grows with about the fourth power, the backward sweep with about the second.",
    )

    H, generator = 64, torch.Generator().manual_seed(64)
    params, x, h0 = make_params(3, H, 0, seed=64), normal(generator, 1, 1, 3), normal(generator, 1, H)
    carried, each = total_jacobian(x[0], h0[0], params)[-1].numel(), forward(x, h0, params)[-1].numel()
    print(f"H = {H}: S_t holds {carried:,} numbers at every step, and a state holds {each}")
    reply(
        guess_T,
        carried / each,
        {
            carried / each: "That many states hold as many numbers as S_t. For a longer sequence, S_t takes less.",
            carried: f"That is how many numbers S_t holds. But each step of the other way keeps {each} numbers, not one.",
            H: "You took S_t for a matrix. It holds the derivative of each of the H units by each of the H · H weights.",
        },
        f"S_t does not grow with T. The states do, by {each} numbers a step: how many steps make as many numbers as S_t?",
        near=0.05,
    )

# %% [markdown]
# **What to see.** Three algorithms, one gradient, to the last digits. The price is another matter: $J_t S_{t-1}$ multiplies an (H, H) matrix into $H^2$
# columns at every step, about $H^4$ multiplications, where each product of the backward sweep takes $H^2$, or $H D$. It has several of them, so for
# $H = 32$ the ratio is a few hundred and not $32^2$: *of the order of* $H^2$. Both costs grow in proportion to $T$. So real-time
# recurrent learning is used where the sequence never ends and $H$ is small, or in approximations. (If a program multiplies single numbers in a loop,
# PyTorch's counter does not see it, and its line is missing.)
#
# The reason is the shape of the problem. One loss, many parameters: going backwards, one vector of size $H$ carries all that is needed. Going forward,
# every parameter needs a passenger of its own.
#
# ## 7. Find the bug: it trains all the same
#
# *difficulty 4 of 5 · importance 5 of 5 · 15 minutes · without autograd*
#
# A *leaky* unit keeps a part of its old state and mixes in something new. With a leak $0 < \alpha < 1$ and, for simplicity, one weight $u$ from each
# unit to itself in place of a matrix:
#
# $$s_t = \tanh(u \odot h_{t-1} + w\, x_t + b), \qquad h_t = (1 - \alpha)\, h_{t-1} + \alpha\, s_t, \qquad \text{guess}_t = h_t \cdot v.$$
#
# `leaky_gradients` returns the mean squared error over batch and time, and the gradients of `u`, `w`, `b` and `v`, each (H,), written by hand. The loss
# is right. In the experiment below, training with these gradients brings it under a tenth of what guessing 0 costs. **And yet there is one mistake in the backward half. Find
# it and fix it**, in the cell itself.
#
# Do not only stare: you have a referee. Make a cell of your own, take a small `x`, `y` and `params`, and compare each gradient with central
# differences. For `u`, the loss as a function of `u` alone is
#
# ```python
# lambda u: leaky_gradients(x, y, {**params, "u": u}, 0.2)[0]
# ```
#
# Which gradients are right, which are wrong, and for which $T$? Try $T = 1, 2, 5$. The referee stays in that cell: `leaky_gradients` itself works by
# hand, without autograd and without differences.


# %% answer="shared-gradients-bug"
def leaky_gradients(x, y, params, alpha):
    """Mean squared error of a network of leaky units, and its gradients.

    x, y: (B, T), one number in and one out at each step; params: u, w, b, v, each (H,); the states start from zeros.
    Returns the loss, shape (), and a dict of gradients with the keys of params.
    """
    B, T = x.shape
    u, w, b, v = (params[name] for name in ("u", "w", "b", "v"))

    h, tape, loss = x.new_zeros(B, len(u)), [], 0
    for t in range(T):
        h_prev = h
        s = torch.tanh(u * h_prev + w * x[:, t, None] + b)  # (B, H)
        h = (1 - alpha) * h_prev + alpha * s  # (B, H)
        error = h @ v - y[:, t]  # (B,)
        loss = loss + (error**2).mean() / T
        tape.append((x[:, t, None], h_prev, s, h, error))

    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    from_later = torch.zeros_like(h)
    for x_t, h_prev, s, h, error in reversed(tape):
        dguess = 2 * error[:, None] / (B * T)  # (B, 1)
        grads["v"] += (dguess * h).sum(0)
        d = dguess * v + from_later  # what comes from above, for h_t: (B, H)
        inner = d * alpha * (1 - s**2)  # back through the tanh, (B, H)
        grads["u"] += (inner * h_prev).sum(0)
        grads["w"] += (inner * x_t).sum(0)
        grads["b"] += inner.sum(0)
        ### BEGIN SOLUTION
        from_later = inner * u + d * (1 - alpha)  # h_{t-1} reaches h_t in two ways
        ### END SOLUTION
        ### RELEASED AS
        # from_later = inner * u
        ### END RELEASED
    return loss, grads


# %% check="shared-gradients-bug" points=3
check("shared-gradients-bug")

# %% [markdown] hint="shared-gradients-bug"
# <details><summary>Hint 1: a question</summary>
#
# Draw one step as a graph: $h_{t-1}$, $s_t$, $h_t$. Count the arrows that leave $h_{t-1}$. How many ways back does the program have?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# For $T = 1$ all four gradients are right. So the fault shows only when something is handed from a step to the one before. Which line does that?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# by_way_of_s = ...      # through the tanh, as before
# past_it = ...          # what is the local factor of the straight way?
# from_later = by_way_of_s + past_it
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *This is the program as it was found*: begin with the comparison above, then Hint 1.
# - *the slope of the tanh is applied to the way past the tanh too*: that way does not meet the tanh.
# - *without the factor 1 − α*: a straight way has a local factor too.
# </details>

# %% [markdown]
# ### Experiment: what the mistake costs
#
# The task: $y_t$ is a fast running average of $x$ minus a slow one. The next cell trains with whatever `leaky_gradients` you have now; the bands are
# stored runs over five seeds, with the program as you found it and fixed. Guessing 0 all the time costs 1.


# %% given="leaky"
def running_mean(x, rate):
    """m_t = (1 - rate) m_{t-1} + rate x_t, from 0; (B, T)."""
    means, m = [], torch.zeros_like(x[:, 0])
    for x_t in x.unbind(1):
        m = m + rate * (x_t - m)
        means.append(m)
    return torch.stack(means, 1)


def fit_leaky(seed, updates=240, H=16, T=15):
    """Losses, relative to guessing 0, of learning a fast running mean minus a slow one; Adam; means over 20 updates."""
    generator = torch.Generator().manual_seed(seed)
    params = {"u": 0.5 * normal(generator, H), "w": normal(generator, H), "b": 0.5 * normal(generator, H)}
    params["v"] = normal(generator, H) / H**0.5
    optimizer = torch.optim.Adam(params.values(), lr=0.03)
    losses = []
    for _ in range(updates):
        x = normal(generator, 32, T)
        y = running_mean(x, 0.5) - running_mean(x, 0.1)
        loss, grads = leaky_gradients(x, y, params, alpha=0.2)
        for name, value in params.items():
            value.grad = grads[name]
        optimizer.step()
        losses.append((loss / (y**2).mean()).item())
    return torch.tensor(losses).reshape(-1, 20).mean(1).tolist()


# %% experiment="leaky"
with needs("leaky_gradients"):
    fig, ax = plt.subplots()
    steps = range(20, 241, 20)
    runs = stored("shared_gradients", "leaky")
    figures.band(ax, steps, [run["as_found"] for run in runs], figures.VERMILION, "as found")
    figures.band(ax, steps, [run["mended"] for run in runs], figures.BLUE, "fixed")
    ax.plot(steps, fit_leaky(seed=0), "o-", color=figures.INK, label="yours, seed 0")
    ax.axhline(1, color=figures.INK, ls=":")
    ax.set(
        yscale="log",
        xlabel="update",
        ylabel="squared error (guessing 0 = 1)",
        ylim=(4e-3, 2),
        title="With wrong gradients it trains too",
    )
    ax.legend()
    figures.show(
        fig, "With the mistake the error falls well below guessing 0, and the fixed program gets several times lower."
    )

# %% [markdown]
# **What to see.** As found, the program learns, and you might ship it. The fixed one ends several times lower. The way that was missing is the one on
# which a leaky unit keeps its memory: the straight way, which no tanh damps. Remember it:
# in lesson 07 it comes back as the cell of an LSTM.

# %% [markdown]
# ## 8. In your own words
#
# *difficulty 3 of 5 · importance 4 of 5 · 8 minutes · graded by a person*
#
# A textbook writes: "$\dfrac{dL}{dW} = \sum_t \dfrac{\partial L}{\partial h_t} \dfrac{\partial h_t}{\partial W}$". A friend implements it: computes
# $\partial L/\partial h_t$ (our $\delta_t$) for every $t$ by the backward sweep, computes $\partial h_t/\partial W$ with `torch.func.jacrev` of the whole unrolled
# network, and multiplies and sums. The result is
# wrong for $T > 1$. **Which two meanings can the second factor have, which one did the friend take, which one does the formula need, and why does the
# other one count something twice?** Four to six sentences. You may use the example $h_2 = w\,h_1$, $h_1 = w\,h_0$ with $L = h_2$.
#
# Points: one for the two meanings by name, one for which is needed and which was taken, one for what is counted twice.

# %% [markdown] written="shared-gradients-why" points=3
# ### BEGIN SOLUTION
# The factor can be the immediate derivative, with h_{t-1} held fixed, or the total derivative, in which h_{t-1} moves along because it was made with
# the same W. jacrev of the unrolled network gives
# the total one. The formula needs the immediate one. The first factor, dL/dh_t from the sweep, is already total with respect to everything that comes
# later: it contains all ways from h_t to the loss. So with the immediate
# derivative each path from W to L, which enters at one step t and then runs along the states, is counted once, in the term of the step at which it
# enters. With the total derivative a path that enters at step 1 is counted
# in the term for t = 1 and once more in the terms for all later t, since the total derivative of h_t contains the earlier uses too. In the example:
# dL/dh_2 = 1, dL/dh_1 = w. With immediate derivatives,
# 1 · h_1 + w · h_0 = 2 w h_0, which is right. With total ones, 1 · 2 w h_0 + w · h_0 = 3 w h_0: the path through step 1 is there twice.
# ### END SOLUTION

# %% [markdown]
# ## Summary
#
# 1. The gradient of a shared weight is the sum of the gradients of its uses: untie, differentiate, add up.
# 2. The *immediate* derivative knows one use, with the previous state held fixed; the *total* derivative knows them all.
# 3. Every gradient on the way back is an upstream gradient times a local factor.
# 4. In a step, everything that lies before the tanh starts from `da`, not from `dh`.
# 5. $\delta_t = \partial \ell_t/\partial h_t + \delta_{t+1}\, \partial h_{t+1}/\partial h_t$: one sweep sums all $T(T+1)/2$ paths.
# 6. Adjoints times *immediate* derivatives sum to the *total* gradient.
# 7. Without the second term of $\delta_t$ no step is told to keep anything for later: in the experiment the loss fell at first, and rose again.
# 8. Central differences test a gradient to about $10^{-10}$ in float64 and hardly to $10^{-4}$ in float32.
# 9. Real-time recurrent learning carries the total derivative forward: the same gradient, no past stored, and of the order of $H^2$ times the work.
# 10. Next: [03 Gradient flow](03_gradient_flow.ipynb), where the product of the $\partial h_{t+1}/\partial h_t$ is looked at by itself.
#
# ## Further reading
#
# - P. J. Werbos, *Backpropagation through time: what it does and how to do it*, Proceedings of the IEEE 78(10), 1990. Its "ordered derivatives" are the
#   total ones of this lesson.
# - D. E. Rumelhart, G. E. Hinton, R. J. Williams, *Learning representations by back-propagating errors*, Nature 323, 1986.
# - R. J. Williams, D. Zipser, *A learning algorithm for continually running fully recurrent neural networks*, Neural Computation 1(2), 1989: real-time
#   recurrent learning.
# - R. J. Williams, D. Zipser, *Gradient-based learning algorithms for recurrent networks and their computational complexity*, in: Backpropagation:
#   Theory, Architectures and Applications, Erlbaum, 1995.
# - B. A. Pearlmutter, *Gradient calculations for dynamic recurrent neural networks: a survey*, IEEE Transactions on Neural Networks 6(5), 1995.
# - I. Goodfellow, Y. Bengio, A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/contents/rnn.html), MIT Press, 2016, section 10.2.2: the
#   gradient of a recurrent network, with untied copies.
# - R. Pascanu, T. Mikolov, Y. Bengio, [*On the difficulty of training recurrent neural networks*](https://arxiv.org/abs/1211.5063), ICML 2013: writes
#   the immediate derivative with a plus, as here.
# - PyTorch documentation, [*torch.func.jvp*](https://docs.pytorch.org/docs/stable/generated/torch.func.jvp.html) and [*Gradcheck
#   mechanics*](https://docs.pytorch.org/docs/stable/notes/gradcheck.html).
