# %% [markdown]
# # 04 · A loss at every step, in PyTorch
#
# You have written backpropagation through time by hand. Nobody does so in production: `loss.backward()` is BPTT, over the graph
# that was recorded while the network ran. What remains for you is everything around it: what the loss is, over which tokens it
# is averaged, what the model hands back, in which order a training step goes. Little of this fails with an error message. It
# trains, and is wrong.
#
# So this lesson brings a tool that finds such mistakes: **data of which we know how well they can be predicted at best**. A
# loss above that floor can be improved. A loss clearly below it, on much data, is a bug.
#
# After this lesson you can
#
# - compute a loss at every step of a batch of sequences: its sum, its mean, and its mean over real tokens where some are padding;
# - write a sequence model and a training step in PyTorch, and say what each of its lines is there for;
# - tell from a loss and a floor whether a model uses its memory, and whether a program is right;
# - take the right state out of a padded batch, and let a model go on from it;
# - say what fills the memory when a sequence model is trained.
#
# | | |
# |---|---|
# | Time | 120 minutes |
# | Know before | Lesson 01; what softmax and cross-entropy are; `nn.Module` and an optimizer seen once. Lessons 02 and 03 say what happens inside `backward()` |
# | Points | 31: seven exercises (one of them a bug to find), three predictions, one question in words |

# %% given="setup"
import math

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from autograder import check
from bptt import figures
from bptt.device import pick_device, pick_dtype
from bptt.experiment import needs, reply, stored
from bptt.meters import bytes_kept
from bptt.tasks import AgreementLanguage, NoisyReadings

device = pick_device()
dtype = pick_dtype(device)
figures.style()

language = AgreementLanguage()
task = NoisyReadings()

# %% [markdown]
# ## 1. A loss at every step
#
# A network reads tokens $x_1, …, x_T$, whole numbers from $0$ to $V-1$. At each step it says what it expects, as $V$ scores,
# the *logits*. They come from its state $h_t$ by a read-out: a matrix $W_{out}$ and a bias $c$.
#
# $$z_t = h_t W_{out}^\top + c, \qquad p_t = \mathrm{softmax}(z_t), \qquad \ell_t = -\ln p_t[y_t].$$
#
# $y_t$ is the *target* of step $t$: the next token, if the network is a language model ($y_t = x_{t+1}$), or a label of the
# token just read, if it labels a sequence. $\ell_t$ is the *cross-entropy*. It is 0 if the target was given probability 1, and
# the larger the less probability it was given. The logarithm is the natural one, and its unit is called *nat*.
#
# | symbol | in code | shape | what it is |
# |---|---|---|---|
# | $B,\ T,\ V$ | | | rows of the batch, time steps, number of different tokens (classes) |
# | $x_t$ | `tokens[:, t-1]` | (B,) | token at step $t$; all: `tokens` (B, T), whole numbers |
# | $h_t$ | | (B, H) | state of the network at step $t$, of $H$ numbers |
# | $W_{out},\ c$ | | (V, H), (V,) | the read-out |
# | $z_t$ | `logits[:, t-1]` | (B, V) | scores at step $t$; all: `logits` (B, T, V) |
# | $y_t$ | `targets[:, t-1]` | (B,) | what is to be said at step $t$; all: `targets` (B, T) |
# | $p_t$ | | (B, V) | probabilities at step $t$ |
# | $\ell_t$ | | (B,) | loss at step $t$; there are $B \cdot T$ of them |
#
# The checks of this lesson use float64, and tensors that are not contiguous (a transposed one is not): `reshape` takes those,
# `view` may not. Make new tensors with the dtype and device of the inputs.
#
# The targets are always handed to you ready for use: `targets[:, t]` belongs to `logits[:, t]`. Where a shift by one is needed,
# whoever cut the targets out of the text has made it. For the text 5 8 8 15 3, `tokens` is 5 8 8 15 and `targets` is 8 8 15 3.
#
# Out of $B \cdot T$ losses one number has to come, to call `backward()` on. There are three customs, and the
# gradients differ with them:
#
# | custom | where |
# |---|---|
# | sum over all tokens | `reduction="sum"` |
# | mean over all tokens | `reduction="mean"`; what papers report |
# | sum over time, mean over the batch | lesson 02 |
#
# ### Exercise: `sequence_loss`
#
# *difficulty 2 of 5 · importance 5 of 5 · 10 minutes*
#
# `sequence_loss(logits, targets, reduction)` returns the cross-entropy of all $B \cdot T$ tokens as one tensor without axes:
# their sum if `reduction` is `"sum"`, their mean if it is `"mean"`.
#
# `F.cross_entropy` is there for you. It wants the classes on axis 1: logits of shape (N, V) with targets (N,), or logits of
# shape (N, V, T) with targets (N, T). Ours are (B, T, V). So either the two axes B and T become one, or the axes have to change
# places.
#
# **A tiny example**, $B = 1$, $T = 2$, $V = 2$. The logits are $(0, 0)$ and $(\ln 3, 0)$, so the probabilities are
# $(\tfrac12, \tfrac12)$ and $(\tfrac34, \tfrac14)$. Both targets are 0. The losses are $\ln 2 = 0.6931$ and
# $\ln \tfrac43 = 0.2877$: the sum is 0.9808, the mean 0.4904.


# %% answer="sequence-loss-loss"
def sequence_loss(logits, targets, reduction):
    """Cross-entropy of every token, in nats.

    logits: (B, T, V), targets: (B, T) whole numbers in 0…V-1, reduction: "sum" or "mean" over all B·T tokens.
    Returns a tensor of shape ().
    """
    ### BEGIN SOLUTION
    B, T, V = logits.shape
    return F.cross_entropy(logits.reshape(B * T, V), targets.reshape(B * T), reduction=reduction)
    ### END SOLUTION


# %% check="sequence-loss-loss" points=3 keeps="loss-every-step"
check("sequence-loss-loss")

# %% [markdown] hint="sequence-loss-loss"
# <details><summary>Hint 1: a question</summary>
#
# The loss of a token does not ask in which row or at which step the token stands. So the tokens may as well stand in one long
# list. What are the shapes of the two lists, of logits and of targets?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Merge the first two axes of both tensors with the same call, so that entry number $k$ of one list still belongs to entry
# number $k$ of the other. Then it is an ordinary classification with $B \cdot T$ examples. `F.cross_entropy` has an argument
# for sum or mean.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# B, T, V = logits.shape
# flat_logits = logits.reshape(...)    # (B·T, V)
# flat_targets = ...                   # (B·T,)
# return F.cross_entropy(flat_logits, flat_targets, ...)
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *Expected target size …*: the classes are not on axis 1. See the two shapes that `F.cross_entropy` takes.
# - *moves the classes to axis 1, where a transpose was meant*: `reshape(B, V, T)` cuts the same row of numbers into other pieces. It runs, and mixes
#   steps with classes.
# - *only the first step's loss is counted*: a `return` inside a loop ends the function there.
# - *flattened time first*: one of the two lists runs through the batch first, the other through time.
# - *the logits went through a softmax before a cross-entropy*: `F.cross_entropy` takes logits and does the softmax itself.
# - *each prediction is compared with the target one step later*: the targets come ready for use. Compare `logits[:, t]` with `targets[:, t]`.
# - *divided by the number of rows B*: a loop over the steps that adds up means gives the custom of lesson 02.
# - *A plain number has no graph behind it*: `.item()` is for logging. `backward()` needs the tensor.
# - *nan*: logits may be large, and `exp` of a large number overflows. `F.cross_entropy` and `log_softmax` know how to avoid that.
# </details>

# %% [markdown]
# ### Predict: sum against mean
#
# *difficulty 1 of 5 · importance 4 of 5 · 2 minutes*
#
# You train by plain gradient descent on the mean loss, with batches of $B = 8$ rows of $T = 25$ tokens. Then you write `"sum"`
# for `"mean"`, and change nothing else. **How many times longer is the first step now?** Write a number.

# %% answer="sequence-loss-predict-factor"
### BEGIN SOLUTION
guess_factor = 200
### END SOLUTION
### RELEASED AS
# guess_factor = None
### END RELEASED

# %% check="sequence-loss-predict-factor" points=1
check("sequence-loss-predict-factor")

# %% [markdown]
# ### Experiment: what longer sequences do to a step
#
# The simplest model there is gives the same logits at every step: a bias $c$ of $V$ numbers. The next cell computes the length
# of its gradient on longer and longer pieces of text, for your two reductions. (The text, `language.sample(rows, length, seed)`,
# is in a made-up language of 18 tokens. Section 5 says what it is like; here any text would do.)

# %% experiment="sum-and-mean" keeps="loss-every-step"
with needs("sequence_loss"):
    lengths = [5, 10, 20, 50, 100, 200, 500, 1000]
    text = language.sample(8, max(lengths), seed=0).to(device)

    def step_length(reduction, T):
        bias = torch.zeros(language.vocab, device=device, dtype=dtype, requires_grad=True)
        loss = sequence_loss(bias.expand(8, T, -1), text[:, :T], reduction)
        return torch.autograd.grad(loss, bias)[0].norm().item()

    fig, ax = plt.subplots()
    for reduction, marker in (("sum", "o"), ("mean", "s")):
        ax.plot(lengths, [step_length(reduction, T) for T in lengths], marker=marker, label=f'"{reduction}"')
    ax.set(xscale="log", yscale="log", xlabel="time steps T (B = 8 rows)", ylabel="length of the gradient by c (nats)")
    ax.set_title("The gradient of the sum grows with the data, that of the mean does not")
    ax.legend()
    figures.show(
        fig, "Against T the gradient of the sum grows in proportion, the gradient of the mean stays about the same."
    )
    longer = step_length("sum", 25) / step_length("mean", 25)
    print(f"8 rows of 25 tokens: the gradient of the sum is {longer:.1f} times as long as that of the mean")
    reply(
        guess_factor,
        longer,
        {
            longer: "The sum is the mean times the number of tokens, and so is every entry of its gradient.",
            25: "You counted the steps. The mean divides by the rows as well: it is over all 8 · 25 tokens.",
            8: "You counted the rows. The mean divides by the steps as well: it is over all 8 · 25 tokens.",
            8 + 25: "You added rows and steps. There are 8 rows of 25 tokens each: how many tokens is that?",
            1: "Both steps go the same way, but they are not equally long: only the mean divides by the number of tokens.",
        },
        "How many losses does the sum add up? The mean divides by that number, so every entry of its gradient is smaller by that factor.",
    )

# %% [markdown]
# **What to see.** With the sum, twice the steps give twice the gradient: a learning rate that suits $T = 20$ is ten times too
# large for $T = 200$. With the mean the gradient stays about as long as it is, and only becomes more reliable. This is why the
# mean per token is what one usually trains with. Neither is wrong; to mix them up is.
#
# ## 2. Padding: tokens that are none
#
# Sequences of unequal length are filled up to the longest, so that they fit into one tensor. Row $b$ has $T_b$ real tokens
# (`lengths[b]` in code); what stands behind them is *padding*. The loss must not see it:
#
# $$L = \frac{\sum_{b} \sum_{t \le T_b} \ell_{b,t}}{\sum_b T_b}.$$
#
# Read the fraction twice. Above: only real tokens. Below: the number of real tokens, not $B \cdot T$, and not a mean for each
# row first. Every real token counts the same, whether it stands in a long row or in a short one.
#
# ### Exercise: `masked_sequence_loss`
#
# *difficulty 3 of 5 · importance 5 of 5 · 12 minutes*
#
# `masked_sequence_loss(logits, targets, lengths)` returns the mean of the cross-entropy over the real tokens. `lengths` (B,)
# holds whole numbers between 0 and $T$; at least one of them is not 0. Past a row's end, logits and targets hold any (finite)
# numbers, and targets are valid classes. Class 0 is a class like any other: only `lengths` says what is padding.
#
# **A tiny example**: two rows, $T = 3$, lengths 3 and 1. The losses of the tokens are 1, 2, 3 in the first row and 5, 9, 9 in
# the second. The two nines are padding. The result is $(1 + 2 + 3 + 5) / 4 = 2.75$. (The mean of the rows' means would be 3.5:
# there the lonely 5 counts as much as three others.)


# %% answer="sequence-loss-masked-loss"
def masked_sequence_loss(logits, targets, lengths):
    """Mean cross-entropy over real tokens, in nats.

    logits: (B, T, V), targets: (B, T), lengths: (B,) whole numbers in 0…T, the real tokens of each row, which stand first.
    Returns a tensor of shape ().
    """
    ### BEGIN SOLUTION
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")  # (B, T)
    steps = torch.arange(targets.shape[1], device=targets.device)  # (T,)
    real = steps < lengths.unsqueeze(1)  # (B, T)
    return losses[real].mean()
    ### END SOLUTION


# %% check="sequence-loss-masked-loss" points=4 keeps="masking"
check("sequence-loss-masked-loss")

# %% [markdown] hint="sequence-loss-masked-loss"
# <details><summary>Hint 1: a question</summary>
#
# If you had a tensor (B, T) of True and False that says which tokens are real, what would you do with the losses? And how many
# tokens would you divide by?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Step number $t$ of row $b$ (counted from 0) is real if $t$ is smaller than $T_b$. Compare all steps, shape (T,), with all
# lengths, shape (B, 1): PyTorch makes (B, T) of it. `F.cross_entropy` with `reduction="none"` gives every token's loss. A mask
# in square brackets picks what is True.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# losses = F.cross_entropy(..., reduction="none")                         # (B, T)
# real = torch.arange(..., device=targets.device) < lengths.unsqueeze(1)  # (B, T)
# return ...
# ```
#
# There is a shorter way: `F.cross_entropy` leaves out targets that equal its `ignore_index`, which is −100 unless you say
# otherwise. What would you have to write, and where, into a copy of the targets?
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *divided by all B·T positions*: the mask was applied, and then `.mean()` was taken over everything.
# - *each row's mean is taken first*: the rows then count the same, not the tokens.
# - *one padded step of each row is counted*: for length 3 the real steps have the indices 0, 1, 2.
# - *The size of tensor a must match…*: `lengths` has shape (B,). Which shape stands against (T,) so that (B, T) comes out?
# - *tokens whose target is 0 are left out*: 0 is a class here. Only `lengths` says what is padding.
# - *padding is marked by 0 in the targets*: the mark has to be a number that is no class.
# - *too many indices*, *The shape of the mask…*: a mask in square brackets has the shape of what it picks from.
# - *nan*: a row of length 0 has no mean of its own; and if you write −∞ into padded logits, −∞ times 0 is nan.
# - *on a GPU…*: `torch.arange` makes its tensor on the CPU, unless it is told `device=`.
# </details>

# %% [markdown]
# ### Experiment: a loss that improves by padding
#
# Something is in one of three *conditions*, 0, 1 or 2, and seldom changes. (In code a condition is one of the task's `states`; this
# has nothing to do with the state $h_t$ of a network.) At each step there is a reading of the condition, and three readings in
# ten are wrong. A simple labeller says at each step, "it is what the reading says, with probability 0.7", and gives 0.15 to each of
# the other two. In the long run it loses $-0.7 \ln 0.7 - 0.3 \ln 0.15 = 0.819$ nats per step.
#
# Now the same 200 sequences, of 5 to 20 steps, are padded with zeros to more and more steps: readings and labels alike.

# %% experiment="padding" keeps="masking"
with needs("sequence_loss", "masked_sequence_loss"):
    readings, states = task.sample(200, 20, seed=0)
    lengths = torch.randint(5, 21, (200,), generator=torch.Generator().manual_seed(0))
    real = torch.arange(20) < lengths.unsqueeze(1)
    widths, losses = [20, 30, 50, 100, 200, 400], {"masked": [], "all": []}
    for T in widths:
        padded = [
            torch.zeros(200, T, dtype=torch.int64).index_put(torch.where(real), one[real]) for one in (readings, states)
        ]
        logits = task.from_the_reading(padded[0]).log().to(device, dtype)
        labels = padded[1].to(device)
        losses["masked"].append(masked_sequence_loss(logits, labels, lengths.to(device)).item())
        losses["all"].append(sequence_loss(logits, labels, "mean").item())
    fig, ax = plt.subplots()
    ax.plot(widths, losses["masked"], "o-", color=figures.BLUE, label="masked_sequence_loss")
    ax.plot(widths, losses["all"], "s--", color=figures.VERMILION, label="sequence_loss, padding and all")
    figures.level(ax, -math.log(task.right), "the loss of a padded step")
    ax.set(
        xscale="log",
        xticks=widths,
        xticklabels=widths,
        xlabel="padded length (time steps)",
        ylabel="mean loss (nats per token)",
        ylim=(0.25, 0.95),
        xlim=(17, 470),
    )
    ax.minorticks_off()
    ax.set_title("The same sequences, the same predictions: only the padding grows")
    ax.legend()
    figures.show(fig, "With padding counted the loss falls as rows are padded further; the masked loss does not move.")

# %% [markdown]
# **What to see.** Nothing was learned, nothing was changed but the number of zeros, and the dashed loss falls. Padding is easy
# to predict. A model can improve such a loss for a long time by getting better at zeros, and the loss also depends on which
# rows happen to share a batch. The masked loss does not move.
#
# ## 3. A model that hands its state back
#
# The parts of nearly every recurrent sequence model: a table that turns a token into a vector (*embedding*), the recurrence,
# and the read-out.
#
# $$e_t = M[x_t], \qquad h_t = \tanh(e_t W_{ih}^\top + b_{ih} + h_{t-1} W_{hh}^\top + b_{hh}), \qquad z_t = h_t W_{out}^\top + c$$
#
# ($M$ is the table: $V$ rows of $E$ numbers.) PyTorch has a layer for each: `nn.Embedding(V, E)`, `nn.RNN(E, H, batch_first=True)`, `nn.Linear(H, V)`. The second runs the
# whole loop over time. It is called with the inputs (B, T, E) and, if there is one, a first state; it returns *two* things: all
# states (B, T, H), and the last one once more, of shape (1, B, H). The 1 stands for one layer of recurrence. In this shape, and
# only in this shape, it takes a first state as well. Without one it begins with zeros. (It has two biases, $b_{ih}$ and
# $b_{hh}$, which only ever act as their sum.)
#
# ### Exercise: `SequenceModel`
#
# *difficulty 2 of 5 · importance 5 of 5 · 10 minutes*
#
# Write the class. `SequenceModel(vocab, embed, hidden)` has exactly three parts, called `embedding`, `rnn` and `readout`.
# Calling it with `tokens` (B, T) returns the pair `(logits, h)`: the logits (B, T, V) of *every* step, and the state (1, B, H)
# after the last. With a second argument `h` it goes on from that state. Gradients go back through all of it: to every row of the
# table, and through `h` from a call to the one before.
#
# **A tiny example**: `SequenceModel(18, 16, 32)` has
# $18 \cdot 16 + (32 \cdot 16 + 32 \cdot 32 + 2 \cdot 32) + (18 \cdot 32 + 18) = 2482$ parameters. For `tokens` of shape (4,
# 10), the logits have shape (4, 10, 18), and `h` has shape (1, 4, 32).


# %% answer="sequence-loss-model"
class SequenceModel(nn.Module):
    """Embedding, recurrence, read-out: logits at every step, and the state to go on from."""

    def __init__(self, vocab, embed, hidden):
        super().__init__()
        ### BEGIN SOLUTION
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)
        ### END SOLUTION

    def forward(self, tokens, h=None):
        """tokens: (B, T), h: (1, B, H), or None for zeros. Returns logits (B, T, V) and the last state (1, B, H)."""
        ### BEGIN SOLUTION
        states, h = self.rnn(self.embedding(tokens), h)  # (B, T, H), (1, B, H)
        return self.readout(states), h
        ### END SOLUTION


# %% check="sequence-loss-model" points=4 keeps="training-step"
check("sequence-loss-model")

# %% [markdown] hint="sequence-loss-model"
# <details><summary>Hint 1: a question</summary>
#
# Go through the three layers in order. What shape goes in, what shape comes out? Which two sizes does each one have to be told?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# In `__init__`, three lines of the form `self.… = nn.…(…)`. In `forward`, the tokens go through the table, the result *and the
# state* go into the recurrence, and of its two results one is read out and the other is handed back.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# self.embedding = nn.Embedding(vocab, ...)
# self.rnn = ...                             # batch first
# self.readout = nn.Linear(..., vocab)
#
# embedded = self.embedding(tokens)          # (B, T, E)
# states, h = self.rnn(..., ...)             # (B, T, H), (1, B, H)
# return ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *takes the rows of the batch for time steps*: `nn.RNN` expects time first, unless it is told `batch_first=True`. Both run.
# - *the state that was handed in is not used*: `h` has to be passed on to `self.rnn`.
# - *the states of all steps are returned in place of the last one*: of the two things that `self.rnn` returns, you handed back the first.
# - *has no embedding.weight*: the parts are called `embedding`, `rnn`, `readout`.
# - *the model ends in a softmax*: the model returns logits; the loss does the softmax.
# - *the state of an earlier call is used*: whoever calls decides what a call goes on from. That is what `h` is for.
# - *cut off from its graph*: the values are right, but no gradient goes back through the state from one call to the other. Whether
#   to cut there is up to the caller (lesson 05).
# - *never gets a gradient, as if token 0 were padding*: look at the arguments of `nn.Embedding`.
# </details>

# %% [markdown]
# ### Predict: a model that knows nothing
#
# *difficulty 2 of 5 · importance 3 of 5 · 2 minutes*
#
# A fresh model over $V = 18$ tokens has small random weights, so it finds all tokens about equally likely.
# **What is its loss per token, about, in nats?** Write a number. Whenever you train something, compare the first loss with this one.

# %% answer="sequence-loss-predict-untrained"
### BEGIN SOLUTION
guess_untrained = 2.89
### END SOLUTION
### RELEASED AS
# guess_untrained = None
### END RELEASED

# %% check="sequence-loss-predict-untrained" points=1
check("sequence-loss-predict-untrained")

# %% [markdown]
# ### Experiment: one call or many
#
# A state is all that a model keeps of the past. If that is true, it must not matter where a text is cut: one call over 12
# tokens, or three calls that hand the state on, or twelve. The next cell tries, on a text of the same made-up language, and also
# prints what the untrained model loses.

# %% experiment="one-call-or-many"
with needs("SequenceModel", "sequence_loss"):
    torch.manual_seed(0)
    model = SequenceModel(language.vocab, 16, 32).to(device)
    text = language.sample(4, 13, seed=1).to(device)
    tokens, targets = text[:, :-1], text[:, 1:]
    V, bits = language.vocab, math.log2(language.vocab)
    with torch.no_grad():
        whole, _ = model(tokens)
        for size in (4, 1):
            h, pieces = None, []
            for piece in tokens.split(size, dim=1):
                logits, h = model(piece, h)
                pieces.append(logits)
            apart = (torch.cat(pieces, 1) - whole).abs().max().item()
            print(f"{12 // size:2d} calls with the state handed on: largest difference {apart:.1e}")
        alone = torch.cat([model(piece)[0] for piece in tokens.split(4, dim=1)], 1)
        print(f" 3 calls without it:              largest difference {(alone - whole).abs().max().item():.1e}")
        untrained = sequence_loss(whole, targets, "mean").item()
    print(f"untrained: {untrained:.3f} nats per token; ln {V} = {math.log(V):.3f}")
    reply(
        guess_untrained,
        untrained,
        {
            untrained: f"Each token gets a probability of about 1/{V}, and −ln(1/{V}) = ln {V}.",
            1 / V: f"That is the probability of the right token. The loss is −ln of it: ln {V}.",
            bits: "That is the loss in bits, with the logarithm to base 2. In nats it is the natural logarithm.",
            math.log10(V): "That is the logarithm to base 10. In nats it is the natural logarithm.",
            V: f"That is the number of tokens to choose from. The loss is its logarithm, ln {V}.",
            0: "A loss of 0 is for a model that is certain, and right. This one knows nothing.",
        },
        f"The right token has a probability of about 1/{V}, and the loss is −ln of it.",
        near=0.06,
    )

# %% [markdown]
# **What to see.** With the state handed on, the difference is 0, or rounding in float32. Without it, it is not. Whether the
# *gradient* is the same, too, when a text is cut into pieces, is another question, and the whole of lesson 05.
#
# ## 4. The training step
#
# Five lines. The first may stand anywhere before `backward()`; the others go in this order:
#
# 1. **zero_grad**: `backward()` *adds* to each parameter's `.grad`. What is left from the step before has to go before that.
# 2. **forward**: the model runs. Meanwhile autograd records the graph: unrolled over time, as in lesson 01.
# 3. **loss**: one number from all steps.
# 4. **backward**: from the loss back through every step to the first. This is BPTT, your sweep of lesson 02.
# 5. **step**: the optimizer changes the parameters, by what it finds in `.grad` and what it remembers.
#
# ### Exercise: `train_step`
#
# *difficulty 2 of 5 · importance 5 of 5 · 10 minutes*
#
# `train_step(model, optimizer, tokens, targets)` takes one such step on the mean loss per token of a batch `tokens` (B, T),
# `targets` (B, T), and returns that loss as a plain number (a `float`): the loss *before* the step. `model(tokens)` returns
# `(logits, h)`; each batch begins without a state. The check looks at the parameters afterwards.
#
# **A tiny example**: with one parameter $w = 1$, a loss of $w^2$ and plain gradient descent with learning rate 0.1, one step
# leads to $w = 0.8$ and returns 1.


# %% answer="sequence-loss-train-step"
def train_step(model, optimizer, tokens, targets):
    """One optimizer step on the mean loss per token; returns that loss, before the step, as a float.

    tokens, targets: (B, T). model(tokens) gives (logits (B, T, V), h).
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = sequence_loss(logits, targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% check="sequence-loss-train-step" points=4 keeps="training-step"
check("sequence-loss-train-step")

# %% [markdown] hint="sequence-loss-train-step"
# <details><summary>Hint 1: a question</summary>
#
# What is in `.grad` when your function begins, when `backward()` has run, and when `step()` looks? Follow one parameter through
# the five lines.
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# The five lines of the list above, and a `return`. You may use your `sequence_loss`. The model returns a pair.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# optimizer.zero_grad()
# logits, h = ...
# loss = ...
# ...              # compute the gradients
# ...              # change the parameters
# return ...       # a number, not a tensor
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *gradients of an earlier step are still in `.grad`*: the check leaves some in `.grad` on purpose. So does your own step before.
# - *When the optimizer looked, there was no gradient*: was it computed, and is it still in `.grad` when `step()` looks?
# - *There are gradients, but nothing was done with them*: is `step()` there, and does it stand after `backward()`?
# - *the loss came back as a tensor*: a plain number is asked for. A list of tensors with their graphs would keep every graph alive.
# - *'float' object has no attribute 'backward'*: the number was taken out of its tensor too early.
# - *'tuple' object has no attribute …*: `model(tokens)` returns two things.
# - *the parameters have moved otherwise than the optimizer that was handed in moves them*, *the optimizer's momentum is not used*: take the step with the optimizer that was handed in, not with one of your own.
# - *the sum over all tokens*: the mean per token is asked for, for the step and for the return value.
# </details>

# %% [markdown]
# ## 5. Language modelling against a floor
#
# Usually nobody knows how good a language model could be. We make a language for which it can be computed. It imitates one
# thing in English: *the keys (old, rusty, heavy) **are** …*: the verb agrees with a noun some words back.
#
# - A sentence begins with one of 8 nouns, all equally likely.
# - Then, again and again: with probability 0.7 one of 2 modifiers follows; else the noun's own verb, which ends the sentence.
#
# So there are 18 tokens. What is random costs nats, whoever predicts: the noun costs $\ln 8$; each decision to go on or to end
# costs $d = -0.7 \ln 0.7 - 0.3 \ln 0.3$; each modifier costs $\ln 2$. The verb itself costs nothing,
# **if the noun is remembered**. A sentence has $k = 0.7 / 0.3$ modifiers on average, so it has $k + 2$ tokens, and
#
# $$\text{floor} = \frac{\ln 8 + (k + 1)\, d + k \ln 2}{k + 2} \quad \text{nats per token.}$$
#
# This is the language's *entropy rate*. No model whatever can stay below it. A model that sees only the last token (a *bigram
# model*) cannot know the verb behind a modifier. It has to spread its bet over 8 verbs, which costs $\ln 8$ more, in 7 of 10
# sentences:
#
# $$\text{bigram floor} = \text{floor} + \frac{0.7 \ln 8}{k + 2}.$$
#
# In the long run there is no way below *this* line without a memory. A model that passes it has carried something through the modifiers.
# (`bptt.tasks` computes both; a test proves them from the language's Markov chain.)

# %% given="language"
held_out = language.sample(16, 501, seed=1_000_000)  # texts that nobody trains on
trained = None  # your model, once it is trained


def train_language(seed, memory=True, steps=400, T=20):
    """Train a SequenceModel on fresh texts of T + 1 tokens; returns it and its loss on the held-out texts every 20 steps.

    Without memory, each token is a sequence of its own: the same model, which then sees the last token and nothing else.
    """
    torch.manual_seed(seed)
    model = SequenceModel(language.vocab, 16, 32).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    texts = language.sample(32 * steps, T + 1, seed).to(device).split(32)
    curve = []
    for number, text in enumerate(texts, 1):
        if number == 0.7 * steps:
            optimizer.param_groups[0]["lr"] *= 0.2
        train_step(model, optimizer, *cut(text, memory))
        if number % 20 == 0:
            curve.append(loss_on(model, held_out.to(device), memory))
    return model, curve


def cut(text, memory=True):
    """Tokens and targets, the next tokens; without memory, each token becomes a row of its own."""
    tokens, targets = text[:, :-1], text[:, 1:]
    return (tokens, targets) if memory else (tokens.reshape(-1, 1), targets.reshape(-1, 1))


@torch.no_grad()
def loss_on(model, text, memory=True):
    """Mean loss per token of a model on a text."""
    tokens, targets = cut(text, memory)
    return sequence_loss(model(tokens)[0], targets, "mean").item()


# %% [markdown]
# ### Experiment: down to the floor
#
# The next cell trains your model with your step, twice: once on sequences of 20 tokens, and once on the same tokens one by one,
# without memory. The bands are stored runs over five seeds. Training takes a few seconds. (Each training text begins with a
# sentence, so that to begin without a state is right. What to do with one endless text is the subject of lesson 05.)

# %% experiment="language" keeps="training-step"
with needs("SequenceModel", "train_step", "sequence_loss"):
    runs = stored("sequence_loss", "language")
    best = {"with": language.surprise(held_out), "without": language.bigram_surprise(held_out)}  # nats, token by token
    steps = range(20, 401, 20)
    fig, ax = plt.subplots(figsize=(7.5, 4))
    models = {}
    for key, marker, color in (("without", "s", figures.VERMILION), ("with", "o", figures.BLUE)):
        figures.band(ax, steps, [run[key] for run in runs], color, f"{key} memory")
        models[key], curve = train_language(seed=0, memory=key == "with")
        ax.plot(steps, curve, marker, color=color, mfc="none", label=f"yours, {key} memory")
        figures.level(ax, best[key].mean().item(), f"best possible {key} memory")
    ax.set(xlabel="training step", ylabel="loss on held-out text (nats per token)", ylim=(1.2, 2.2))
    ax.set_title("Only with a memory does a model get below the upper line")
    ax.legend()
    figures.show(
        fig, "With memory the loss falls to that of the best predictor; without, to that of the best bigram predictor."
    )

    for key, floor in (("with", language.entropy_rate), ("without", language.bigram_floor)):
        mine, here = loss_on(models[key], held_out.to(device), key == "with"), best[key].mean().item()
        over = [run[key][-1] - here for run in runs]
        print(f"{key} memory: floor {floor:.4f} in the long run; the best predictor loses {here:.4f} on this text")
        print(f"    your model {mine:.4f}, {mine - here:.4f} more than the best; ", end="")
        print(f"{len(over)} stored runs {min(over):.4f} to {max(over):.4f} more" if over else "")
    trained = models["with"]  # for sections 7 and 8
    rows = best["with"].mean(1)
    print(
        f"the {len(rows)} rows of 500 tokens, by themselves: the best predictor loses {rows.min():.3f} to {rows.max():.3f} on them"
    )
    print(f"    and is below the floor on {(rows < language.entropy_rate).sum()} of them")

# %% [markdown]
# **What to see.** The two runs differ in one thing: whether a state passes from token to token. Without it, the loss comes down
# to the upper line and no further, in every run. With it, the loss goes through that line within a hundred steps, and down to the
# lower one, within a hundredth of a nat. There is next to nothing left to learn.
#
# The lines are not quite the two floors: they are what the two best predictors lose on *this text*. Look at the last two printed
# lines. A floor is a statement about the long run. A finite text can be easier than the language by chance, or harder, and on an
# easy one even the best predictor is below the rate. So compare on the same tokens: your model against the exact predictor. That
# difference has far less noise, since both pay for the same surprises.
#
# And the other way round: a loss that is **clearly below** the floor has not found a better model. It has found a mistake: the
# target leaks into the input, the wrong tokens are counted, or the loss is divided by too much. This will be useful at once.
#
# ## 6. Find the bug: better than possible
#
# *difficulty 4 of 5 · importance 5 of 5 · 15 minutes*
#
# Back to the noisy readings of section 2: three conditions, one of which holds and seldom changes, and readings of which three in
# ten are wrong. A network is to *label* each step with the true condition. It may use its memory: a single odd reading among many others is probably
# wrong. Here, too, one knows what is possible. The next cell computes, by Bayes' rule, how much three observers lose: one who
# sees only the reading of the moment; one who has seen all readings so far; and one who has seen the later ones as well.


# %% given="labelling"
def labelled(rows, seed):
    """Sequences of 5 to 40 readings, and the true states: two lists of (length,) tensors."""
    readings, states = task.sample(rows, 40, seed)
    lengths = torch.randint(5, 41, (rows,), generator=torch.Generator().manual_seed(seed)).tolist()
    return [[row[:length].to(device) for row, length in zip(one, lengths)] for one in (readings, states)]


def what_can_be_known(readings, states):
    """Mean loss per step, in nats, of the best labeller that sees the moment, the past and the moment, or everything."""
    lengths = torch.tensor([len(row) for row in readings])
    real = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
    x, y = pad_sequence(readings, batch_first=True).cpu(), pad_sequence(states, batch_first=True).cpu()
    beliefs = {
        "the moment": task.from_the_reading(x),
        "the past": task.from_the_past(x),
        "all times": task.from_all(x, lengths),
    }
    return {name: -p.gather(2, y.unsqueeze(2)).squeeze(2)[real].log().mean().item() for name, p in beliefs.items()}


new_readings, new_states = labelled(500, seed=1_000_000)  # sequences that nobody trains on
known = what_can_be_known(new_readings, new_states)
for name, loss in known.items():
    print(f"the best labeller that knows the readings of {name:<10}: {loss:.3f} nats per step")

# %% [markdown]
# A recurrent network reads from left to right, so the second line, "the past", is its floor. (Only a network that reads in both directions
# could come near the third.)
#
# `labelling_loss` fills a batch of sequences up to equal length, runs a model, and returns the mean loss per real step. It
# trains, and trains well: **too well**. Before you change anything, run the cells up to the figure one by one, past the red card of
# the check; don't read on to *What to see*, and leave the hints closed. In the figure the training loss ends far below the floor.
# **There is one mistake. Find it and fix it.** The function is to be right for any number of classes: it is not told how many.
#
# (`pad_sequence` makes one tensor of a list of rows and fills up with 0, or with its `padding_value`.)


# %% answer="sequence-loss-bug"
def labelling_loss(model, readings, labels):
    """Mean loss per real step of sequences of unequal lengths, for any number of classes.

    readings, labels: lists of B tensors (length,), whole numbers. model(tokens) gives (logits (B, T, V), h). Returns ().
    """
    tokens = pad_sequence(readings, batch_first=True)  # (B, T), filled up with 0
    ### BEGIN SOLUTION
    targets = pad_sequence(labels, batch_first=True, padding_value=-100)  # (B, T), filled up with what is no class
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    ### END SOLUTION
    ### RELEASED AS
    # targets = pad_sequence(labels, batch_first=True)  # (B, T), filled up with 0
    # logits, _ = model(tokens)
    # return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)  # padding does not count
    ### END RELEASED


# %% check="sequence-loss-bug" points=3 keeps="labelling"
check("sequence-loss-bug")

# %% [markdown] hint="sequence-loss-bug"
# <details><summary>Hint 1: a question</summary>
#
# Look at the right half of the experiment's figure: what does the network never say? And which steps does the loss never see?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Padding is marked by a number, and `ignore_index` leaves out every target that is this number. Print `targets` for a short
# batch. Can you tell a padded step from a real one whose label is 0? Can the loss?
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# Mark padding by something that can be no label:
#
# ```python
# targets = pad_sequence(labels, batch_first=True, padding_value=...)
# ...
# return F.cross_entropy(..., ignore_index=...)
# ```
#
# Or leave the targets as they are, and say with the lengths which steps are real: you have written that already.
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *This is the program as it was found*: run the experiment below, up to its figure, before you change anything.
# - *the padded steps are counted*: which steps does nobody want to have labelled?
# - *is taken for a sequence's length*: a length is known before anything is filled up.
# - *the model was called with the token …*: the readings go into a table with as many rows as there are tokens; fill *them* up with
#   one that exists.
# - *stand time first*: both calls of `pad_sequence` have to be told which axis is which.
# - *each sequence's mean is taken first*: the mean runs over steps, not over sequences.
# </details>

# %% [markdown]
# ### Experiment: what the loss does not see
#
# The next cell trains with whatever `labelling_loss` you have now. Left: the loss that training reports. Right: how often each
# true condition is named on new sequences. The bands and bars are stored runs over five seeds, one with the program as you found
# it, one with it fixed.


# %% given="train-labeller"
def train_labeller(seed, steps=300):
    """Train a SequenceModel with labelling_loss.

    Returns the reported loss (means over 20 steps), and on new sequences the loss per step, the share of steps labelled right, and
    that share for each true state.
    """
    torch.manual_seed(seed)
    model = SequenceModel(task.states, 8, 16).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    weights, losses = list(model.parameters()), []
    readings, states = labelled(32 * steps, seed)
    for number in range(steps):
        if number == 0.7 * steps:
            optimizer.param_groups[0]["lr"] *= 0.2
        batch = slice(32 * number, 32 * number + 32)
        loss = labelling_loss(model, readings[batch], states[batch])
        for parameter, gradient in zip(weights, torch.autograd.grad(loss, weights)):
            parameter.grad = gradient
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        rows = [model(row.unsqueeze(0))[0][0] for row in new_readings]
    logits, truth = torch.cat(rows), torch.cat(new_states)
    right = logits.argmax(1) == truth
    return {
        "reported": torch.tensor(losses).reshape(-1, 20).mean(1).tolist(),
        "loss": -logits.log_softmax(1)[torch.arange(len(truth)), truth].mean().item(),
        "right": right.double().mean().item(),
        "right_by_state": [right[truth == state].double().mean().item() for state in range(task.states)],
    }


# %% experiment="labelling" keeps="labelling"
with needs("SequenceModel", "labelling_loss"):
    yours = train_labeller(seed=0)
    runs = stored("sequence_loss", "labelling")
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), width_ratios=(3, 2))
    steps = range(20, 301, 20)
    names = {"as_found": "as found", "mended": "fixed"}  # by the keys of the stored runs
    for key, color, shift in (("as_found", figures.VERMILION, -0.2), ("mended", figures.BLUE, 0.2)):
        shares = [[run[key]["right_by_state"][state] for run in runs] for state in range(task.states)]
        figures.band(left, steps, [run[key]["reported"] for run in runs], color, names[key])
        for state, share in enumerate(shares if runs else []):
            label = names[key] if state == 0 else None
            right.bar(state + shift, sum(share) / len(share), 0.36, color=color, alpha=0.45, label=label)
            if not max(share):
                right.annotate("0", (state + shift, 0.01), ha="center", va="bottom", color=color)
            right.plot([state + shift] * 2, [min(share), max(share)], color=color, lw=3)
    left.plot(steps, yours["reported"], "D-", color=figures.GREEN, ms=4, label="yours, seed 0")
    right.plot(range(task.states), yours["right_by_state"], "D", color=figures.GREEN, label="yours, seed 0")
    figures.level(left, known["the past"], "floor of the new sequences")
    left.set(
        xlabel="training step",
        ylabel="reported loss (nats per step)",
        ylim=(0, 1.2),
        title="As found, the loss is too good to be true",
    )
    left.legend(loc="upper right")
    right.set(xticks=range(task.states), xlabel="true condition", ylabel="named right (share of steps)", ylim=(0, 1.5))
    right.set_title("Named right, by true condition")
    right.legend(loc="upper left")
    figures.show(
        fig,
        "Left: compare each reported loss with the floor. Right: compare the three conditions with one another, as found and fixed.",
    )
    print(
        f"yours on new sequences: {yours['loss']:.3f} nats per step (floor {known['the past']:.3f}), {yours['right']:.1%} of the steps labelled right"
    )
    for key in names if runs else ():
        truth = [run[key]["loss"] for run in runs]
        print(f"stored runs, {names[key]:8}: {min(truth):.3f} to {max(truth):.3f} nats per step on new sequences")
    print(
        f"an untrained model, which finds the {task.states} conditions equally likely: ln {task.states} = {math.log(task.states):.3f}"
    )

# %% [markdown]
# **What to see.** As found, the program reports a loss far below the floor, in every run. It is the right loss of the wrong
# question: "given that the condition is not 0, which is it?" Two choices are easier than three. The network has learned never to
# say 0, and on new sequences its true loss is worse than that of an untrained one, which is about $\ln 3$. Fixed, the reported
# loss comes down to the floor, within a few hundredths of a nat, and each condition is named right about equally often. (For a
# moment it may even be below the line, by the luck of a batch: the line belongs to the new sequences, the loss to those that
# are trained on. Section 5 again.)
#
# A loss that falls is no evidence that a program is right. A loss next to a floor is.
#
# ## 7. The state at a sequence's own end
#
# A loss can leave padding out. A *state* cannot: the recurrence goes on through the padding, and `model(tokens)` returns the
# state after the last column, not after each row's last real token (lesson 01, section 6). From here on *state* means $h_t$ again.
# Whoever wants to go on from there,
# needs the right one.
#
# ### Exercise: `final_state`
#
# *difficulty 3 of 5 · importance 4 of 5 · 10 minutes*
#
# `final_state(model, tokens, lengths)` takes a padded batch `tokens` (B, T) and `lengths` (B,), whole numbers between 1 and
# $T$, and returns the state of each row after its own last real token, of shape (1, B, H), so that it can be handed to the
# model again. `model` is a `SequenceModel` of ours; it has the parts `embedding`, `rnn` and `readout`.
#
# **A tiny example**: $T = 4$, lengths 4 and 2. The result holds $h_4$ of the first row and $h_2$ of the second, whatever the
# last two tokens of the second row are.


# %% answer="sequence-loss-final-state"
def final_state(model, tokens, lengths):
    """The state of each row after its own last real token.

    tokens: (B, T) with padding behind, lengths: (B,) whole numbers in 1…T. Returns h: (1, B, H).
    """
    ### BEGIN SOLUTION
    states, _ = model.rnn(model.embedding(tokens))  # (B, T, H)
    rows = torch.arange(len(tokens), device=tokens.device)
    return states[rows, lengths - 1].unsqueeze(0)  # (1, B, H)
    ### END SOLUTION


# %% check="sequence-loss-final-state" points=3 keeps="masking"
check("sequence-loss-final-state")

# %% [markdown] hint="sequence-loss-final-state"
# <details><summary>Hint 1: a question</summary>
#
# The recurrence goes from left to right. So does padding *behind* a row change the states that come before it? Where do all
# states of a row stand?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# Run the first two parts of the model and keep all states (B, T, H). From row $b$ you want one of them; which index has the
# state after $T_b$ tokens? Two lists of indices, one for rows and one for steps, pick one entry from each row:
# `states[rows, steps]`. Mind the shape at the end.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# states, _ = model.rnn(...)                                      # (B, T, H)
# rows = torch.arange(len(tokens), device=tokens.device)          # 0, 1, …, B-1
# last = ...                                                      # (B,), the index of each row's last real step
# return ...                                                      # (1, B, H)
# ```
#
# PyTorch's own tool for this is `nn.utils.rnn.pack_padded_sequence(…, lengths.cpu(), batch_first=True, enforce_sorted=False)`: what
# it makes goes into `model.rnn`, which then returns the right last state. You may use it.
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the padded steps have moved the state*: this is the `h` that `model(tokens)` returns.
# - *the state is taken one step too late*: after 3 tokens the state stands at index 2.
# - *all rows are cut to the length of the shortest*, *the length of the first row is used*: each row has an index of its own.
# - *the padded steps are read with embeddings of 0*: an input of 0 is an input, too. The state and the biases still act.
# - *the number of tokens that are not 0*: only `lengths` says how long a row is.
# - *start (…) + length (…) exceeds dimension size*: see what the last hint says about `batch_first`.
# - *the state comes back without its first axis*: the model takes a state in the shape (1, B, H).
# - *the rows come back sorted by length*: `enforce_sorted=False` undoes the sorting by itself.
# - *h has shape (1, B, V)*: a state is asked for, not logits.
# </details>

# %% [markdown]
# ### Experiment: going on from the wrong state
#
# 400 beginnings of one sentence each: a noun and 0 to 8 modifiers, padded with zeros, which are noun 0. The verb has to come some
# time. To which of the eight verbs does the model that you trained in section 5 give the most weight, if it goes on from your
# `final_state`, and if it goes on from the state behind the padding?


# %% given="beginnings"
def beginnings(rows, seed):
    """Nouns (rows,), and after each 0 to 8 modifiers: tokens (rows, 9), padded with 0, and lengths (rows,)."""
    generator = torch.Generator().manual_seed(seed)
    nouns = torch.randint(language.classes, (rows,), generator=generator)
    modifiers = language.classes + torch.randint(language.modifiers, (rows, 8), generator=generator)
    counts = torch.arange(rows) % 9
    padded = torch.where(torch.arange(8) < counts.unsqueeze(1), modifiers, 0)
    return nouns.to(device), torch.cat([nouns.unsqueeze(1), padded], 1).to(device), (1 + counts).to(device)


@torch.no_grad()
def remembered(model, h, nouns):
    """For each state of h (1, B, H): whether the likeliest of the eight verbs is the one that agrees with the noun."""
    return (model.readout(h[0])[:, language.first_verb :].argmax(1) == nouns).double()


# %% experiment="wrong-state" keeps="masking"
with needs("final_state", "SequenceModel", "train_step", "sequence_loss"):
    trained = trained or train_language(seed=0)[0]  # where section 5 has not trained it yet
    nouns, tokens, lengths = beginnings(400, seed=0)
    with torch.no_grad():
        right, moved = final_state(trained, tokens, lengths), trained(tokens)[1]
    runs = stored("sequence_loss", "padded_state")
    for name, key, h in (("your final_state", "right", right), ("behind the padding", "moved", moved)):
        mine = remembered(trained, h, nouns)[lengths < 9].mean()
        print(f"from {name:<18}: the verb agrees in {mine:.0%} of the padded rows; ", end="")
        print(f"stored runs {min(run[key] for run in runs):.0%} to {max(run[key] for run in runs):.0%}" if runs else "")

# %% [markdown]
# **What to see.** From its own end, each row knows its noun. Behind the padding it mostly does not: the model has read noun 0 up
# to eight times more, which is nothing that the language ever says. No error was raised, and the loss, which is masked, does not
# show it.
#
# ## 8. Letting it speak
#
# A language model can be run on its own output: choose a token by the logits, read it, choose the next. *Greedy* generation
# always takes the token with the largest logit. The past is in the state, so each new token costs one step, however long the
# text already is.
#
# ### Exercise: `generate`
#
# *difficulty 3 of 5 · importance 4 of 5 · 12 minutes*
#
# `generate(model, prompt, n)` takes a `prompt` (P,) of whole numbers, $P \ge 1$, and returns the $n \ge 1$ tokens that follow,
# as a tensor (n,) of whole numbers, the prompt not included. The prompt is read once; then each new token is read once,
# with the state carried on. (The last new token may be read or not: nothing follows it.) `model(tokens, h)` wants tokens with a batch axis: (1, P), (1, 1).
#
# **A tiny example**: the prompt is 5 8. After reading 5 and 8 the largest logit is that of 9, so 9 is the first token. It is
# read, the largest logit is now that of 15: the second token. `generate(model, prompt, 2)` is 9 15; the model has read 5 8 9.


# %% answer="sequence-loss-generate"
def generate(model, prompt, n):
    """The n tokens that follow a prompt, always the likeliest, the state carried on.

    prompt: (P,) whole numbers. model(tokens (1, T), h) gives (logits (1, T, V), h). Returns tokens: (n,).
    """
    ### BEGIN SOLUTION
    tokens = []
    with torch.no_grad():
        logits, h = model(prompt.unsqueeze(0))  # (1, P, V), (1, 1, H)
        for _ in range(n):
            tokens.append(logits[0, -1].argmax())
            logits, h = model(tokens[-1].reshape(1, 1), h)  # (1, 1, V)
    return torch.stack(tokens)
    ### END SOLUTION


# %% check="sequence-loss-generate" points=4 keeps="training-step"
check("sequence-loss-generate")

# %% [markdown] hint="sequence-loss-generate"
# <details><summary>Hint 1: a question</summary>
#
# Which of the prompt's logits say something about the first *new* token? And when that token has been chosen: what has the
# model not read yet?
# </details>
#
# <details><summary>Hint 2: a sketch</summary>
#
# One call for the whole prompt. Then $n$ times: take the largest of the last logits, note the token, and read it with a call of
# its own, from the state that came back. Two variables go round: the logits and the state.
# </details>
#
# <details><summary>Hint 3: a template</summary>
#
# ```python
# logits, h = model(prompt.unsqueeze(0))             # (1, P, V)
# tokens = []
# for _ in range(n):
#     token = ...                                    # from the logits of the last step
#     tokens.append(token)
#     logits, h = model(token.reshape(1, 1), ...)
# return ...
# ```
# </details>
#
# <details><summary>My check fails with…</summary>
#
# - *the last token of the prompt is read twice*: the call on the whole prompt has read it already; its logits are the ones you need.
# - *the first generated token is missing*: a token is chosen before the first call of the loop.
# - *the prompt stands before the generated tokens*: only the new ones are asked for.
# - *the tokens are right, but the model has read …*: you read the whole text again for each token. The state makes that unnecessary.
# - *two calls with the same model and the same prompt gave different tokens*: greedy draws nothing at random.
# - *the model was called with tokens of shape …*: it wants a batch axis and a time axis, also for a single token.
# - *the model was called with the token …*, *over all steps at once*: an index counts through all that was compared. Compare the
#   logits of one step.
# - *expected whole numbers*: `max` gives the largest value; you need the place where it stands.
# </details>

# %% [markdown]
# ### Experiment: the likeliest text is not a likely text
#
# Your trained model speaks: greedily, and then by *sampling*, where each token is drawn with the probability that the model
# gives it. In the printed texts `n3` is noun 3, `m0` and `m1` are the modifiers, and `v3.` is
# the verb that agrees with noun 3.


# %% given="sampling"
@torch.no_grad()
def sample_text(model, rows, length, seed):
    """Texts (rows, length) drawn token by token from a model's own probabilities; each begins with a random noun."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randint(language.classes, (rows, 1), generator=generator)
    state = None
    while text.shape[1] < length:
        scores, state = model(text[:, -1:].to(device), state)
        chances = scores[:, -1].softmax(-1).cpu()
        text = torch.cat([text, torch.multinomial(chances, 1, generator=generator)], 1)
    return text


def agreement(text):
    """Of the verbs in a text, the share that is the one the language would have used there."""
    allowed = torch.isfinite(language.surprise(text)).flatten()
    verbs = (text[:, 1:] >= language.first_verb).flatten()
    return (allowed & verbs).sum().item() / max(1, verbs.sum().item())


# %% experiment="greedy"
with needs("generate", "SequenceModel", "train_step", "sequence_loss"):
    trained = trained or train_language(seed=0)[0]  # where section 5 has not trained it yet
    greedy = generate(trained, torch.tensor([3], device=device), 200).cpu()
    sampled = sample_text(trained, 50, 200, seed=0)
    print("greedy: ", language.spell(greedy[:22]), "…")
    print("sampled:", language.spell(sampled[0, :22]), "…")
    print(f"verbs in 200 greedy tokens: {(greedy >= language.first_verb).sum()}")
    print(
        f"verbs in 200 sampled tokens: {(sampled >= language.first_verb).sum() / len(sampled):.1f} on average, of which {agreement(sampled):.1%} agree"
    )
    runs = stored("sequence_loss", "speech")
    if runs:
        print(
            f"over {len(runs)} stored seeds: {min(r['greedy_verbs'] for r in runs)} to {max(r['greedy_verbs'] for r in runs)} greedy verbs, "
            f"{min(r['agreement'] for r in runs):.1%} to {max(r['agreement'] for r in runs):.1%} of the sampled verbs agree"
        )

# %% [markdown]
# **What to see.** The greedy text ends no sentence, or hardly ever one. There is nothing wrong with the model: inside a
# sentence each of two modifiers has probability 0.35 and the verb 0.3, so the single likeliest token is a modifier, again and
# again. That makes a text that the language would hardly ever say. The sampled text, from the same model, has sentences of the
# right length, and its verbs agree. Large language models show the same: greedy text repeats itself (Holtzman et al., below).
#
# ## 9. What fills the memory
#
# BPTT needs the states on its way back, so they are all kept, and lesson 01 measured it: bytes grow with $T$. Now there is more
# that is kept.
#
# ### Predict: states or logits?
#
# *difficulty 3 of 5 · importance 3 of 5 · 2 minutes*
#
# A model has $H = 32$ units and a vocabulary of $V = 1000$ tokens. It is trained with a loss at every step. **What takes more
# memory between the forward and the backward pass: what the recurrence keeps, or what read-out and loss keep?** Write
# `"states"` or `"logits"`.

# %% answer="sequence-loss-predict-memory"
### BEGIN SOLUTION
guess_larger = "logits"
### END SOLUTION
### RELEASED AS
# guess_larger = None
### END RELEASED

# %% check="sequence-loss-predict-memory" points=1 keeps="graph-memory"
check("sequence-loss-predict-memory")

# %% [markdown]
# ### Experiment: bytes against time
#
# The next cell measures what autograd holds after a forward pass, with $B = 16$, an embedding of 8 and $H = 32$, in float32:
# for the recurrent layer alone, and for the model with your loss, with a small and a large vocabulary. Each piece of memory
# counts once, however many operations refer to it. (It runs on the CPU; a GPU's recurrent kernels keep buffers of their own.)

# %% given="memory"
STEPS = [1, 2, 5, 10, 20, 50, 100]


def bytes_by_steps(seed):
    """Bytes kept for the backward pass for each T of STEPS: of the recurrent layer, and of the model with its loss, V = 18 and 1000."""
    B, E, H = 16, 8, 32
    kept = {"recurrence": [], "V = 18": [], "V = 1000": []}
    for T in STEPS:
        torch.manual_seed(seed)
        layer = nn.RNN(E, H, batch_first=True)
        inputs = torch.randn(B, T, E)
        kept["recurrence"].append(bytes_kept(lambda: layer(inputs), layer.parameters()))
        for V in (18, 1000):
            model = SequenceModel(V, E, H)
            tokens, targets = torch.randint(V, (2, B, T)).clone()
            kept[f"V = {V}"].append(
                bytes_kept(lambda: sequence_loss(model(tokens)[0], targets, "mean"), model.parameters())
            )
    return kept


# %% experiment="memory" keeps="graph-memory"
with needs("SequenceModel", "sequence_loss"):
    kept = bytes_by_steps(seed=0)
    B, E, H = 16, 8, 32
    formula = [4 * B * (H + E) * T + 4 * B * H for T in STEPS]
    fig, ax = plt.subplots(figsize=(7, 4))
    for (name, values), marker in zip(kept.items(), ("o", "s-", "^-")):
        label = name if name == "recurrence" else f"model and loss, {name}"
        ax.plot(STEPS, [value / 1024 for value in values], marker, mfc="none", mew=2, label=label)
    ax.plot(STEPS, [value / 1024 for value in formula], ":", color=figures.INK, label="4 B (H + E) T + 4 B H")
    ax.set(
        xscale="log",
        yscale="log",
        xticks=STEPS,
        xticklabels=STEPS,
        xlabel="time steps T",
        ylabel="kept for the backward pass (KiB)",
    )
    ax.minorticks_off()
    ax.set_title("Memory grows with T, and with a large vocabulary it is the loss that fills it")
    ax.legend()
    figures.show(
        fig,
        "All lines rise linearly with T; with 1000 tokens the model and its loss keep far more than the recurrence.",
    )

    runs = stored("sequence_loss", "memory")
    print(f"recurrent layer: measured minus formula {[a - b for a, b in zip(kept['recurrence'], formula)]} bytes")
    print(
        f"the same bytes in {sum(run == kept for run in runs)} of {len(runs)} stored runs with other weights and tokens"
    )
    for V in (18, 1000):
        each = (kept[f"V = {V}"][-1] - kept[f"V = {V}"][-2]) / (STEPS[-1] - STEPS[-2]) / B
        parts = {"log-probabilities": 4 * V, "state": 4 * H, "the read-out's copy of it": 4 * H, "embedding": 4 * E}
        parts["token and target"] = 2 * 8  # whole numbers of 8 bytes
        print(f"V = {V}: a further token costs {each:.0f} bytes; expected {sum(parts.values())}:")
        print("   ", ", ".join(f"{name} {size}" for name, size in parts.items()))
    recurrence, rest = kept["recurrence"][-1], kept["V = 1000"][-1] - kept["recurrence"][-1]
    print(f"V = 1000, T = {STEPS[-1]}: read-out and loss keep {rest / recurrence:.0f} times as much as the recurrence")
    reply(
        guess_larger,
        "logits" if rest > recurrence else "states",
        {
            "states": f"The states are what BPTT is known for keeping. But a step has {H} numbers of state, and the loss keeps 1000 log-probabilities.",
            "logits": f"A step has {H} numbers of state, and the loss keeps 1000 log-probabilities.",
        },
    )

# %% [markdown]
# **What to see.** The recurrence keeps, for every row and step, the state and the input, 4 bytes a number, and the first state
# besides: exactly, to the byte. The loss keeps $B \cdot T \cdot V$ numbers more, the log-probabilities, from which the gradient
# $p - \text{one-hot}$ is made on the way back. The read-out keeps its input, which is the states once more: the recurrence has
# stored them step by step, the read-out wants them row by row, so PyTorch makes a copy. With 18 tokens the two copies of the
# state are most of it; with 1000 nearly all of it is log-probabilities. (If your numbers for the model differ from the stored
# ones, your model or your loss keeps something else; the recurrent layer's cannot differ.) With a vocabulary of 50 000 the
# log-probabilities are the largest tensor in the whole training, and much work goes into never storing them whole.
#
# Both grow with $T$. For one row of a million tokens the recurrence alone would keep 0.16 GB, the model and its loss 0.38 GB with
# 18 tokens and 4.3 GB with 1000; sixteen such rows would keep 69 GB. What to do then is what lesson 05 is about.
#
# ## 10. In your own words
#
# *difficulty 3 of 5 · importance 5 of 5 · 10 minutes · graded by a person*
#
# A colleague trains a language model on our synthetic language, with padded batches, and shows you three runs. Run A ends at
# 1.66 nats per token. Run B ends at 0.71. Run C is evaluated on a short held-out text of 12 tokens and gets 1.21. The
# floor is 1.32, the bigram floor 1.66. **What do you say about each run: what is likely wrong, if anything, and what would you
# look at first?** Five to seven sentences.
#
# Points: one for A (and why exactly this number), one for B (with two different mistakes that could give a loss so low), one for C (and a
# fair comparison).

# %% [markdown] written="sequence-loss-three-runs" points=3
# ### BEGIN SOLUTION
# Run A ends on the bigram floor, so the model predicts as well as one can from the last token alone: it does not use its
# memory. I would look whether the state gets from step to step at all, for instance whether `batch_first` is missing, so that
# the recurrence runs over the rows, or whether tokens are fed one by one without the state. Run B lies far below what any
# predictor can reach in the long run, so it is no good model but a wrong number. Either the target can be seen in the input
# (targets that were not shifted, so that the model repeats the token just read; a model that reads in both directions), or the
# wrong tokens are counted: padding that is easy to predict, division by B·T positions where only the real ones were added up,
# or a class left out by `ignore_index`. I would look at one row of tokens and targets side by side, and compute the loss of
# that row by hand. Run C is not below the floor in any sense that matters: the floor is a mean over the long run, and twelve
# tokens can be easier than the average by chance. The fair comparison is with the exact predictor on the same twelve tokens, or
# on a held-out text so long that the standard error is small against the difference.
# ### END SOLUTION

# %% [markdown]
# ## Summary
#
# 1. A loss at every step gives $B \cdot T$ losses; `(B, T, V)` and `(B, T)` are flattened alike, and one number comes out.
# 2. Sum and mean differ by the factor $B \cdot T$ in every gradient; the mean does not change with the length of the data.
# 3. With padding: sum over real tokens, divided by the number of real tokens. Not by all positions, and not row by row.
# 4. `reshape` does not swap axes, and a softmax before `F.cross_entropy` is one too many. Neither raises an error.
# 5. A sequence model takes a state and hands one back; one call equals many, if the state is handed on.
# 6. zero_grad, forward, loss, backward, step. `backward()` is BPTT, and it *adds* to `.grad`.
# 7. An untrained model loses about $\ln V$ nats per token; check the first loss against it.
# 8. Known data have a floor. Below the bigram floor: memory is used. Above it: no evidence of that. Clearly below the floor: a
#    bug. On finite data compare with the exact predictor on the same tokens.
# 9. Padding moves the state. Take it at each row's own last token; and generate from it, one step a token.
# 10. Memory grows with $T$: states, inputs, and the $B \cdot T \cdot V$ numbers of the loss. Next: lesson 05 cuts long
#     sequences into pieces.
#
# ## Further reading
#
# - C. E. Shannon, *Prediction and entropy of printed English*, Bell System Technical Journal 30(1), 1951: how low can a
#   language's entropy be, and how does one find out?
# - T. Mikolov, M. Karafiát, L. Burget, J. Černocký, S. Khudanpur, *Recurrent neural network based language model*, Interspeech 2010.
# - A. Graves, *Supervised Sequence Labelling with Recurrent Neural Networks*, Springer, 2012.
# - L. R. Rabiner, *A tutorial on hidden Markov models and selected applications in speech recognition*, Proceedings of the IEEE
#   77(2), 1989: the three observers of section 6.
# - A. Holtzman, J. Buys, L. Du, M. Forbes, Y. Choi,
#   [*The curious case of neural text degeneration*](https://arxiv.org/abs/1904.09751), ICLR 2020.
# - PyTorch documentation:
#   [`torch.nn.functional.cross_entropy`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html),
#   [`torch.nn.RNN`](https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html).
