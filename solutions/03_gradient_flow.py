# %% [markdown]
# # 03 · Gradient flow: products of Jacobians
#
# A gradient on its way back passes every step of the network, and each step multiplies it by a matrix. One factor does little. Fifty factors, one behind the
# other, make a gradient a million times longer, or a million times shorter. This lesson is about that product: what is in it, in which order,
# and what decides whether it grows or dies.
#
# After this lesson you can
#
# - write the Jacobian of one step and the product of many, and say which factor stands on the left;
# - measure how long the gradient is at each state, in one sweep;
# - tell three numbers apart that are often confused: spectral radius, largest singular value, Lyapunov exponent;
# - say what each of the three tells about the gradients of a tanh network, and what it does not.
#
# | | |
# |---|---|
# | Time | 120 minutes |
# | Know before | Lessons 01 and 02; the chain rule for vectors; what an eigenvalue is |
# | Points | 29: eight exercises, three predictions, one question in words |

# %% given="setup"
import math

import matplotlib.pyplot as plt
import torch

from autograder import check
from bptt import figures
from bptt.device import pick_device, pick_dtype
from bptt.experiment import needs, reply, stored
from bptt.interactive import explore

device = pick_device()
dtype = pick_dtype(device)
torch.set_num_threads(1)  # the matrices here are small: sharing them out would take longer than multiplying them
figures.style()


def normal(generator, *shape):
    """Random numbers of the given shape, the same on every device."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)


def unroll(x, h0, params):
    """All states of a simple recurrent network: x (B, T, D), h0 (B, H) to states (B, T, H); states[:, t-1] is h_t."""
    states = [h0]
    for x_t in x.unbind(1):
        a_t = x_t @ params["weight_ih"].T + states[-1] @ params["weight_hh"].T + params["bias"]  # (B, H)
        states.append(torch.tanh(a_t))
    return torch.stack(states[1:], 1)  # (B, T, H)


def gaussian(seed, H=32):
    """A random matrix (H, H) with independent entries of variance 1/H; its spectral radius is about 1."""
    return normal(torch.Generator().manual_seed(seed), H, H) / H**0.5


def driven(seed, weight_hh, loudness, T, B=8, D=4):
    """Random inputs (B, T, D) of the given loudness, h0 = 0, and params with this weight_hh."""
    H = len(weight_hh)
    generator = torch.Generator().manual_seed(1000 + seed)
    weight_ih, x = normal(generator, H, D) / D**0.5, loudness * normal(generator, B, T, D)
    params = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias": torch.zeros_like(weight_hh[0])}
    return x, torch.zeros(B, H, device=device, dtype=dtype), params


# %% [markdown]
# The cell above holds the network of lesson 01, as `unroll`, and two functions that draw random networks and inputs for the experiments. Names and shapes
# are those of the lessons before: `states` (B, T, H), where `states[:, t-1]` is $h_t$, and $h_0$ is not among them. Where you are asked for a tensor, it has the dtype
# and the device of the tensors that came in.
#
# ## 1. One step
#
# Move the old state $h_{t-1}$ by a little. By how much does the new state $h_t$ move? There are $H$ numbers to move and $H$ numbers that
# move, so the answer is a matrix, the **Jacobian** of the step:
#
# $$J_t = \frac{\partial h_t}{\partial h_{t-1}}, \qquad \text{with entry } [i, j] = \frac{\partial h_t[i]}{\partial h_{t-1}[j]}.$$
#
# The row says *who moves*, the column says *whom you moved*. For the simple network, unit $i$ computes
#
# $$h_t[i] = \tanh(a_t[i]), \qquad a_t[i] = \sum_j W_{hh}[i, j]\; h_{t-1}[j] + (\text{terms without } h_{t-1}).$$
#
# A change of $h_{t-1}[j]$ reaches $a_t[i]$ through the weight $W_{hh}[i, j]$, and then passes the tanh of unit $i$, whose slope is $1 - h_t[i]^2$ (lesson 00). So
#
# $$J_t = \operatorname{diag}(1 - h_t^2)\; W_{hh}.$$
#
# The inputs do not stand in this formula, but they are in it: they decide where $h_t$ lies, and so how steep each tanh is.
#
# ### Exercise: `step_jacobian`
#
# *difficulty 2 of 5 · importance 5 of 5 · 8 minutes*
#
# **A tiny example.** Two units, $W_{hh} = \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}$ and $h_t = (0,\ 0.5)$. The slopes are $1$ and $0.75$, so
#
# $$J_t = \begin{pmatrix} 1 & 0 \\ 0 & 0.75 \end{pmatrix} \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} = \begin{pmatrix} 1 & 2 \\ 2.25 & 3 \end{pmatrix}.$$
#
# Write `step_jacobian(h, params)`. It gets `h` (B, H), the *new* states $h_t$ of a batch, and `params`. It returns one Jacobian for each
# sequence: a tensor (B, H, H) whose entry `[b, i, j]` is $\partial h_t[i] / \partial h_{t-1}[j]$ of sequence `b`.


# %% answer="gradient-flow-step-jacobian"
def step_jacobian(h, params):
    """The Jacobian of the step that led to h, by the state before it.

    h: (B, H), the new states h_t; params: dict with weight_hh (H, H). Returns (B, H, H): [b, i, j] = ∂h_t[i]/∂h_{t-1}[j].
    """
    ### BEGIN SOLUTION
    slope = 1 - h * h  # (B, H)
    return slope[:, :, None] * params["weight_hh"]  # (B, H, H): row i is scaled by the slope of unit i
    ### END SOLUTION


# %% check="gradient-flow-step-jacobian" points=3 keeps="step-jacobian"
check("gradient-flow-step-jacobian")

# %% [markdown] hint="gradient-flow-step-jacobian"
# <details><summary>Hint 1: a question</summary>
#
# The product with a diagonal matrix from the left multiplies each *row* by a number. Which number belongs to row $i$? Is it the same for all sequences
# of the batch?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# The slopes have shape (B, H), one for each sequence and unit. The result has shape (B, H, H). Give the slopes a third axis of size 1, so that
# PyTorch repeats them along $j$, and multiply by `weight_hh`, which PyTorch repeats along the batch.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# slope = ...                                  # (B, H)
# return slope[..., ..., ...] * params["weight_hh"]   # (B, H, H): where does the new axis go?
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the slopes scale the columns*: the new axis stands in the middle, and belongs at the end.
# - *The size of tensor a must match…*: (B, H) and (H, H) do not fit together. Hint 2.
# - *tanh is applied to h once more*: `h` is already the output of the tanh.
# - *the two unit indices have changed places*: the row is the unit that moves.
# </details>

# %% [markdown]
# ### Experiment: a circle goes through one step
#
# A network with two units. Move its old state by a small amount in *all* directions: a circle. The dots are measured: for each point on the circle the
# step is really computed. The line is the circle multiplied by your Jacobian, which saw only $h_t$.


# %% given="two-units"
def two_units(push):
    """A network with two units, an old state, and an input that pushes the second unit by `push`."""
    entries = {"weight_ih": [[0.0], [1.0]], "weight_hh": [[1.0, -0.8], [0.7, 1.1]], "bias": [0.0, 0.0]}
    params = {name: torch.tensor(numbers, device=device, dtype=dtype) for name, numbers in entries.items()}
    h_prev = torch.tensor([[0.2, 0.1]], device=device, dtype=dtype)
    return params, h_prev, torch.full((1, 1, 1), push, device=device, dtype=dtype)


def circle(points=24):
    """Points on a circle of radius 1, as columns: (2, points)."""
    angle = torch.linspace(0, 2 * math.pi, points + 1, device=device, dtype=dtype)[:points]
    return torch.stack([angle.cos(), angle.sin()])


# %% experiment="circle" keeps="step-jacobian"
with needs("step_jacobian"):
    radius = 0.02
    fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.6), sharex=True, sharey=True)
    axes[0].plot(*circle().cpu(), "o", color=figures.BLUE)
    axes[0].set_title("the old state, moved")
    for ax, push, name in zip(axes[1:], (0.0, 1.5), ("input 0: both units steep", "input 1.5: unit 2 saturated")):
        params, h_prev, x = two_units(push)
        h = unroll(x, h_prev, params)[:, 0]  # (1, 2)
        moved = h_prev + radius * circle().T  # (24, 2)
        after = (unroll(x.expand(24, 1, 1), moved, params)[:, 0] - h).T / radius
        ax.plot(*(step_jacobian(h, params)[0] @ circle(200)).cpu(), color=figures.VERMILION, label="your Jacobian")
        ax.plot(*after.cpu(), "o", color=figures.BLUE, label="measured")
        ax.set_title(name)
    for ax in axes:
        ax.set_box_aspect(1)
        ax.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), xlabel="change of unit 1 (in units of 0.02)")
    axes[0].set_ylabel("change of unit 2 (in units of 0.02)")
    axes[2].legend(loc="upper left", fontsize=9)
    figures.show(fig, "A circle of small changes becomes an ellipse; where unit 2 is saturated, a flat one.")

# %% [markdown]
# **What to see.** A step turns a circle into an ellipse. How far a change is stretched depends on its direction: there is a long axis and a short one. The
# half-lengths of the axes are the *singular values* of $J_t$. And the same weights give another ellipse where a unit is saturated: its changes hardly
# get through.
#
# ## 2. Many steps
#
# From $h_k$ to a later state $h_t$ lead the steps $k+1, k+2, …, t$. A small change $v$ of $h_k$ becomes $J_{k+1} v$ after the first of them, then
# $J_{k+2} J_{k+1} v$, and so on. So
#
# $$\frac{\partial h_t}{\partial h_k} = J_t\, J_{t-1} \cdots J_{k+2}\, J_{k+1}.$$
#
# What acts first stands on the right, next to the vector; **the newest factor stands on the left**. There are $t - k$ factors. For $k = t$ there is none, and a
# product without factors changes nothing: it is the identity.
#
# ### Exercise: `jacobian_product`
#
# *difficulty 3 of 5 · importance 5 of 5 · 12 minutes*
#
# **A tiny example.** Two steps, with the matrix from above: $h_1 = (0,\ 0.5)$ and $h_2 = (0.5,\ 0)$.
#
# $$\frac{\partial h_2}{\partial h_0} = J_2 J_1 = \begin{pmatrix} 0.75 & 1.5 \\ 3 & 4 \end{pmatrix} \begin{pmatrix} 1 & 2 \\ 2.25 & 3 \end{pmatrix}
# = \begin{pmatrix} 4.125 & 6 \\ 12 & 18 \end{pmatrix}, \quad\text{but}\quad J_1 J_2 = \begin{pmatrix} 6.75 & 9.5 \\ 10.6875 & 15.375 \end{pmatrix}.$$
#
# Write `jacobian_product(states, params, k, t)`. It gets `states` (B, T, H), the states $h_1, …, h_T$ of a batch, and two whole numbers with
# $0 \le k \le t \le T$. It returns $\partial h_t / \partial h_k$ for each sequence: (B, H, H). You may call your `step_jacobian`. Note that no factor needs $h_0$, not
# even for $k = 0$: the factor of step 1 is written with $h_1$.


# %% answer="gradient-flow-product"
def jacobian_product(states, params, k, t):
    """∂h_t/∂h_k for 0 ≤ k ≤ t ≤ T; the identity for k = t.

    states: (B, T, H), where states[:, t-1] is h_t. Returns (B, H, H).
    """
    ### BEGIN SOLUTION
    B, T, H = states.shape
    product = torch.eye(H, dtype=states.dtype, device=states.device).expand(B, H, H)
    for s in range(k + 1, t + 1):
        product = step_jacobian(states[:, s - 1], params) @ product  # newer to the left
    return product
    ### END SOLUTION


# %% check="gradient-flow-product" points=4 keeps="jacobian-product"
check("gradient-flow-product")

# %% [markdown] hint="gradient-flow-product"
# <details><summary>Hint 1: a question</summary>
#
# Write down the factors of $\partial h_4 / \partial h_1$, from left to right. Which state does each of them need, and at which index of `states` does it stand?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Begin with the identity, one for each sequence. Go through the steps from the oldest to the newest, and multiply each new factor onto the *left* of what you
# have. `@` multiplies a batch of matrices, sequence by sequence.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# product = torch.eye(H, dtype=states.dtype, device=states.device).expand(B, H, H)
# for s in range(..., ...):                # s is the step, counted as on paper
#     J = step_jacobian(states[:, ...], params)
#     product = ...
# return product
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the opposite order*: `A @ B` applies `B` first.
# - *one factor too many*, *is missing*: for $k = 1$, $t = 4$ there are three, those of the steps 2, 3 and 4.
# - *begins at step 1 whatever k is*, *those of the first steps*: the first step on the way from $h_2$ is step 3.
# - *states[:, s] is read as h_s*: Python counts from 0, and $h_0$ is not in `states`.
# - *for k = t*: the loop does not run at all. What does your function return then?
# - *Two precisions meet*, *the device*: `torch.eye(H)` makes a float32 matrix on the CPU. Hint 3 shows how to say otherwise.
# - *Fix step_jacobian first*: this exercise uses it.
# </details>

# %% [markdown]
# ### Experiment: the circle after many steps
#
# The network with two units again, now with random inputs. The circle of small changes of $h_0$ is carried through 1, 4, 8 and 16 steps, by your product.
# Each picture is scaled to fit; how long the long axis really is stands above it.

# %% experiment="collapse" keeps="jacobian-product"
with needs("jacobian_product"):
    params, h_prev, _ = two_units(0.0)
    x = 0.7 * normal(torch.Generator().manual_seed(2), 1, 16, 1)
    states = unroll(x, h_prev, params)
    fig, axes = plt.subplots(1, 4, figsize=(10, 3.4), sharex=True, sharey=True)
    for ax, t in zip(axes, (1, 4, 8, 16)):
        product = jacobian_product(states, params, 0, t)[0]
        long, short = torch.linalg.svdvals(product).tolist()
        ax.plot(*(product @ circle(200) / long).cpu(), color=figures.VERMILION)
        ax.set_box_aspect(1)
        ax.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), xlabel="change of unit 1 (scaled)")
        ax.set_title(f"after {t}: long axis {long:.2f}\nshort axis {short:.3f}")
    axes[0].set_ylabel("change of unit 2 (scaled)")
    figures.show(fig, "After 16 steps the image of the circle is nearly a line.")

    x, h0, params = driven(0, gaussian(0), 0.5, T=20)
    states = unroll(x, h0, params)
    print("The product in the right order and in the other, for 32 units (norms: over all entries of all 8 sequences):")
    for t in (1, 2, 5, 10):
        right = jacobian_product(states, params, 0, t)
        other = torch.eye(32, device=device, dtype=dtype)
        for s in range(t):
            other = other @ jacobian_product(states, params, s, s + 1)
        off = ((right - other).norm() / right.norm()).item()
        print(
            f"  factors: {t:2d}, norms {right.norm():7.3f} and {other.norm():7.3f}, difference relative to the first {off:.2f}"
        )

# %% [markdown]
# **What to see.** Up to step 8 the ellipse stays fairly round. At step 9 unit 2 is saturated, with a slope of 0.1, and flattens it; more steps follow, and after 16 it is almost a
# line. Saturation makes this quick, but is not needed for it: factors that stretch by different amounts do the same, more slowly. Unless the factors are near to rotations, which
# stretch all directions alike, only the share of a change along *one* direction is left in the end, whatever direction it had at the beginning. That is why a product of many matrices can be described by one number, its growth along that direction.
#
# And look at the printed norms: of each product the root of the sum of all squares. The wrong order gives matrices of nearly the same size, so a plot of norms looks fine. The entries are
# another matter: after ten factors the difference is as large as the matrix itself. Norms do not prove an order.
#
# ## 3. The gradient on its way back
#
# Let the loss touch the last state only. Then the chain rule gives the gradient at every state from the gradient at the last one:
#
# $$\frac{\partial L}{\partial h_t} = \frac{\partial L}{\partial h_T}\; \frac{\partial h_T}{\partial h_t} = \frac{\partial L}{\partial h_T}\; J_T\, J_{T-1} \cdots J_{t+1}.$$
#
# The gradient is a *row*, so it comes in from the left and meets the newest factor first. This is the direction of backpropagation. And it needs no
# product of matrices: each step takes the row that it gets from the step after it, and hands on a row.
#
# $$\frac{\partial L}{\partial h_{t-1}} = \frac{\partial L}{\partial h_t}\; J_t.$$
#
# ### Exercise: `gradient_norms`
#
# *difficulty 3 of 5 · importance 5 of 5 · 15 minutes*
#
# How long is the gradient at each state? `gradient_norms(x, h0, params, dh_T)` gets inputs `x` (B, T, D), `h0` (B, H), `params`, and `dh_T` (B, H), the gradient of the loss by
# the last state, one row for each sequence. It returns $T + 1$ numbers in one tensor: for $t = 0, 1, …, T$, in this order, the **mean over the batch of
# the Euclidean norm** $\lVert \partial L / \partial h_t \rVert_2$. So the last entry is the mean norm of the rows of `dh_T`. *One* sweep over the
# steps is enough; the check sees your numbers only, not how you came by them. `unroll` is there to be called.
#
# **A tiny example.** One sequence, the two steps from above, $\partial L / \partial h_2 = (1, 0)$:
#
# $$(1, 0)\, J_2 = (0.75,\ 1.5), \qquad (0.75,\ 1.5)\, J_1 = (4.125,\ 6).$$
#
# The norms are 1 at $t = 2$, 1.677 at $t = 1$, 7.281 at $t = 0$. The result is the tensor `[7.281, 1.677, 1]`.


# %% answer="gradient-flow-norms"
def gradient_norms(x, h0, params, dh_T):
    """How long the gradient is at h_0, …, h_T, if the loss touches h_T alone and its gradient there is dh_T.

    x: (B, T, D), h0: (B, H), dh_T: (B, H). Returns (T+1,): the mean over the batch of ‖∂L/∂h_t‖₂ for t = 0…T.
    """
    ### BEGIN SOLUTION
    states = unroll(x, h0, params)  # (B, T, H)
    dh, norms = dh_T, [dh_T.norm(dim=1).mean()]
    for t in range(x.shape[1], 0, -1):
        da = dh * (1 - states[:, t - 1] ** 2)  # (B, H): back through the tanh of step t
        dh = da @ params["weight_hh"]  # (B, H): now the gradient at h_{t-1}
        norms.append(dh.norm(dim=1).mean())
    return torch.stack(norms[::-1])  # (T+1,)
    ### END SOLUTION


# %% check="gradient-flow-norms" points=4 keeps="growth-and-decay"
check("gradient-flow-norms")

# %% [markdown] hint="gradient-flow-norms"
# <details><summary>Hint 1: a question</summary>
#
# A row times $\operatorname{diag}(s)\, W$: what happens to the row first, and what second? And with which step does the way back begin?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Start with the rows `dh_T` and note their norm. For $t = T, …, 1$: multiply each row by the slopes of step $t$, then by `weight_hh`; this is the gradient at $h_{t-1}$; note its norm.
# At the end the list begins with $t = T$ and has to be turned round. (A row times a batch of Jacobians works too; it makes $H$ times as many numbers.)
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# states = unroll(x, h0, params)
# dh, norms = dh_T, [dh_T.norm(dim=1).mean()]
# for t in range(x.shape[1], 0, -1):
#     dh = ...                    # back through the tanh of step t, then through the weights
#     norms.append(...)
# return torch.stack(...)         # t = 0 first
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the norm at h_0 is missing*, *the norm at h_T is missing*: there are $T + 1$ states, $h_0$ among them, and the first number you note is that of `dh_T` itself.
# - *the steps are in the opposite order*: the sweep runs from $T$ to 0, the result from 0 to $T$.
# - *averaged over the batch before*, *over the batch and the units together*, *along the batch*: first a norm for each sequence, then the mean of these numbers.
# - *all others are 0*, *all between are 0*: if you asked autograd with `retain_grad` on a stacked tensor: the stack is not what the next step was computed from.
# - *weight_hhᵀ*: the forward pass has the transpose, the way back has not.
# </details>

# %% [markdown]
# ### Experiment: how far does a gradient get?
#
# Four networks with 32 units and the same random matrix, multiplied by a *gain* of 0.5, 1, 2 and 3. Their inputs are random numbers with a standard deviation of 0.5; we call this
# their *loudness*. The gradient comes in at step 60.

# %% experiment="way-back" keeps="growth-and-decay"
with needs("gradient_norms"):
    T = 60
    fig, ax = plt.subplots()
    for gain, marker in zip((0.5, 1.0, 2.0, 3.0), figures.MARKERS):
        x, h0, params = driven(0, gain * gaussian(0), 0.5, T)
        dh_T = normal(torch.Generator().manual_seed(9), 8, 32)
        norms = gradient_norms(x, h0, params, dh_T)
        ax.plot(range(T + 1), (norms / norms[T]).cpu(), marker=marker, markevery=10, label=f"gain {gain}")
    ax.set(
        yscale="log",
        xlabel="time step t",
        ylabel="gradient norm at $h_t$\nrelative to that at $h_{60}$",
        xticks=range(0, T + 1, 10),
        yticks=[1e-20, 1e-15, 1e-10, 1e-5, 1, 1e5],
    )
    ax.set_title("Read from right to left: the gradient comes in at t = 60")
    ax.legend(ncols=2)
    figures.show(
        fig,
        "Going back from step 60, the gradient shrinks geometrically for the gains 0.5 and 1, and grows for 2 and 3.",
    )

# %% [markdown]
# **What to see.** On a logarithmic axis the curves are nearly straight: going back, the gradient is multiplied by about the same factor at each step. It is *geometric*. A factor of
# 0.7, for example, leaves less than $10^{-9}$ after 60 steps. For the gains 2 and 3 the gradient grows, about a thousandfold and a millionfold.
#
# What does this mean for learning? The gradient of a weight is a sum over steps (lesson 02), and the term of step $t$ carries $\partial L / \partial h_t$. Where this is $10^{-9}$, the
# network cannot learn from what happened at step $t$: the gradient **vanishes**. Where it is $10^9$, one term drowns all others, and a step of gradient descent throws the
# weights far away: it **explodes**. What decides between the two?
#
# ## 4. Two sizes of a matrix
#
# Leave out the tanh for a moment: $h_t = W h_{t-1} + …$ Then every factor is $W$, and the product of $n$ of them is $W^n$. Two numbers say how large $W$ is.
#
# **The spectral radius** $\rho(W)$ is the largest modulus of an eigenvalue of $W$. Eigenvalues may be negative or complex: $\mu = a + b\,\mathrm{i}$ has the modulus
# $\sqrt{a^2 + b^2}$. The radius describes the long run: for large $n$, $\lVert W^n \rVert$ grows or shrinks about like $\rho^n$.
# (The matrix of the last experiment has radius 1.09: there the radius was 1.09 times the gain.)
#
# **The largest singular value** $\sigma_{\max}(W)$ is the most that $W$ can stretch any vector in *one* step: the long axis of the ellipse. It is also called the
# spectral norm, $\lVert W \rVert_2$. (Yes, the names are unfortunate.)
#
# For a symmetric matrix the two are equal. In general $\rho \le \sigma_{\max}$, and they can be far apart:
#
# | $W$ | eigenvalues | $\rho$ | $\sigma_{\max}$ |
# |---|---|---|---|
# | $\begin{pmatrix} 0.5 & 0 \\ 0 & -2 \end{pmatrix}$ | 0.5, −2 | 2 | 2 |
# | $\begin{pmatrix} 0 & -2 \\ 2 & 0 \end{pmatrix}$ | 2i, −2i | 2 | 2 |
# | $\begin{pmatrix} 0 & 3 \\ 0 & 0 \end{pmatrix}$ | 0, 0 | 0 | 3 |
#
# A tanh has slopes between 0 and 1, so $\lVert J_t \rVert_2 \le \sigma_{\max}(W_{hh})$ and the norm of a product of $n$ factors is at most $\sigma_{\max}^n$. If $\sigma_{\max} < 1$, the gradient
# vanishes, for sure. This is a safe conclusion from $W_{hh}$ alone.
#
# ### Exercise: `spectral_radius`
#
# *difficulty 1 of 5 · importance 4 of 5 · 4 minutes*
#
# `spectral_radius(W)` gets a real matrix (H, H) and returns the radius as a float. `torch.linalg` computes eigenvalues. The table above has three
# tests for you.


# %% answer="gradient-flow-radius"
def spectral_radius(W):
    """The largest modulus of an eigenvalue of W (H, H): a float."""
    ### BEGIN SOLUTION
    return torch.linalg.eigvals(W).abs().max().item()
    ### END SOLUTION


# %% check="gradient-flow-radius" points=2 keeps="spectral-radius"
check("gradient-flow-radius")

# %% [markdown] hint="gradient-flow-radius"
# <details><summary>Hint 1: a question</summary>
#
# $W_{hh}$ is not symmetric. Which function of `torch.linalg` gives the eigenvalues of a matrix of which nothing is known, and of what dtype are they?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Complex numbers have no order, so there is no largest *eigenvalue*. First make each of them a length, then take the largest.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# values = torch.linalg.eigvals(W)   # (H,), complex
# return ...                         # the modulus of each, the largest of these, as a float
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the largest real part*: the second matrix of the table has real parts 0 and radius 2.
# - *the first eigenvalue is taken*: they come in no order that you can rely on.
# - *a complex number came back*: an eigenvalue is a number in the plane, and its size is not yet taken.
# - *W is treated as symmetric*: `eigvalsh` is for symmetric matrices only; it does not complain.
# - *not implemented for 'ComplexDouble'*: Hint 2.
# - *the largest singular value*: that is the next exercise.
# </details>

# %% [markdown]
# ### Exercise: `largest_singular_value`
#
# *difficulty 1 of 5 · importance 4 of 5 · 3 minutes*
#
# `largest_singular_value(W)` gets a real matrix (H, H) and returns $\sigma_{\max}$ as a float.


# %% answer="gradient-flow-singular-value"
def largest_singular_value(W):
    """The most that W (H, H) stretches any vector: a float."""
    ### BEGIN SOLUTION
    return torch.linalg.svdvals(W).max().item()
    ### END SOLUTION


# %% check="gradient-flow-singular-value" points=1 keeps="spectral-radius"
check("gradient-flow-singular-value")

# %% [markdown] hint="gradient-flow-singular-value"
# <details><summary>Hint 1: a question</summary>
#
# `torch.linalg` has a function for singular values, and a matrix norm that equals the largest. Which `ord` is it?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# The singular values come as a tensor (H,). You want one of them, as a float. The third matrix of the table tells you whether it is the right one.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# values = torch.linalg.svdvals(...)   # (H,)
# return ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the Frobenius norm*: `torch.linalg.norm(W)` without `ord` is the root of the sum of all squares.
# - *the square of the value*: the eigenvalues of $W^\top W$ are the squares of the singular values.
# - *a norm of sums*: `ord=1` and `ord=inf` measure vectors by other lengths than the Euclidean.
# </details>

# %% [markdown]
# ### Exercise: `with_spectral_radius`
#
# *difficulty 2 of 5 · importance 3 of 5 · 5 minutes*
#
# For the experiments we want matrices with a radius of our choice. `with_spectral_radius(W, rho)` gets `W` (H, H) and a number `rho` > 0, and returns the *multiple* of `W`
# whose spectral radius is `rho`. `W` itself stays as it is. If `W` is multiplied by a number, what happens to its eigenvalues?
#
# **A tiny example.** $\operatorname{diag}(0.5, -2)$ with `rho` = 1 becomes $\operatorname{diag}(0.25, -1)$.
#
# There are matrices of radius 0 that are not 0, such as the third one in the table. No multiple of them has another radius. For these, raise a `ValueError` with a
# sentence that says so: better a clear stop than a `ZeroDivisionError`, or a matrix full of `nan`. But do not compare with 0: eigenvalues come with rounding errors. Both eigenvalues of
# $\begin{pmatrix} 2 & -2 \\ 2 & -2 \end{pmatrix}$ are 0, and `eigvals` may well say $4 \cdot 10^{-16}$. Take a radius below a millionth of the largest entry (in absolute value) for 0.
# A radius is not 0 because it is small: $10^{-8}\, I$ has the radius $10^{-8}$, and is brought to `rho` like any other matrix.


# %% answer="gradient-flow-rescale"
def with_spectral_radius(W, rho):
    """The multiple of W (H, H) whose spectral radius is rho > 0; ValueError if the radius of W is 0."""
    ### BEGIN SOLUTION
    radius = spectral_radius(W)
    if radius <= 1e-6 * W.abs().max():  # 0, or what rounding makes of it
        raise ValueError("every multiple of this W has spectral radius 0")
    return W * (rho / radius)
    ### END SOLUTION


# %% check="gradient-flow-rescale" points=2 keeps="spectral-radius"
check("gradient-flow-rescale")

# %% [markdown] hint="gradient-flow-rescale"
# <details><summary>Hint 1: a question</summary>
#
# $W v = \mu v$. What is $(c\,W)\, v$? Which $c$ brings the radius from $\rho(W)$ to `rho`?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Measure the radius that `W` has. If it is 0, or as small as rounding makes a 0, raise. Otherwise multiply `W` by the quotient of the radius that you want and the one that it has, into a new tensor.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# radius = spectral_radius(W)
# if ...:
#     raise ValueError("...")
# return W * ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *divided by its largest singular value*: which of the two sizes is to be `rho`?
# - *entries as large as …*: the radius is 0, came out as $10^{-16}$, and you divided by it.
# - *for a W of radius 0*: try your function on the third matrix of the table. It has to stop with a `ValueError`, not with another error and not with a result.
# - *This radius is small and not 0*: small beside what? All entries of `W` may be small.
# - *a ValueError without a word*: it needs a sentence in its brackets.
# - *changed its argument W in place*: `W *= …` changes the caller's matrix.
# - *Fix spectral_radius first*: this exercise uses it.
# </details>

# %% [markdown]
# ### Experiment: sweep the radius
#
# Random matrices with 32 units, rescaled to six radii. For each, the largest singular value of the product of Jacobians over 1, 5, 10, 20 and 50 steps: on the left without
# tanh, $W^n$; on the right in a tanh network that is driven by random inputs. Lines: one seed, live, by your functions. Bands: five seeds, stored.

# %% given="sweep"
RADII = [0.5, 0.9, 1.2, 1.5, 2.0, 3.0]
LAGS = [1, 5, 10, 20, 50]


def size(product):
    """The largest singular value of each matrix (B, H, H), and their geometric mean over the batch: a float."""
    return torch.linalg.matrix_norm(product, 2).log().mean().exp().item()


def radius_sweep(seed, T=80):
    """Sizes of the product over each of LAGS, ending at step T, for each of RADII: without tanh and in the network."""
    linear, network = [], []
    for rho in RADII:
        W = with_spectral_radius(gaussian(seed), rho)
        x, h0, params = driven(seed, W, 0.5, T)
        states = unroll(x, h0, params)
        linear.append([size(torch.linalg.matrix_power(W, lag)) for lag in LAGS])
        network.append([size(jacobian_product(states, params, T - lag, T)) for lag in LAGS])
    return {"linear": linear, "network": network}


# %% experiment="radius-sweep" keeps="spectral-radius"
with needs("jacobian_product", "with_spectral_radius"):
    yours, runs = radius_sweep(seed=0), stored("gradient_flow", "radius_sweep")
    fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for ax, kind, title in zip(
        axes, ("linear", "network"), ("without tanh: the radius decides", "with tanh, driven: it does not")
    ):
        for row, (rho, marker, color) in enumerate(zip(RADII, figures.MARKERS, figures.PALETTE)):
            figures.band(ax, LAGS, [run[kind][row] for run in runs], color, "")
            ax.plot(LAGS, yours[kind][row], marker=marker, color=color, label=f"radius {rho}")
        ax.axhline(1, color=figures.INK, lw=1, ls=":")
        ax.set(yscale="log", xlabel="number of steps n", xticks=LAGS, title=title, ylim=(1e-20, 1e25))
        ax.set_yticks([1e-20, 1e-10, 1, 1e10, 1e20])
    axes[0].set_ylabel("size of the product (no unit)")
    handles, labels = axes[0].get_legend_handles_labels()
    named = [(line, name) for line, name in zip(handles, labels) if name.startswith("radius")]
    axes[1].legend(*zip(*named), ncols=2, fontsize=9, loc="upper left")
    figures.show(fig, "Without tanh sizes follow the radius; with tanh they shrink at radius 1.2 and 1.5 too.")

    for kind in ("linear", "network"):
        for rho, row in zip(RADII, yours[kind]):
            print(
                f"{kind:>8}, radius {rho:3.1f}:"
                + "".join(f"   n = {lag}: {value:8.1e}" for lag, value in zip(LAGS, row))
            )

# %% [markdown]
# **What to see.** *Without tanh* (left) radii below 1 shrink and radii above 1 grow, in the long run. Not at once: at radius 0.9 the product is larger than 1 for the first few
# steps. *With tanh* (right) each factor carries slopes below 1. The products of radius 1.2 and 1.5 are above 1 for the first steps too, and then shrink. That of 1.5 shrinks slowly: of these numbers of steps it is largest at 5 or 10, between 2.6 and 3.4 in five seeds, and at 50 it is below 1. That of radius 2 grows slowly: over 50 steps by a factor between 11 and 600 in five seeds, where $2^{50}$ is $10^{15}$. So "radius above 1 means exploding
# gradients" is wrong for tanh networks. Is at least the other half right: "radius below 1 means vanishing gradients"? We will see.
#
# ## 5. Before the long run
#
# The radius speaks about the long run. What happens before can be quite different.
#
# ### Predict: ten steps at radius 0.9
#
# *difficulty 3 of 5 · importance 4 of 5 · 3 minutes*
#
# $W = \begin{pmatrix} 0.9 & 5 \\ 0 & 0.9 \end{pmatrix}$ has the eigenvalue 0.9, twice, so its radius is 0.9. A vector of length 1 is multiplied by $W$ ten times.
# **How long can it be at most?** In other words, how large is $\lVert W^{10} \rVert_2$? Write a number; for comparison, $0.9^{10} = 0.35$.

# %% answer="gradient-flow-predict-growth"
### BEGIN SOLUTION
guess_growth = 19
### END SOLUTION
### RELEASED AS
# guess_growth = None
### END RELEASED

# %% check="gradient-flow-predict-growth" points=1
check("gradient-flow-predict-growth")

# %% experiment="ten-steps"
W = torch.tensor([[0.9, 5.0], [0.0, 0.9]], device=device, dtype=dtype)
radius_says = 0.9**10
longest = {n: torch.linalg.matrix_norm(torch.linalg.matrix_power(W, n), 2).item() for n in (1, 2, 5, 10, 20, 50, 100)}
print("\n".join(f"n = {n:3d}: ‖Wⁿ‖ = {length:9.3g}, 0.9ⁿ = {0.9**n:.2g}" for n, length in longest.items()))
reply(
    guess_growth,
    longest[10],
    {
        longest[10]: "You saw that it grows, and how far, to within a factor of two.",
        radius_says: "That is what the radius says, and the radius speaks about the long run only. See when it gets its way.",
        1: "You expected it to stay. But the 5 in the corner makes a vector longer, long before 0.9 has made it shorter.",
    },
    "It grows further than that: the 5 in the corner makes a vector longer, long before 0.9 has made it shorter.",
    high="It does not grow as far: what the corner has made longer points along the first axis, and there W only shrinks it.",
    near=0.5,
)

# %% [markdown]
# Why? Write $W = 0.9\, I + N$ with $N = \begin{pmatrix} 0 & 5 \\ 0 & 0 \end{pmatrix}$. Since $N^2 = 0$, only two terms of the binomial formula are left:
#
# $$W^n = 0.9^n\, I + n\; 0.9^{\,n-1}\, N.$$
#
# The factor $n$ grows, the power shrinks, and the power wins, but late. A matrix is called *normal* if its eigenvectors can be chosen at right angles; symmetric matrices and rotations
# are normal. For normal matrices $\lVert W^n \rVert_2 = \rho^n$ exactly. The farther a matrix is from normal, the more can happen before the radius has its way.
#
# ### Experiment: one radius, three fates
#
# Three matrices with 32 units, all with spectral radius 0.9: a rotation times 0.9 (normal); a Gaussian matrix; and a *hidden triangle* $Q R Q^\top$, a triangular matrix $R$ seen from
# a random rotation $Q$. The eigenvalues of $R$ stand on its diagonal, and whatever stands above the diagonal does not change them. Above it stand random numbers; their standard deviation is the *coupling* divided by $\sqrt{H}$. Here the coupling is 2, so the standard deviation is 0.35. The inputs are so quiet (a loudness of 0.000001) that the
# tanh is as good as straight, even where the states grow.

# %% given="non-normal"
WAIT = [0, 1, 2, 3, 5, 8, 12, 16, 20, 30, 40, 60, 80, 120]


def rotation(seed, H=32):
    """A random orthogonal matrix (H, H)."""
    # contiguous(): Q comes in column order, and eigvals of torch 2.11 on a GPU overwrites such a matrix
    return torch.linalg.qr(normal(torch.Generator().manual_seed(2000 + seed), H, H)).Q.contiguous()


def hidden_triangle(seed, coupling, H=32):
    """Q R Qᵀ: R has its eigenvalues between -0.9 and 0.9 on the diagonal; above it, standard deviation coupling/√H."""
    generator = torch.Generator().manual_seed(3000 + seed)
    above = torch.triu(normal(generator, H, H), diagonal=1) * coupling / H**0.5
    on = torch.linspace(-0.9, 0.9, H, device=device, dtype=dtype)[torch.randperm(H, generator=generator).to(device)]
    return rotation(seed) @ (torch.diag(on) + above) @ rotation(seed).T


def growing_first(seed, T=120):
    """Sizes of the product over each of WAIT steps for three matrices of radius 0.9, in a network with quiet inputs."""
    matrices = {"rotation": rotation(seed), "Gaussian": gaussian(seed), "hidden triangle": hidden_triangle(seed, 2.0)}
    sizes = {}
    for name, W in matrices.items():
        x, h0, params = driven(seed, with_spectral_radius(W, 0.9), 1e-6, T, B=2)
        states = unroll(x, h0, params)
        sizes[name] = [size(jacobian_product(states, params, T - wait, T)) for wait in WAIT]
    return sizes


# %% experiment="growing-first" keeps="growth-and-decay"
with needs("jacobian_product", "with_spectral_radius"):
    yours, runs = growing_first(seed=0), stored("gradient_flow", "growing_first")
    fig, ax = plt.subplots(figsize=(7, 4))
    for (name, sizes), marker, color in zip(yours.items(), figures.MARKERS, figures.PALETTE):
        figures.band(ax, WAIT, [run[name] for run in runs], color, name)
        ax.plot(WAIT, sizes, marker=marker, color=color, label=f"{name}, yours")
    ax.axhline(1, color=figures.INK, lw=1, ls=":")
    ax.set(yscale="log", xlabel="number of steps n", ylabel="size of the product (no unit)")
    ax.set_title("All three have spectral radius 0.9")
    ax.legend(fontsize=8, ncols=2)
    figures.show(
        fig, "At radius 0.9 the rotation decays from the start; the hidden triangle first grows for some 16 steps."
    )

    for name, sizes in yours.items():
        top = max(sizes)
        print(f"{name:>15}: largest {top:9.3g} at n = {WAIT[sizes.index(top)]:2d};  at n = {WAIT[-1]} {sizes[-1]:.2e}")

# %% [markdown]
# **What to see.** The rotation follows $0.9^n$ exactly, in every seed, so its band has no width. The Gaussian matrix hesitates for some steps. The hidden triangle first *grows*, 16-fold to 68-fold in five seeds, for 12 to 20 steps, and
# after 40 steps it is still larger than at the beginning. (Its band is wide because every seed draws another triangle.) Over 20 steps a change can grow more than tenfold; over 120 less than a hundredth is left of it. The radius knows the second only, and sequences are finite.
#
# ## 6. Louder inputs
#
# ### Predict: turn up the inputs
#
# *difficulty 2 of 5 · importance 4 of 5 · 2 minutes*
#
# A tanh network with radius 2 is driven by random inputs of loudness 1. Now all inputs are multiplied by 10; the weights stay the same. Is the product of the Jacobians over 20 steps then
# `"larger"`, `"smaller"` or about `"the same"`?

# %% answer="gradient-flow-predict-louder"
### BEGIN SOLUTION
guess_louder = "smaller"
### END SOLUTION
### RELEASED AS
# guess_louder = None
### END RELEASED

# %% check="gradient-flow-predict-louder" points=1
check("gradient-flow-predict-louder")

# %% given="louder"
LOUDNESS = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
LOUD_RADII = [0.9, 2.0, 3.0]


def louder(seed, T=60, lag=20):
    """Size of the product over 20 steps and mean slope, for each of LOUD_RADII and each of LOUDNESS."""
    sizes, slopes = [], []
    for rho in LOUD_RADII:
        W = with_spectral_radius(gaussian(seed), rho)
        runs = [driven(seed, W, loudness, T) for loudness in LOUDNESS]
        states = [unroll(*run) for run in runs]
        sizes.append([size(jacobian_product(s, run[2], T - lag, T)) for s, run in zip(states, runs)])
        slopes.append([(1 - s[:, -lag:] ** 2).mean().item() for s in states])
    return {"sizes": sizes, "slopes": slopes}


# %% experiment="louder"
with needs("jacobian_product", "with_spectral_radius"):
    yours, runs = louder(seed=0), stored("gradient_flow", "louder")
    fig, axes = plt.subplots(1, 2, figsize=(10, 3.8))
    for row, (rho, marker, color) in enumerate(zip(LOUD_RADII, figures.MARKERS, figures.PALETTE)):
        for ax, kind in zip(axes, ("slopes", "sizes")):
            figures.band(ax, LOUDNESS, [run[kind][row] for run in runs], color, "")
            ax.plot(LOUDNESS, yours[kind][row], marker=marker, color=color, label=f"radius {rho}")
    axes[0].set(
        xscale="log",
        xlabel="loudness of the inputs",
        ylabel="mean slope of tanh",
        title="Loud inputs: flat tanh …",
        ylim=(0, 1.05),
    )
    axes[1].set(
        xscale="log", yscale="log", xlabel="loudness of the inputs", ylabel="size of the product\nover 20 steps"
    )
    axes[1].set_yticks([1e-30, 1e-20, 1e-10, 1])
    axes[1].set_title("… and no gradient")
    handles, labels = axes[0].get_legend_handles_labels()
    named = [(line, name) for line, name in zip(handles, labels) if name.startswith("radius")]
    axes[0].legend(*zip(*named))
    figures.show(
        fig, "With loudness from 1 to 30 the mean slope falls to 0.04, the product over 20 steps by many powers of ten."
    )

    for rho, row in zip(LOUD_RADII, yours["sizes"]):
        print(f"radius {rho}: from loudness 1 to 10 the product over 20 steps is multiplied by {row[4] / row[2]:.0e}")
    change = yours["sizes"][LOUD_RADII.index(2.0)][4] / yours["sizes"][LOUD_RADII.index(2.0)][2]
    reply(
        guess_louder,
        "smaller" if change < 0.5 else "larger" if change > 2 else "the same",
        {
            "larger": "The inputs are larger, but they are not in the Jacobian. The slopes of tanh are, and louder inputs push the units to where tanh is flat.",
            "smaller": "The weights are the same, and the slopes are not: louder inputs push the units to where tanh is flat.",
            "the same": "The weights are the same, but the Jacobian holds the slopes of tanh as well, and louder inputs push the units to where tanh is flat.",
        },
    )

# %% [markdown]
# **What to see.** Louder inputs push the units to where tanh is flat: the slopes fall, and with twenty factors the product falls by many powers of ten: *saturation*. At radius 0.9 this
# begins at once: from loudness 0.1 to 1 the product falls more than a thousandfold. At radius 2 and 3 it begins at loudness 1; such a network keeps itself moving without inputs, and its own states
# hold the slopes down already. The bands on the right are wide, and one seed says little: at low loudness each network moves in its own way, and at high loudness twenty small slopes are multiplied, and with them what
# is different between the seeds.
#
# The weights did not change, and with them neither $\rho$ nor $\sigma_{\max}$. So neither a radius above 1 nor a $\sigma_{\max}$ above 1 tells whether gradients vanish. We need a number that is measured along
# the states.
#
# ### Try it: radius and loudness
#
# Move the sliders. The picture shows the gradient norms of *your* `gradient_norms`, going back from the last step, beside three other curves: the gradient without tanh; the radius alone, $\rho^n$; and the
# bound by the largest singular value, $\sigma_{\max}^n$. (Where the notebook is only read, and not run, the picture stands still.)


# %% given="sliders"
def decay(radius, loudness, T=50):
    """The figure for one position of the sliders, and a sentence that says what it shows."""
    W = with_spectral_radius(gaussian(0), radius)
    dh_T = normal(torch.Generator().manual_seed(9), 8, 32)
    norms = gradient_norms(*driven(0, W, loudness, T), dh_T).flip(0).tolist()
    without = [(dh_T @ torch.linalg.matrix_power(W, n)).norm(dim=1).mean().item() for n in range(T + 1)]
    sigma = largest_singular_value(W)

    fig, ax = plt.subplots(figsize=(7, 4))
    look = {"markevery": 10}
    ax.plot([norm / norms[0] for norm in norms], "o-", color=figures.BLUE, label="the gradient, with tanh", **look)
    ax.plot([norm / norms[0] for norm in without], "s-", color=figures.VERMILION, label="without tanh", **look)
    ax.plot([radius**n for n in range(T + 1)], ":", color=figures.INK, label="$\\rho^n$")
    ax.plot([sigma**n for n in range(T + 1)], "--", color=figures.INK, label="$\\sigma_{max}^n$")
    ax.set(
        yscale="log",
        ylim=(1e-50, 1e50),
        yticks=[1e-40, 1e-20, 1, 1e20, 1e40],
        xlabel="steps back from the loss, n",
    )
    ax.set_ylabel("gradient norm, relative to n = 0")
    ax.set_title(f"radius {radius:.1f}, loudness {loudness:.1f}")
    ax.legend(loc="upper left", ncols=2, fontsize=9)
    length, rule = f"{norms[T] / norms[0]:.2g}", f"{radius**T:.2g}"
    return (
        fig,
        f"{T} steps back the gradient is {length} times as long as at first; by the rule of the radius {rule} times.",
    )


# %% experiment="sliders"
with needs("gradient_norms", "with_spectral_radius", "largest_singular_value"):
    explore(decay, radius=(0.3, 3.0, 0.1, 1.2), loudness=(0.0, 3.0, 0.1, 0.5))

# %% [markdown]
# **Things to try.** Set the loudness to 0: the state stays at 0, every slope is 1, and the two curves lie on one another. Keep the radius at 1.2 and turn the loudness up. Find a radius
# at which the gradient neither grows nor shrinks at loudness 0.5, and see what loudness 2 makes of it.
#
# ## 7. The Lyapunov exponent
#
# Take one small change $v$ of the state and carry it along, $v_t = J_t v_{t-1}$: a *tangent vector*. As in section 2 it soon points where it grows most, whatever it was at first, unless the factors are near to rotations. The mean growth per
# step, as a logarithm, is the **largest Lyapunov exponent** of the driven network. It is meant in the long run; we measure it over $n$ steps:
#
# $$\lambda \approx \frac{1}{n} \sum_t \ln \frac{\lVert J_t\, v_{t-1} \rVert}{\lVert v_{t-1} \rVert}.$$
#
# The sum is over the $n$ steps that you count: all, or those after a warm-up. Over $n$ steps small changes are multiplied by about $e^{\lambda n}$, and gradients, which pass the same factors from the other end, likewise. $\lambda < 0$: they vanish. $\lambda > 0$: they explode.
# For the network without tanh, $\lambda$ comes to $\ln \rho$ as $n$ grows (for almost every $v$ at the beginning). With tanh the exponent depends on weights *and* inputs, which is the point.
#
# One practical matter: $v_t$ itself would overflow, or underflow to 0. So scale it back to length 1 at every step, *after* you have noted by how much it grew.
#
# ### Exercise: `lyapunov_exponent`
#
# *difficulty 3 of 5 · importance 4 of 5 · 15 minutes*
#
# `lyapunov_exponent(x, h0, params, warmup)` is about **one** sequence: `x` (T, D), `h0` (H,). Run the network (`unroll` wants a batch: give it a batch of one). Start with the vector of length 1 whose entries are all equal,
# $v_0 = (1, …, 1)/\sqrt{H}$. At each step $t = 1, …, T$: multiply by $J_t$, note $\ln$ of the length, scale to length 1. Return the mean of the noted logarithms as a float, with those of
# the first `warmup` steps left out: $n = T -$ `warmup` numbers. In these first steps the network runs and the vector moves along as always; only their logarithms do not count.
#
# **A tiny example.** One unit with $W_{hh} = 2$, $T = 2$, $h_1 = 0.5$ and $h_2 = 0.8$. The factors are $2 \cdot 0.75 = 1.5$ and $2 \cdot 0.36 = 0.72$. With `warmup` = 0 the
# exponent is $(\ln 1.5 + \ln 0.72) / 2 = 0.0385$, with `warmup` = 1 it is $\ln 0.72 = -0.3285$.


# %% answer="gradient-flow-exponent"
def lyapunov_exponent(x, h0, params, warmup):
    """The mean of ln growth per step of a tangent vector that starts as ones/√H, without the first `warmup` steps.

    One sequence: x (T, D), h0 (H,), 0 ≤ warmup < T. Returns a float (natural logarithm, per step).
    """
    ### BEGIN SOLUTION
    states = unroll(x[None], h0[None], params)[0]  # (T, H)
    v = torch.ones_like(h0) / len(h0) ** 0.5  # (H,), of length 1
    total = 0.0
    for t, h in enumerate(states, 1):
        v = (1 - h * h) * (params["weight_hh"] @ v)  # J_t v
        growth = v.norm()
        v = v / growth
        if t > warmup:
            total += growth.log().item()
    return total / (len(states) - warmup)
    ### END SOLUTION


# %% check="gradient-flow-exponent" points=4 keeps="exponent"
check("gradient-flow-exponent")

# %% [markdown] hint="gradient-flow-exponent"
# <details><summary>Hint 1: a question</summary>
#
# If $v_{t-1}$ has length 1, what is the length of $J_t v_{t-1}$, and what must happen to it before the next step? How many logarithms are left to average?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# `unroll` wants a batch: give it a batch of one with `x[None]` and `h0[None]`, and take the batch axis away again with `[0]`. Then a loop over the states with three lines: move the vector, note its length, scale it. $J_t v$ needs
# no matrix $J_t$: first `weight_hh @ v`, then the slopes.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# states = unroll(x[None], h0[None], params)[0]   # (T, H)
# v = ...                                         # (H,), length 1
# logs = []
# for h in states:
#     v = ...                # J_t v
#     logs.append(...)
#     v = ...                # length 1 again
# return ...                 # the mean of some of them
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the growth since the beginning*: the vector is not scaled back.
# - *after the vector has been normalised*: then its length is always 1. Before is when it says something.
# - *only after the warm-up*, *inputs are dropped*: the network and the vector start at step 1, also with a warm-up, and the vector is scaled there too.
# - *one step too many* or *too few*: with `warmup` = 1 the first logarithm that counts is that of step 2.
# - *from the other side*: `v @ J` multiplies by the transpose. That is how a gradient moves; here a change moves.
# - *weight_hh is transposed in each factor*: `v @ W` is $W^\top v$. You want $W v$.
# - *-inf*: right for short sequences, but without scaling the length falls below the smallest number there is.
# </details>

# %% [markdown]
# ### Experiment: the exponent against the radius
#
# Gaussian matrices rescaled to ten radii, driven with loudness 0.5, 500 steps after a warm-up of 100. The dotted line is $\ln \rho$: the exponent without tanh.

# %% given="exponents"
MORE_RADII = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0]


def exponent(seed, W, loudness, T=600, warmup=100):
    """The exponent of a network with this W, driven with this loudness."""
    x, h0, params = driven(seed, W, loudness, T, B=1)
    return lyapunov_exponent(x[0], h0[0], params, warmup)


def exponents(seed):
    """The exponent for each of MORE_RADII."""
    return {"exponent": [exponent(seed, with_spectral_radius(gaussian(seed), rho), 0.5) for rho in MORE_RADII]}


# %% experiment="exponents" keeps="exponent"
with needs("lyapunov_exponent", "with_spectral_radius"):
    yours, runs = exponents(seed=0), stored("gradient_flow", "exponents")
    fig, ax = plt.subplots()
    figures.band(ax, MORE_RADII, [run["exponent"] for run in runs], figures.BLUE, "tanh, driven")
    ax.plot(MORE_RADII, yours["exponent"], "o-", color=figures.BLUE, label="yours, seed 0")
    ax.plot(
        MORE_RADII,
        [math.log(rho) for rho in MORE_RADII],
        ":",
        color=figures.VERMILION,
        label="$\\ln \\rho$: without tanh",
    )
    ax.axhline(0, color=figures.INK, lw=1)
    ax.set(
        xlabel="spectral radius $\\rho$",
        ylabel="exponent (per step)",
        title="Above 0 gradients grow, below they shrink",
    )
    ax.legend()
    figures.show(
        fig,
        "The exponent lies below the logarithm of the radius and crosses zero between the radii 1.5 and 2, not at 1.",
    )

    crossing = [rho for rho, value in zip(MORE_RADII, yours["exponent"]) if value > 0]
    print(f"seed 0: the first of these radii with a positive exponent is {crossing[0] if crossing else 'none'}")

# %% [markdown]
# **What to see.** The exponent lies below $\ln \rho$ throughout, and the gap widens with the radius: large weights make large states, and saturate their own units. It crosses 0 between the radii 1.5 and 2 in all
# five seeds, not at 1, and rises slowly from there.
#
# For *these* matrices. One question is still open.
#
# ### Predict: radius 0
#
# *difficulty 4 of 5 · importance 4 of 5 · 3 minutes*
#
# $W = \begin{pmatrix} 2 & -2 \\ 2 & -2 \end{pmatrix}$ has radius 0: $W^2 = 0$, so without tanh everything is forgotten after two steps. Now put it into a tanh network; the slopes lie between 0 and 1 and can only make things smaller, one
# factor at a time. What can the product $J_t \cdots J_1$ do? Choose `"always shrinks"` (to 0 in the long run, whatever the slopes are) or `"can grow"`.

# %% answer="gradient-flow-predict-radius-zero"
### BEGIN SOLUTION
guess_radius_zero = "can grow"
### END SOLUTION
### RELEASED AS
# guess_radius_zero = None
### END RELEASED

# %% check="gradient-flow-predict-radius-zero" points=1
check("gradient-flow-predict-radius-zero")

# %% [markdown]
# The next cell tries one case. Its inputs keep the two units in the same states at every step, so their slopes are 1 and 0.1 throughout.

# %% experiment="radius-zero"
with needs("jacobian_product"):
    W = torch.tensor([[2.0, -2.0], [2.0, -2.0]], device=device, dtype=dtype)
    steady = torch.tensor([0.0, 0.9**0.5], device=device, dtype=dtype)  # slopes 1 - h²: 1 and 0.1
    x = (torch.atanh(steady) - W @ steady).expand(1, 20, 2)
    params = {"weight_ih": torch.eye(2).to(W), "weight_hh": W, "bias": torch.zeros(2).to(W)}
    states = unroll(x, steady[None], params)
    sizes = {n: size(jacobian_product(states, params, 0, n)) for n in (1, 2, 5, 10, 20)}
    print(f"slopes in the last step: {[round(slope, 3) for slope in (1 - states[0, -1] ** 2).tolist()]}")
    print("size of the product with tanh: " + ", ".join(f"n = {n}: {value:.3g}" for n, value in sizes.items()))
    print(f"without tanh, n = 2: {torch.linalg.matrix_norm(W @ W, 2):g}")
    reply(
        guess_radius_zero,
        "can grow" if sizes[20] > sizes[10] > sizes[1] else "always shrinks",
        {
            "always shrinks": "No slope makes anything larger by itself. But without tanh it is the entries of W that cancel each other, and unequal slopes keep them from it.",
            "can grow": "Without tanh the entries of W cancel each other. Unequal slopes keep them from it.",
        },
    )

# %% [markdown]
# In $W^2 = 0$ the entries cancel: $2 \cdot 2 - 2 \cdot 2$. Slopes disturb the balance:
#
# $$\begin{pmatrix} 1 & 0 \\ 0 & 0.1 \end{pmatrix} \begin{pmatrix} 2 & -2 \\ 2 & -2 \end{pmatrix} = \begin{pmatrix} 2 & -2 \\ 0.2 & -0.2 \end{pmatrix}, \qquad \text{eigenvalues } 1.8 \text{ and } 0.$$
#
# A saturated unit no longer cancels the other one. *Making slopes smaller made the matrix larger*, as far as powers go. So the other half is wrong too: a radius below 1 does not ensure that gradients vanish. There is no bound from the
# radius like the one from $\sigma_{\max}$.
#
# ### Experiment: radius 0.9, and gradients that explode
#
# The hidden triangles of section 5, all with radius 0.9, now driven with loudness 1. From left to right what stands above the diagonal gets larger. The radius does not notice. Left: your exponent.
# Right: your `gradient_norms` for three of them, with the loss at the last of 100 steps.

# %% given="couplings"
COUPLINGS = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0]


def couplings(seed):
    """For hidden triangles of radius 0.9: the exponent and the largest singular value, for each of COUPLINGS."""
    matrices = [with_spectral_radius(hidden_triangle(seed, coupling), 0.9) for coupling in COUPLINGS]
    return {
        "exponent": [exponent(seed, W, 1.0) for W in matrices],
        "largest singular value": [largest_singular_value(W) for W in matrices],
    }


# %% experiment="couplings"
with needs("lyapunov_exponent", "with_spectral_radius", "largest_singular_value", "gradient_norms"):
    yours, runs = couplings(seed=0), stored("gradient_flow", "couplings")
    fig, axes = plt.subplots(1, 2, figsize=(10, 3.8))
    figures.band(axes[0], COUPLINGS, [run["exponent"] for run in runs], figures.BLUE, "stored")
    axes[0].plot(COUPLINGS, yours["exponent"], "o-", color=figures.BLUE, label="yours, seed 0")
    axes[0].axhline(math.log(0.9), color=figures.VERMILION, ls=":", label="$\\ln 0.9$: without tanh")
    axes[0].axhline(0, color=figures.INK, lw=1)
    axes[0].set(
        xlabel="coupling above the diagonal", ylabel="exponent (per step)", title="One radius, exponents of both signs"
    )
    axes[0].legend()
    T = 100
    for coupling, marker in zip((0.0, 2.0, 6.0), figures.MARKERS):
        W = with_spectral_radius(hidden_triangle(0, coupling), 0.9)
        norms = gradient_norms(*driven(0, W, 1.0, T), normal(torch.Generator().manual_seed(9), 8, 32))
        axes[1].plot(
            range(T + 1), (norms / norms[T]).cpu(), marker=marker, markevery=20, label=f"coupling {coupling:g}"
        )
    axes[1].set(yscale="log", xlabel="time step t", ylabel="gradient norm at $h_t$\nrelative to that at $h_{100}$")
    axes[1].set_yticks([1e-20, 1e-10, 1, 1e10])
    axes[1].set_title("The loss is at the right end")
    axes[1].legend()
    figures.show(
        fig,
        "At radius 0.9 the exponent is negative up to coupling 3 and positive from 4 on: there the gradient explodes.",
    )

    for coupling, value, sigma in zip(COUPLINGS, yours["exponent"], yours["largest singular value"]):
        print(f"coupling {coupling:g}: radius 0.9, largest singular value {sigma:5.2f}, exponent {value:+.3f}")

# %% [markdown]
# **What to see.** All these networks have radius 0.9. At coupling 4 and above the exponent is positive, in all five seeds, and the gradient grows without end on its way back. The largest singular value does warn: it is far above 1. But it warns too often (in section 4
# all matrices had one above 1 at radius 0.9, and their gradients vanished).
#
# So there are three numbers with three meanings. $\sigma_{\max} < 1$ is *certain*: then gradients vanish. $\rho$ is the long run *without tanh*. $\lambda$ is what the network *does*, with these weights, on these inputs; it costs a
# run to know it.
#
# ## 8. Find the bug: it trains
#
# *difficulty 3 of 5 · importance 5 of 5 · 12 minutes*
#
# `loss_and_gradients` runs a network over a batch, reads one number out of the last state, and computes the gradients of the squared error by hand: backpropagation through time. With it, training lowers the loss.
# **It has one mistake. Find it and fix it**, in the cell itself. Autograd may tell you, beside it, what is right; the function itself does without. The last experiment of this lesson trains with it.


# %% answer="gradient-flow-bug"
def loss_and_gradients(x, target, params):
    """Mean squared error of reading target (B,) from the last state, and its gradients: a dict with the keys of params.

    x: (B, T, D); params with a read-out of one number: weight_out (1, H), bias_out (1,). The first state is 0.
    """
    B, T, _ = x.shape
    h0 = torch.zeros(B, len(params["bias"]), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): the gradient at h_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)  # (B, H): at the pre-activation of step t
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        ### BEGIN SOLUTION
        dh = da @ params["weight_hh"]  # (B, H): at h_{t-1}
        ### END SOLUTION
        ### RELEASED AS
        # dh = (dh @ params["weight_hh"]) * (1 - h_t**2)  # (B, H): at h_{t-1}
        ### END RELEASED
    return (error**2).mean(), grads


# %% check="gradient-flow-bug" points=3
check("gradient-flow-bug")

# %% [markdown] hint="gradient-flow-bug"
# <details><summary>Hint 1: a question</summary>
#
# Compare with autograd, for $T = 1$ and for $T = 2$. Which gradients are right for $T = 1$? What happens between two steps that does not happen in one?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# A row that goes back through a step is multiplied by $J_t = \operatorname{diag}(1 - h_t^2)\, W_{hh}$ from the right. Read each line of the loop as such a product. In which order do its two factors act?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# Before you change anything, find the line by comparison:
#
# ```python
# leaves = {name: tensor.clone().requires_grad_() for name, tensor in params.items()}
# loss = ...                       # the forward half, with leaves in place of params
# right = torch.autograd.grad(loss, list(leaves.values()))
# ```
#
# Then read the line that makes `dh`, beside the formula of section 3. What happens first to the row that goes back, and which name holds it after that?
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *This is the program as it was found*: nothing has changed yet that shows in the numbers. Hint 1 says where to begin.
# - *skips the tanh*: now the slope is gone altogether.
# - *meets the slope twice*: `da` already contains it.
# - *weight_hhᵀ*: a row goes back through `weight_hh` as it is.
# </details>

# %% [markdown]
# ### Experiment: what the mistake costs
#
# The task: read 8 random numbers and say whether the last one and the one four steps before it have the same sign (+1) or not (−1). Always saying 0 costs 1. On the left, training
# with whatever `loss_and_gradients` you have now, between stored runs of the program as you found it and fixed. On the right, before training, whether what arrives 0, 1, 2, … steps
# back points in the direction of the true gradient (by autograd): the cosine is 1 if it does, 0 at a right angle, −1 if it points the other way. The gradient of a weight is a sum over steps; to see one
# step alone, the network gets a second input that is 0 everywhere but at that step, and we look at the gradient of its weights.

# %% given="same-sign"
LAST = 12


def start(seed, D=1, H=16):
    """Random parameters of a network with D inputs, 16 units and one output."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight_ih": normal(generator, H, D),
        "weight_hh": normal(generator, H, H) / H**0.5,
        "bias": 0.1 * normal(generator, H),
        "weight_out": normal(generator, 1, H) / H**0.5,
        "bias_out": torch.zeros(1, device=device, dtype=dtype),
    }


def same_sign(seed, steps=400, T=8):
    """Mean losses over windows of 20 steps of training on the task; Adam, batches of 32."""
    generator, params = torch.Generator().manual_seed(seed), start(seed)
    optimizer = torch.optim.Adam(params.values(), lr=0.01)
    losses = []
    for _ in range(steps):
        x = normal(generator, 32, T, 1)
        loss, gradients = loss_and_gradients(x, torch.sign(x[:, -1, 0] * x[:, -5, 0]), params)
        for name, tensor in params.items():
            tensor.grad = gradients[name]
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses).reshape(-1, 20).mean(1).tolist()


def directions(seed, T=20):
    """Cosine between the gradient of loss_and_gradients and autograd's for what arrives 0…LAST steps back.

    A second input speaks at one step only, so the gradient of its weights holds what came back to that step.
    """
    cosines = []
    for back in range(LAST + 1):
        x = normal(torch.Generator().manual_seed(seed), 32, T, 2)
        x[:, [t for t in range(T) if t != T - 1 - back], 1] = 0
        target, params = torch.sign(x[:, -1, 0]), start(seed, D=2)
        mine = loss_and_gradients(x, target, params)[1]["weight_ih"][:, 1]
        leaf = params["weight_ih"].clone().requires_grad_()
        last = unroll(x, torch.zeros(32, 16, device=device, dtype=dtype), {**params, "weight_ih": leaf})[:, -1]
        loss = ((last @ params["weight_out"].T + params["bias_out"])[:, 0] - target).square().mean()
        (right,) = torch.autograd.grad(loss, leaf)
        cosines.append(torch.nn.functional.cosine_similarity(mine, right[:, 1], dim=0).item())
    return cosines


# %% experiment="same-sign"
with needs("loss_and_gradients"):
    losses, cosines = same_sign(seed=0), directions(seed=0)
    runs, steps = stored("gradient_flow", "bug"), range(20, 401, 20)
    fig, axes = plt.subplots(1, 2, figsize=(10, 3.8))
    for key, label, color in (("as found", "as found", figures.VERMILION), ("mended", "fixed", figures.BLUE)):
        figures.band(axes[0], steps, [run[key]["losses"] for run in runs], color, label)
        figures.band(axes[1], range(LAST + 1), [run[key]["cosines"] for run in runs], color, label)
    axes[0].plot(steps, losses, "o--", lw=1, mfc="none", color=figures.INK, label="yours, seed 0")
    axes[1].plot(range(LAST + 1), cosines, "o--", lw=1, mfc="none", color=figures.INK, label="yours, seed 0")
    axes[0].axhline(1, color=figures.INK, ls=":")
    axes[0].set(
        xlabel="training step",
        ylabel="squared error (mean of 20 steps)",
        ylim=(0, None),
        title="It trains, with the mistake too",
    )
    axes[1].set(
        xlabel="steps back from the loss",
        ylabel="cosine with the true gradient",
        ylim=(None, 1.05),
        title="Does it point the right way?",
    )
    axes[0].legend(fontsize=9)
    figures.show(
        fig,
        "As found, the loss falls unevenly and stays high; once fixed, it falls far; the gradient as found is right at the last step only.",
    )
    print(f"your loss: {losses[0]:.2f} at first, {losses[-1]:.2f} after 400 steps")
    print("your cosines, 0, 1, 2, … steps back: " + " ".join(f"{cosine:.2f}" for cosine in cosines))

# %% [markdown]
# **What to see.** At the last step, 0 steps back, the gradient is right with the bug too. From the first step back on you cannot rely on it: in five seeds its cosines lie anywhere between −0.36 and 0.93. Most of them
# are positive, and a direction with a positive cosine still leads downhill. So the loss falls: the program "trains". It even learns something of the input four steps back, and
# one seed comes down to 0.43; then the loss rises again. After 400 steps it stands between 0.66 and 0.94 in five seeds, fixed between 0.17 and 0.25. From outside that looks like a network that cannot reach far enough back, like a
# vanishing gradient, and it is a bug. Before you blame the product of Jacobians, check the gradient.
#
# ## 9. In your own words
#
# *difficulty 3 of 5 · importance 4 of 5 · 10 minutes · graded by a person*
#
# Somebody writes: "I initialised $W_{hh}$ with spectral radius 0.95, so gradients cannot explode, and since 0.95 is close to 1 they hardly vanish either: over 20 steps they keep $0.95^{20} = 36\,\%$ of their length." The network is a tanh network that
# reads loud inputs. **What is right in this, what is wrong, and what would you measure instead?** Five to seven sentences. Use the words spectral radius, largest singular value, slope, and Lyapunov exponent.
#
# Points: one for what the radius does and does not say (the long run, without tanh, and why growth is possible), one for the part of the inputs and slopes, one for
# a measurement that would settle it and how to read it.

# %% [markdown] written="gradient-flow-why" points=3
# ### BEGIN SOLUTION
# The spectral radius describes the long run of the powers of $W_{hh}$, that is, of the network without tanh: there $0.95^n$ is the right rate in the end. Even there it
# is not a bound for 20 steps: if $W_{hh}$ is far from normal, its powers can grow by orders of magnitude before they shrink. Only a largest singular value below 1 would ensure that the gradient shrinks at every step. With tanh each factor is
# $\operatorname{diag}(1 - h_t^2)\, W_{hh}$. Loud inputs drive the units to where the slope is near 0, so the gradient most likely loses far more than 64 % in 20 steps: a mean slope of 0.3 alone would leave about $0.3^{20} \approx 3 \cdot 10^{-11}$. But the opposite is possible too: slopes that differ between units
# can destroy cancellations in $W_{hh}$, and the product can grow although the radius is below 1. So I would measure: run the network on its real inputs and compute the largest Lyapunov exponent $\lambda$; below 0 gradients shrink by about $e^{\lambda}$ per
# step, above 0 they grow. And since 20 steps are not the long run, I would also plot the gradient norm at each state for a loss at the last step, over several batches and seeds.
# ### END SOLUTION

# %% [markdown]
# ## Summary
#
# 1. The Jacobian of a step is $J_t = \operatorname{diag}(1 - h_t^2)\, W_{hh}$: rows for who moves, columns for whom you moved.
# 2. $\partial h_t / \partial h_k = J_t \cdots J_{k+1}$, newest on the left, $t - k$ factors, the identity for $k = t$.
# 3. A gradient is a row: it enters from the left and meets the newest factor first. One sweep gives it at all states.
# 4. Products of many matrices grow or shrink geometrically, along one direction that wins.
# 5. $\sigma_{\max}$: the most in one step. Below 1, gradients vanish for sure.
# 6. $\rho$: the long run without tanh. A matrix far from normal grows first.
# 7. Slopes shrink the factors: with tanh a radius of 1.2 or 1.5 can still mean vanishing gradients. Loud inputs saturate.
# 8. Slopes can also destroy cancellations: at a radius below 1 the exponent can be positive.
# 9. The Lyapunov exponent is measured along the states, and decides: $e^{\lambda n}$ over $n$ steps.
# 10. A gradient that misses long dependencies may be vanishing, or wrong. Check it first. Next: lesson 04 puts a loss at every step, in PyTorch.
#
# ## Further reading
#
# - Y. Bengio, P. Simard, P. Frasconi, *Learning long-term dependencies with gradient descent is difficult*, IEEE Transactions on Neural Networks 5(2), 1994.
# - S. Hochreiter, *Untersuchungen zu dynamischen neuronalen Netzen*, diploma thesis, TU München, 1991; in English: *The vanishing gradient problem during learning recurrent
#   neural nets and problem solutions*, International Journal of Uncertainty, Fuzziness and Knowledge-Based Systems 6(2), 1998.
# - R. Pascanu, T. Mikolov, Y. Bengio, [*On the difficulty of training recurrent neural networks*](https://arxiv.org/abs/1211.5063), ICML 2013.
# - A. M. Saxe, J. L. McClelland, S. Ganguli, [*Exact solutions to the nonlinear dynamics of learning in deep linear neural networks*](https://arxiv.org/abs/1312.6120), ICLR 2014: why
#   orthogonal matrices keep gradients alive.
# - L. N. Trefethen, M. Embree, *Spectra and Pseudospectra: The Behavior of Nonnormal Matrices and Operators*, Princeton University Press, 2005.
# - R. Vogt, M. Puelma Touzel, E. Shlizerman, G. Lajoie, [*On Lyapunov exponents for RNNs: understanding information propagation using dynamical systems tools*](https://arxiv.org/abs/2006.14123), Frontiers in Applied Mathematics and Statistics 8, 2022.
# - R. Engelken, F. Wolf, L. F. Abbott, [*Lyapunov spectra of chaotic recurrent neural networks*](https://arxiv.org/abs/2006.02427), Physical Review Research 5, 2023.
