# %% given="setup"
import math

import torch
from torch import nn
from torch.nn import functional as F

from autograder import check


# %% answer="kinds-train"
def train_tbptt(model, optimizer, x, y, k):
    """One pass over the stream."""
    ### BEGIN SOLUTION
    state, losses = None, []
    for start in range(0, x.shape[1], k):
        optimizer.zero_grad()
        logits, state = model(x[:, start : start + k], state)
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward()
        optimizer.step()
        state = tuple(part.detach() for part in state)
        losses.append(loss.item())
    return losses
    ### END SOLUTION


# %% check="kinds-train" points=1
check("kinds-train")


# %% answer="kinds-cache"
class KVCache:
    """Keys and values so far."""

    ### BEGIN SOLUTION
    def __init__(self):
        self.keys, self.values = [], []

    def append(self, k, v):
        self.keys.append(k)
        self.values.append(v)

    def attend(self, q):
        keys, values = torch.cat(self.keys, 1), torch.cat(self.values, 1)
        return (q @ keys.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1) @ values

    ### END SOLUTION


# %% check="kinds-cache" points=1
check("kinds-cache")


# %% answer="kinds-model"
class SequenceModel(nn.Module):
    """Embedding, RNN, read-out."""

    ### BEGIN SOLUTION
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h

    ### END SOLUTION


# %% check="kinds-model" points=1
check("kinds-model")


# %% answer="kinds-finite-difference"
def finite_difference(f, theta, eps):
    """Central differences."""
    ### BEGIN SOLUTION
    grad = torch.empty_like(theta)
    for i in range(theta.numel()):
        step = torch.zeros_like(theta)
        step.view(-1)[i] = eps
        grad.view(-1)[i] = (f(theta + step) - f(theta - step)) / (2 * eps)
    return grad
    ### END SOLUTION


# %% check="kinds-finite-difference" points=1
check("kinds-finite-difference")


# %% answer="kinds-chunks"
def chunks(x, y, k):
    """Windows of k steps."""
    ### BEGIN SOLUTION
    for start in range(0, x.shape[1], k):
        yield x[:, start : start + k], y[:, start : start + k]
    ### END SOLUTION


# %% check="kinds-chunks" points=1
check("kinds-chunks")

# %% answer="kinds-guess"
### BEGIN SOLUTION
guess = 4
### END SOLUTION
### RELEASED AS
# guess = None
### END RELEASED

# %% check="kinds-guess" points=1
check("kinds-guess")


# %% answer="kinds-weights"
def predict(x):
    """What the handed-in weights make of x."""
    ### BEGIN SOLUTION
    from safetensors.torch import load_file

    return x @ load_file("kinds_weights.safetensors")["weight"].T
    ### END SOLUTION


# %% check="kinds-weights" points=1
check("kinds-weights")


# %% answer="kinds-double"
def double(x):
    """2 x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


# %% check="kinds-double" points=1
check("kinds-double")


# %% answer="kinds-quadruple"
def quadruple(x):
    """4 x, by `double`."""
    ### BEGIN SOLUTION
    return double(double(x))
    ### END SOLUTION


# %% check="kinds-quadruple" points=1
check("kinds-quadruple")

# %% experiment="play"
print(chunks)
