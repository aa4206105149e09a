# %% [markdown]
# # 06 · Exploding gradients and clipping
#
# The gradient of a recurrent network is a sum of products of Jacobians, and a long product can grow by a factor at each step. Then a training run that went well
# for an hour takes one step too far, and all that was learned is gone. The remedy is one line of code. It is in nearly every training loop for recurrent networks, and often in the wrong
# place. In this lesson you see the cliff, write the remedy, put it where it belongs, and find out what it does not cure.
#
# After this lesson you can
#
# - read a training log and name the symptoms of an exploding gradient;
# - clip by global norm and by value, and say what each does to the direction of the gradient;
# - put the clipping where it belongs, between `backward()` and `step()`, also where gradients are collected over several windows;
# - skip a step whose gradient is not finite, and say why clipping does not help there;
# - say when clipping makes the difference, when it changes nothing, and when it is in the way.
#
# | | |
# |---|---|
# | Time | 110 minutes |
# | Know before | Products of Jacobians (lesson 03); the training step in PyTorch (lesson 04); windows and the detached state (lesson 05) |
# | Points | 29: six exercises, three predictions, one question in words |

# %% given="setup"
import copy
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

device = pick_device()
dtype = pick_dtype(device)
figures.style()
torch.set_num_threads(1)  # for tensors as small as these, several threads only wait for each other


class TextModel(nn.Module):
    """Reads tokens x (B, T), gives logits and the last state: model(x, state=None) -> (logits (B, T, V), state).

    Kind "relu" has no tanh to bound its states, and a weight_hh that begins as the identity; kind "tanh" begins as in PyTorch.
    """

    def __init__(self, kind="relu", vocab=4, hidden=32, classes=4, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(vocab, 8)
            self.rnn = nn.RNN(8, hidden, nonlinearity=kind, batch_first=True)
            self.readout = nn.Linear(hidden, classes)
        if kind == "relu":
            with torch.no_grad():
                self.rnn.weight_hh_l0.copy_(torch.eye(hidden))
        self.to(device)

    def forward(self, x, state=None):
        states, state = self.rnn(self.embedding(x), state)  # (B, T, H)
        return self.readout(states), state


# %% [markdown]
# ## 1. A cliff
#
# The smallest recurrent network has one unit and two parameters, and no input:
#
# $$h_t = \tanh(w\,h_{t-1} + b), \qquad h_0 = \tfrac12, \qquad L = (h_T - 0.7)^2, \qquad T = 50.$$
#
# Two parameters have a loss that can be *seen*: a surface over the plane of $w$ and $b$. The next cell draws it as a landscape. Next to it is the length of the gradient:
# the Euclidean norm, the root of the sum of its squared entries. Two lines are marked. In the *valley*, a thin line, $h_T$ is 0.7 and the loss is 0. At the *edge*, $h_T$ changes its sign.

# %% given="cliff"
LIMIT = 1.0  # the clipping threshold, where nothing else is said


def last_state(w, b, T=50):
    """h_T of the one-unit network; w and b are tensors of the same shape."""
    h = torch.full_like(w, 0.5)
    for _ in range(T):
        h = torch.tanh(w * h + b)
    return h


def unit_loss(w, b):
    """The loss of the one-unit network."""
    return (last_state(w, b) - 0.7) ** 2


def landscape(points=141):
    """A grid over the plane: w (points,), b (points,), and with b downwards (points, points) h_T, the loss and the length of its gradient."""
    w, b = torch.linspace(0.8, 2, points, dtype=torch.float64), torch.linspace(-0.8, 1.8, points, dtype=torch.float64)
    both = [part.clone().requires_grad_() for part in torch.meshgrid(b, w, indexing="ij")]
    h = last_state(both[1], both[0])
    loss = (h - 0.7) ** 2
    grads = torch.autograd.grad(loss.sum(), both)
    return w, b, h.detach(), loss.detach(), (grads[0] ** 2 + grads[1] ** 2).sqrt()


def lines(ax, w, b, h):
    """Draw the edge, where h_T changes its sign, and the valley, where h_T = 0.7, with a legend."""
    for level, style, name in ((0.0, "--", "the edge: $h_T$ = 0"), (0.7, ":", "the valley: $h_T$ = 0.7")):
        ax.contour(w, b, h, levels=[level], colors="white", linestyles=style, linewidths=1.5)
        ax.plot([], [], ls=style, color="white", lw=1.5, label=name)
    ax.legend(loc="upper right", fontsize=9, labelcolor="white")


# %% experiment="cliff" keeps="clip-by-norm"
w, b, h, loss, length = landscape()
fig = plt.figure(figsize=(10, 4.2))
left, right = fig.add_subplot(1, 2, 1, projection="3d"), fig.add_subplot(1, 2, 2)
left.plot_surface(*torch.meshgrid(w, b, indexing="xy"), loss, cmap="cividis", rcount=70, ccount=70)
left.view_init(32, -60)
left.set_box_aspect(None, zoom=0.85)
for axis in (left.xaxis, left.yaxis, left.zaxis):
    axis.pane.fill = False
left.set(xticks=[0.8, 1.4, 2.0], yticks=[-0.8, 0.5, 1.8], zticks=[0, 1, 2, 3])
left.set(xlabel="weight w", ylabel="bias b", title="Height: the loss of one unit after 50 steps")
shades = right.pcolormesh(w, b, length.clamp(min=1e-4).log10(), cmap="cividis", rasterized=True)
bar = fig.colorbar(shades, ax=right, label="length of the gradient", ticks=[-4, -2, 0, 2])
bar.ax.set_yticklabels(["below 0.0001", "0.01", "1", "100"])
lines(right, w, b, h)
right.set(xlabel="weight w", ylabel="bias b", title="The gradient is longest at the edge")
figures.show(
    fig,
    "Two plains, and between them a cliff; on its edge the gradient is thousands of times longer than on most of the plane.",
)
print(f"gradient: median length {length.median():.3g}, longest on this grid {length.max():.3g}")

# %% [markdown]
# **What to see.** Two plains at different heights with a cliff between them. On one side $h_T$ ends near $-1$, on the other near $+1$. At the edge a tiny change of $w$ or $b$ decides on which side the state ends up, because the unit hands its
# own value on 50 times and a small difference grows each time. So the gradient is short on most of the plane and very long at the edge. The larger $w$ is, the thinner the edge: above $w = 1.5$ or so it falls between two points of the grid, and only the line shows it.
#
# What does descent do there? It walks along the upper plain in small steps, comes near the edge, meets a gradient a hundred times longer than the one it began with, and multiplies it by the same learning rate. The gradient is *right*: it says how steep the loss is at this
# very point. But it holds for a distance much shorter than the step.
#
# The remedy of Pascanu, Mikolov and Bengio (2013): keep the direction, bound the length.
#
# ## 2. Measure and clip
#
# Let $g$ be the gradient of the loss with respect to **all parameters together**, as one long vector: its parts $g_1, g_2, …$ belong to the tensors of the model. Its length is the *global norm*,
#
# $$\lVert g\rVert = \sqrt{\textstyle\sum_i \lVert g_i\rVert^2},$$
#
# where $\lVert g_i\rVert^2$ is the sum of the squares of all entries of $g_i$, whatever its shape.
#
# ### Exercise: `global_norm`
#
# *difficulty 1 of 5 · importance 4 of 5 · 6 minutes*
#
# `global_norm(tensors)` takes any number of tensors, of any shapes, and returns the length of all of them together: a tensor without axes (a 0-d tensor), of the dtype that the tensors have. An entry that is `None` is skipped: a parameter that took no part in the loss has no gradient. Without any tensor the norm is 0.
#
# **A tiny example**: the tensors $(3, 0)$ and $((4), (12))$ give $\sqrt{9 + 16 + 144} = 13$.


# %% answer="clipping-global-norm"
def global_norm(tensors):
    """The length of all tensors together, as one vector: a 0-d tensor. None is skipped; without any tensor it is 0."""
    ### BEGIN SOLUTION
    squares = [(tensor**2).sum() for tensor in tensors if tensor is not None]
    return torch.stack(squares).sum().sqrt() if squares else torch.tensor(0.0)
    ### END SOLUTION


# %% check="clipping-global-norm" points=2 keeps="clip-by-norm"
check("clipping-global-norm")

# %% [markdown] hint="clipping-global-norm"
# <details><summary>Hint 1: a question</summary>
#
# If you wrote all entries of all tensors into one long vector, what would its length be? Which sums can be taken tensor by tensor, and when does the square root come?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# One number for each tensor that is not None: the sum of its squared entries. Add these numbers; take the root once, at the end.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# squares = [... for tensor in tensors if tensor is not None]
# return torch.stack(squares).sum()...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the lengths of the tensors are added up*: 3 and 4 give 5, not 7. The root comes last.
# - *only one of the tensors is measured*: is `return` inside the loop?
# - *'NoneType' object*, or *unsupported operand*: leave out what is None before you calculate with it.
# - *expects a non-empty TensorList*: there may be no tensor at all.
# - *a plain number came back*: keep the tensor; `.item()` or `math.sqrt` takes the number out.
# </details>

# %% [markdown]
# ### Predict: who is shortened?
#
# *difficulty 2 of 5 · importance 4 of 5 · 2 minutes*
#
# Clipping by global norm to a limit $c$ multiplies $g$ by one factor:
#
# $$g \leftarrow g \cdot \min\!\left(1, \frac{c}{\lVert g\rVert}\right).$$
#
# Two parameters have the gradients $(3, 0)$ and $(0, 4)$, of lengths 3 and 4. They are clipped together, to $c = 1$. **How long is the first one afterwards?** Write a number.

# %% answer="clipping-predict-first"
### BEGIN SOLUTION
guess_first = 0.6
### END SOLUTION
### RELEASED AS
# guess_first = None
### END RELEASED


# %% check="clipping-predict-first" points=1
check("clipping-predict-first")

# %% experiment="first"
two = [nn.Parameter(torch.zeros(2)) for _ in range(2)]
two[0].grad, two[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
nn.utils.clip_grad_norm_(two, 1.0)  # PyTorch's own
first = two[0].grad.norm().item()
print(f"afterwards the first is {first:.3f} long, and the second {two[1].grad.norm():.3f}")
reply(
    guess_first,
    first,
    {
        first: "One factor, c / ‖g‖ = 1/5, for both.",
        1: "That is what comes out if each parameter is clipped by itself. The direction of g would change: (3, 4) becomes (1, 1).",
        3: "But the limit holds for both together, and together they are 5 long.",
    },
    "Together they are 5 long, so both are multiplied by 1/5.",
)

# %% [markdown]
# ### Exercise: `clip_grad_norm`
#
# *difficulty 3 of 5 · importance 5 of 5 · 15 minutes*
#
# `clip_grad_norm(parameters, max_norm)` changes the gradients of `parameters` by the formula above, with $c$ = `max_norm`. It returns the global norm as it was **before**: that is what you want to see in a log. PyTorch's own function is ruled out here, since this exercise rebuilds it. Five things have to hold:
#
# - Afterwards the norm is at most $c$, and the direction is what it was.
# - A gradient that is short enough is left as it is, zeros included. With `max_norm = float("inf")` the function only measures.
# - `parameters` may be a list or a *generator*, such as `model.parameters()`. You can loop over a generator only **once**.
# - A parameter without a gradient (`.grad` is `None`) stays without one. If no parameter has a gradient, the norm is 0.
# - A parameter that occurs twice, because two parts of a model share it, counts once and is shortened once.
#
# Gradients may differ in dtype; each keeps its own. If there is an infinity or a nan among them, no factor can help: return the norm as it comes out (inf or nan); what becomes of the gradients does not matter then. The training step of section 3 deals with it.
#
# **A tiny example**: gradients $(3, 0)$ and $(0, 4)$, `max_norm = 1`: it returns 5, and the gradients are $(0.6, 0)$ and $(0, 0.8)$. A second call returns 1 and changes nothing.


# %% answer="clipping-norm"
def clip_grad_norm(parameters, max_norm):
    """Scale the gradients of the parameters together, in place, to a global norm of at most max_norm.

    Returns the global norm before, a 0-d tensor. Parameters without a gradient are left alone.
    """
    ### BEGIN SOLUTION
    grads = [p.grad for p in dict.fromkeys(parameters) if p.grad is not None]
    norm = global_norm(grads)
    if norm > max_norm:
        for grad in grads:
            grad.mul_(max_norm / norm)
    return norm
    ### END SOLUTION


# %% check="clipping-norm" points=5 keeps="clip-by-norm"
check("clipping-norm")

# %% [markdown] hint="clipping-norm"
# <details><summary>Hint 1: a question</summary>
#
# How many times do you loop over `parameters`: to measure, and to shorten? What is left of a generator the second time?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# First make a list of the gradients that are there, each once (`dict.fromkeys(parameters)` keeps the order and drops what occurs again). Measure the list. If the norm is above the limit, multiply each gradient *in place* by one and the same factor. Return what you measured.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# grads = [p.grad for p in ... if p.grad is not None]
# norm = global_norm(grads)
# if ...:
#     for grad in grads:
#         grad.mul_(...)
# return norm
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *each parameter is clipped by itself*: one factor for all.
# - *the gradients are scaled to max_norm even where they are shorter*: min(1, …) in the formula.
# - *the gradients are as they were before*: `grad = grad * factor` makes a new tensor and gives it an old name. `grad.mul_(factor)`, `grad *= factor` and `p.grad = …` change something.
# - *the norm of the clipped gradients is returned*: measure first, and keep the number.
# - *with a list it is right; with a generator …*: hint 1.
# - *a parameter that occurs twice*: hint 2 has a word that drops what occurs again.
# - *There is a nan or an infinity* for a gradient of zeros: c / 0 is infinite, and infinity times 0 is nan.
# </details>

# %% [markdown]
# ### Experiment: the cliff, with a slider for the threshold
#
# The same start, the same learning rate, 80 steps of descent: without clipping, and clipped with *your* `clip_grad_norm` to the threshold $c$ of the slider.


# %% given="descent"
def descend(clip, start=(1.5, -0.6), lr=0.05, steps=80):
    """The path of gradient descent on the one-unit loss: rows (w, b, loss, length of the gradient); clip(parameters) comes before each step."""
    w, b = (nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in start)
    optimizer, path = torch.optim.SGD([w, b], lr=lr), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = unit_loss(w, b)
        loss.backward()
        path.append([w.item(), b.item(), loss.item(), math.hypot(w.grad.item(), b.grad.item())])
        clip([w, b])
        optimizer.step()
    return torch.tensor(path)


def arrivals(clip, seed, starts=60):
    """The share of random starts from which 80 steps of descent end with a loss below 0.01."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(starts, 2, generator=generator, dtype=torch.float64) * 0.8 + torch.tensor([1.1, -0.8])
    return sum(descend(clip, start)[-1, 2].item() < 0.01 for start in places.tolist()) / starts


THRESHOLDS = [0.1, 0.3, 1.0, 3.0, 10.0]


# %% experiment="descent" keeps="clip-by-norm"
plane, free = landscape(), descend(lambda parameters: None)


def picture(threshold):
    """Both paths over the landscape, and their losses."""
    paths = {
        "not clipped": (free, figures.VERMILION, "s"),
        f"clipped to {threshold:g}": (
            descend(lambda parameters: clip_grad_norm(parameters, threshold)),
            figures.BLUE,
            "o",
        ),
    }
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
    w, b, h, loss, _ = plane
    shades = left.pcolormesh(w, b, loss, cmap="gray", vmin=-3, vmax=5, rasterized=True)
    fig.colorbar(shades, ax=left, label="loss").ax.set_ylim(0, 3)
    for name, (path, color, marker) in paths.items():
        left.plot(path[:, 0], path[:, 1], marker + "-", ms=4, lw=1.5, color=color, label=name)
        right.plot(path[:, 2].clamp(min=1e-8), marker + "-", ms=3, color=color, label=name)
    left.plot(1.5, -0.6, "*", ms=13, color=figures.GREEN)
    lines(left, w, b, h)
    left.set(xlabel="weight w", ylabel="bias b", xlim=(0.8, 2), ylim=(-0.8, 1.8), title="Both begin at the star")
    right.set(
        xlabel="step of descent",
        ylabel="loss (below 1e-8: drawn at 1e-8)",
        yscale="log",
        title="One jump costs all the rest",
    )
    right.legend()
    ends = [
        f"{name}: loss {path[-1, 2]:.2g}, longest gradient {path[:, 3].max():.3g}"
        for name, (path, _, _) in paths.items()
    ]
    return fig, "After 80 steps, " + "; ".join(ends) + "."


with needs("clip_grad_norm"):
    explore(picture, threshold=(0.1, 40.0, 0.1, 1.0))

# %% [markdown]
# **Things to try.** Unclipped, the path walks along the upper plain, meets the edge, and is thrown across the valley, far out onto the lower plain, where the loss is higher than it could be and the slope nearly 0. In this run the gradient is 0.3 long at the start, about 3 one step before the edge, and over 30 at the edge. With $c = 1$ it takes the edge in short steps and settles in the valley. Raise $c$: from some value on, the clipped path is thrown off as well. Lower it to 0.1: it does not arrive in time. The threshold
# is no magic number: it should lie above the gradients of ordinary steps and far below those at the edge. And one start proves little, so here are 60 random ones for each of five seeds:

# %% experiment="arrivals"
with needs("clip_grad_norm"):
    runs = stored("clipping", "cliff")
    live = arrivals(lambda parameters: clip_grad_norm(parameters, LIMIT), seed=0)
    fig, ax = plt.subplots()
    figures.band(ax, THRESHOLDS, [run["clipped"] for run in runs], figures.BLUE, "clipped")
    if runs:
        low, high = (pick(run["plain"] for run in runs) for pick in (min, max))
        ax.axhspan(low, high, color=figures.VERMILION, alpha=0.35, lw=0, label=f"not clipped ({len(runs)} seeds)")
    ax.plot(LIMIT, live, "P", ms=10, mfc="none", mew=2, color=figures.INK, label="yours, seed 0")
    ax.set(xscale="log", xlabel="clipping threshold c", ylabel="share of starts that arrive", ylim=(0, 1.05))
    ax.set_xticks(THRESHOLDS, [f"{c:g}" for c in THRESHOLDS])
    ax.minorticks_off()
    ax.set_title("Too low is too slow, and at 10 it helps less")
    ax.legend(loc="lower right")
    figures.show(fig, "At a threshold of 1 every start arrives; at 0.1 fewer than half; without clipping some do not.")

# %% [markdown]
# **What to see.** Without clipping, most starts arrive as well, and some are thrown off. That is how exploding gradients behave in practice. Most steps are fine, and then there is one that is not. A threshold of 1 or 3 brings all of them home. At 10 fewer arrive,
# and still more than without clipping. At 0.1 the steps are too short for 80 of them to arrive.
#
# ### Exercise: `clip_grad_value`
#
# *difficulty 1 of 5 · importance 3 of 5 · 5 minutes*
#
# The older way bounds each entry by itself: whatever is above `limit` becomes `limit`, whatever is below `-limit` becomes `-limit`. `clip_grad_value(parameters, limit)` does this to the gradients, in place. `parameters` are as before: a list or a generator, some without a gradient. What it returns does not matter. PyTorch's own function is ruled out here too.
#
# **A tiny example**: `limit = 1` turns the gradient $(3, -0.5, -4)$ into $(1, -0.5, -1)$.


# %% answer="clipping-value"
def clip_grad_value(parameters, limit):
    """Bound each entry of each gradient to [-limit, limit], in place. Parameters without a gradient are left alone."""
    ### BEGIN SOLUTION
    for p in parameters:
        if p.grad is not None:
            p.grad.clamp_(-limit, limit)
    ### END SOLUTION


# %% check="clipping-value" points=2 keeps="clip-by-value"
check("clipping-value")

# %% [markdown] hint="clipping-value"
# <details><summary>Hint 1: a question</summary>
#
# Which method of a tensor bounds every entry from both sides, and what does its name end in if it changes the tensor itself?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# One loop over the parameters, leaving out those whose `.grad` is None; bound the gradient from below and from above.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# for p in parameters:
#     if p.grad is not None:
#         p.grad.clamp_(..., ...)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *entries below -limit are left as they are*: there are two sides.
# - *the sign is lost*: a large negative entry becomes −limit, not +limit.
# - *the gradients are as they were before*: `clamp` returns a new tensor, `clamp_` changes the one at hand.
# - *all entries are scaled by one factor*: that is clipping by norm. Here each entry is looked at alone.
# </details>

# %% [markdown]
# ### Experiment: which way does it point?
#
# Clipping by norm keeps the direction: the cosine of the angle between the gradient before and after is 1, by the formula. Clipping by value does not. The next cell measures it where clipping happens in practice: on the steps of a real training run whose gradient is longer than 1 (the run is that of section 3).


# %% given="copying"
def copied_text(rows, T, seed, lag=3, repeats=0.8, vocab=4):
    """Texts (rows, T + 1): each token repeats the one `lag` places before it with probability `repeats`, else it is any token."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(vocab, (rows, T + 1), generator=generator)
    fresh = torch.rand(rows, T + 1, generator=generator) > repeats
    for t in range(lag, T + 1):
        x[:, t] = torch.where(fresh[:, t], x[:, t], x[:, t - lag])
    return x.to(device)


def floor(T=30, lag=3, repeats=0.8, vocab=4):
    """The mean loss per token that no model can go below: lag − 1 of the T targets repeat nothing that was read."""
    same = repeats + (1 - repeats) / vocab
    repeated = -same * math.log(same) - (1 - same) * math.log((1 - same) / (vocab - 1))
    return ((lag - 1) * math.log(vocab) + (T - lag + 1) * repeated) / T


def length_of(tensors):
    """The global norm as a number."""
    return math.sqrt(sum((tensor.detach().double() ** 2).sum().item() for tensor in tensors))


def training_log(clip, seed, lr=0.3, steps=400, watch=lambda grads: None):
    """Training of the ReLU network on the copied text by plain descent; stops where the loss is not finite.

    clip(parameters) comes between backward and step. The log: loss, grad_norm (before clipping), weight_norm.
    """
    model = TextModel("relu", seed=seed)
    optimizer, log = torch.optim.SGD(model.parameters(), lr=lr), {"loss": [], "grad_norm": [], "weight_norm": []}
    for step in range(steps):
        x = copied_text(32, 30, 100_000 * seed + step)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[:, :-1])[0].flatten(0, 1), x[:, 1:].flatten())
        loss.backward()
        grads = [p.grad for p in model.parameters()]
        log["loss"].append(loss.item())
        log["grad_norm"].append(length_of(grads))
        log["weight_norm"].append(length_of(model.parameters()))
        watch(grads)
        if not math.isfinite(loss.item()):
            break
        clip(model.parameters())
        optimizer.step()
    return log


LIMITS = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]


def directions(seed, steps=150):
    """For each of LIMITS the cosine between the gradient before and after clipping by value: its median over the steps longer than 1."""
    found = {limit: [] for limit in LIMITS}

    def watch(grads):
        g = torch.cat([grad.flatten() for grad in grads])
        if g.norm() > 1:
            for limit, cosines in found.items():
                cosines.append(F.cosine_similarity(g, g.clamp(-limit, limit), dim=0).item())

    training_log(lambda parameters: nn.utils.clip_grad_norm_(parameters, LIMIT), seed, steps=steps, watch=watch)
    return [sorted(cosines)[len(cosines) // 2] for cosines in found.values()]


# %% experiment="directions" keeps="clip-by-value"
with needs("clip_grad_norm", "clip_grad_value"):
    model, x = TextModel("relu", seed=0), copied_text(32, 30, 0)
    F.cross_entropy(model(x[:, :-1])[0].flatten(0, 1), x[:, 1:].flatten()).backward()
    before = [p.grad.clone() for p in model.parameters()]

    def turned(clip):
        for p, grad in zip(model.parameters(), before):
            p.grad = grad.clone()
        clip(model.parameters())
        after = torch.cat([p.grad.flatten() for p in model.parameters()])
        return F.cosine_similarity(torch.cat([grad.flatten() for grad in before]), after, dim=0).item()

    by_value = [turned(lambda parameters: clip_grad_value(parameters, limit)) for limit in LIMITS]
    by_norm = turned(lambda parameters: clip_grad_norm(parameters, LIMIT))
    fig, ax = plt.subplots()
    figures.band(
        ax,
        LIMITS,
        [run["cosine"] for run in stored("clipping", "directions")],
        figures.VERMILION,
        "by value, median of a run",
    )
    ax.plot(LIMITS, by_value, "s-", color=figures.VERMILION, label="by value, first gradient, yours")
    ax.axhline(by_norm, color=figures.BLUE, ls="--", label="by norm, yours")
    ax.set(xscale="log", xlabel="limit for each entry", ylabel="cosine with the true gradient", ylim=(0, 1.06))
    ax.set_title("Clipping by value turns the gradient, clipping by norm does not")
    ax.legend(loc="lower right")
    figures.show(fig, "By norm the cosine is 1; by value it falls as the limit gets lower.")
    print(
        f"by norm: {by_norm:.6f}; by value, first gradient: "
        + ", ".join(f"{cosine:.2f} at {limit:g}" for cosine, limit in zip(by_value, LIMITS))
    )

# %% [markdown]
# **What to see.** The lower the limit, the more entries become $\pm$limit, and the further the gradient is turned. In the extreme only the signs are left. The longer the gradient, the more entries are beyond a limit. Turned is not the same as useless: section 3 compares the two ways by what is learned.
#
# ## 3. In the training step
#
# `zero_grad → forward → loss → backward → `**clip**` → step`. Clipping changes what is in `.grad`, so it has to come after `backward()`, which fills `.grad`, and before `step()`, which uses it. Before `backward()` or after `step()` it raises no error, and the step is taken unclipped. (Section 6 has a third wrong place.)
#
# One thing clipping cannot fix. If one entry of $g$ is nan, then $\lVert g\rVert$ is nan, so is the factor, and with it every entry. If one entry is infinite, the factor is 0: that entry becomes $0 \cdot \infty$, which is nan, and all others become 0. After one step with it there is a nan among the parameters, and the next forward pass spreads it. The only remedy is **not to take the step**: leave the parameters alone, and the optimizer's memory too, and go on with the next batch.
#
# ### Exercise: `clipped_train_step`
#
# *difficulty 3 of 5 · importance 5 of 5 · 15 minutes*
#
# `clipped_train_step(model, optimizer, x, y, max_norm)` makes one training step on tokens `x` (B, T) with targets `y` (B, T). `model(x)` returns `(logits, state)`, logits (B, T, V) with a score for each of the V tokens. The loss is the cross-entropy averaged over all B·T tokens. It returns a dict with four entries:
#
# | key | what it is |
# |---|---|
# | `"loss"` | the loss before the step, a number |
# | `"norm_before"` | the global norm of the gradient before clipping, a number or a 0-d tensor |
# | `"norm_after"` | the global norm of the gradient that the step is taken with, likewise |
# | `"skipped"` | `True` if the gradient was not finite and the step was left out, else `False` |
#
# If the step is skipped, neither `model` nor `optimizer` may change, and `"norm_after"` may be anything. A loss can be finite while its gradient is not (the slope of $\sqrt{u}$ at 0), so look at the gradient. The model may come with old gradients from somewhere else.
#
# Clip with PyTorch's own `nn.utils.clip_grad_norm_(parameters, max_norm)`, which does what yours does. (Yours will do as well, if it is right.)


# %% answer="clipping-train-step"
def clipped_train_step(model, optimizer, x, y, max_norm):
    """One training step with the gradient clipped to max_norm: a dict with loss, norm_before, norm_after and skipped.

    x, y: (B, T) tokens; model(x) -> (logits (B, T, V), state). A gradient that is not finite makes no step.
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    logits, _ = model(x)
    loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))
    loss.backward()
    before = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    finite = bool(torch.isfinite(before))
    if finite:
        optimizer.step()
    after = global_norm([p.grad for p in model.parameters()])
    return {"loss": loss.item(), "norm_before": before.item(), "norm_after": after.item(), "skipped": not finite}
    ### END SOLUTION


# %% check="clipping-train-step" points=6 keeps="place-of-clipping"
check("clipping-train-step")

# %% [markdown] hint="clipping-train-step"
# <details><summary>Hint 1: a question</summary>
#
# Write down, line by line, what is in `.grad`. At which line is it the gradient of this batch, and who reads it next? Which number tells at once whether all entries are finite?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Empty the gradients, forward, loss, backward, clip. The function that clips returns the norm before; it is nan or infinite if any entry is. Step only if it is finite. Then measure once more what is in `.grad`.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# optimizer.zero_grad()
# logits, _ = model(x)
# loss = F.cross_entropy(..., ...)
# loss.backward()
# before = ...
# finite = bool(torch.isfinite(before))
# if ...:
#     optimizer.step()
# after = global_norm(...)
# return {"loss": loss.item(), "norm_before": ..., "norm_after": ..., "skipped": ...}
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *clipping comes before `backward()`*, or *after `step()`*: in between it has something to clip that is still to be used.
# - *the norm after is measured when `.grad` has been emptied again*: measure before you empty.
# - *logits and targets stand in a different order*, *the axes of the logits are exchanged*: flatten (B, T, V) and (B, T) as they are.
# - *True and False have changed places*: "skipped" is true where no step was taken.
# - *a step with a gradient that is not finite is taken*: does your test look at the gradient, for nan *and* for infinity?
# - *gradients of an earlier step are added*: `zero_grad()` comes first.
# - *the norm before and the norm after have changed places*, or *the norm of the clipped gradient is given as both*: `clip_grad_norm_` returns the norm before.
# - *the step is left out where the gradient is long*: long is what clipping is for. Only what is not finite is skipped.
# - *a step with a gradient of zeros is taken instead*: an optimizer with memory moves with a zero gradient as well.
# </details>

# %% [markdown]
# ### Predict: how long does it last?
#
# *difficulty 3 of 5 · importance 3 of 5 · 2 minutes*
#
# A text over 4 tokens: each token repeats the one three places before it with probability 0.8, else it is any of the four. A network reads 30 tokens at a time and predicts the next. It has 32 units with ReLU in place of tanh, and a `weight_hh` that begins as the identity, so it hands its state on as it is: a good way to remember. It is trained by plain
# descent with a learning rate of 0.3, *without* clipping. **At which step is the loss infinite or nan for the first time?** Write a whole number from 1 to 400; 400 if you think it never happens.

# %% answer="clipping-predict-nan"
### BEGIN SOLUTION
guess_nan = 4
### END SOLUTION
### RELEASED AS
# guess_nan = None
### END RELEASED


# %% check="clipping-predict-nan" points=1
check("clipping-predict-nan")

# %% [markdown]
# ### Experiment: without, and with
#
# The run without clipping, a run clipped with your `clip_grad_norm` to 1, and stored runs over five seeds of these two, of the best of four limits by value, and of the obvious alternative: a learning rate 30 times smaller, without clipping. (What clipping by value reaches is printed below the figure.) The dotted level is what no model can go below: of the 30 targets two repeat tokens that were not read, so they can only be guessed.

# %% given="failing"
VALUES = [0.01, 0.03, 0.1, 0.3]


def excess(log, last=50):
    """Mean loss of the last steps above what is attainable, in nats per token; None if the run has failed."""
    tail = log["loss"][-last:]
    return sum(tail) / len(tail) - floor() if all(map(math.isfinite, tail)) else None


def smooth(losses, width=20):
    """Means of `width` losses after each other."""
    return [sum(losses[i : i + width]) / width for i in range(0, len(losses) - width + 1, width)]


# %% experiment="failing" keeps="place-of-clipping"
with needs("clip_grad_norm"):
    plain = training_log(lambda parameters: None, seed=0)
    mine = training_log(lambda parameters: clip_grad_norm(parameters, LIMIT), seed=0)
    runs = stored("clipping", "training")
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    left.plot(
        range(1, len(plain["loss"]) + 1), plain["loss"], "s-", color=figures.VERMILION, label="not clipped, seed 0"
    )
    left.plot(range(1, 21), mine["loss"][:20], "o-", color=figures.BLUE, label="yours, clipped to 1, seed 0")
    failed = len(plain["loss"])
    left.axvline(failed, color=figures.VERMILION, ls=":", lw=1.5, label=f"infinite or nan: step {failed}")
    left.set(
        yscale="log",
        xlabel="step",
        ylabel="loss (nats per token)",
        title="Without clipping: over at once",
        xticks=range(0, 21, 5),
    )
    left.legend(fontsize=9)
    steps = range(20, 401, 20)
    figures.band(right, steps, [run["norm"] for run in runs], figures.BLUE, "by norm, 1")
    figures.band(right, steps, [run["slow"] for run in runs], figures.ORANGE, "rate 0.01, not clipped")
    right.plot(steps, smooth(mine["loss"]), "o-", ms=4, color=figures.INK, label="yours, seed 0")
    figures.level(right, floor(), "no model can go below")
    right.set(
        xlabel="step",
        ylabel="loss (nats, mean of 20 steps)",
        ylim=(0.45, 1.6),
        title="Clipped: near the floor in 400 steps",
    )
    right.legend(fontsize=9)
    figures.show(
        fig,
        "Unclipped, the loss overflows within a few steps; clipped, it comes near the floor; a lower rate is slower.",
    )
    print(
        f"not clipped: the loss is first infinite or nan at step {failed} (seed 0), and in the stored runs at {', '.join(str(run['failed_at']) for run in runs)}"
    )
    reply(
        guess_nan,
        failed,
        {failed: "You expected it to be over soon, and it is."},
        "It takes a few steps: each one multiplies what the one before it has done.",
        high="But each step multiplies the trouble: the loss does not creep up.",
        near=0.6,
    )
    clipped = sum(norm > LIMIT for norm in mine["grad_norm"]) / len(mine["grad_norm"])
    print(
        f"yours: {excess(mine):.3f} nats above the floor at the end; {clipped:.0%} of the steps were clipped, the longest gradient was {max(mine['grad_norm']):.0f}"
    )
    print("above the floor at the end, in the stored runs:")
    for name, key in (
        ("by norm, 1", "norm_excess"),
        ("by value, best limit", "value_excess"),
        ("rate 0.01, not clipped", "slow_excess"),
    ):
        print(f"    {name:>22}: {', '.join(f'{run[key]:.3f}' for run in runs)}")
    print(f"rate 0.03, not clipped: failed in {sum(run['fails_at_0.03'] for run in runs)} of {len(runs)} stored runs")

# %% [markdown]
# **What to see.** Without clipping every run is over within a handful of steps. With it, every run comes close to the floor. And yet most of its steps are *not* clipped at all: clipping acts on the few that would have ended the run. A tenth of the learning rate is not safe either: some runs still fail. A thirtieth is, and pays for it at every step.
# Clipping by value at the best of four limits comes close to clipping by norm, and does not beat it in any stored run; its other limits do worse: 0.01 and 0.3 end 0.23 to 0.72 nats above the floor, 0.03 lies between.
# Yours and the stored run of seed 0 differ in the last digits: PyTorch rounds a little differently, and training enlarges the difference.
#
# ## 4. Reading a log
#
# Nobody looks at surfaces in practice. One looks at a log. The four symptoms of exploding gradients:
#
# | symptom | what happens | how it shows in a log |
# |---|---|---|
# | `"nan loss"` | numbers overflow | a loss that is nan or infinite |
# | `"loss jump"` | training becomes unstable | a loss over **3** times the median of the 20 losses before it |
# | `"weight growth"` | parameters run away | a weight norm over **10** times the first one |
# | `"gradient spike"` | the gradient explodes | a gradient norm over **10** times the median of the 20 norms before it |
#
# The median is used because one earlier spike must not hide the next. Of 20 numbers two are in the middle; their median is the mean of these two.
#
# ### Exercise: `symptoms`
#
# *difficulty 2 of 5 · importance 4 of 5 · 12 minutes*
#
# `symptoms(log)` takes a dict of three lists of numbers, `"loss"`, `"grad_norm"` and `"weight_norm"`, with an entry for each step, and returns the set of the symptoms that occur anywhere in it. "Over" is meant strictly. Entries with fewer than 20 before them are not compared with a median. An infinite number is over every bound, nan is over none: that is what Python's
# `>` says. The lists may be short or empty.
#
# **A tiny example**: 20 losses of 1 and then 2.5, 3.5, 1: the set is `{"loss jump"}`, because of the 3.5.


# %% answer="clipping-symptoms"
def symptoms(log):
    """The symptoms of exploding gradients that occur in a log {"loss": [...], "grad_norm": [...], "weight_norm": [...]}: a set of str."""

    ### BEGIN SOLUTION
    def spikes(values, factor):
        return any(
            values[i] > factor * torch.tensor(values[i - 20 : i]).quantile(0.5).item() for i in range(20, len(values))
        )

    found = set()
    if any(not math.isfinite(loss) for loss in log["loss"]):
        found.add("nan loss")
    if spikes(log["loss"], 3):
        found.add("loss jump")
    if any(norm > 10 * log["weight_norm"][0] for norm in log["weight_norm"]):
        found.add("weight growth")
    if spikes(log["grad_norm"], 10):
        found.add("gradient spike")
    return found
    ### END SOLUTION


# %% check="clipping-symptoms" points=4 keeps="symptoms"
check("clipping-symptoms")

# %% [markdown] hint="clipping-symptoms"
# <details><summary>Hint 1: a question</summary>
#
# Two of the four compare an entry with the 20 before it. Which entry is the first that has 20 before it, and which slice of the list are they?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Write one helper that says whether any entry of a list is over a factor times the median of its 20 predecessors, and use it twice. `statistics.median` or `torch.quantile(…, 0.5)` gives the median. (`torch.median` gives the lower of the two in the middle.) The other two are one line each.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# def spikes(values, factor):
#     return any(values[i] > factor * median(values[...]) for i in range(..., len(values)))
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the mean is taken for the median*: one large number among the 20 moves the mean and not the median.
# - *19 entries*, *holds the entry itself*: the slice for entry i begins at i − 20 and ends before i.
# - *the lower of the two entries in the middle is taken for the median*: that is what `torch.median` gives.
# - *compared with the entry right before it*, *with the smallest so far* or *with all entries before it*: it is the median of 20.
# - *entries with fewer than 20 before them are compared*: the first steps of a run are often wild.
# - *only the last entry is looked at*: a run may recover. The log still shows what happened.
# - *an infinite loss is not seen*: `math.isnan` is not the opposite of `math.isfinite`.
# - *the weight norm is compared with its smallest value*, or *with the one before*: over ten times the *first*.
# - *list index out of range*: the lists may be empty.
# </details>

# %% [markdown]
# ### Experiment: the table, filled
#
# Your `symptoms` on logs of the same training, done in four ways.

# %% given="logs"
WAYS = {  # the limit of clipping by norm, and the learning rate
    "not clipped, rate 0.3": (math.inf, 0.3),
    "not clipped, rate 0.01": (math.inf, 0.01),
    "clipped to 3, rate 1": (3.0, 1.0),
    "clipped to 1, rate 0.3": (1.0, 0.3),
}


def logs(seed):
    """Logs of 200 steps on the copied text, for each of WAYS."""
    return {
        name: training_log(lambda parameters: nn.utils.clip_grad_norm_(parameters, limit), seed, lr, steps=200)
        for name, (limit, lr) in WAYS.items()
    }


# %% experiment="logs" keeps="symptoms"
with needs("symptoms"):
    runs = stored("clipping", "logs")
    for name, log in logs(seed=0).items():
        print(f"{name} ({len(log['loss'])} steps)")
        print(f"    yours, seed 0: {', '.join(sorted(symptoms(log))) or 'nothing'}")
        seen = [run[name] for run in runs]
        for symptom in ("nan loss", "loss jump", "weight growth", "gradient spike"):
            if count := sum(symptom in one for one in seen):
                print(f"    {symptom:>14} in {count} of {len(seen)} stored runs")

# %% [markdown]
# **What to see.** The run without clipping is over after a few steps. It shows no *jump*, because it does not have 20 losses to compare with; the growth of the weights and the nan tell. With rate 1 and a threshold of 3 no run fails, and yet nothing is well: the gradient spikes in every stored run, and in most of them the loss jumps. With rate 0.3 and threshold 1 at most
# a spike is left. The log holds the norm **before** clipping, and that is why such a spike can be seen at all: it is what clipping is there for. A jump of the loss says that clipping was not enough.
#
# ## 5. What clipping does not cure
#
# The *temporal-order* task (Hochreiter and Schmidhuber 1997): a sequence of $T$ tokens, mostly noise; one marked token, A or B, is in the second tenth, another in the sixth tenth. At the end the network says which two it has seen, in order: four classes, so guessing gives 0.25. In 2013 it was the showpiece for clipping: the paper reports that plain descent
# failed on it and that clipping helped. Since then it is said that a recurrent network needs clipping for such tasks.
#
# ### Predict: clipping and Adam
#
# *difficulty 3 of 5 · importance 4 of 5 · 2 minutes*
#
# A tanh network with 50 units, $T = 20$, trained with **Adam** (rate 0.003, 400 steps), without clipping and clipped to 1. **Does clipping help it to solve the task: more right answers, or in fewer steps?** Write `"helps"` or `"no help"`.

# %% answer="clipping-predict-folklore"
### BEGIN SOLUTION
guess_folklore = "no help"
### END SOLUTION
### RELEASED AS
# guess_folklore = None
### END RELEASED


# %% check="clipping-predict-folklore" points=1
check("clipping-predict-folklore")


# %% given="order"
def marked(rows, T, seed):
    """The temporal-order task: tokens (rows, T), 0…3 noise, 4 and 5 marked; and classes (rows,), 0…3."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, *shape):
        return torch.randint(low, high, shape, generator=generator)

    x, row, one, two = draw(0, 4, rows, T), torch.arange(rows), draw(0, 2, rows), draw(0, 2, rows)
    x[row, draw(T // 10, T // 5, rows)] = 4 + one
    x[row, draw(T // 2, T * 6 // 10, rows)] = 4 + two
    return x.to(device), (2 * one + two).to(device)


def order_run(clip, seed, T, steps=400):
    """Training with Adam: "right", the share on new sequences; "longest", the longest gradient on the way; "solved", the step after which
    99 % were right over ten batches, or None; "flow", the length of the loss's gradient at each position compared with the last one."""
    model = TextModel("tanh", vocab=6, hidden=50, seed=seed)
    optimizer, longest, right = torch.optim.Adam(model.parameters(), lr=0.003), 0.0, []
    for step in range(steps):
        x, y = marked(32, T, 100_000 * seed + step)
        optimizer.zero_grad()
        logits = model(x)[0][:, -1]
        F.cross_entropy(logits, y).backward()
        right.append((logits.argmax(1) == y).double().mean().item())
        longest = max(longest, length_of(p.grad for p in model.parameters()))
        clip(model.parameters())
        optimizer.step()
    solved = next((i for i in range(10, steps + 1) if sum(right[i - 10 : i]) >= 9.9), None)
    x, y = marked(1000, T, 10_000_000 + seed)
    read = model.embedding(x).detach().requires_grad_()
    logits = model.readout(model.rnn(read)[0][:, -1])
    flow = torch.autograd.grad(F.cross_entropy(logits, y), read)[0].norm(dim=2).mean(0)
    share = (logits.argmax(1) == y).double().mean().item()
    return {"right": share, "longest": longest, "solved": solved, "flow": (flow / flow[-1]).tolist()}


LENGTHS = [20, 60]

# %% experiment="order"
with needs("clip_grad_norm"):
    mine = {"not clipped": order_run(lambda parameters: None, 0, 20)}
    mine["clipped to 1"] = order_run(lambda parameters: clip_grad_norm(parameters, LIMIT), 0, 20)
    runs = stored("clipping", "order")
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    for number, run in enumerate(runs):
        pair = [run[f"{name}, T = 20"]["solved"] for name in mine]
        left.plot([0, 1], pair, "o-", color=figures.PALETTE[number], lw=1.5, label=f"seed {number}, stored")
    left.plot(
        [0, 1],
        [one["solved"] for one in mine.values()],
        "P--",
        ms=9,
        mfc="none",
        mew=2,
        lw=1,
        color=figures.INK,
        label="yours, seed 0",
    )
    left.set(xticks=[0, 1], xlim=(-0.3, 2.2), ylim=(0, 300), ylabel="steps until 99 % were right")
    left.set_xticklabels(mine)
    left.set_title("T = 20: later in some seeds, sooner in others")
    left.legend(fontsize=8, loc="upper right")
    figures.band(
        right, range(1, 61), [run["not clipped, T = 60"]["flow"] for run in runs], figures.BLUE, "after training"
    )
    for begin, end, says in ((7, 12, "1st mark"), (31, 36, "2nd mark")):
        right.axvspan(begin - 0.5, end + 0.5, color=figures.ORANGE, alpha=0.35, lw=0)
        right.text((begin + end) / 2, 3, says, ha="center", fontsize=9)
    right.set(yscale="log", ylim=(1e-20, 1e3), xlabel="position in the sequence")
    right.set(ylabel="gradient compared with the last", title="T = 60: it fades before it reaches the marks")
    right.legend(loc="lower right", fontsize=9)
    figures.show(
        fig,
        "At 20 tokens some seeds are solved sooner with clipping and some without; at 60 the gradient fades before it reaches the marks.",
    )
    print("yours, T = 20, seed 0: " + ", ".join(f"{name} {one['right']:.2f} right" for name, one in mine.items()))
    later = sum(run["clipped to 1, T = 20"]["solved"] >= run["not clipped, T = 20"]["solved"] for run in runs)
    print(
        f"T = 20: clipping makes it no faster in {later} of {len(runs)} stored runs; all end with every new sequence right"
    )
    for says, key in (("share right", "right"), ("longest gradient", "longest")):
        print(f"T = 60, {says}: " + ", ".join(f"{run['not clipped, T = 60'][key]:.2f}" for run in runs))
    reply(
        guess_folklore,
        "no help" if 2 * later >= len(runs) else "helps",
        {
            "helps": "For plain descent the paper of 2013 reports that it does.",
            "no help": "Adam divides each step by the size of recent gradients.",
        },
    )

# %% [markdown]
# **What to see.** With Adam the unclipped network solves the task at $T = 20$ in all five seeds, and so does the clipped one. The share right cannot tell them apart, so look at how soon: in three of five seeds the clipped run is later, in two it is earlier. Gradients far longer than 1 do occur here, and Adam does without clipping:
# it divides by a running size of the gradients and so limits its own steps. The showpiece was made with plain descent, which is not run here.
#
# At $T = 60$ nothing is learned either way. The longest gradient stays below 1 in every stored run, so **the clipped run and the other one are the same run**, step for step. A likely reason is in the right half: compared with the last position, at most a fiftieth of the gradient reaches the second mark, and less than a thousandth the first.
# It has *vanished* on the way. Clipping makes long vectors shorter. It cannot put back what is not there, nor would stretching the gradient help: what is left points to the last positions. That is the subject of lesson 07.
#
# ## 6. Find the bug: clipped, and still wrong
#
# *difficulty 3 of 5 · importance 4 of 5 · 10 minutes*
#
# A long text is read in windows of $k$ steps, the state carried on and detached (lesson 05). To have a larger batch in the same memory, the gradients of `every` windows are collected before each step: each window adds its share, the loss divided by `every`. `train_in_parts` does that, with clipping. It trains, and its losses fall. **And yet there is one mistake. Find it and fix it**, in the cell itself: each step should follow the mean
# gradient of its `every` windows, clipped to `max_norm`.


# %% answer="clipping-bug"
def train_in_parts(model, optimizer, x, y, k, every, max_norm):
    """One pass over x, y (B, N) in windows of k steps with a step after each `every` windows; the list of the windows' losses.

    N is a multiple of k · every. Each step follows the mean gradient of its windows, clipped to max_norm.
    """
    state, losses = None, []
    optimizer.zero_grad()
    for number in range(x.shape[1] // k):
        window = slice(number * k, number * k + k)
        logits, state = model(x[:, window], state)
        state = state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, window].flatten())
        (loss / every).backward()
        ### BEGIN SOLUTION
        if (number + 1) % every == 0:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
            optimizer.zero_grad()
        ### END SOLUTION
        ### RELEASED AS
        # nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        # if (number + 1) % every == 0:
        #     optimizer.step()
        #     optimizer.zero_grad()
        ### END RELEASED
        losses.append(loss.item())
    return losses


# %% check="clipping-bug" points=3
check("clipping-bug")

# %% [markdown] hint="clipping-bug"
# <details><summary>Hint 1: a question</summary>
#
# After the second of four windows, what is in `.grad`: one window's gradient, or more? What does clipping do to the part that is already there?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# A step should follow the mean of the windows' gradients. Each line that touches `.grad` before the sum is complete changes the weights in that sum.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# Which of these lines belong to every window, and which only to a step?
#
# ```python
# (loss / every).backward()
# if (number + 1) % every == 0:
#     ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *This is the program as it was found*: hint 1.
# - *nothing is clipped*: the limit should still hold, once for each step.
# - *the clipping comes after the step*: then it shortens what nobody uses any more.
# - *a step after each window*: the step, too, belongs to the sum of `every` windows.
# - *the gradients of the windows are summed and not averaged*: `loss / every` was right.
# </details>

# %% [markdown]
# ### Experiment: whose gradient is it?
#
# Four windows are collected for a step. Its gradient is a weighted sum of the gradients of the four windows, and each should have the same weight. The next cell works the weights out for the program as you found it, and for yours: for the first step of a fresh network, and again after 25 and 100 steps of training. It does so
# with two limits: `max_norm` = 0.5, and 0.1, which is so low that it acts at nearly every step.


# %% given="parts"
AFTER = (0, 25, 100)  # steps of training


class Recorder(torch.optim.SGD):
    """Plain descent that keeps the gradient of its first step, as one vector."""

    seen = None

    def step(self, closure=None):
        if self.seen is None:
            self.seen = torch.cat([p.grad.flatten() for p in self.param_groups[0]["params"]])
        return super().step(closure)


def shares(model, seed, max_norm, k=15, windows=4):
    """What share each window has in the gradient of the next step of `train_in_parts`; together they are 1. The model moves."""
    x, state, own = copied_text(16, windows * k, seed), None, []
    for start in range(0, windows * k, k):  # the gradient of each window, with the same parameters
        logits, state = model(x[:, start : start + k], state)
        state = state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), x[:, start + 1 : start + k + 1].flatten())
        own.append(torch.cat([grad.flatten() for grad in torch.autograd.grad(loss, list(model.parameters()))]))
    optimizer = Recorder(model.parameters(), lr=0.01)
    train_in_parts(model, optimizer, x[:, :-1], x[:, 1:], k, windows, max_norm)
    weights = torch.linalg.lstsq(torch.stack(own, 1).cpu(), optimizer.seen.cpu()[:, None]).solution[:, 0]
    return (weights / weights.sum()).tolist()


def trained_in_parts(seed, max_norm, k=15, windows=4):
    """Training with `train_in_parts`: "shares" after each number of steps in AFTER; "begin" and "end", the mean loss of the first step's windows and of the last 40."""
    model, done, found, losses = TextModel("relu", seed=seed).to(dtype), 0, [], []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for steps in AFTER:
        if steps > done:
            x = copied_text(16, (steps - done) * windows * k, 1000 * seed + steps)
            losses += train_in_parts(model, optimizer, x[:, :-1], x[:, 1:], k, windows, max_norm)
        done = steps
        found.append(shares(copy.deepcopy(model), seed, max_norm))
    return {"shares": found, "begin": sum(losses[:windows]) / windows, "end": sum(losses[-40:]) / 40}


# %% experiment="parts"
with needs("train_in_parts"):
    runs, yours = stored("clipping", "parts"), {max_norm: trained_in_parts(0, max_norm) for max_norm in (0.5, 0.1)}
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    windows = range(1, 5)
    looks = (("as_found", 0.5, figures.ORANGE), ("as_found", 0.1, figures.VERMILION), ("fixed", 0.5, figures.BLUE))
    for name, max_norm, color in looks:
        found = [run[name][str(max_norm)]["shares"] for run in runs]
        says = f"{name.replace('_', ' ')}, limit {max_norm:g}"
        figures.band(left, windows, [one[0] for one in found], color, says)
        figures.band(right, AFTER, [[row[-1] for row in one] for one in found], color, says)
    for (max_norm, one), marker in zip(yours.items(), ("o", "s")):
        look = {"ms": 8, "mfc": "none", "mew": 2, "color": figures.INK, "label": f"yours, limit {max_norm:g}"}
        left.plot(windows, one["shares"][0], marker, **look)
        right.plot(AFTER, [row[-1] for row in one["shares"]], marker, **look)
    left.set(xlabel="window", ylabel="share in the gradient of a step", ylim=(0, 1.05), xticks=windows)
    left.set_title("First step: it follows its last window")
    left.legend(fontsize=8)
    right.set(xlabel="steps of training", xticks=AFTER, title="The last window, later: as long as the limit acts")
    figures.show(
        fig,
        "As found, the last window has nearly all of the first step; later only where the limit is still reached. Fixed, all have a quarter.",
    )
    for name in ("as_found", "fixed"):
        for max_norm in ("0.5", "0.1"):
            ends = ", ".join(f"{one[name][max_norm]['begin']:.2f} to {one[name][max_norm]['end']:.2f}" for one in runs)
            print(f"loss in {AFTER[-1]} steps, {name.replace('_', ' ')}, limit {max_norm}: {ends}")

# %% [markdown]
# **What to see.** As found, the sum is shortened after each window, so what the first window gave is shortened four times and what the last gave once: the limit holds, and the direction is no longer that of the mean gradient. Once fixed, each window has a quarter.
#
# The mistake shows only where the sum is above the limit before the last window. In the first step the gradients are far longer than 0.5, and most of the batch is read for nothing. As they get shorter, the limit 0.5 acts less, and after 100 steps the last window has about 0.3. With the limit 0.1 it still has more than 0.9.
# So the mistake acts at the very steps for which you clip. And it does not show in a log: no error, no odd number. The losses printed above fall either way, and neither program is ahead in all seeds.

# %% [markdown]
# ## 7. In your own words
#
# *difficulty 3 of 5 · importance 4 of 5 · 10 minutes · graded by a person*
#
# A colleague trains a recurrent network by plain gradient descent. "My loss became nan at step 900, so I set clipping to 0.001, and now it is stable. But it does not learn the long dependencies, so I will clip even harder." **What do you say?** Which numbers would you ask to see, where would you set the threshold and why, and what about the long dependencies? Five to eight sentences.
#
# Points: one for what the log should show before a threshold is chosen; one for what a threshold of 0.001 does to ordinary steps; one for why clipping cannot bring back long dependencies; one for evidence from this lesson.

# %% [markdown] written="clipping-why" points=4
# ### BEGIN SOLUTION
# First I would ask for a log of the loss, of the gradient norm before clipping and of the weight norm: a nan at step 900 may come from one gradient spike, from weights that grew for a long time, or from something that is no explosion at all (a log of 0, a bad batch). If it is a spike,
# clipping is the right remedy, but the threshold should lie above the gradient norms of ordinary steps, say a few times their median, so that it acts on the rare long ones only. At 0.001 probably every step is clipped: then each step has the same length, learning rate times
# 0.001, whatever the gradient says, and training is stable because it hardly moves. On the cliff a threshold of 0.1 was too slow to arrive while 1 was right for all starts, and in the training on the copied text only a small part of the steps was clipped in the run that did well.
# A single gradient that is nan cannot be clipped at all; such a step has to be skipped. Long dependencies are another matter: their gradient vanishes, it is already short, and clipping makes vectors shorter, never longer. In the temporal-order task with 60 steps the longest gradient was
# below the threshold all the time, so clipping changed nothing, and nothing was learned. For these, gates, another initialisation or shorter paths are needed, not a lower threshold.
# ### END SOLUTION

# %% [markdown]
# ## Summary
#
# 1. A recurrent loss surface has cliffs: a small difference, handed on many times, decides where the state ends.
# 2. On the edge the gradient is right and holds only for a very short distance; one ordinary step from there goes far astray.
# 3. Clipping by global norm multiplies all gradients by $\min(1, c/\lVert g\rVert)$: one factor, so the direction stays.
# 4. Clipping by value bounds each entry and turns the gradient.
# 5. The order is `zero_grad → forward → loss → backward → clip → step`. Before `backward()` or after `step()` clipping raises no error and the step is unclipped.
# 6. Where gradients are collected over several windows, clip once, when the sum is complete. Clipping after each window favours the last one wherever the limit acts.
# 7. A gradient that is not finite cannot be clipped: skip the step, and leave the optimizer's memory alone too.
# 8. Log the norm *before* clipping. Symptoms: nan loss, loss jump, weight growth, gradient spike.
# 9. The threshold lies above ordinary gradients: too low is too slow, and far too high helps little. Optimizers that scale their steps, like Adam, may not need it.
# 10. Clipping cannot restore a vanished gradient. Next: lesson 07, gates.
#
# ## Further reading
#
# - R. Pascanu, T. Mikolov, Y. Bengio, [*On the difficulty of training recurrent neural networks*](https://arxiv.org/abs/1211.5063), ICML 2013: the cliff, clipping by norm, and temporal order.
# - T. Mikolov, *Statistical language models based on neural networks*, PhD thesis, Brno University of Technology, 2012: clipping by value, in practice.
# - J. Zhang, T. He, S. Sra, A. Jadbabaie, [*Why gradient clipping accelerates training: a theoretical justification for adaptivity*](https://arxiv.org/abs/1905.11881), ICLR 2020.
# - Q. V. Le, N. Jaitly, G. E. Hinton, [*A simple way to initialize recurrent networks of rectified linear units*](https://arxiv.org/abs/1504.00941), 2015: the network of section 3.
# - S. Hochreiter, J. Schmidhuber, *Long short-term memory*, Neural Computation 9(8), 1997: the temporal-order task.
# - PyTorch documentation, [*torch.nn.utils.clip_grad_norm_*](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html).

# %% given="progress"
progress()
