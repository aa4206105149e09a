"""Wrong answers to the exercises of the lesson of kinds."""


# %% of="kinds-train" gets="no-cut"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    for stop in range(k, x.shape[1] + k, k):
        optimizer.zero_grad()
        logits = model(x[:, :stop], None)[0][:, stop - k :]
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, stop - k : stop].flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="kinds-train" gets="raised"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for start in range(0, x.shape[1], k):
        optimizer.zero_grad()
        logits, state = model(x[:, start : start + k], state)
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="kinds-train" gets="reset"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    for start in range(0, x.shape[1], k):
        optimizer.zero_grad()
        logits, state = model(x[:, start : start + k], None)
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="kinds-train" gets="late"
def train_tbptt(model, optimizer, x, y, k):
    before, losses = None, []
    for start in range(0, x.shape[1], k):
        optimizer.zero_grad()
        first = max(start - 1, 0)
        logits, state = model(x[:, first : start + k], before)
        logits = logits[:, start - first :]
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward()
        with torch.no_grad():
            _, before = model(x[:, first : start + k - 1], before)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="kinds-train" gets="per-step"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for start in range(0, x.shape[1], k):
        optimizer.zero_grad()
        loss, count = 0, 0
        for t in range(start, min(start + k, x.shape[1])):
            logits, state = model(x[:, t : t + 1], state)
            state = (state[0].detach(), state[1].detach())
            loss, count = loss + F.cross_entropy(logits[:, 0], y[:, t]), count + 1
        (loss / count).backward()
        optimizer.step()
        losses.append((loss / count).item())
    return losses


# %% of="kinds-train" gets="stale"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for start in range(0, x.shape[1], k):
        logits, state = model(x[:, start : start + k], state)
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward()
        optimizer.step()
        state = tuple(part.detach() for part in state)
        losses.append(loss.item())
    return losses


# %% of="kinds-train" gets="reset + stale"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    for start in range(0, x.shape[1], k):
        logits, state = model(x[:, start : start + k])
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="kinds-train" gets="reach"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    F.cross_entropy(model(x)[0].flatten(0, 1), y.flatten()).backward()
    for start in range(0, x.shape[1], k):
        optimizer.zero_grad()
        logits, state = model(x[:, start : start + k], state)
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward()
        optimizer.step()
        state = tuple(part.detach() for part in state)
        losses.append(loss.item())
    return losses


# %% of="kinds-cache" gets="forgets"
class KVCache:
    def append(self, k, v):
        self.k, self.v = k, v

    def attend(self, q):
        return (q @ self.k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1) @ self.v


# %% of="kinds-cache" gets="type"
def KVCache():
    return 3


# %% of="kinds-cache" gets="raised"
class KVCache:
    def append(self, k, v):
        self.k = k + self.k


# %% of="kinds-model" gets="keys"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embed = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)


# %% of="kinds-model" gets="shape"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(embed, vocab)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)


# %% of="kinds-model" gets="type"
class SequenceModel:
    def __init__(self, vocab, embed, hidden):
        self.rnn = nn.RNN(embed, hidden, batch_first=True)


# %% of="kinds-finite-difference" gets="one-sided"
def finite_difference(f, theta, eps):
    grad = torch.empty_like(theta)
    for i in range(theta.numel()):
        step = torch.zeros_like(theta)
        step.view(-1)[i] = eps
        grad.view(-1)[i] = (f(theta + step) - f(theta)) / eps
    return grad


# %% of="kinds-finite-difference" gets="raised"
def finite_difference(f, theta, eps):
    return f(theta, eps)


# %% of="kinds-chunks" gets="length"
def chunks(x, y, k):
    for start in range(0, x.shape[1] - k + 1, k):
        yield x[:, start : start + k], y[:, start : start + k]


# %% of="kinds-chunks" gets="raised"
def chunks(x, y, k):
    yield x[:, :k], y[:, :k]
    raise ValueError("no more")


# %% of="kinds-guess" gets="missing"
guess = "four"


# %% of="kinds-weights" gets="missing"
def predict(x):
    return lost(x)


import os

os.remove("kinds_weights.safetensors")


# %% of="kinds-quadruple" gets="factor"
def quadruple(x):
    return double(x)
