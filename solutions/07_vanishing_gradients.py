# %% [markdown]
# # 07 · Vanishing gradients, LSTM and GRU
#
# "The **keys** to the cabinet near the door **are** missing." The verb agrees with a noun many words before it. A network that is to learn this needs a gradient that survives all
# the words between. In a plain recurrent network it does not: it vanishes. Gates are the best-known remedy, and the best-known stories about them are half true. In this lesson you build the gates by hand, take a
# gradient back through them by hand, and measure which of the stories hold.
#
# After this lesson you can
#
# - measure how fast a gradient fades, in any recurrent layer of PyTorch;
# - write one step of an LSTM and of a GRU, and the way back through an LSTM's step, without autograd;
# - say which path keeps a gradient alive, and on what that depends;
# - set up a layer so that its gradient lives, and tell by measurement when that helps.
#
# | | |
# |---|---|
# | Time | 140 minutes |
# | Know before | The way back through one step (lesson 02); products of Jacobians (lesson 03); the training step (lesson 04) |
# | Points | 29: seven exercises, three predictions, one question in words |

# %% given="setup"
import math

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from autograder import check, progress
from bptt import figures
from bptt.device import pick_device, pick_dtype
from bptt.experiment import needs, reply, stored
from bptt.interactive import explore
from bptt.tasks import Adding, DistantAgreement

device = pick_device()
dtype = pick_dtype(device)
figures.style()
torch.set_num_threads(1)  # for tensors as small as these, several threads only wait for each other

LAYERS = {"tanh": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


def fresh(kind, D, H, seed, **options):
    """A layer of LAYERS, batch first, as PyTorch initialises it, the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LAYERS[kind](D, H, batch_first=True, **options).to(device)


def normal(seed, *shape):
    """Random numbers of the given shape, the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)


# %% [markdown]
# ## 1. How fast does a gradient fade?
#
# A recurrent layer reads $x_1, …, x_T$ and gives an output at each step. Take the last output, $\text{out}_T$, and ask how strongly it depends on what was read at step $t$. The gradient
#
# $$\frac{\partial \big(\sum \text{out}_T\big)}{\partial x_t}$$
#
# says so, where the sum runs over the units of $\text{out}_T$ (one number is needed to go back from). Its length for $t = T$, $T-1$, $T-2$, … shows how the influence fades with the *lag* $T - t$. If it is nearly 0 at
# lag 20, then training gets next to no signal from what was read 20 steps ago. What it can still learn is measured in sections 6 and 7.
#
# | symbol | in code | shape | what it is |
# |---|---|---|---|
# | $B$, $T$ | | | sequences in the batch, its rows; time steps |
# | $D$, $H$ | | | size of an input; number of units |
# | $x_t$ | `x[:, t - 1]` | (B, D) | input of step $t$ |
# | $\text{out}_T$ | `out[:, -1]` | (B, H) | output of the last step |
#
# ### Exercise: `gradient_flow`
#
# *difficulty 2 of 5 · importance 5 of 5 · 10 minutes*
#
# `gradient_flow(module, x)` gets a layer (`nn.RNN`, `nn.LSTM` or `nn.GRU`, batch first) and `x` (B, T, D). It returns a tensor (T,): for each step $t$ the mean over the batch of
#
# $$\left\lVert \frac{\partial (\sum \text{out}_T)}{\partial x_t} \right\rVert_2 .$$
#
# So for each row and step first the length over the $D$ entries, then the mean over the rows. Two things that autograd makes easy: one call gives the gradient for all steps at once, and the rows do
# not disturb each other, since $\text{out}_T$ of one row depends on the inputs of that row alone.
#
# Leave the layer as it was. If you measure in the middle of training, the `.grad` of the parameters must be what it was: nothing added, nothing lost. All layers of PyTorch are called alike: `out, state = module(x)`.
#
# **A tiny example.** A linear network with one unit, $h_t = 0.5\, h_{t-1} + 2\, x_t$, and $T = 3$: the flow is $(0.5,\ 1,\ 2)$, and the sign of the weights plays no part.


# %% answer="vanishing-gradients-flow"
def gradient_flow(module, x):
    """The mean over the batch of the length of d(sum of out_T)/dx_t, for t = 1…T.

    module: nn.RNN, nn.LSTM or nn.GRU, batch first; x: (B, T, D). Returns (T,).
    """
    ### BEGIN SOLUTION
    x = x.detach().clone().requires_grad_()
    out, _ = module(x)  # (B, T, H)
    (grad,) = torch.autograd.grad(out[:, -1].sum(), x)  # (B, T, D)
    return grad.norm(dim=2).mean(0)
    ### END SOLUTION


# %% check="vanishing-gradients-flow" points=3 keeps="flow-by-lag"
check("vanishing-gradients-flow")

# %% [markdown] hint="vanishing-gradients-flow"
# <details><summary>Hint 1: a question</summary>
#
# Autograd gives the gradient of one number with respect to a tensor. Which number is it here, and which tensor? Does that tensor require a gradient when it comes in?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Make a copy of `x` that requires a gradient. Run the layer, take the last output, sum it. `torch.autograd.grad` returns the gradient (B, T, D) and leaves the parameters alone; `backward()` would not. Then the length over the last axis and the mean over the first.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# x = x.clone().requires_grad_()
# out, _ = ...
# (grad,) = torch.autograd.grad(..., x)  # (B, T, D)
# return grad.norm(dim=...).mean(...)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the outputs of all steps are summed*: the last output alone is asked about.
# - *the lengths are summed over the batch*, *one length is taken over all rows together*: first the length of each row, then the mean.
# - *other gradients in `.grad` than before*, *are gone*: `backward()` fills the parameters too, and `zero_grad()` empties what was there.
# - *the last row of the batch, and not the last step*: `out` is (B, T, H), so `out[-1]` picks a row.
# - *does not require grad*: a tensor that comes in does not require a gradient by itself.
# </details>

# %% [markdown]
# ### Predict: a fresh LSTM
#
# *difficulty 2 of 5 · importance 5 of 5 · 2 minutes*
#
# Take an LSTM with 32 units as PyTorch initialises it, and random inputs. **How long is its gradient 50 steps back, compared with that at the last step?** Write `"hardly smaller"`, `"about a hundredth"` or `"below a millionth"`.

# %% answer="vanishing-gradients-predict-fresh"
### BEGIN SOLUTION
guess_fresh = "below a millionth"
### END SOLUTION
### RELEASED AS
# guess_fresh = None
### END RELEASED


# %% check="vanishing-gradients-predict-fresh" points=1
check("vanishing-gradients-predict-fresh")

# %% [markdown]
# ### Experiment: three fresh layers
#
# The flow of a tanh network, an LSTM and a GRU, with 32 units each, as PyTorch makes them. The lag runs to the left end of the sequence; everything is divided by the value at lag 0.


# %% given="flow-fresh"
LAG = 100


def by_lag(module, seed, D=8):
    """The flow at lags 0…LAG compared with that at lag 0, on random inputs."""
    flow = gradient_flow(module.to(dtype), normal(seed, 16, LAG + 1, D)).flip(0)
    return (flow / flow[0]).tolist()


def flow_of_fresh(seed):
    """The flow by lag of each kind of layer with PyTorch's initialisation."""
    return {kind: by_lag(fresh(kind, 8, 32, seed), seed) for kind in LAYERS}


RNN, LSTM, GRU = (figures.CELLS[kind] for kind in ("RNN", "LSTM", "GRU"))
LOOKS = {  # the colour says the kind of cell; marker and line say how it is set up
    "tanh": (RNN, "o", "-"),
    "ReLU, identity": (RNN, "s", "--"),
    "LSTM": (LSTM, "^", "-"),
    "LSTM, forget bias 0": (LSTM, "^", "-"),
    "LSTM, forget bias 1": (LSTM, "D", "--"),
    "LSTM, forget bias 3": (LSTM, "P", ":"),
    "GRU": (GRU, "v", "-"),
}


def draw_flow(ax, lines, runs, title):
    """Draw a line for each entry of `lines` over the band of the stored runs, on a log scale down to 1e-20."""
    for name, line in lines.items():
        color, marker, style = LOOKS[name]
        figures.band(ax, range(LAG + 1), [run[name] for run in runs], color, "_")
        ax.plot(range(LAG + 1), line, color=color, marker=marker, ls=style, markevery=20, label=name)
    ax.set(yscale="log", ylim=(1e-20, 30), xlabel="lag: steps back from the last one", title=title)
    ax.set_ylabel("gradient compared with lag 0")
    ax.legend()


# %% experiment="flow-fresh" keeps="flow-by-lag"
with needs("gradient_flow"):
    yours = flow_of_fresh(seed=0)
    fig, ax = plt.subplots()
    draw_flow(ax, yours, stored("vanishing_gradients", "flow_fresh"), "Fresh layers forget, with gates and without")
    figures.show(fig, "On a log scale all three lines fall steadily: the gradients of tanh, LSTM and GRU all vanish.")
    at_50 = yours["LSTM"][50]
    print(f"at lag 50: tanh {yours['tanh'][50]:.0e}, LSTM {at_50:.0e}, GRU {yours['GRU'][50]:.0e}")
    reply(
        guess_fresh,
        "below a millionth" if at_50 < 1e-6 else "about a hundredth" if at_50 < 0.1 else "hardly smaller",
        {
            "hardly smaller": "You expected the gates to keep it. They could, but a fresh LSTM passes on about 0.6 at each step, and 0.6 of 0.6 of 0.6 … is soon next to nothing.",
            "about a hundredth": "You expected it to fade slowly. It fades by about the same factor at every step, and 50 factors of 0.6 or so are far less than a hundredth.",
            "below a millionth": "Section 2 shows which number inside the LSTM is to blame.",
        },
    )

# %% [markdown]
# **What to see.** Straight lines on a log scale: each step back multiplies the gradient by about the same factor: 0.50 to 0.54 for the tanh network, 0.60 to 0.65 for the LSTM and the GRU. That is somewhat better, and still it leaves less than $10^{-9}$ at lag 50, in all five
# seeds (the bands). "An LSTM cannot vanish" is not true of a fresh one.
#
# ## 2. Gates
#
# The state of an LSTM is a pair $(h_t, c_t)$, each (B, H). The *cell* $c_t$ is its memory, and $h_t$ is what it shows of it. Three *gates* are numbers between 0 and 1, one for each unit, made afresh at each step from
# what is read and what was shown: the input gate $i_t$, the forget gate $f_t$ and the output gate $o_t$. A gate is *open* near 1 and *closed* near 0. The *candidate* $g_t$ is what could be written. With $\sigma(a) = 1/(1 + e^{-a})$ and ⊙ for entry by entry:
#
# $$\begin{aligned}
# i_t &= \sigma(a^i_t) & f_t &= \sigma(a^f_t) & g_t &= \tanh(a^g_t) & o_t &= \sigma(a^o_t)
# \end{aligned}$$
#
# $$c_t = f_t \odot c_{t-1} + i_t \odot g_t, \qquad\qquad h_t = o_t \odot \tanh(c_t).$$
#
# The four pre-activations $a$ are computed together, as $4H$ numbers, from $x_t$ and $h_{t-1}$. PyTorch stacks them in the order $i, f, g, o$, from top to bottom of each weight matrix, and adds **two** biases:
#
# $$\big(a^i_t, a^f_t, a^g_t, a^o_t\big) = W_{ih}\, x_t + b_{ih} + W_{hh}\, h_{t-1} + b_{hh}.$$
#
# | symbol | in code | shape |
# |---|---|---|
# | $W_{ih}$, $W_{hh}$ | `params["weight_ih"]`, `params["weight_hh"]` | (4H, D), (4H, H); for the GRU of section 4 (3H, D), (3H, H) |
# | $b_{ih}$, $b_{hh}$ | `params["bias_ih"]`, `params["bias_hh"]` | (4H,) each; for the GRU (3H,) |
#
# Look at $c_t$. It is a *sum*: the old cell, times a gate, plus something new. So the direct path from $c_{t-1}$ to $c_t$ has the derivative $\operatorname{diag}(f_t)$: no weight matrix, no tanh. Where a forget gate is near 1,
# the gradient passes. Where it is 0.5, as in a fresh LSTM whose pre-activations lie near 0, this path halves it at every step. (Section 1 measured 0.6: there are other paths as well.)
#
# ### Exercise: `lstm_step`
#
# *difficulty 2 of 5 · importance 5 of 5 · 12 minutes · without PyTorch's own recurrent layers and cells*
#
# `lstm_step(x_t, (h, c), params)` returns the pair `(h_t, c_t)` that `nn.LSTMCell` would return, with the names, the order of the gates and both biases of that cell. `x_t` is (B, D), `h` and `c` are (B, H).
#
# **A tiny example.** One unit, $h_{t-1} = 0$, $c_{t-1} = 1$, all pre-activations 0: the three gates are 0.5, $g_t = 0$, so $c_t = 0.5$ and $h_t = 0.5 \tanh(0.5) = 0.231$.


# %% answer="vanishing-gradients-lstm-step"
def lstm_step(x_t, state, params):
    """One step of an LSTM.

    x_t: (B, D); state: the pair (h, c), each (B, H); params: weight_ih (4H, D), weight_hh (4H, H), bias_ih and bias_hh (4H,),
    rows in the order i, f, g, o. Returns (h_t, c_t).
    """
    ### BEGIN SOLUTION
    h, c = state
    a = x_t @ params["weight_ih"].T + params["bias_ih"] + h @ params["weight_hh"].T + params["bias_hh"]  # (B, 4H)
    a_i, a_f, a_g, a_o = a.chunk(4, dim=1)  # (B, H) each
    c = torch.sigmoid(a_f) * c + torch.sigmoid(a_i) * torch.tanh(a_g)
    return torch.sigmoid(a_o) * torch.tanh(c), c
    ### END SOLUTION


# %% check="vanishing-gradients-lstm-step" points=3 keeps="lstm"
check("vanishing-gradients-lstm-step")

# %% [markdown] hint="vanishing-gradients-lstm-step"
# <details><summary>Hint 1: a question</summary>
#
# The pre-activations have shape (B, 4H). Which columns belong to which gate? Which function of PyTorch cuts a tensor into four equal pieces?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# One line for all pre-activations, one `chunk` into four, three sigmoids and one tanh. Then the new c, and from the *new* c the new h.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# h, c = state
# pre = ...                                # (B, 4H)
# first, second, third, fourth = pre.chunk(4, dim=1)
# i, f, g, o = ...
# c_t = ...
# return ..., c_t
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *are taken for each other*: the order is i, f, g, o, from top to bottom.
# - *bias_hh is left out*: there are two biases, and both count.
# - *h_t is made from c_t without its tanh*, *h_t shows c_{t-1}*: the formula of $h_t$ again.
# - *The values are right and stand in another order*: h comes first.
# - *changed its argument*: `c *= f` writes into the tensor that the caller still holds.
# - *PyTorch's own recurrent cells*: here you are the cell.
# </details>

# %% [markdown]
# ### Experiment: gates by hand
#
# One unit of *your* `lstm_step`, whose gates you set with sliders: they stay the same at all steps. At step 3 something is read and the candidate is near 1; at all other steps it is 0.


# %% experiment="gates-by-hand" keeps="lstm"
def one_unit(forget, write, show, T=40):
    """c and h of one unit with constant gates, which is given something to write at step 3 alone."""
    logits = [math.log(gate / (1 - gate)) for gate in (write, forget, 0.5, show)]
    params = {
        "weight_ih": torch.tensor([[0.0], [0.0], [2.0], [0.0]], dtype=dtype, device=device),
        "weight_hh": torch.zeros(4, 1, dtype=dtype, device=device),
        "bias_ih": torch.tensor(logits, dtype=dtype, device=device),
        "bias_hh": torch.zeros(4, dtype=dtype, device=device),
    }
    read = torch.zeros(T, 1, 1, dtype=dtype, device=device)
    read[2] = 1
    state, seen = (torch.zeros(1, 1, dtype=dtype, device=device),) * 2, []
    for x_t in read:
        state = lstm_step(x_t, state, params)
        seen.append([part.item() for part in state])
    return zip(*seen)  # h, c


def gates_by_hand(forget, write, show):
    """The picture for the sliders."""
    shown, cell = one_unit(forget, write, show)
    steps = range(1, 41)
    fig, ax = plt.subplots()
    ax.plot(steps, cell, "o-", color=figures.BLUE, label="cell $c_t$")
    ax.plot(steps, shown, "s--", color=figures.ORANGE, label="shown $h_t$")
    ax.set(ylim=(-0.05, 1.05), xlabel="time step t", ylabel="value of the unit")
    left = forget**37
    ax.set_title(f"forget gate {forget:.2f}: {left:.1g} of what was written at step 3 is left at step 40")
    ax.legend()
    return fig, f"With a forget gate of {forget:.2f}, {left:.1g} of what was written at step 3 is left at step 40."


with needs("lstm_step"):
    explore(gates_by_hand, forget=(0.05, 0.99, 0.01, 0.5), write=(0.05, 0.99, 0.01, 0.9), show=(0.05, 0.99, 0.01, 0.5))

# %% [markdown]
# **Things to try.** At 0.5 the memory is gone after a few steps. Move `forget` to 0.9, 0.95, 0.99: the memory lasts about $1/(1 - f)$ steps. `write` says how much comes in, `show` how much is seen; neither changes how long it lasts. The gradient
# on its way back along the cell is multiplied by the very same $f$ at each step: **how long a cell remembers is how far its gradient reaches.**
#
# In a bias that is a small step: $\sigma(0) = 0.5$, $\sigma(1) = 0.73$, $\sigma(3) = 0.95$. Over 20 steps they leave $10^{-6}$, $0.002$ and $0.38$.
#
# ## 3. The way back through a step
#
# The step has two outputs, $h_t$ and $c_t$, and so two gradients arrive: `dh`, the gradient of the loss with respect to $h_t$ as an output, and `dc`, its gradient with respect to $c_t$ as an output. `dh` collects all uses of $h_t$: a
# read-out, and the gates of step $t+1$. `dc` collects the uses of $c_t$ *behind* this step: the direct path to $c_{t+1}$. But $c_t$ has one more use, *inside* this step: $h_t$ is made from it. So all that arrives at $c_t$, written with a bar, is
#
# $$\bar c_t = \texttt{dc} + \texttt{dh} \odot o_t \odot \big(1 - \tanh^2(c_t)\big).$$
#
# From there on it is the chain rule, gate by gate. Each gate gets what arrives behind it, times its partner in the product, times the slope of its own squashing ($\sigma' = \sigma(1-\sigma)$, $\tanh' = 1 - \tanh^2$):
#
# | pre-activation | arrives | partner | slope |
# |---|---|---|---|
# | $a^i_t$ | $\bar c_t$ | $g_t$ | $i_t (1 - i_t)$ |
# | $a^f_t$ | $\bar c_t$ | $c_{t-1}$ | $f_t (1 - f_t)$ |
# | $a^g_t$ | $\bar c_t$ | $i_t$ | $1 - g_t^2$ |
# | $a^o_t$ | `dh` | $\tanh(c_t)$ | $o_t (1 - o_t)$ |
#
# Stack the four, in the order of the rows, to one tensor (B, 4H). The parameters, $x_t$ and $h_{t-1}$ get their shares from it just as in the simple network of lesson 02. And $c_{t-1}$ gets $\bar c_t \odot f_t$.
#
# So there are two ways back from step to step: **through c**, by the factor $f_t$ alone, and **through h**, by way of the gates and `weight_hh`.
#
# ### Exercise: `lstm_step_backward`
#
# *difficulty 4 of 5 · importance 5 of 5 · 30 minutes · without autograd, without finite differences, without PyTorch's own cells*
#
# `lstm_step_backward(dh, dc, x_t, (h_prev, c_prev), params)` returns `(dx, dh_prev, dc_prev, dparams)`. `dparams` is a dict with the keys of `params`, summed over the batch, afresh at each call. The gates are not handed in: compute them again.
#
# **A tiny example.** One unit as before: $c_{t-1} = 1$, all pre-activations 0, so $c_t = 0.5$ and $\tanh(c_t) = 0.462$. With `dh` = 1 and `dc` = 0: $\bar c_t = 0.5\,(1 - 0.462^2) = 0.393$, and `dc_prev` = 0.197. The forget gate's pre-activation gets
# $0.393 \cdot 1 \cdot 0.25 = 0.098$, the output gate's $0.462 \cdot 0.25 = 0.116$, the input gate's nothing, since $g_t = 0$.


# %% answer="vanishing-gradients-lstm-step-backward"
def lstm_step_backward(dh, dc, x_t, state, params):
    """The way back through one step of an LSTM.

    dh, dc: (B, H), dL/dh_t and dL/dc_t as they arrive from behind this step; x_t: (B, D); state: (h_prev, c_prev), each (B, H).
    Returns (dx (B, D), dh_prev (B, H), dc_prev (B, H), dparams), where dparams has the keys of params.
    """
    ### BEGIN SOLUTION
    h_prev, c_prev = state
    a = x_t @ params["weight_ih"].T + params["bias_ih"] + h_prev @ params["weight_hh"].T + params["bias_hh"]
    a_i, a_f, a_g, a_o = a.chunk(4, dim=1)
    i, f, g, o = torch.sigmoid(a_i), torch.sigmoid(a_f), torch.tanh(a_g), torch.sigmoid(a_o)
    shown = torch.tanh(f * c_prev + i * g)  # tanh(c_t)
    dc_all = dc + dh * o * (1 - shown**2)  # all that arrives at c_t
    da = torch.cat(
        [
            dc_all * g * i * (1 - i),
            dc_all * c_prev * f * (1 - f),
            dc_all * i * (1 - g**2),
            dh * shown * o * (1 - o),
        ],
        dim=1,
    )  # (B, 4H)
    dparams = {
        "weight_ih": da.T @ x_t,
        "weight_hh": da.T @ h_prev,
        "bias_ih": da.sum(0),
        "bias_hh": da.sum(0),
    }
    return da @ params["weight_ih"], da @ params["weight_hh"], dc_all * f, dparams
    ### END SOLUTION


# %% check="vanishing-gradients-lstm-step-backward" points=6 keeps="lstm"
check("vanishing-gradients-lstm-step-backward")

# %% [markdown] hint="vanishing-gradients-lstm-step-backward"
# <details><summary>Hint 1: a question</summary>
#
# Draw the step: which quantities does $c_t$ go into, and which does it come from? How many arrows lead back to $h_{t-1}$, and how many to $c_{t-1}$?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Run the step forward again and keep i, f, g, o and tanh(c_t). Then, in this order: all that arrives at c_t; the four lines of the table; one stacked tensor; from it the shares of weights, biases, x_t and h_{t-1}; last c_{t-1}.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# at_c = dc + ...                      # (B, H)
# stacked = torch.cat([                # (B, 4H), the order of the rows
#     at_c * ... ,                     # input gate: partner, slope
#     at_c * ... ,                     # forget gate
#     at_c * ... ,                     # candidate
#     dh * ... ,                       # output gate
# ], dim=1)
# dparams = {"weight_ih": stacked.T @ ..., "weight_hh": ..., "bias_ih": ..., "bias_hh": ...}
# return ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *what arrives at h_t does not go on to c_t*: $c_t$ has a use inside the step.
# - *the slope of tanh(c_t) multiplies dc as well*: `dc` arrives at $c_t$ itself, behind no tanh.
# - *c_t stands where c_{t-1} belongs*: the forget gate multiplied the old cell.
# - *only dc goes back to c_{t-1}*: all that has arrived at $c_t$ goes on.
# - *the slopes of all four squashings are left out*: the table's last column.
# - *Work out one unit of a wrong one on paper*: the check names the gate; hold its line against the table.
# - *the mistake lies on the path …*: the check asked again with `dh` = 0 and with `dc` = 0.
# - *Something is carried from call to call*: make a new dict at each call.
# </details>

# %% [markdown]
# ### Experiment: two ways back
#
# Your step takes a gradient back through 50 steps. Three sweeps: all of it; *through c alone* (what goes back to $h_{t-1}$ is thrown away at each step); *through h alone* (what goes back to $c_{t-1}$ is thrown away). What is drawn is the length of
# `dx`, compared with that at the last step, for two biases of the forget gate.


# %% given="two-ways"
def hand_made(seed, D, H, forget):
    """Parameters of an LSTM as PyTorch draws them, with the given bias of the forget gate."""
    bound = H**-0.5
    shapes = {"weight_ih": (4 * H, D), "weight_hh": (4 * H, H), "bias_ih": (4 * H,), "bias_hh": (4 * H,)}
    generator = torch.Generator().manual_seed(seed)
    params = {
        name: bound * (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)
        for name, shape in shapes.items()
    }
    params["bias_ih"][H : 2 * H], params["bias_hh"][H : 2 * H] = forget, 0
    return {name: value.to(device, dtype) for name, value in params.items()}


def two_ways(seed, forget, T=50, B=16, D=8, H=32):
    """Length of dx at lags 0…T−1, compared with lag 0, for a loss on the last h: all ways, through c alone, through h alone."""
    params, x = hand_made(seed, D, H, forget), normal(seed + 100, B, T, D)
    states = [(torch.zeros(B, H, device=device, dtype=dtype),) * 2]
    for x_t in x.unbind(1):
        states.append(lstm_step(x_t, states[-1], params))
    found = {}
    for way in ("all", "through c", "through h"):
        dh, dc, lengths = torch.ones_like(states[0][0]), torch.zeros_like(states[0][0]), []
        for x_t, before in zip(reversed(x.unbind(1)), reversed(states[:-1])):
            back = lstm_step_backward(dh, dc, x_t, before, params)
            lengths.append(back[0].norm(dim=1).mean().item())
            dh, dc = back[1] * (way != "through c"), back[2] * (way != "through h")
        found[way] = [length / lengths[0] for length in lengths]
    return found


# %% experiment="two-ways" keeps="lstm"
with needs("lstm_step", "lstm_step_backward"):
    fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    for ax, forget in zip(axes, (0.0, 3.0)):
        yours, runs = two_ways(0, forget), [run[str(forget)] for run in stored("vanishing_gradients", "two_ways")]
        for (way, line), color, marker in zip(yours.items(), (LSTM, figures.SKY, figures.ORANGE), figures.MARKERS):
            figures.band(ax, range(50), [run[way] for run in runs], color, "_")
            ax.plot(range(50), line, color=color, marker=marker, markevery=10, label=way)
        ax.set(yscale="log", ylim=(1e-20, 10), xlabel="lag: steps back")
        ax.set_title(f"forget bias {forget:g}: " + ("every way vanishes" if forget == 0 else "c carries it"))
        print(f"forget bias {forget:g}, lag 40: " + ", ".join(f"{way} {line[40]:.0e}" for way, line in yours.items()))
    axes[0].set_ylabel("length of dx compared with lag 0")
    axes[0].legend()
    figures.show(
        fig,
        "Through h alone the gradient is gone, whatever the forget bias. With a bias of 3 the way through c carries it; with 0 nothing does.",
    )

# %% [markdown]
# **What to see.** Through h alone nothing arrives, with a forget bias of 3 as little as with 0. Through c alone, with bias 3, 7 to 10 percent of the gradient at the last step are left after 40 steps, in five seeds. All ways together leave more, 18 to 75 percent: most ways change over, some steps through c, a few through h. With bias 0, too,
# all ways together carry hundreds of times more than c alone, and yet only about $10^{-9}$. So without the cell nothing travels far, and the forget gate decides how far it goes.
#
# The drop within the first step has a reason of its own: at the last step $x_t$ acts on $h_t$ through the output gate as well, and further back mostly through the cell.
#
# ## 4. GRU
#
# A GRU has one state $h_t$ and two gates: the *reset gate* $r_t$ and the *update gate* $z_t$. PyTorch stacks them, and the candidate $n_t$, in the order $r, z, n$:
#
# $$\begin{aligned}
# r_t &= \sigma\big(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}\big) \\
# z_t &= \sigma\big(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}\big) \\
# n_t &= \tanh\big(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})\big) \\
# h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}
# \end{aligned}$$
#
# $W_{ir}$ is the first third of `weight_ih`, $b_{hn}$ the last third of `bias_hh`, and so on. Two details differ from book to book. In PyTorch **$z_t$ is the share that stays** (in some papers $1 - z_t$ is). So an *open* update gate, near 1, lets the old state through, and hardly anything new. And the reset gate acts *behind* the matrix: it multiplies $W_{hn} h_{t-1} + b_{hn}$, bias included.
#
# ### Exercise: `gru_step`
#
# *difficulty 2 of 5 · importance 4 of 5 · 10 minutes · without PyTorch's own recurrent layers and cells*
#
# `gru_step(x_t, h, params)` returns the $h_t$ that `nn.GRUCell` would return. `params` has the same four names, now with $3H$ rows.
#
# **A tiny example.** One unit, $h_{t-1} = 1$, all pre-activations 0: $z_t = 0.5$, $n_t = 0$, so $h_t = 0.5$.


# %% answer="vanishing-gradients-gru-step"
def gru_step(x_t, h, params):
    """One step of a GRU.

    x_t: (B, D); h: (B, H); params: weight_ih (3H, D), weight_hh (3H, H), bias_ih and bias_hh (3H,), rows in the order r, z, n.
    Returns h_t (B, H).
    """
    ### BEGIN SOLUTION
    from_x = x_t @ params["weight_ih"].T + params["bias_ih"]  # (B, 3H)
    from_h = h @ params["weight_hh"].T + params["bias_hh"]
    x_r, x_z, x_n = from_x.chunk(3, dim=1)
    h_r, h_z, h_n = from_h.chunk(3, dim=1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return (1 - z) * n + z * h
    ### END SOLUTION


# %% check="vanishing-gradients-gru-step" points=3 keeps="gru"
check("vanishing-gradients-gru-step")

# %% [markdown] hint="vanishing-gradients-gru-step"
# <details><summary>Hint 1: a question</summary>
#
# In the LSTM all that x gives and all that h gives can be added at once. Why not here?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Two products, one with x and one with h, each with its bias, each cut into three. The gates add their pieces; the candidate adds its pieces only after r has acted on the one from h.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# gives_x = ...                       # (B, 3H)
# gives_h = ...                       # (B, 3H)
# (xr, xz, xn), (hr, hz, hn) = gives_x.chunk(3, 1), gives_h.chunk(3, 1)
# r, z = ...
# n = torch.tanh(... + r * ...)
# return ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *z and 1 − z have changed places*: in PyTorch z is the share that stays.
# - *the reset gate acts on h before it meets the weights*: r multiplies what the weights make of h.
# - *the reset gate leaves out b_hn*: the bias stands inside the brackets.
# - *are taken for each other*: the order is r, z, n.
# </details>

# %% [markdown]
# ### Experiment: the update gate's bias
#
# The direct path of a GRU is $z_t \odot h_{t-1}$: $z_t$ plays the part of the forget gate. The next cell runs *your* `gru_step` over 61 steps, with the bias of $z$ at 0, 1 and 3, and asks autograd for the flow.


# %% given="update-bias"
def flow_of_gru_step(seed, bias, T=61, B=16, D=8, H=32):
    """The flow at lags 0…T−1, compared with lag 0, of gru_step with this bias of the update gate."""
    layer = fresh("GRU", D, H, seed).to(dtype)
    params = {name.removesuffix("_l0"): value.detach() for name, value in layer.named_parameters()}
    params["bias_ih"][H : 2 * H], params["bias_hh"][H : 2 * H] = bias, 0
    x = normal(seed, B, T, D).requires_grad_()
    h = torch.zeros(B, H, device=device, dtype=dtype)
    for x_t in x.unbind(1):
        h = gru_step(x_t, h, params)
    (grad,) = torch.autograd.grad(h.sum(), x)
    flow = grad.norm(dim=2).mean(0).flip(0)
    return (flow / flow[0]).tolist()


# %% experiment="update-bias" keeps="gru"
with needs("gru_step"):
    runs = stored("vanishing_gradients", "update_bias")
    fig, ax = plt.subplots()
    for bias in (0.0, 1.0, 3.0):
        line, (_, marker, style) = flow_of_gru_step(0, bias), LOOKS[f"LSTM, forget bias {bias:g}"]
        figures.band(ax, range(61), [run[str(bias)] for run in runs], GRU, "_")
        ax.plot(range(61), line, color=GRU, marker=marker, ls=style, markevery=10, label=f"bias of z: {bias:g}")
        print(f"bias of the update gate {bias:g}: {line[50]:.0e} at lag 50")
    ax.set(yscale="log", ylim=(1e-16, 10), xlabel="lag: steps back", ylabel="gradient compared with lag 0")
    ax.set_title("A GRU keeps its gradient, too, once its gate is open")
    ax.legend(loc="lower left")
    figures.show(
        fig, "With the update gate's bias at 0 the gradient vanishes; at 3 a few hundredths are left after 60 steps."
    )

# %% [markdown]
# **What to see.** The same picture as for the LSTM: the additive path is there from the start, and it is the bias of one gate that opens it.
#
# ## 5. Start with open gates
#
# If a fresh forget gate is the trouble, start with it open. In PyTorch that takes some care: the layer `nn.LSTM` has two biases, `bias_ih_l0` and `bias_hh_l0`, (4H,) each, and **both are added**. Set each of them to 1 and the forget gate gets 2.
#
# ### Exercise: `set_forget_bias`
#
# *difficulty 2 of 5 · importance 4 of 5 · 6 minutes*
#
# `set_forget_bias(lstm, value)` changes an `nn.LSTM` of one layer in place: afterwards the forget parts of the two biases *together* are `value` in every unit, and everything else is as before. How the two share the value is up to you.
#
# The parameters must stay the same objects, since an optimizer may hold them already: write numbers *into* them, under `torch.no_grad()`.
#
# **A tiny example.** $H = 2$: the forget part of a bias of 8 numbers are the third and the fourth.


# %% answer="vanishing-gradients-forget-bias"
def set_forget_bias(lstm, value):
    """Set the forget parts of bias_ih_l0 and bias_hh_l0 so that their sum is value; change nothing else."""
    ### BEGIN SOLUTION
    H = lstm.hidden_size
    with torch.no_grad():
        lstm.bias_ih_l0[H : 2 * H] = value
        lstm.bias_hh_l0[H : 2 * H] = 0
    ### END SOLUTION


# %% check="vanishing-gradients-forget-bias" points=2 keeps="forget-bias"
check("vanishing-gradients-forget-bias")

# %% [markdown] hint="vanishing-gradients-forget-bias"
# <details><summary>Hint 1: a question</summary>
#
# In which rows of a tensor of $4H$ numbers is the second gate?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Under `torch.no_grad()`, assign to a slice of each of the two biases. `lstm.hidden_size` is H.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# with torch.no_grad():
#     lstm.bias_ih_l0[...] = ...
#     lstm.bias_hh_l0[...] = ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *together they are twice as much*: the two biases are added.
# - *bias_hh still has what it had*: so the sum is not `value`.
# - *a leaf Variable that requires grad is being used in an in-place operation*: this is what `torch.no_grad()` is for.
# - *row 1 alone is set*: each gate has H rows, and those of the second begin at row H.
# - *is another object than before*: `lstm.bias_ih_l0 = nn.Parameter(…)` puts a new one in its place.
# - *nothing has changed*: `.clone()` or a list makes a copy, and you wrote into that.
# </details>

# %% [markdown]
# There is also a remedy without any gate. If $W_{hh}$ is the identity and the biases are 0, a network with ReLU passes its state on as it is: each step multiplies by 1 wherever a unit is positive, and by 0 where it is not. So on its way back a unit's gradient does not fade little by little: it is passed on whole, or dropped. Le, Jaitly and Hinton proposed it in 2015.
#
# ### Exercise: `identity_init`
#
# *difficulty 1 of 5 · importance 3 of 5 · 5 minutes*
#
# `identity_init(rnn, scale)` changes an `nn.RNN` of one layer in place: `weight_hh_l0` becomes `scale` times the identity, both biases become 0, and `weight_ih_l0` stays as it is. Again the parameters stay the same objects.
#
# **A tiny example.** $H = 2$ and `scale` = 0.9: `weight_hh_l0` is `[[0.9, 0], [0, 0.9]]`.


# %% answer="vanishing-gradients-identity"
def identity_init(rnn, scale):
    """Set weight_hh_l0 to scale times the identity and both biases to 0; weight_ih_l0 stays."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        nn.init.eye_(rnn.weight_hh_l0).mul_(scale)
        rnn.bias_ih_l0.zero_()
        rnn.bias_hh_l0.zero_()
    ### END SOLUTION


# %% check="vanishing-gradients-identity" points=2
check("vanishing-gradients-identity")

# %% [markdown] hint="vanishing-gradients-identity"
# <details><summary>Hint 1: a question</summary>
#
# Which function makes an identity matrix, and which method of a tensor copies numbers into it?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Under `torch.no_grad()`: copy a scaled identity of the right size into the weight, and fill the two biases with zeros.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# with torch.no_grad():
#     rnn.weight_hh_l0.copy_(...)
#     for bias in (...):
#         bias.zero_()
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the diagonal is set, and the other entries still have what they had*: off the diagonal there are zeros.
# - *without the scale*: the second argument.
# - *bias_hh still has what it had*: there are two biases.
# - *is another object than before*: write into the parameter that is there.
# </details>

# %% [markdown]
# ### Experiment: the flow, once more
#
# Fresh layers again, set up by your functions: the LSTM with forget biases of 0, 1 and 3, and a ReLU network with the identity.


# %% given="flow-set-up"
def flow_when_set_up(seed):
    """The flow by lag of layers that set_forget_bias and identity_init have set up."""
    found = {}
    for value in (0.0, 1.0, 3.0):
        lstm = fresh("LSTM", 8, 32, seed)
        set_forget_bias(lstm, value)
        found[f"LSTM, forget bias {value:g}"] = by_lag(lstm, seed)
    rnn = fresh("tanh", 8, 32, seed, nonlinearity="relu")
    identity_init(rnn, 1.0)
    return found | {"ReLU, identity": by_lag(rnn, seed)}


# %% experiment="flow-set-up" keeps="forget-bias"
with needs("gradient_flow", "set_forget_bias", "identity_init"):
    yours = flow_when_set_up(seed=0)
    fig, ax = plt.subplots()
    draw_flow(
        ax,
        yours,
        stored("vanishing_gradients", "flow_set_up"),
        "With a bias of 3 a tenth or more arrives over 100 steps",
    )
    figures.show(
        fig,
        "With a forget bias of 3, or an identity and ReLU, a tenth or more of the gradient is left after 100 steps. With 0 and 1 it vanishes.",
    )
    for name, line in yours.items():
        print(f"{name:>21}: {line[20]:.0e} at lag 20, {line[50]:.0e} at lag 50, {line[100]:.0e} at lag 100")

# %% [markdown]
# **What to see.** The forget bias moves the whole line. At 0 the LSTM vanishes, at 1, the value that is often recommended, it vanishes more slowly, and at 3 the gradient at lag 100 is still more than a tenth of that at lag 0, in all five seeds. On the way it falls lower, to 0.07 at the least, and towards the first steps, those behind the zero state, it rises again; why is not looked into here. With the identity it is 0.16 to 0.45 of it: some units were not positive on the way. (The axis spans 21 powers of ten, so that a fall to a tenth is hardly seen.)
#
# A gradient that arrives is a condition for learning, not learning itself. Does the bias help to *solve* something? Two tasks.
#
# ## 6. First task: add two numbers
#
# *The adding problem.* A sequence of 30 random numbers between 0 and 1; two of them are marked, one in each half. At the end the network says their sum. Always saying 1 gives a squared error of $1/6 = 0.167$, the baseline. To beat it, a network has to carry a number over many steps.
#
# ### Predict: a forget bias of 1
#
# *difficulty 3 of 5 · importance 4 of 5 · 2 minutes*
#
# Many texts say: set the forget bias to 1. Two LSTMs are trained on the adding problem for 700 steps: one with PyTorch's own biases, one with a forget bias of 1. **How does the one with bias 1 do in the end, compared with the other, over five seeds?** Write `"clearly better"`, `"no clear difference"` or `"clearly worse"`.

# %% answer="vanishing-gradients-predict-adding"
### BEGIN SOLUTION
guess_adding = "no clear difference"
### END SOLUTION
### RELEASED AS
# guess_adding = None
### END RELEASED


# %% check="vanishing-gradients-predict-adding" points=1
check("vanishing-gradients-predict-adding")


# %% given="adding"
class LastOutput(nn.Module):
    """A recurrent layer and a linear read-out of its last output, the same on every device."""

    def __init__(self, layer, out, seed):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layer, self.readout = layer, nn.Linear(layer.hidden_size, out).to(device)

    def forward(self, x):
        return self.readout(self.layer(x)[0][:, -1])  # (B, out)


def set_up(name, D, H, seed):
    """A layer by its name in the figures."""
    if name == "ReLU, identity":
        rnn = fresh("tanh", D, H, seed, nonlinearity="relu")
        identity_init(rnn, 1.0)
        return rnn
    layer = fresh(name.split(",")[0], D, H, seed)
    if "forget bias" in name:
        set_forget_bias(layer, float(name.split()[-1]))
    return layer


RATES = {  # of learning: each kind of network has one that suits it
    "tanh": 3e-3,
    "ReLU, identity": 1e-3,
    "LSTM": 1e-2,
    "LSTM, forget bias 1": 1e-2,
    "LSTM, forget bias 3": 1e-2,
    "GRU": 1e-2,
}


def add(name, seed, steps=700, length=30):
    """Train on the adding problem; the squared error on 1000 new sequences."""
    task, model = Adding(length), LastOutput(set_up(name, 2, 32, seed), 1, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATES[name])
    inputs, sums = (part.to(device).split(32) for part in task.sample(32 * steps, seed))
    for x, y in zip(inputs, sums):
        loss = F.mse_loss(model(x)[:, 0], y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    x, y = (part.to(device) for part in task.sample(1000, 10_000 + seed))
    with torch.no_grad():
        return F.mse_loss(model(x)[:, 0], y).item()


# %% experiment="adding"
with needs("set_forget_bias", "identity_init"):
    yours = {name: add(name, seed=0) for name in ("LSTM", "LSTM, forget bias 1")}
    fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for ax, run, length in zip(axes, ("adding", "adding_longer"), (30, 60)):
        for place, name in enumerate(RATES):
            color, marker, _ = LOOKS[name]
            errors = [one[name] for one in stored("vanishing_gradients", run)]
            ax.plot([place + 0.12 * (i - 2) for i in range(len(errors))], errors, marker, color=color, alpha=0.7)
            if length == 30 and name in yours:
                ax.plot(place, yours[name], marker, ms=11, mfc="none", mew=1.5, color=color)
        figures.level(ax, Adding(length).baseline / 3, "solved: below a third of the baseline")
        ax.axhline(Adding(length).baseline, color=figures.INK, lw=1)
        claim = "nearly all but tanh solve it" if length == 30 else "all five seeds only of GRU and identity"
        ax.set(yscale="log", ylim=(1e-4, 0.6), title=f"{length} numbers: {claim}")
        ax.set_xticks(
            range(len(RATES)), [name.replace("LSTM, forget", "LSTM,") for name in RATES], rotation=35, ha="right"
        )
    axes[0].text(5.4, 0.24, "baseline: always saying 1", ha="right")
    axes[0].set_ylabel("squared error after 700 steps")
    figures.show(
        fig, "Over 30 numbers nearly all but tanh solve it; over 60 only GRU and identity-ReLU do in every seed."
    )
    print("large rings: yours, seed 0; small marks: five stored seeds")
    for name, error in yours.items():
        print(f"{name:>20}: {error:.4f} on new sequences of 30")
    fresh_ones, ones = ([one[name] for one in stored("vanishing_gradients", "adding")] for name in yours)
    better, worse = max(ones) < min(fresh_ones), min(ones) > max(fresh_ones)
    reply(
        guess_adding,
        "clearly better" if better else "clearly worse" if worse else "no clear difference",
        {
            "clearly better": "That is what the advice promises. But both solve it in all five seeds, and the ranges of their errors overlap.",
            "no clear difference": "Both solve it in all five seeds, and the ranges of their errors overlap.",
            "clearly worse": "It does no harm: both solve it in all five seeds, and the ranges of their errors overlap.",
        },
    )

# %% [markdown]
# **What to see.** A null result, and it stays here: on this task **the forget bias makes no clear difference, at five seeds**. Call the task solved if the error is below a third of the baseline. Over 30 numbers the LSTMs with PyTorch's biases and with bias 1 solve it in all five seeds, with bias 3 in four. Seed by seed, bias 1 ends with the lower error in four
# and with the same in one; its median error is about half. That is a hint, and both errors are tiny. Over 60 numbers, in the same 700 steps, each of the three solves it in one or two of five seeds.
#
# Two more stories do not hold. "It is the gates": the ReLU network with the identity has none, and it solves the task in all seeds, at both lengths, though, seed by seed, less exactly than an LSTM that solves it. "It is the gradient at the start": the GRU is the best of all, and its fresh gradient is as tiny as that of the LSTM. So a tiny gradient can still be
# a signal. A likely reason, not tested here: Adam divides by its size, and the second number lies in the nearer half, about seven steps back on average: from there, learning can reach further and further. The tanh network stays at the baseline.
#
# ## 7. Second task: agreement
#
# Now the keys and the cabinet. A sentence begins with its subject, a noun of one of 8 classes. Then come exactly $d$ words, and then the verb of the subject's class: which of 8 is it? Between them stand fillers and *attractors*, other nouns that could be taken for the subject: `p1 n5a` ("to the cabinet"), or a whole clause
# with a verb of its own, `that n2c f0 v2` ("that the door hides"). The words are made up: `n5a` is a noun of class 5, the first of three (a, b, c), `v2` the verb of class 2, `p1` a preposition, `f0` a filler. In the sentences on which we test, no attractor is of the subject's class.

# %% experiment="sentences"
example = DistantAgreement(distance=12, attractors=2)
sentences, verbs = example.sample(3, seed=1, misled=True)
for sentence, verb in zip(sentences, verbs.tolist()):
    print(f"{example.spell(sentence)}  →  v{verb}")
sentences, verbs = example.sample(1000, seed=2, misled=True)
for name, said in (
    ("the exact predictor (the first noun)", example.by_the_subject(sentences)),
    ("the nearest noun", example.by_the_nearest_noun(sentences)),
):
    print(f"{name}: {(said == verbs).double().mean():.3f} of the verbs right")
print(f"guessing: {example.chance:.3f}")

# %% [markdown]
# The exact predictor remembers the first noun and is always right. The one that follows the nearest noun is always wrong.
#
# ### Predict: twenty words
#
# *difficulty 3 of 5 · importance 5 of 5 · 2 minutes*
#
# An LSTM with PyTorch's own biases is trained for 600 steps on sentences with $d = 20$ and four attractors. On the adding problem over 30 steps it did well. **What share of the verbs will it get right?** Write a number between 0 and 1; guessing gives 0.125.

# %% answer="vanishing-gradients-predict-agreement"
### BEGIN SOLUTION
guess_agreement = 0.125
### END SOLUTION
### RELEASED AS
# guess_agreement = None
### END RELEASED


# %% check="vanishing-gradients-predict-agreement" points=1 keeps="agreement"
check("vanishing-gradients-predict-agreement")


# %% given="agreement"
UNITS = {
    "tanh": 54,
    "LSTM": 24,
    "LSTM, forget bias 1": 24,
    "LSTM, forget bias 3": 24,
    "GRU": 28,
}  # about as many parameters each
DISTANCES = (4, 12, 20)


class Reader(nn.Module):
    """Reads words, says the class of the verb: embedding, layer, read-out of the last output."""

    def __init__(self, name, seed):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(DistantAgreement.vocab, 8).to(device)
        self.rest = LastOutput(set_up(name, 8, UNITS[name], seed), DistantAgreement.classes, seed)

    def forward(self, words):
        return self.rest(self.embedding(words))


def agree(name, distance, attractors, seed, steps=600):
    """Train on one distance and number of attractors; the share of right verbs on 1000 misleading sentences."""
    task, model = DistantAgreement(distance, attractors), Reader(name, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    sentences, verbs = (part.to(device).split(32) for part in task.sample(32 * steps, seed))
    for words, verb in zip(sentences, verbs):
        loss = F.cross_entropy(model(words), verb)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    words, verb = (part.to(device) for part in task.sample(1000, 10_000 + seed, misled=True))
    with torch.no_grad():
        return (model(words).argmax(1) == verb).double().mean().item()


# %% experiment="agreement" keeps="agreement"
with needs("set_forget_bias"):
    shown = ("LSTM", "LSTM, forget bias 3")
    yours = {name: agree(name, 20, 4, seed=0) for name in shown}
    by_distance, by_attractors = (stored("vanishing_gradients", run) for run in ("agreement", "attractors"))
    panels = [
        ("No attractors: a fresh LSTM guesses at 20", "words between noun and verb, d", DISTANCES, 1.4),
        ("1, 2, 4 attractors: bias 3 is nearly always right", "words between noun and verb, d", DISTANCES, 1.4),
        ("Twenty words: one attractor upsets the GRU", "attractors among the twenty words", (0, 1, 2, 4), 0.17),
    ]
    values = [
        *([[run[name][some] for run in by_distance] for name in UNITS] for some in (0, 1)),
        [
            [[none[name][0][2], *some[name], none[name][1][2]] for none, some in zip(by_distance, by_attractors)]
            for name in UNITS
        ],
    ]
    fig, axes = plt.subplots(1, 3, figsize=(13, 4), sharey=True)
    for ax, (title, label, ticks, apart), shares in zip(axes, panels, values):
        for place, (name, runs) in enumerate(zip(UNITS, shares)):
            color, marker, _ = LOOKS[name]
            face = "none" if "bias 3" in name else color
            for number, run in enumerate(runs):  # side by side
                at = [tick + apart * (place - 2 + (number - 2) / 6) for tick in ticks]
                ax.plot(at, run, marker, ms=5, mfc=face, color=color, alpha=0.7)
            ax.plot([], [], marker, mfc=face, color=color, label=name)
            if name in shown and ax is not axes[0]:
                ax.plot(
                    ticks[-1] + apart * (place - 2), yours[name], marker, ms=12, mfc="none", mew=1.5, color=figures.INK
                )
        ax.axhline(1, color=figures.INK, ls=":", lw=1.5)
        figures.level(ax, DistantAgreement(4).chance, "guessing: 1/8" if ax is axes[0] else "")
        ax.set(
            xlabel=label, title=title, xticks=ticks, xlim=(ticks[0] - 3 * apart, ticks[-1] + 3 * apart), ylim=(0, 1.08)
        )
    axes[0].set_ylabel("share of right verbs")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figures.show(
        fig,
        "At 4 words all are right. At 20 the fresh LSTM guesses and the one with forget bias 3 is right; the GRU is, without attractors.",
    )
    print("large grey marks: yours, seed 0; small marks: five stored seeds; dotted, at 1: the exact predictor")
    for name in shown:
        print(f"{name:>20}: {yours[name]:.3f} at d = 20 with four attractors")
    reply(
        guess_agreement,
        yours["LSTM"],
        {1: "The adding problem made it look as if this LSTM could remember. Over twenty words it only guesses."},
        "It guesses: every stored run is within a few hundredths of 1/8.",
    )

# %% [markdown]
# **What to see.** At four words every network is right: short patterns need no open gates. At twenty words the LSTM with PyTorch's own biases *guesses*, in all five seeds. Bias 1 mostly reaches twelve words, and at twenty never gets beyond 0.3. Bias 3 is right nearly always. The GRU is right at twenty words without attractors.
# One attractor brings it down to a quarter or less in four seeds of five, and with two it guesses in all (right panel: the distance stays the same, so the attractors are to blame). And the tanh network, without any gate, is better at twenty words than a fresh LSTM: between 0.2 and 1, by the luck of the run. In a lucky run it is as good as bias 3; in no panel is it so in every seed.
#
# So the same bias that made no clear difference in adding decides here. What differs? In adding, whoever remembers a *little* longer is rewarded a little. Here every sentence of a training run has the same distance, and nothing nearer says anything about the verb. The gradient from the first word has to arrive at once, or nothing is learned.
# With $\sigma(b)^d$ in mind the figure can nearly be foretold for the LSTMs: for $d = 20$ it is $10^{-6}$, 0.002 and 0.38 for a bias of 0, 1 and 3. This reading fits the LSTMs. It does not fit the tanh network, whose gradient fades fastest and which beats a fresh LSTM, nor the GRU, for which the attractors decide: something else matters too. You can test it: in `agree`, mix short sentences into the training.
#
# A second caution: what is compared here is these networks in *this budget* of 600 steps. It is a statement about learning, not about what the cells can represent.
#
# ## 8. Find the bug: it trains
#
# *difficulty 3 of 5 · importance 5 of 5 · 8 minutes*
#
# `lstm_gradients` runs an LSTM over a batch and takes the gradient of a loss on $h_T$ back by hand, with your two functions. `dh_T` (B, H) is the gradient of the loss with respect to $h_T$. It returns a dict with the keys of `params`, and `x`. Training with it lowers the loss. **It has one mistake. Find it and fix it**, in the cell itself; autograd
# can tell you what is right. The experiment below trains with it.


# %% answer="vanishing-gradients-bug"
def lstm_gradients(x, state, params, dh_T):
    """Gradients of params and x for a loss on h_T alone, by hand.

    x: (B, T, D); state: the first state (h_0, c_0), each (B, H); dh_T: dL/dh_T (B, H). Returns a dict: the keys of params, and x.
    """
    states = [state]  # states[t] is (h_t, c_t)
    for x_t in x.unbind(1):
        states.append(lstm_step(x_t, states[-1], params))
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    ### BEGIN SOLUTION
    dh, dc = dh_T, torch.zeros_like(dh_T)  # the loss is on h_T alone
    for t in range(x.shape[1], 0, -1):
        dx, dh, dc, dparams = lstm_step_backward(dh, dc, x[:, t - 1], states[t - 1], params)
        grads["x"][:, t - 1] = dx
        for name, part in dparams.items():
            grads[name] += part
    ### END SOLUTION
    ### RELEASED AS
    # dh = dh_T
    # for t in range(x.shape[1], 0, -1):
    #     dc = torch.zeros_like(dh)  # the loss is on h_T alone
    #     dx, dh, dc, dparams = lstm_step_backward(dh, dc, x[:, t - 1], states[t - 1], params)
    #     grads["x"][:, t - 1] = dx
    #     for name, part in dparams.items():
    #         grads[name] += part
    ### END RELEASED
    return grads


# %% check="vanishing-gradients-bug" points=3
check("vanishing-gradients-bug")

# %% [markdown] hint="vanishing-gradients-bug"
# <details><summary>Hint 1: a question</summary>
#
# Compare `grads["x"]` with autograd, for T = 1, 2 and 3. At which step is it right? What does each step get from the one behind it?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Follow each of the four results of `lstm_step_backward` from the line where it is made to the line where it is used.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# leaf = x.clone().requires_grad_()
# h, c = state
# for x_t in leaf.unbind(1):
#     ...                                    # your step
# (right,) = torch.autograd.grad(h, leaf, dh_T)
# print((lstm_gradients(x, state, params, dh_T)["x"] - right).abs().amax((0, 2)))   # one number for each step
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *This is the program as it was found*: nothing has changed yet that shows in the numbers. Hint 1.
# - *is handed on to c_{t-1} as well*, *in each other's place*: the step returns `dx, dh_prev, dc_prev, dparams`, in this order.
# - *the way back begins with dh_T at c_T too*: the loss sees $h_T$ alone.
# - *Fix lstm_step_backward first*: this exercise uses it.
# </details>

# %% [markdown]
# ### Experiment: it looks like a vanishing gradient
#
# The agreement task, learned with the gradients of `lstm_gradients` as it stands in your notebook, with a forget bias of 3: at $d = 4$ with one attractor, and at $d = 12$ with two. The bands are stored runs of the program as you found it, and fixed.


# %% given="by-hand"
def learn_by_hand(seed, distance, attractors, steps=300, H=24):
    """Losses (means of 25 steps) and the share of right verbs on 1000 misleading sentences, trained with lstm_gradients."""
    task, params = DistantAgreement(distance, attractors), hand_made(seed, 8, H, 3.0)
    rest = {"words": normal(seed + 1, task.vocab, 8), "out": normal(seed + 2, task.classes, H) / H**0.5}
    optimizer = torch.optim.Adam([*params.values(), *rest.values()], lr=1e-2)

    def read(words):
        x = rest["words"][words]  # (B, T, 8)
        start = (x.new_zeros(len(x), H),) * 2
        state = start
        for x_t in x.unbind(1):
            state = lstm_step(x_t, state, params)
        return x, start, state[0]

    sentences, verbs = (part.to(device).split(32) for part in task.sample(32 * steps, seed))
    losses = []
    for words, verb in zip(sentences, verbs):
        x, start, h = read(words)
        scores = h @ rest["out"].T
        losses.append(F.cross_entropy(scores, verb).item())
        wrong = (scores.softmax(1) - F.one_hot(verb, task.classes)) / len(
            words
        )  # the loss's gradient with respect to the scores
        grads = lstm_gradients(x, start, params, wrong @ rest["out"])
        for name, value in params.items():
            value.grad = grads[name]
        rest["out"].grad = wrong.T @ h
        rest["words"].grad = torch.zeros_like(rest["words"]).index_add_(0, words.flatten(), grads["x"].flatten(0, 1))
        optimizer.step()
    words, verb = (part.to(device) for part in task.sample(1000, 10_000 + seed, misled=True))
    right = ((read(words)[2] @ rest["out"].T).argmax(1) == verb).double().mean().item()
    return {"losses": torch.tensor(losses).reshape(-1, 25).mean(1).tolist(), "right": right}


# %% experiment="what-it-costs"
with needs("lstm_step", "lstm_step_backward", "lstm_gradients"):
    runs, steps = stored("vanishing_gradients", "bug"), range(25, 301, 25)
    fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    for ax, (d, a) in zip(axes, ((4, 1), (12, 2))):
        for name, says, color in (("as_found", "as found", figures.VERMILION), ("fixed", "fixed", figures.BLUE)):
            figures.band(ax, steps, [run[name][str(d)]["losses"] for run in runs], color, says)
        yours = learn_by_hand(0, d, a)
        ax.plot(steps, yours["losses"], "o--", lw=1, mfc="none", color=figures.INK, label="yours, seed 0")
        ax.axhline(math.log(8), color=figures.INK, ls=":", lw=1.5)
        ax.set(xlabel="training step", ylim=(0, 2.6))
        ax.set_title(f"d = {d}: " + ("learned, as found too" if d == 4 else "as found, not learned"))
        print(f"d = {d}: {yours['right']:.3f} of the verbs right with yours")
    axes[0].set_ylabel("loss (nats, mean of 25 steps)")
    axes[0].text(300, math.log(8) + 0.05, "guessing: ln 8", ha="right")
    axes[1].legend(fontsize=9, loc="center right")
    figures.show(
        fig, "As found, the loss comes down to 0 at 4 words and stays high at 12; fixed, it comes down at both."
    )

# %% [markdown]
# **What to see.** As found, the program learns short sentences: nearly all are right. Of the long ones it gets a quarter to a little over a third right, where the fixed one gets nearly all. From outside this is a vanishing gradient, and "LSTMs do not reach that far" would be written under it. In truth the gradient did not vanish: it was thrown away, on the very path
# that was built for it. What was left is the sweep *through h alone* of section 3. The forward pass is right, the loss falls, no number looks odd. Before you blame the network, check the gradient.
#
# ## 9. In your own words
#
# *difficulty 3 of 5 · importance 4 of 5 · 10 minutes · graded by a person*
#
# A colleague predicts machine failures from sensor readings. What matters happens about 60 steps before the failure. "I replaced the RNN by an LSTM, so vanishing gradients are ruled out," they say. "But it does not learn, so there is probably nothing in the data." **What is right in this, what is wrong, and what would you measure and try, in which order?** Five to eight sentences. Use the words forget gate, additive path, lag and budget.
#
# Points: one for what the additive path gives, and on which condition; one for the fresh LSTM, with a number; one for measurements that tell the possible causes apart (gradient flow by lag, a check of the gradient, a task with known answer or shorter distances); one for remedies, and for what a negative result does and does not say.

# %% [markdown] written="vanishing-gradients-why" points=4
# ### BEGIN SOLUTION
# It is right that an LSTM *can* keep a gradient: along its additive path, $c_t = f_t \odot c_{t-1} + i_t \odot g_t$, the gradient is multiplied by the forget gate alone, by no matrix and no tanh. But it is kept only where the forget gate is near 1. In a fresh LSTM the gate is at about 0.5, and the flow at lag 50 was
# below $10^{-9}$ of that at lag 0, so a vanishing gradient is not ruled out at all. Nor does failure to learn say anything about the data: in the agreement task the answer was there with certainty, and the LSTM with default biases guessed in all seeds.
# I would first measure the gradient flow of their model on their inputs, up to lag 60. If it is next to nothing there, I would set the forget bias to 3 or more (over 60 steps $\sigma(3)^{60} \approx 0.05$), and measure again. I would check the gradient as well, if anything in the backward pass is home-made or truncated: a window of fewer than 60 steps, or a lost `dc`, looks just the same.
# Then I would train on a task of the same length whose answer is known, and on their data with shorter distances mixed in, since a near signal teaches the gates to open. Only if the model learns such a task in the same budget of steps, and still finds nothing in their data, is "there is nothing in the data" a reading worth a second look.
# ### END SOLUTION

# %% [markdown]
# ## Summary
#
# 1. The flow, the length of $\partial(\sum \text{out}_T)/\partial x_t$ by lag, shows how much of a signal training gets from what was read long ago.
# 2. LSTM: $c_t = f_t \odot c_{t-1} + i_t \odot g_t$ and $h_t = o_t \odot \tanh(c_t)$. PyTorch's rows are i, f, g, o, and both biases count.
# 3. The way back has two paths: through c, times the forget gate alone, and through h, by way of all gates and `weight_hh`.
# 4. At $c_t$ arrives `dc` and, from inside the step, what $h_t$ passes on. All of it goes on to $c_{t-1}$.
# 5. GRU: $h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$. In PyTorch z is the share that stays.
# 6. Fresh layers vanish, with gates and without: a forget gate at 0.5 halves what goes back through c at every step, and all ways together pass on about 0.6.
# 7. A forget bias of 3 leaves a tenth or more of the gradient after 100 steps; set it as the *sum* of two biases, into the parameters that are there.
# 8. Whether that helps depends on the task: no clear difference in adding (at five seeds), all the difference in agreement over twenty words. The recommended bias of 1 is not enough there.
# 9. Gates are not the only way: a ReLU network with the identity learned to add without any. And a tiny gradient at the start can be signal enough: the GRU, which vanishes too, was the best at it.
# 10. A network that learns only short patterns may have a vanishing gradient, or a wrong one. Next: lesson 08, what all this costs, and Transformers.
#
# ## Further reading
#
# - S. Hochreiter, J. Schmidhuber, *Long short-term memory*, Neural Computation 9(8), 1997.
# - F. A. Gers, J. Schmidhuber, F. Cummins, *Learning to forget: continual prediction with LSTM*, Neural Computation 12(10), 2000: the forget gate.
# - K. Cho et al., [*Learning phrase representations using RNN encoder-decoder for statistical machine translation*](https://arxiv.org/abs/1406.1078), EMNLP 2014: the GRU.
# - R. Jozefowicz, W. Zaremba, I. Sutskever, *An empirical exploration of recurrent network architectures*, ICML 2015: the forget bias, over many tasks.
# - Q. V. Le, N. Jaitly, G. E. Hinton, [*A simple way to initialize recurrent networks of rectified linear units*](https://arxiv.org/abs/1504.00941), 2015.
# - C. Tallec, Y. Ollivier, [*Can recurrent neural networks warp time?*](https://arxiv.org/abs/1804.11188), ICLR 2018: forget biases from the distances that are expected.
# - T. Linzen, E. Dupoux, Y. Goldberg, [*Assessing the ability of LSTMs to learn syntax-sensitive dependencies*](https://arxiv.org/abs/1611.01368), TACL 4, 2016.
# - PyTorch documentation, [*torch.nn.LSTM*](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html) and [*torch.nn.GRU*](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html).

# %% given="progress"
progress()
