"""Right answers to lesson 04 in other ways than the solution's, as learners write them."""


# %% of="sequence-loss-loss" variant="transpose"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction=reduction)


# %% of="sequence-loss-loss" variant="two-loops"
def sequence_loss(logits, targets, reduction="mean"):
    total = logits.new_zeros(())
    B, T, _ = logits.shape
    for b in range(B):
        for t in range(T):
            total = total + torch.logsumexp(logits[b, t], 0) - logits[b, t, targets[b, t]]
    return total / (B * T) if reduction == "mean" else total


# %% of="sequence-loss-loss" variant="one-hot-einsum"
def sequence_loss(logits, targets, reduction):
    one_hot = F.one_hot(targets, logits.shape[-1]).to(logits.dtype)
    total = -torch.einsum("btv,btv->", one_hot, F.log_softmax(logits, dim=-1))
    return {"sum": total, "mean": total / targets.numel()}[reduction]


# %% of="sequence-loss-loss" variant="a-module"
class _Loss(nn.Module):
    def forward(self, logits, targets, reduction):
        return nn.CrossEntropyLoss(reduction=reduction)(logits.flatten(0, 1), targets.flatten())


sequence_loss = _Loss()


# %% of="sequence-loss-loss" variant="log-softmax-twice-is-log-softmax"
def sequence_loss(logits: torch.Tensor, targets: torch.Tensor, reduction: str) -> torch.Tensor:
    print("shapes", logits.shape, targets.shape)
    log_p = F.log_softmax(logits, -1)
    return F.cross_entropy(log_p.reshape(-1, logits.size(2)), targets.reshape(-1), reduction=reduction)


# %% of="sequence-loss-loss" variant="step-by-step"
def sequence_loss(logits, targets, reduction):
    steps = [F.cross_entropy(logits[:, t], targets[:, t], reduction=reduction) for t in range(logits.shape[1])]
    stacked = torch.stack(steps)
    return stacked.sum() if reduction == "sum" else stacked.mean()


# %% of="sequence-loss-loss" variant="gathered"
def sequence_loss(logits, targets, reduction):
    log_p = torch.log_softmax(logits, dim=-1)
    losses = -log_p.gather(2, targets.unsqueeze(2))
    return losses.mean() if reduction == "mean" else losses.sum()


# %% of="sequence-loss-masked-loss" variant="ignore-index"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1], device=logits.device)[None, :] < lengths[:, None]
    targets = targets.masked_fill(~mask, -100)
    return F.cross_entropy(logits.transpose(1, 2), targets)


# %% of="sequence-loss-masked-loss" variant="rows-cut-and-put-together"
def masked_sequence_loss(logits, targets, lengths):
    rows = [logits[b, :n] for b, n in enumerate(lengths)]
    wanted = [targets[b, :n] for b, n in enumerate(lengths)]
    return F.cross_entropy(torch.cat(rows), torch.cat(wanted))


# %% of="sequence-loss-masked-loss" variant="multiplied-by-a-mask"
def masked_sequence_loss(logits, targets, lengths):
    B, T, V = logits.shape
    losses = F.cross_entropy(logits.reshape(B * T, V), targets.reshape(B * T), reduction="none").reshape(B, T)
    mask = (torch.arange(T, device=targets.device) < lengths.unsqueeze(1)).to(losses.dtype)
    return (losses * mask).sum() / lengths.sum()


# %% of="sequence-loss-masked-loss" variant="a-loop-over-rows"
def masked_sequence_loss(logits, targets, lengths):
    total, count = 0.0, 0
    for row, target, n in zip(logits, targets, lengths.tolist()):
        total = total + F.cross_entropy(row[:n], target[:n], reduction="sum")
        count += n
    return total / count


# %% of="sequence-loss-masked-loss" variant="packed"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.ones_like(targets).cumsum(1) <= lengths[:, None]
    picked = torch.masked_select(torch.log_softmax(logits, 2).gather(2, targets[:, :, None])[:, :, 0], mask)
    return -picked.mean()


# %% of="sequence-loss-masked-loss" variant="a-mask-times-losses"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
    return (losses * mask).sum() / mask.sum()


# %% of="sequence-loss-masked-loss" variant="picked-by-a-mask"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
    return F.cross_entropy(logits[mask], targets[mask])


# %% of="sequence-loss-model" variant="keyword-arguments-and-hints"
class SequenceModel(torch.nn.Module):
    def __init__(self, vocab: int, embed: int, hidden: int) -> None:
        super(SequenceModel, self).__init__()
        self.readout = nn.Linear(in_features=hidden, out_features=vocab)
        self.rnn = nn.RNN(input_size=embed, hidden_size=hidden, num_layers=1, batch_first=True, nonlinearity="tanh")
        self.embedding = nn.Embedding(num_embeddings=vocab, embedding_dim=embed)

    def forward(self, tokens: torch.Tensor, h: torch.Tensor | None = None):
        x = self.embedding(tokens)
        x, h_n = self.rnn(x, h) if h is not None else self.rnn(x)
        return self.readout(x), h_n


# %% of="sequence-loss-model" variant="step-by-step"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.hidden = hidden
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        logits = []
        for t in range(tokens.shape[1]):
            out, h = self.rnn(self.embedding(tokens[:, t : t + 1]), h)
            logits.append(self.readout(out))
        return torch.cat(logits, dim=1), h


# %% of="sequence-loss-model" variant="zeros-as-first-state-a-list-back"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding, self.rnn, self.readout = (
            nn.Embedding(vocab, embed),
            nn.RNN(embed, hidden, batch_first=True),
            nn.Linear(hidden, vocab),
        )

    def forward(self, tokens, h=None):
        x = self.embedding(tokens)
        if h is None:
            h = x.new_zeros(1, len(tokens), self.rnn.hidden_size)
        out, h = self.rnn(x, h)
        return [self.readout(out), h]


# %% of="sequence-loss-model" variant="time-first-inside"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        out, h = self.rnn(self.embedding(tokens.T), h)
        return self.readout(out).transpose(0, 1), h


# %% of="sequence-loss-model" variant="its-own-cell-with-nn-rnn-s-names"
class _Cell(nn.Module):
    def __init__(self, embed, hidden):
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.randn(hidden, embed))
        self.weight_hh_l0 = nn.Parameter(torch.randn(hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.randn(hidden))
        self.bias_hh_l0 = nn.Parameter(torch.randn(hidden))

    def forward(self, x, h):
        return torch.tanh(
            F.linear(x, self.weight_ih_l0, self.bias_ih_l0) + F.linear(h, self.weight_hh_l0, self.bias_hh_l0)
        )


class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = _Cell(embed, hidden)
        self.readout = nn.Linear(hidden, vocab)
        self.hidden = hidden

    def forward(self, tokens, h=None):
        x = self.embedding(tokens)
        h = torch.zeros(len(tokens), self.hidden, dtype=x.dtype, device=x.device) if h is None else h[0]
        states = []
        for x_t in x.unbind(1):
            h = self.rnn(x_t, h)
            states.append(h)
        return self.readout(torch.stack(states, 1)), h[None]


# %% of="sequence-loss-train-step" variant="zero-grad-at-the-end-as-well-of-the-model"
def train_step(model, optimizer, tokens, targets):
    model.zero_grad(set_to_none=False)
    logits = model(tokens)[0]
    loss = sequence_loss(logits, targets, "sum") / targets.numel()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss)


# %% of="sequence-loss-train-step" variant="a-closure"
def train_step(model, optimizer, tokens, targets):
    def closure():
        optimizer.zero_grad()
        logits, h = model(tokens)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        return loss

    return optimizer.step(closure).item()


# %% of="sequence-loss-train-step" variant="gradients-by-autograd-grad"
def train_step(model, optimizer, tokens, targets):
    parameters = list(model.parameters())
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
        p.grad = g
    optimizer.step()
    return loss.detach().numpy().item()


# %% of="sequence-loss-train-step" variant="one-row-at-a-time"
def train_step(model, optimizer, tokens, targets):
    model.train()
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for x, y in zip(tokens, targets):
        loss = F.cross_entropy(model(x[None])[0][0], y) / len(tokens)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


# %% of="sequence-loss-train-step" variant="a-state-of-zeros-numpy-s-float"
import numpy as np


def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    some = next(model.parameters())
    h0 = torch.zeros(1, len(tokens), model.rnn.hidden_size, dtype=some.dtype, device=some.device)
    logits, _ = model(tokens, h=h0)
    loss = nn.CrossEntropyLoss()(logits.transpose(1, 2), targets)
    loss.backward()
    optimizer.step()
    return np.float64(loss.item())


# %% of="sequence-loss-train-step" variant="the-loss-in-one-line"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" variant="one-step-of-time-at-a-time"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss, h = 0, None
    for t in range(tokens.shape[1]):
        logits, h = model(tokens[:, t : t + 1], h)
        loss = loss + sequence_loss(logits, targets[:, t : t + 1], "mean") / tokens.shape[1]
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-final-state" variant="packed"
def final_state(model, tokens, lengths):
    packed = nn.utils.rnn.pack_padded_sequence(
        model.embedding(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False
    )
    return model.rnn(packed)[1]


# %% of="sequence-loss-final-state" variant="row-by-row"
def final_state(model, tokens, lengths):
    return torch.cat([model(row[:n].unsqueeze(0))[1] for row, n in zip(tokens, lengths)], dim=1)


# %% of="sequence-loss-final-state" variant="held-still"
def final_state(model, tokens, lengths):
    h = None
    for t in range(tokens.shape[1]):
        _, new = model(tokens[:, t, None], h)
        h = new if h is None else torch.where((t < lengths)[None, :, None], new, h)
    return h


# %% of="sequence-loss-final-state" variant="gathered"
def final_state(model, tokens, lengths):
    states = model.rnn(model.embedding(tokens))[0]
    index = (lengths - 1).view(-1, 1, 1).expand(-1, 1, states.shape[2])
    return states.gather(1, index).transpose(0, 1)


# %% of="sequence-loss-final-state" variant="a-mask-of-one-step"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    last = F.one_hot(lengths - 1, tokens.shape[1]).to(states.dtype)
    return torch.einsum("bt,bth->bh", last, states)[None]


# %% of="sequence-loss-generate" variant="one-loop-over-prompt-and-answer"
def generate(model, prompt, n):
    h, made = None, []
    with torch.no_grad():
        for t in range(len(prompt) + n - 1):
            token = prompt[t] if t < len(prompt) else made[-1]
            logits, h = model(token.view(1, 1), h)
            if t >= len(prompt) - 1:
                made.append(logits.argmax(-1).squeeze())
    return torch.stack(made)


# %% of="sequence-loss-generate" variant="a-buffer"
@torch.no_grad()
def generate(model, prompt, n):
    out = prompt.new_empty(n)
    x, h = prompt.unsqueeze(0), None
    for i in range(n):
        logits, h = model(x, h)
        x = logits[:, -1:].argmax(dim=2)
        out[i] = x
    return out


# %% of="sequence-loss-generate" variant="softmax-and-topk"
def generate(model, prompt, n):
    logits, h = model(prompt.reshape(1, -1))
    tokens = []
    while len(tokens) < n:
        p = torch.softmax(logits[0, -1], dim=0)
        best = p.topk(1).indices
        tokens.append(best)
        logits, h = model(best.reshape(1, 1), h=h)
    return torch.cat(tokens)


# %% of="sequence-loss-generate" variant="a-list-of-numbers-made-a-tensor"
def generate(model, prompt, n):
    logits, h = model(prompt[None, :])
    numbers = []
    for step in range(n):
        number = int(logits[0, -1].max(0).indices)
        numbers.append(number)
        logits, h = model(torch.tensor([[number]], device=prompt.device), h)
    return torch.tensor(numbers, device=prompt.device)


# %% of="sequence-loss-generate" variant="a-generator"
def tokens_after(model, prompt):
    x, h = prompt[None], None
    while True:
        logits, h = model(x, h)
        x = logits[:, -1].argmax(1, keepdim=True)
        yield x[0, 0]


def generate(model, prompt, n):
    stream = tokens_after(model, prompt)
    return torch.stack([next(stream) for _ in range(n)])


# %% of="sequence-loss-generate" variant="a-list-of-tensors"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, -1].argmax())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" variant="all-but-the-last-of-the-prompt-first"
def generate(model, prompt, n):
    h = None
    for token in prompt[:-1]:
        _, h = model(token.view(1, 1), h)
    token, out = prompt[-1], []
    for _ in range(n):
        logits, h = model(token.view(1, 1), h)
        token = logits[0, -1].argmax()
        out.append(token)
    return torch.stack(out)


# %% of="sequence-loss-bug" variant="another-value-for-what-was-filled-up"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=-1)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


# %% of="sequence-loss-bug" variant="lengths-and-the-masked-loss"
def labelling_loss(model, readings, labels):
    lengths = torch.tensor([len(row) for row in readings], device=readings[0].device)
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    return masked_sequence_loss(model(tokens)[0], targets, lengths)


# %% of="sequence-loss-bug" variant="one-sequence-at-a-time"
def labelling_loss(model, readings, labels):
    total, count = 0, 0
    for x, y in zip(readings, labels):
        total = total + F.cross_entropy(model(x[None])[0][0], y, reduction="sum")
        count += len(y)
    return total / count


# %% of="sequence-loss-bug" variant="a-mask-from-the-lengths"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    real = pad_sequence([torch.ones_like(row, dtype=torch.bool) for row in labels], batch_first=True)
    logits, _ = model(tokens)
    return F.cross_entropy(logits[real], torch.cat(labels))


# %% of="sequence-loss-bug" variant="a-name-for-no-class"
def labelling_loss(model, readings, labels):
    no_class = -100
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=no_class)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=no_class)


# %% of="sequence-loss-predict-untrained" variant="a-tensor"
guess_untrained = torch.log(torch.tensor(18.0))

# %% of="sequence-loss-predict-untrained" variant="a-wrong-guess-is-a-prediction-too"
guess_untrained = 1

# %% of="sequence-loss-predict-factor" variant="a-product"
guess_factor = 8 * 25

# %% of="sequence-loss-predict-factor" variant="a-wrong-guess-is-a-prediction-too"
guess_factor = 8.0

# %% of="sequence-loss-predict-memory" variant="capitals"
guess_larger = "Logits"

# %% of="sequence-loss-predict-memory" variant="a-wrong-guess-is-a-prediction-too"
guess_larger = "states"
