# %% [markdown]
# # 00 · Start here
#
# This course is about one algorithm: backpropagation through time, the way in which recurrent networks learn.
# You write the algorithm yourself, piece by piece. Each piece is checked at once, and where it is wrong, the check says
# which mistake it looks like.
#
# This first lesson sets up what all others rely on. After it you can
#
# - say where your tensors live, how precise they are, and how to get the same random numbers twice;
# - read a check: what came back, what was expected, where to look;
# - write the derivative of tanh in terms of its *output*, the factor that every gradient in this course passes through;
# - say why "the loss goes down" is no evidence that a gradient is right.
#
# | | |
# |---|---|
# | Time | 30 minutes |
# | Know before | Python functions; what a derivative is; what a tensor is |
# | Points | 10: two exercises, two predictions, one question in words |
#
# **How to work.** Read a cell, run it with *Shift + Enter*, go on. You write where it says `YOUR CODE HERE`; there, take
# out the line `raise NotImplementedError()`. In a prediction you replace `None`, and in a hunt for a bug you fix the cell that
# you find. Cells that you do not have to change are locked. You may add cells wherever you like.

# %% given="setup"
import matplotlib.pyplot as plt
import torch

from autograder import check, progress
from bptt import figures
from bptt.device import pick_device, pick_dtype
from bptt.experiment import needs, reply, stored

device = pick_device()
dtype = pick_dtype(device)
figures.style()
print(f"Tensors live on the {device} and hold {dtype} numbers.")

# %% [markdown]
# ## 1. Device, seed, precision
#
# **Device.** The cell above chose where tensors live. Everything in this course is small, so the CPU is fast enough,
# and that is the default. With a GPU, start Jupyter with `BPTT_DEVICE=cuda` in the environment and run the same
# notebooks unchanged. One habit makes this work: a tensor that you make takes its device and its precision from a
# tensor that you were given, as in `torch.zeros(3, device=x.device, dtype=x.dtype)` or, shorter, `torch.zeros_like(x)`.
#
# **Seed.** Random numbers on a computer come from a formula that starts at a *seed*. The same seed gives the same
# numbers, so a result can be repeated. Two different seeds give two independent runs, so a result can be *doubted*:
# in this course a claim is printed only if it held for at least three seeds.

# %% experiment="seeds"
torch.manual_seed(7)
first = torch.rand(3)
again = torch.rand(3)  # the formula goes on: other numbers
torch.manual_seed(7)
repeated = torch.rand(3)  # back at the seed: the first numbers once more
print("first   ", first)
print("again   ", again)
print("repeated", repeated)

# %% [markdown]
# **Precision.** A number takes 4 bytes in `float32` and 8 bytes in `float64`. So neither can hold all digits, and float32 holds fewer. Networks are
# trained in float32 or less, because it is fast and good enough. Here we ask another question: is this gradient *right*?
# For that you have to know how many digits you can trust.
#
# ### Predict: when does a number get lost?
#
# *difficulty 1 of 5 · importance 2 of 5 · 2 minutes*
#
# Add a small number to 1 in float32: $1 + 0.1$, $1 + 0.01$, $1 + 0.001$, … In general $1 + 10^{-k}$ for
# $k = 1, 2, 3, …$ At some $k$ the small number is lost, and the sum *is* 1. **At which $k$ does that happen first?**
#
# Write a whole number in place of `None`. A prediction is not a test of what you know: any honest number earns the
# point. It is there because you learn more from a result once you have said what you expect.

# %% answer="start-here-predict-digits"
### BEGIN SOLUTION
guess_k = 8
### END SOLUTION
### RELEASED AS
# guess_k = None
### END RELEASED

# %% check="start-here-predict-digits" points=1
check("start-here-predict-digits")

# %% [markdown]
# Now look.

# %% experiment="lost-digits"
lost = {}
for kind in (torch.float32, torch.float64):
    one = torch.ones((), dtype=kind)
    k = 1
    while one + 10.0**-k != one:
        k += 1
    lost[kind] = k
    print(f"{kind}: 1 + 1e-{k} is 1. Near 1, the next number up is 1 + {torch.finfo(kind).eps:.1e}.")
single, k, double_k = torch.finfo(torch.float32), lost[torch.float32], lost[torch.float64]
kept = k - 1
reply(
    guess_k,
    k,
    {
        k: f"A sum is rounded to the nearest number there is, and 1e-{k} is less than half the way to the next one up.",
        kept: f"At that k it is not lost yet: 1e-{kept} is more than half the way to the next number up, so the sum is rounded up to it.",
        double_k: "That is where float64 loses it. A float32 number has half the bytes, and about half the digits.",
    },
    f"That is too early. The next number up is {single.eps:.1e} away, and more than half of that is enough to get there.",
    high=f"That is too late. By itself, a float32 number can be as small as {single.tiny:.0e}; beside 1, only what is above {single.eps / 2:.0e} is seen.",
)

# %% [markdown]
# **What to see.** A `float32` number keeps about 7 decimal digits, a `float64` number about 16. A formula that is wrong by a millionth is wrong, and in
# float32 you could hardly tell it from rounding.
#
# ## 2. How to read a check
#
# A check draws random inputs, calls *your* function on them, and compares what comes back with values that it got by
# another road. It shows a card. The first two lines say whether your answer is right, and what a right answer does. If it is not right
# yet, there follow
#
# - **Asked**: the call that went wrong, with its arguments: a few numbers as they are, a larger tensor by its shape;
# - **Found**: the first value that is wrong, and what was expected in its place. `h_t[1, 0]` is an entry of a tensor, by its
#   indices, which Python counts from 0;
# - **Where**: which row of the batch, which time step, or which line of your code;
# - **Clue**: where the numbers show it, the mistake that it looks like, and a question that leads out of it. If the numbers fit
#   two mistakes, it says both.
#
# A check never shows you the code of an answer. You may run it as often as you like; nothing is counted.
#
# Here is a check that fails **on purpose**. The derivative of $\tanh$ at $a$ is asked for, given $h = \tanh(a)$. The
# function below uses the derivative of *another* squashing function, the sigmoid $\sigma$, for which
# $\sigma' = \sigma (1 - \sigma)$. Run it and read the card.


# %% fails="start-here-on-purpose"
def tanh_grad(h):
    return h * (1 - h)  # wrong on purpose


check("start-here-tanh-grad")

# %% [markdown]
# Three things to notice:
#
# 1. The card is not a stack trace. It talks about numbers that your function returned.
# 2. It compares an entry: here is what came back, here is what was expected. *Asked* shows the five numbers that went in. The
#    first entry of the result belongs to the first of them: put it into the formula that you meant, on paper or in a cell of
#    your own, and see which of the two numbers comes out.
# 3. *Run > Run All Cells* went on after this cell, because it is marked as failing on purpose. A check of your own that
#    fails stops *Run All*, so that you see it.
#
# ## 3. The slope of tanh
#
# A recurrent network squashes its state with $\tanh$ at every step. Going backwards, every gradient is multiplied by the slope
# of that $\tanh$. So this small function stands in every gradient of the course.
#
# Write $a$ for what goes in (the *pre-activation*) and $h = \tanh(a)$ for what comes out. Every $h$ lies between −1 and 1.
#
# ### Predict: how much of a gradient gets through?
#
# *difficulty 2 of 5 · importance 4 of 5 · 2 minutes*
#
# A unit is nearly saturated: its output is $h = 0.99$. A gradient comes back from the loss to $h$ and goes on to $a$,
# so it is multiplied by $dh/da$. **How large is that factor, about?** Write a number between 0 and 1.

# %% answer="start-here-predict-slope"
### BEGIN SOLUTION
guess_slope = 0.02
### END SOLUTION
### RELEASED AS
# guess_slope = None
### END RELEASED

# %% check="start-here-predict-slope" points=1
check("start-here-predict-slope")

# %% [markdown]
# ### Exercise: `tanh_grad`
#
# *difficulty 1 of 5 · importance 5 of 5 · 5 minutes*
#
# You could compute the slope from $a$:
#
# $$\frac{dh}{da} = \frac{1}{\cosh^2(a)}$$
#
# But on the way back, $a$ is gone: PyTorch keeps only the output $h$ of a $\tanh$ and throws $a$ away. That is enough,
# because $\cosh^2(a) - \sinh^2(a) = 1$. Divide this by $\cosh^2(a)$, remember that $\tanh = \sinh / \cosh$, and the
# slope stands there in terms of $h$ alone.
#
# **A tiny example.** $a = 0$: then $h = 0$ and $\cosh(0) = 1$, so the slope is 1. $a = 1$: then $h = 0.7616$ and
# $\cosh(1) = 1.5431$, so the slope is $1 / 1.5431^2 = 0.4200$. Your formula in $h$ must give the same two numbers.
#
# Write `tanh_grad(h)`. It gets a tensor `h` of any shape, the *output* of a tanh, and returns a tensor of the same shape
# with the slope at each entry.


# %% answer="start-here-tanh-grad"
def tanh_grad(h):
    """The derivative of tanh, written in its output: for h = tanh(a), return dh/da; same shape as h."""
    ### BEGIN SOLUTION
    return 1 - h * h
    ### END SOLUTION


# %% check="start-here-tanh-grad" points=3
check("start-here-tanh-grad")

# %% [markdown] hint="start-here-tanh-grad"
# <details><summary>Hint 1: a question</summary>
#
# Divide each of the three terms of $\cosh^2(a) - \sinh^2(a) = 1$ by $\cosh^2(a)$. Which of them is the slope, and which
# can you write with $h$?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# The result is a parabola in $h$. It is 1 in the middle, at $h = 0$, and falls to 0 at both ends, $h = 1$ and $h = -1$.
# Only one parabola does that.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# def tanh_grad(h):
#     squared = ...          # sinh²/cosh², written with h
#     return ...             # what is left of 1
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *tanh_grad is not written yet*: the line `raise NotImplementedError()` is still there. Replace it.
# - *the slope is None*: a `return` is missing.
# - *tanh_grad is not defined*: you have not run the answer cell since you opened the notebook.
# - *the slope of the sigmoid, σ (1 − σ), is used*: the cell above, which is wrong on purpose, was run after your own. Run yours again.
# - *tanh is applied to h once more*: the argument is already the output of the tanh; it must not be squashed again.
# - *the call changed its argument h in place*: `h *= h` and `h -= 1` write into the caller's tensor. Make a new one.
# - *nothing changes, whatever I write*: after a change, run the answer cell before the check.
# </details>

# %% [markdown]
# ### Experiment: your slope against a measured one
#
# The slope can also be *measured*: move $a$ by a little to both sides and see how far $h$ moves. The crosses are measured
# so. The line is your formula, which has seen only $h$.

# %% experiment="slope"
with needs("tanh_grad"):
    a = torch.linspace(-4, 4, 161, dtype=dtype, device=device)
    some = a[::10]
    step = 1e-3
    measured = (torch.tanh(some + step) - torch.tanh(some - step)) / (2 * step)
    yours = tanh_grad(torch.tanh(a))

    fig, ax = plt.subplots()
    ax.plot(a.cpu(), torch.tanh(a).cpu(), color=figures.INK, ls="--", label="h = tanh(a)")
    ax.plot(a.cpu(), yours.cpu(), color=figures.BLUE, label="slope, by your tanh_grad(h)")
    ax.plot(some.cpu(), measured.cpu(), "x", color=figures.VERMILION, ms=8, mew=2, label="slope, measured")
    ax.set(
        xlabel="pre-activation a (no unit)",
        ylabel="value (no unit)",
        title="The slope is at most 1, and that only at a = 0",
    )
    ax.legend()
    figures.show(fig, "The slope of tanh against a: your formula runs through the measured points.")

    h = 0.99
    end = 1 - h
    at = torch.atanh(torch.tensor(h, dtype=dtype, device=device))
    slope = ((torch.tanh(at + step) - torch.tanh(at - step)) / (2 * step)).item()
    print(f"at h = {h} the measured slope is {slope:.4f}")
    reply(
        guess_slope,
        slope,
        {
            slope: f"So it is about 1/{1 / slope:.0f}: near saturation little of a gradient gets through.",
            h: "That is h itself. But near its end tanh is flat: the output hardly moves, however far you move a.",
            h * h: "That is h². But near its end tanh is flat: the output hardly moves, however far you move a.",
            end: "That is 1 − h, the distance to the end. The slope is about twice as large.",
            0: "It is small, but it is not 0: a unit near saturation still learns, slowly.",
        },
        "It is larger than that: the output has nearly reached its end, but not quite.",
        high="That is too much. Where the output has nearly reached its end, it can hardly move any more.",
        near=0.5,
    )

# %% [markdown]
# **What to see.** The slope is 1 at one single point and smaller everywhere else. A gradient that passes back through a tanh is
# never made larger by it, and through a saturated one nearly nothing passes. One step does little harm. Fifty steps,
# one behind the other, are another matter; lesson 03 is about that.
#
# ## 4. Why a gradient is checked in float64
#
# Here is the smallest recurrent network there is: one unit, fed $T$ times with its own output,
#
# $$h_t = \tanh(w\, h_{t-1} + x_t), \qquad t = 1, …, T.$$
#
# How does its last output depend on its first state? Each step contributes its slope times $w$, and the chain rule
# multiplies them:
#
# $$\frac{dh_T}{dh_0} = \prod_{t=1}^{T} w\,(\text{slope of tanh at step } t).$$
#
# There are two roads to this number. *Your* road: multiply $w$ and `tanh_grad(h_t)` over all steps. PyTorch's road: record the
# forward pass and call `torch.autograd.grad`. Both are right. The next cell measures by how much they differ, relative to the
# result, in both precisions.

# %% given="two-roads"
LENGTHS = [2, 4, 8, 16, 32]


def gap_between_roads(seed, kind):
    """Relative difference of two right ways to dh_T/dh_0, for each T of LENGTHS: median of 200 random networks."""
    generator = torch.Generator().manual_seed(seed)
    w = (0.5 + torch.rand(200, generator=generator, dtype=torch.float64)).to(device, kind)  # (200,): 200 networks
    x = torch.randn(max(LENGTHS), 200, generator=generator, dtype=torch.float64).to(device, kind)  # (T, 200)
    gaps = []
    for T in LENGTHS:
        h0 = torch.zeros_like(w).requires_grad_()
        h, yours = h0, torch.ones_like(w)
        for t in range(T):
            h = torch.tanh(w * h + x[t])
            yours = yours * w * tanh_grad(h.detach())
        (autograd,) = torch.autograd.grad(h.sum(), h0)
        gaps.append(((yours - autograd).abs() / autograd.abs()).median().item())
    return gaps


# %% experiment="two-roads"
with needs("tanh_grad"):
    fig, ax = plt.subplots()
    runs = stored("start_here", "two_roads")
    kinds = {torch.float32: ("float32", figures.VERMILION, "s"), torch.float64: ("float64", figures.BLUE, "o")}
    for kind, (name, color, marker) in kinds.items():
        if kind == torch.float64 and dtype != kind:
            continue  # this device has no float64
        figures.band(ax, LENGTHS, [run[name] for run in runs], color, f"{name}, stored")
        ax.plot(LENGTHS, gap_between_roads(0, kind), marker=marker, color=color, label=f"{name}, your tanh_grad")
    lines = {1e-9: "in float64 you can draw your line here", 5e-6: "where the checks of this course draw theirs"}
    for height, says in lines.items():
        ax.axhline(height, color=figures.INK, ls=":")
        ax.text(LENGTHS[0], 1.6 * height, says)
    ax.set(xscale="log", yscale="log", ylim=(1e-18, 2e-4), xticks=LENGTHS, xticklabels=LENGTHS)
    ax.minorticks_off()
    ax.set(xlabel="number of steps T", ylabel="relative difference (no unit)")
    ax.set_title("Two right answers differ by rounding")
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.4), fontsize=9)
    figures.show(
        fig,
        "Two right ways to a gradient differ by 1e-7 to 1e-6 in float32, by 1e-16 to 2e-15 in float64, more for longer T.",
    )

# %% [markdown]
# **What to see.** Two right programs do not give the same number: they round in other places. In float32 they differ in
# the sixth or seventh digit, in float64 in the fifteenth or sixteenth. So in float32 a difference of a millionth may be rounding or
# a mistake, and you cannot tell. In float64 rounding is far away: what lies above the lower dotted line is no rounding. Compare there
# whenever you check a gradient of your own.
#
# The checks of this course compare in float64 too, but they draw their line higher, at $5 \cdot 10^{-6}$ of the largest entry. That is on
# purpose: an answer that computes in float32 somewhere inside is a right answer, and it should pass. The price is that a formula which is wrong by
# a millionth would pass as well. That is no loss here, because a step forgotten, an index shifted or a factor missing mostly changes the
# first or second digit: the checks draw weights and inputs of order 1, so that no mistake hides in small numbers. But a check can see only what
# lies above its line. (Your functions must also work on float32 inputs; most checks try that too, with a wider line.)

# %% [markdown]
# ## 5. Find the bug: it trains
#
# *difficulty 2 of 5 · importance 4 of 5 · 8 minutes*
#
# The program below fits one unit, $h = \tanh(w x)$, to data by gradient descent. Its loss is the mean of $(h - y)^2$ over the
# batch. `loss_and_slope` returns that loss and the number $dL/dw$, worked out by hand with the chain rule.
# The program runs, and the loss goes down. **It has one mistake. Find it and fix it**, in the cell itself.


# %% answer="start-here-bug"
def loss_and_slope(w, x, y):
    """The loss of h = tanh(w x) on a batch, and its derivative by w.

    w: a number as a tensor of shape (); x, y: (B,). Returns two tensors of shape (): mean of (h - y)², and dL/dw.
    """
    a = w * x  # (B,)
    h = torch.tanh(a)  # (B,)
    loss = ((h - y) ** 2).mean()
    dh = 2 * (h - y) / len(x)  # dL/dh for each example, (B,)
    ### BEGIN SOLUTION
    da = dh * tanh_grad(h)  # back through the tanh
    ### END SOLUTION
    ### RELEASED AS
    # da = dh * tanh_grad(a)  # back through the tanh
    ### END RELEASED
    dw = (da * x).sum()  # w is shared by the whole batch: add up
    return loss, dw


# %% check="start-here-bug" points=3
check("start-here-bug")

# %% [markdown] hint="start-here-bug"
# <details><summary>Hint 1: a question</summary>
#
# Go through the lines of the backward half one by one. What does each function want as its argument, and what does it get?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# For a small $w$, $a$ and $h$ are almost equal. Which line works as long as that holds, and goes wrong when it no longer does?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# Test the chain on one example with numbers: $w = 1$, $x = 1$, $y = 0$. Then $h = 0.7616$, $dL/dh = 1.5232$, $dL/da = 1.5232 \cdot 0.4200
# = 0.6397$, and $dL/dw = 0.6397 \cdot 1$. Put a `print` behind each line of the backward half for as long as you look, and find the first number that is
# another one:
#
# ```python
# dh = 2 * (h - y) / len(x)
# print("dh", dh)            # 1.5232
# da = ...
# print("da", da)            # 0.6397
# ```
#
# and in a cell below: `loss_and_slope(torch.tensor(1.0), torch.ones(1), torch.zeros(1))`.
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *Fix tanh_grad first*: this program uses your `tanh_grad`.
# - *This is the program as it was found*: the loss is right, so the forward half is fine. Look at the backward half, and go on with hint 1.
# - *a plain number came back*: the loss and dL/dw stay tensors of shape (). `.item()` and `float(...)` make numbers of them.
# - *divided by the size of the batch twice*, or *nothing is divided by* it: the loss is a mean over the batch; one line divides by its length.
# - *the slope of the tanh is taken to be 1 − h*: use your `tanh_grad`, or look at what you wrote there.
# </details>

# %% [markdown]
# ### Experiment: what the mistake costs
#
# The next cell trains with whatever `loss_and_slope` you have now. The two shaded bands are stored runs over five seeds: one with the
# program as you found it, one with it fixed. Your own run is that of seed 0, one of the five, so it lies inside a band or on its edge. Run the cell before and
# after you fix it.


# %% given="fit"
def fit_one_unit(seed, steps=100, rate=0.3):
    """Losses of gradient descent on h = tanh(w x), one for each step, for data made with w = 2."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(64, generator=generator, dtype=torch.float64).to(device, dtype)
    y = torch.tanh(2 * x)
    w = torch.tensor(0.1, device=device, dtype=dtype)
    losses = []
    for _ in range(steps):
        loss, slope = loss_and_slope(w, x, y)
        losses.append(loss.item())
        w = w - rate * slope
    return losses


# %% experiment="it-trains"
with needs("tanh_grad", "loss_and_slope"):
    losses = fit_one_unit(seed=0)
    runs = stored("start_here", "it_trains")
    fig, ax = plt.subplots()
    figures.band(ax, range(100), [run["as_found"] for run in runs], figures.VERMILION, "as found")
    figures.band(ax, range(100), [run["mended"] for run in runs], figures.BLUE, "fixed")
    ax.plot(losses, color=figures.INK, label="yours, seed 0")
    ax.set(yscale="log", xlabel="step of gradient descent", ylabel="mean squared error")
    ax.set_title("It trains, with the mistake too")
    ax.legend()
    figures.show(fig, "With the mistake the loss falls as well, and then stops far above the fixed program's.")
    print(f"loss before: {losses[0]:.4f}   after 100 steps: {losses[-1]:.2e}")

# %% [markdown]
# **What to see.** The wrong gradient points in a useful direction for a while, so the loss falls. If you had only
# this curve, would you have looked for a mistake? Compare the gradient itself, on numbers, with another way to compute it: that is
# what the checks do.

# %% [markdown]
# ## 6. In your own words
#
# *difficulty 2 of 5 · importance 3 of 5 · 5 minutes · graded by a person*
#
# A friend has written a backward pass by hand. In float32 it differs from autograd by a relative error of $10^{-6}$, and the network
# trains. The friend concludes that the backward pass is right. **What would you do to find out, and what would each outcome
# tell you?** Three to five sentences.
#
# Points: one for a test that can tell rounding from a mistake, one for saying what each outcome means.

# %% [markdown] written="start-here-why-float64" points=2
# ### BEGIN SOLUTION
# Run the same comparison in float64, on random inputs of order 1. If the difference falls to about $10^{-15}$, it was rounding:
# two right programs round in other places, and rounding shrinks with the precision. If it stays near $10^{-6}$, a term is
# wrong or missing, because a mistake in a formula does not depend on how many digits are kept. That the network trains says
# little: a gradient that is partly wrong often still points downhill. It also helps to try larger weights, since near zero
# tanh(a) and a are almost equal and some mistakes hide.
# ### END SOLUTION

# %% [markdown]
# ## A map of the course
#
# What the course promises, and where it keeps each promise: the lesson, the exercise that you write and its check judges, and the experiment that shows it.
#
# <!-- map: python -m docs.map -->
#
# | promise | lesson | exercise | experiment |
# |---|---|---|---|
# | the recurrence: a state from the state before it and an input | [01](01_unrolled_graph.ipynb) | `rnn_step` | one click, then silence |
# | the unrolled graph, with a depth that grows with time | [01](01_unrolled_graph.ipynb) | `unroll`, `unrolled_edges` | the graph that autograd recorded |
# | one set of shared weights, and the number of gradient paths through it | [01](01_unrolled_graph.ipynb) | `count_paths`, `parameter_count` | all paths, one by one; the price of time |
# | the gradient of a shared weight as a sum over untied copies | [02](02_shared_gradients.ipynb) | `untied_gradients` | whose gradient is it? |
# | BPTT by hand, with a loss at the end | [02](02_shared_gradients.ipynb) | `rnn_step_backward`, `bptt_last` | the sweep against autograd, for long sequences |
# | BPTT by hand, with a loss at every step | [02](02_shared_gradients.ipynb) | `bptt_every_step` | what the second term is good for |
# | immediate and total derivative; real-time recurrent learning | [02](02_shared_gradients.ipynb) | `immediate_jacobian`, `total_jacobian` | three roads to one gradient |
# | finite differences, and what tolerances rest on | [02](02_shared_gradients.ipynb) | `finite_difference` | how exact is the test? |
# | the Jacobian of a step | [03](03_gradient_flow.ipynb) | `step_jacobian` | a circle goes through one step |
# | products of Jacobians | [03](03_gradient_flow.ipynb) | `jacobian_product` | the circle after many steps |
# | gradients that grow or fade on their way back | [03](03_gradient_flow.ipynb) | `gradient_norms` | how far does a gradient get?; one radius, three fates |
# | spectral radius, singular value, and what each decides | [03](03_gradient_flow.ipynb) | `spectral_radius`, `largest_singular_value`, `with_spectral_radius` | sweep the radius |
# | the Lyapunov exponent of a driven network | [03](03_gradient_flow.ipynb) | `lyapunov_exponent` | the exponent against the radius |
# | a loss at every step, reshaped, summed or averaged | [04](04_sequence_loss.ipynb) | `sequence_loss` | what longer sequences do to a step |
# | padding: a masked loss, and the state at a row's own end | [04](04_sequence_loss.ipynb) | `masked_sequence_loss`, `final_state` | a loss that improves by padding; going on from the wrong state |
# | language modelling with PyTorch's training step, against a known floor | [04](04_sequence_loss.ipynb) | `SequenceModel`, `train_step`, `generate` | down to the floor |
# | sequence labelling | [04](04_sequence_loss.ipynb) | `labelling_loss` | what the loss does not see |
# | the memory of the recorded graph | [04](04_sequence_loss.ipynb) | `guess_larger` | bytes against time |
# | truncated BPTT: windows, and what they cannot learn | [05](05_truncated_bptt.ipynb) | `chunks`, `train_tbptt` | what a window costs; a threshold |
# | the state carried and its graph cut, for tensors and tuples | [05](05_truncated_bptt.ipynb) | `detach_state` | what PyTorch says |
# | the general form: every k1 steps, k2 steps back | [05](05_truncated_bptt.ipynb) | `truncated_gradient` | the staircase, with two sliders |
# | the bias of truncation | [05](05_truncated_bptt.ipynb) | `truncated_gradient` | how wrong is it?; when the short view points the wrong way |
# | randomised truncation, unbiased | [05](05_truncated_bptt.ipynb) | `randomized_truncation_gradient` | the price of being unbiased |
# | checkpointing: the exact gradient in less memory | [05](05_truncated_bptt.ipynb) | `checkpointed_loss` | bytes against segments |
# | the four symptoms of exploding gradients | [06](06_clipping.ipynb) | `symptoms` | the table, filled |
# | clipping by global norm | [06](06_clipping.ipynb) | `global_norm`, `clip_grad_norm` | cliff; the cliff, with a slider for the threshold |
# | clipping by value, and what it does to the direction | [06](06_clipping.ipynb) | `clip_grad_value` | which way does it point? |
# | the place of clipping in the training step | [06](06_clipping.ipynb) | `clipped_train_step` | without, and with |
# | vanishing gradients, measured by lag | [07](07_vanishing_gradients.ipynb) | `gradient_flow` | three fresh layers |
# | the LSTM, forwards and backwards by hand | [07](07_vanishing_gradients.ipynb) | `lstm_step`, `lstm_step_backward` | gates by hand; two ways back |
# | the GRU by hand | [07](07_vanishing_gradients.ipynb) | `gru_step` | the update gate's bias |
# | the bias of the forget gate | [07](07_vanishing_gradients.ipynb) | `set_forget_bias` | the flow, once more |
# | agreement over a distance, with attractors | [07](07_vanishing_gradients.ipynb) | `guess_agreement` | agreement |
# | the cost of a recurrent layer, O(B·T·H²) | [08](08_cost_and_attention.ipynb) | `rnn_flops` | predicted and counted |
# | the memory of BPTT, O(B·T·H) | [08](08_cost_and_attention.ipynb) | `bptt_bytes` | predicted and counted |
# | parallel training over time: attention, and the scan of a linear recurrence | [08](08_cost_and_attention.ipynb) | `causal_attention`, `linear_recurrence_scan` | what waits for what |
# | memory at inference: a state of fixed size or a growing cache | [08](08_cost_and_attention.ipynb) | `KVCache` | the price of a token |
# | streaming with attention and with a recurrence | [08](08_cost_and_attention.ipynb) | `KVCache`, `linear_recurrence` | the price of a token |
# | training on long sequences: what recurrence and attention cost | [08](08_cost_and_attention.ipynb) | `causal_attention` | time and memory against T; attention against recurrence, with three sliders |
# | all of it in one project: truncation, gates and clipping | [09](09_capstone.ipynb) | `train_window`, `Predictor` | your learning curve beside the floor; what each decision was worth |
# | prediction of a stream in constant memory, against a known floor | [09](09_capstone.ipynb) | `pack_state`, `Predictor` | where the nats go |
#
# <!-- end of the map -->

# %% [markdown]
# ## Where you stand
#
# The last cell lists the checks that you have run since you opened the notebook, and how each one ended.

# %% given="progress"
progress()

# %% [markdown]
# ## Summary
#
# 1. `pick_device()` and `pick_dtype()` decide once where tensors live; your functions take both from their inputs.
# 2. The same seed gives the same numbers. A claim needs several seeds.
# 3. float32 keeps about 7 digits, float64 about 16.
# 4. Two right programs differ by rounding; in float64 that is so little that a mistake stands out.
# 5. A check compares your function's values with values from another road, on random inputs.
# 6. Its card says what came back, what was expected, where, and which mistake it looks like.
# 7. For $h = \tanh(a)$ the slope can be written with $h$ alone: $a$ need not be kept.
# 8. The slope is 1 at $a = 0$ and smaller everywhere else; at $h = 0.99$ about a fiftieth gets through.
# 9. A wrong gradient can train. The loss curve is no test of a gradient.
# 10. Next: [01 The unrolled graph](01_unrolled_graph.ipynb), where the recurrent network appears.
#
# ## Further reading
#
# - D. Goldberg, *What every computer scientist should know about floating-point arithmetic*, ACM Computing Surveys 23(1), 1991.
# - PyTorch documentation, [*Reproducibility*](https://docs.pytorch.org/docs/stable/notes/randomness.html) and
#   [*Numerical accuracy*](https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html).
# - A. Karpathy, [*Yes you should understand backprop*](https://karpathy.medium.com/yes-you-should-understand-backprop-e2f06eab496b), 2016.
