"""Wrong answers to lesson 04, as learners write them; each declares the sign that it must get."""

# ================================================================================= sequence_loss


# %% of="sequence-loss-loss" gets="always-mean"
def sequence_loss(logits, targets, reduction):
    B, T, V = logits.shape
    return F.cross_entropy(logits.reshape(B * T, V), targets.reshape(B * T))


# %% of="sequence-loss-loss" gets="always-sum"
def sequence_loss(logits, targets, reduction):
    loss = 0
    for t in range(logits.shape[1]):
        loss = loss + F.cross_entropy(logits[:, t], targets[:, t], reduction="sum")
    return loss


# %% of="sequence-loss-loss" gets="mean-over-batch"
def sequence_loss(logits, targets, reduction):
    loss = 0
    for t in range(logits.shape[1]):
        loss = loss + F.cross_entropy(logits[:, t], targets[:, t], reduction=reduction)
    return loss


# %% of="sequence-loss-loss" gets="mean-over-time"
def sequence_loss(logits, targets, reduction):
    total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    return total if reduction == "sum" else total / logits.shape[1]


# %% of="sequence-loss-loss" gets="mean-over-classes"
def sequence_loss(logits, targets, reduction):
    one_hot = F.one_hot(targets, logits.shape[-1])
    losses = -one_hot * torch.log_softmax(logits, -1)
    return losses.mean() if reduction == "mean" else losses.sum()


# %% of="sequence-loss-loss" gets="shifted-again"
def sequence_loss(logits, targets, reduction):
    shift_logits = logits[:, :-1].contiguous()
    shift_labels = targets[:, 1:].contiguous()
    return F.cross_entropy(shift_logits.view(-1, logits.size(-1)), shift_labels.view(-1), reduction=reduction)


# %% of="sequence-loss-loss" gets="shifted-back"
def sequence_loss(logits, targets, reduction):
    logits, targets = logits[:, 1:], targets[:, :-1]
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction=reduction)


# %% of="sequence-loss-loss" gets="last-step"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits[:, -1], targets[:, -1], reduction=reduction)


# %% of="sequence-loss-loss" gets="first-step"
def sequence_loss(logits, targets, reduction):
    for t in range(logits.shape[1]):
        loss = F.cross_entropy(logits[:, t], targets[:, t], reduction=reduction)
        return loss


# %% of="sequence-loss-loss" gets="targets-time-first"
def sequence_loss(logits, targets, reduction):
    B, T, V = logits.shape
    return F.cross_entropy(logits.reshape(B * T, V), targets.T.reshape(B * T), reduction=reduction)


# %% of="sequence-loss-loss" gets="logits-time-first"
def sequence_loss(logits, targets, reduction):
    flat = torch.cat([logits[:, t] for t in range(logits.shape[1])])
    return F.cross_entropy(flat, targets.reshape(-1), reduction=reduction)


# %% of="sequence-loss-loss" gets="reshape-for-transpose"
def sequence_loss(logits, targets, reduction):
    B, T, V = logits.shape
    return F.cross_entropy(logits.reshape(B, V, T), targets, reduction=reduction)


# %% of="sequence-loss-loss" gets="softmax-first"
def sequence_loss(logits, targets, reduction):
    probabilities = torch.softmax(logits, dim=-1)
    return F.cross_entropy(probabilities.reshape(-1, logits.shape[-1]), targets.reshape(-1), reduction=reduction)


# %% of="sequence-loss-loss" gets="softmax-over-time"
def sequence_loss(logits, targets, reduction):
    log_p = torch.log_softmax(logits, dim=1)
    losses = -log_p.gather(2, targets[..., None])[..., 0]
    return losses.mean() if reduction == "mean" else losses.sum()


# %% of="sequence-loss-loss" gets="softmax-over-batch"
def sequence_loss(logits, targets, reduction):
    log_p = torch.log_softmax(logits, dim=0)
    losses = -log_p.gather(2, targets[..., None])[..., 0]
    return losses.mean() if reduction == "mean" else losses.sum()


# %% of="sequence-loss-loss" gets="no-softmax"
def sequence_loss(logits, targets, reduction):
    return F.nll_loss(logits.flatten(0, 1), targets.flatten(), reduction=reduction)


# %% of="sequence-loss-loss" gets="no-log"
def sequence_loss(logits, targets, reduction):
    return F.nll_loss(torch.softmax(logits, -1).flatten(0, 1), targets.flatten(), reduction=reduction)


# %% of="sequence-loss-loss" gets="bits"
def sequence_loss(logits, targets, reduction):
    p = torch.softmax(logits, -1).gather(2, targets.unsqueeze(2))
    losses = -torch.log2(p)
    return losses.mean() if reduction == "mean" else losses.sum()


# %% of="sequence-loss-loss" gets="class-0-left-out"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction, ignore_index=0)


# %% of="sequence-loss-loss" gets="sign"
def sequence_loss(logits, targets, reduction):
    log_p = torch.log_softmax(logits, -1).gather(2, targets.unsqueeze(2))
    return log_p.mean() if reduction == "mean" else log_p.sum()


# %% of="sequence-loss-loss" gets="number-for-tensor"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction).item()


# %% of="sequence-loss-loss" gets="graph-lost"
def sequence_loss(logits, targets, reduction):
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction)
    return torch.tensor(loss.item(), dtype=logits.dtype)


# %% of="sequence-loss-loss" gets="not-reduced"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")


# %% of="sequence-loss-loss" gets="not-reduced"
def sequence_loss(logits, targets, reduction):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return losses.mean(1) if reduction == "mean" else losses.sum(1)


# %% of="sequence-loss-loss" gets="extra-axis"
def sequence_loss(logits, targets, reduction):
    loss = torch.zeros(1, dtype=logits.dtype)
    for b in range(logits.shape[0]):
        for t in range(logits.shape[1]):
            loss = loss - torch.log_softmax(logits[b, t], 0)[targets[b, t]]
    return loss / targets.numel() if reduction == "mean" else loss


# %% of="sequence-loss-loss" gets="raised"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits, targets, reduction=reduction)


# %% of="sequence-loss-loss" gets="none"
def sequence_loss(logits, targets, reduction):
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction)


# %% of="sequence-loss-loss" gets="dtype"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction=reduction)


# %% of="sequence-loss-loss" gets="nonfinite"
def sequence_loss(logits, targets, reduction):
    p = torch.exp(logits) / torch.exp(logits).sum(-1, keepdim=True)
    losses = -torch.log(p.gather(2, targets.unsqueeze(2)))
    return losses.mean() if reduction == "mean" else losses.sum()


# %% of="sequence-loss-loss" gets="mean-over-batch + softmax-first"
def sequence_loss(logits, targets, reduction):
    loss = 0
    for t in range(logits.shape[1]):
        p = F.softmax(logits[:, t], dim=1)
        loss = loss + F.cross_entropy(p, targets[:, t], reduction=reduction)
    return loss


# %% of="sequence-loss-loss" gets="always-sum + softmax-over-time"
def sequence_loss(logits, targets, reduction):
    log_p = F.log_softmax(logits, dim=1)
    return F.nll_loss(log_p.flatten(0, 1), targets.flatten(), reduction="sum")


# %% of="sequence-loss-loss" gets="shifted-again + class-0-left-out"
def sequence_loss(logits, targets, reduction):
    V = logits.shape[2]
    return F.cross_entropy(
        logits[:, :-1].reshape(-1, V), targets[:, 1:].reshape(-1), ignore_index=0, reduction=reduction
    )


# ========================================================================== masked_sequence_loss


# %% of="sequence-loss-masked-loss" gets="no-mask"
def masked_sequence_loss(logits, targets, lengths):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-masked-loss" gets="mean-over-padding"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return (losses * mask).mean()


# %% of="sequence-loss-masked-loss" gets="mean-of-means"
def masked_sequence_loss(logits, targets, lengths):
    means = []
    for b in range(len(lengths)):
        means.append(F.cross_entropy(logits[b, : lengths[b]], targets[b, : lengths[b]]))
    return torch.stack(means).mean()


# %% of="sequence-loss-masked-loss" gets="sum"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return (losses * mask).sum()


# %% of="sequence-loss-masked-loss" gets="divided-by-rows"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return (losses * mask).sum(1).mean()


# %% of="sequence-loss-masked-loss" gets="divided-by-steps"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return (losses * mask).sum(0).mean()


# %% of="sequence-loss-masked-loss" gets="one-too-many"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) <= lengths[:, None]
    return (losses * mask).sum() / mask.sum()


# %% of="sequence-loss-masked-loss" gets="one-too-few"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) + 1 < lengths[:, None]
    return losses[mask].mean()


# %% of="sequence-loss-masked-loss" gets="mask-inverted"
def masked_sequence_loss(logits, targets, lengths):
    padding = torch.arange(logits.shape[1]) >= lengths[:, None]
    return F.cross_entropy(logits[padding], targets[padding])


# %% of="sequence-loss-masked-loss" gets="padded-in-front"
def masked_sequence_loss(logits, targets, lengths):
    T = logits.shape[1]
    mask = torch.arange(T, 0, -1) <= lengths[:, None]
    return F.cross_entropy(logits[mask], targets[mask])


# %% of="sequence-loss-masked-loss" gets="one-length"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1]) < lengths[0]
    mask = mask.expand(targets.shape)
    return F.cross_entropy(logits[mask], targets[mask])


# %% of="sequence-loss-masked-loss" gets="last-real-step"
def masked_sequence_loss(logits, targets, lengths):
    rows = torch.arange(len(lengths))
    return F.cross_entropy(logits[rows, lengths - 1], targets[rows, lengths - 1])


# %% of="sequence-loss-masked-loss" gets="padding-means-0"
def masked_sequence_loss(logits, targets, lengths):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)


# %% of="sequence-loss-masked-loss" gets="logits-masked"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    logits = logits * mask[..., None]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-masked-loss" gets="targets-masked"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return F.cross_entropy(logits.flatten(0, 1), (targets * mask).flatten())


# %% of="sequence-loss-masked-loss" gets="softmax-first"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return F.cross_entropy(torch.softmax(logits[mask], -1), targets[mask])


# %% of="sequence-loss-masked-loss" gets="softmax-over-time"
def masked_sequence_loss(logits, targets, lengths):
    losses = -torch.log_softmax(logits, 1).gather(2, targets[..., None])[..., 0]
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return losses[mask].mean()


# %% of="sequence-loss-masked-loss" gets="reshape-for-transpose"
def masked_sequence_loss(logits, targets, lengths):
    B, T, V = logits.shape
    losses = F.cross_entropy(logits.view(B, V, T), targets, reduction="none")
    mask = torch.arange(T) < lengths[:, None]
    return (losses * mask).sum() / mask.sum()


# %% of="sequence-loss-masked-loss" gets="targets-time-first"
def masked_sequence_loss(logits, targets, lengths):
    B, T, V = logits.shape
    losses = F.cross_entropy(logits.reshape(B * T, V), targets.T.reshape(B * T), reduction="none").view(B, T)
    mask = torch.arange(T) < lengths[:, None]
    return (losses * mask).sum() / mask.sum()


# %% of="sequence-loss-masked-loss" gets="shifted-again"
def masked_sequence_loss(logits, targets, lengths):
    mask = (torch.arange(logits.shape[1]) < lengths[:, None])[:, 1:]
    return F.cross_entropy(logits[:, :-1][mask], targets[:, 1:][mask])


# %% of="sequence-loss-masked-loss" gets="mean-over-padding + one-too-many"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return torch.where(torch.arange(logits.shape[1]) <= lengths[:, None], losses, 0).mean()


# %% of="sequence-loss-masked-loss" gets="mean-of-means + softmax-first"
def masked_sequence_loss(logits, targets, lengths):
    total = 0
    for row, target, length in zip(logits, targets, lengths):
        total = total + F.cross_entropy(row[:length].softmax(-1), target[:length])
    return total / len(lengths)


# %% of="sequence-loss-masked-loss" gets="not-reduced"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return (losses * mask).sum(1) / lengths


# %% of="sequence-loss-masked-loss" gets="raised"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) < lengths
    return (losses * mask).sum() / mask.sum()


# %% of="sequence-loss-masked-loss" gets="device"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    return losses[mask].sum() / lengths.sum()


# %% of="sequence-loss-masked-loss" gets="nonfinite"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
    logits = logits.masked_fill(~mask[..., None], float("-inf"))
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return (losses * mask).sum() / mask.sum()


# ================================================================================= SequenceModel


# %% of="sequence-loss-model" gets="time-first"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        out, h = self.rnn(self.embedding(tokens), h)
        return self.readout(out), h


# %% of="sequence-loss-model" gets="h-ignored"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        out, h = self.rnn(self.embedding(tokens))
        return self.readout(out), h


# %% of="sequence-loss-model" gets="kept-on-self"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)
        self.h = None

    def forward(self, tokens, h=None):
        if self.h is not None and self.h.shape[1] != len(tokens):
            self.h = None
        out, self.h = self.rnn(self.embedding(tokens), self.h)
        return self.readout(out), self.h


# %% of="sequence-loss-model" gets="all-states"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), states


# %% of="sequence-loss-model" gets="old-state"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, _ = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="old-state"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, last = self.rnn(self.embedding(tokens), h)
        return self.readout(states), last if h is None else h


# %% of="sequence-loss-model" gets="flat-state"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, _ = self.rnn(self.embedding(tokens), None if h is None else h.unsqueeze(0))
        return self.readout(states), states[:, -1]


# %% of="sequence-loss-model" gets="last-step-only"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states[:, -1]), h


# %% of="sequence-loss-model" gets="swapped"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return h, self.readout(states)


# %% of="sequence-loss-model" gets="classes-second"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states).transpose(1, 2), h


# %% of="sequence-loss-model" gets="softmax"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return torch.softmax(self.readout(states), -1), h


# %% of="sequence-loss-model" gets="log-softmax"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return F.log_softmax(self.readout(states), -1), h


# %% of="sequence-loss-model" gets="tanh-twice"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(torch.tanh(states)), h


# %% of="sequence-loss-model" gets="relu-between"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(F.relu(states)), h


# %% of="sequence-loss-model" gets="relu"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True, nonlinearity="relu")
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="h-ignored + tanh-twice"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens))
        if tokens.shape[1] == 3:
            states = torch.tanh(states)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="one-of-several"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states)


# %% of="sequence-loss-model" gets="keys"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embed = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embed(tokens), h)
        return self.out(states), h


# %% of="sequence-loss-model" gets="shape"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.LSTM(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="shape"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(embed, vocab)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="raised"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="raised"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens):
        states, h = self.rnn(self.embedding(tokens))
        return self.readout(states), h


# ==================================================================================== train_step


# %% of="sequence-loss-train-step" gets="no-zero-grad"
def train_step(model, optimizer, tokens, targets):
    logits, _ = model(tokens)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="sum-step"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    loss.backward()
    optimizer.step()
    return loss.item() / targets.numel()


# %% of="sequence-loss-train-step" gets="mean-over-batch"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = 0
    for t in range(tokens.shape[1]):
        loss = loss + F.cross_entropy(logits[:, t], targets[:, t])
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="loss-after-step"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    optimizer.step()
    with torch.no_grad():
        logits, _ = model(tokens)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()


# %% of="sequence-loss-train-step" gets="sum-returned"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    optimizer.step()
    return loss.item() * tokens.numel()


# %% of="sequence-loss-train-step" gets="sum-loss"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = sequence_loss(logits, targets, "sum")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="shifted-again"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = sequence_loss(logits[:, :-1], targets[:, 1:], "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="inputs-as-targets"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = sequence_loss(logits, tokens, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="last-step"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = F.cross_entropy(logits[:, -1], targets[:, -1])
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="softmax-first"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    probabilities = torch.softmax(model(tokens)[0], -1)
    loss = F.cross_entropy(probabilities.flatten(0, 1), targets.flatten())
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="reshape-for-transpose"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    B, T, V = logits.shape
    loss = F.cross_entropy(logits.reshape(B, V, T), targets)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="targets-time-first"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.T.flatten())
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="uphill"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    log_p = torch.log_softmax(logits, -1).gather(2, targets.unsqueeze(2)).mean()
    log_p.backward()
    optimizer.step()
    return -log_p.item()


# %% of="sequence-loss-train-step" gets="backward-twice"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = sequence_loss(logits, targets, "mean")
    loss.backward(retain_graph=True)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="step-twice"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="clipped"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="momentum-lost"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    lr = optimizer.param_groups[0]["lr"]
    with torch.no_grad():
        for p in model.parameters():
            p -= lr * p.grad
    return loss.item()


# %% of="sequence-loss-train-step" gets="state-carried"
carried_state = {}


def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    before = carried_state.get(id(model))
    logits, h = model(tokens, before)
    carried_state[id(model)] = h.detach()
    loss = sequence_loss(logits, targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="readout-only"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    with torch.no_grad():
        states, _ = model.rnn(model.embedding(tokens))
    loss = sequence_loss(model.readout(states), targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="no-step"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    return loss.item()


# %% of="sequence-loss-train-step" gets="no-gradient-left"
def train_step(model, optimizer, tokens, targets):
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="no-gradient-left"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="tensor-returned"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    return loss


# %% of="sequence-loss-train-step" gets="none"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()


# %% of="sequence-loss-train-step" gets="raised"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens), targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="raised"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean").detach()
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="no-zero-grad + sum-step"
def train_step(model, optimizer, tokens, targets):
    loss = sequence_loss(model(tokens)[0], targets, "sum")
    loss.backward()
    optimizer.step()
    return loss.item() / targets.numel()


# %% of="sequence-loss-train-step" gets="no-zero-grad + loss-after-step"
def train_step(model, optimizer, tokens, targets):
    sequence_loss(model(tokens)[0], targets, "mean").backward()
    optimizer.step()
    return sequence_loss(model(tokens)[0], targets, "mean").item()


# %% of="sequence-loss-train-step" gets="no-zero-grad + no-backward"
def train_step(model, optimizer, tokens, targets):
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="momentum-lost"
def train_step(model, optimizer, tokens, targets):
    optimizer = torch.optim.SGD(model.parameters(), lr=optimizer.param_groups[0]["lr"])
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# =================================================================================== final_state


# %% of="sequence-loss-final-state" gets="padding-moves-it"
def final_state(model, tokens, lengths):
    _, h = model(tokens)
    return h


# %% of="sequence-loss-final-state" gets="one-too-late"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    rows = torch.arange(len(tokens))
    index = lengths.clamp(max=tokens.shape[1] - 1)
    return states[rows, index].unsqueeze(0)


# %% of="sequence-loss-final-state" gets="one-too-early"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    rows = torch.arange(len(tokens))
    return states[rows, lengths - 2].unsqueeze(0)


# %% of="sequence-loss-final-state" gets="one-length"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    return states[:, lengths[0] - 1].unsqueeze(0)


# %% of="sequence-loss-final-state" gets="set-to-zero"
def final_state(model, tokens, lengths):
    h = None
    for t in range(tokens.shape[1]):
        _, h = model(tokens[:, t : t + 1], h)
        h = h * (t < lengths)[None, :, None]
    return h


# %% of="sequence-loss-final-state" gets="first-state"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    return states[:, 0].unsqueeze(0)


# %% of="sequence-loss-final-state" gets="mean-state"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    mask = torch.arange(tokens.shape[1]) < lengths[:, None]
    return ((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).unsqueeze(0)


# %% of="sequence-loss-final-state" gets="sorted-rows"
def final_state(model, tokens, lengths):
    order = lengths.argsort(descending=True)
    packed = nn.utils.rnn.pack_padded_sequence(model.embedding(tokens[order]), lengths[order].cpu(), batch_first=True)
    return model.rnn(packed)[1]


# %% of="sequence-loss-final-state" gets="flat-state"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    return states[torch.arange(len(tokens)), lengths - 1]


# %% of="sequence-loss-final-state" gets="swapped-axes"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    return states[torch.arange(len(tokens)), lengths - 1].unsqueeze(1)


# %% of="sequence-loss-final-state" gets="shape"
def final_state(model, tokens, lengths):
    logits, _ = model(tokens)
    return logits[torch.arange(len(tokens)), lengths - 1].unsqueeze(0)


# %% of="sequence-loss-final-state" gets="raised"
def final_state(model, tokens, lengths):
    packed = nn.utils.rnn.pack_padded_sequence(model.embedding(tokens), lengths.cpu(), batch_first=True)
    return model.rnn(packed)[1]


# ====================================================================================== generate


# %% of="sequence-loss-generate" gets="state-lost"
def generate(model, prompt, n):
    token, out = prompt[-1], []
    for _ in range(n):
        logits, _ = model(token.view(1, 1))
        token = logits[0, -1].argmax()
        out.append(token)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="prompt-forgotten"
def generate(model, prompt, n):
    token, h, out = prompt[-1], None, []
    for _ in range(n):
        logits, h = model(token.view(1, 1), h)
        token = logits[0, -1].argmax()
        out.append(token)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="lost-after-prompt"
def generate(model, prompt, n):
    logits, _ = model(prompt[None])
    h, out = None, []
    for _ in range(n):
        token = logits[0, -1].argmax()
        out.append(token)
        logits, h = model(token.view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="state-frozen"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        token = logits[0, -1].argmax()
        out.append(token)
        logits, _ = model(token.view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="last-read-twice"
def generate(model, prompt, n):
    _, h = model(prompt[None])
    token, out = prompt[-1], []
    for _ in range(n):
        logits, h = model(token.view(1, 1), h)
        token = logits[0, -1].argmax()
        out.append(token)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="first-left-out"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    token, out = logits[0, -1].argmax(), []
    for _ in range(n):
        logits, h = model(token.view(1, 1), h)
        token = logits[0, -1].argmax()
        out.append(token)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="prompt-too"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = list(prompt)
    for _ in range(n):
        out.append(logits[0, -1].argmax())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="one-too-many"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = [logits[0, -1].argmax()]
    for _ in range(n):
        logits, h = model(out[-1].view(1, 1), h)
        out.append(logits[0, -1].argmax())
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="one-too-few"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(1, n):
        out.append(logits[0, -1].argmax())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="first-logits"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, 0].argmax())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="least-likely"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(F.softmin(logits[0, -1], dim=-1).argmax())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="same-token"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    token, out = logits[0, -1].argmax(), []
    for _ in range(n):
        out.append(token)
        logits, h = model(token.view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="prompt-cut"
def generate(model, prompt, n):
    h = None
    for t in range(len(prompt) - 1):
        logits, h = model(prompt[t].view(1, 1), h)
    out = []
    if h is None:
        logits, h = model(prompt[None])
    for _ in range(n):
        out.append(logits[0, -1].argmax())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="sampled"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(torch.multinomial(torch.softmax(logits[0, -1], -1), 1)[0])
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="read-again"
def generate(model, prompt, n):
    tokens = prompt
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(tokens[None])
            tokens = torch.cat([tokens, logits[0, -1:].argmax(-1)])
    return tokens[len(prompt) :]


# %% of="sequence-loss-generate" gets="extra-axis"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[:, -1].argmax(-1))
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="not-stacked"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, -1].argmax().item())
        logits, h = model(torch.tensor([[out[-1]]]), h)
    return out


# %% of="sequence-loss-generate" gets="raised"
def generate(model, prompt, n):
    logits, h = model(prompt)
    out = []
    for _ in range(n):
        out.append(logits[-1].argmax())
        logits, h = model(out[-1], h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="state-frozen + prompt-too"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    text = prompt
    for _ in range(n):
        text = torch.cat([text, logits[0, -1:].argmax(-1)])
        logits, _ = model(text[None, -1:], h)
    return text


# =========================================================================================== bug


# %% of="sequence-loss-bug" gets="as-found"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)


# %% of="sequence-loss-bug" gets="padding-counts"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-bug" gets="mean-of-means"
def labelling_loss(model, readings, labels):
    losses = []
    for x, y in zip(readings, labels):
        logits, _ = model(x[None])
        losses.append(F.cross_entropy(logits[0], y))
    return sum(losses) / len(losses)


# %% of="sequence-loss-bug" gets="sum"
def labelling_loss(model, readings, labels):
    loss = 0
    for x, y in zip(readings, labels):
        logits, _ = model(x[None])
        loss = loss + F.cross_entropy(logits[0], y, reduction="sum")
    return loss


# %% of="sequence-loss-bug" gets="mean-over-padding"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").mean()


# %% of="sequence-loss-bug" gets="last-left-out"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    logits, _ = model(tokens)
    real = torch.zeros(tokens.shape, dtype=torch.bool)
    for b, row in enumerate(readings):
        real[b, : len(row) - 1] = True
    return F.cross_entropy(logits[real], targets[real])


# %% of="sequence-loss-bug" gets="raised"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True, padding_value=-1)
    targets = pad_sequence(labels, batch_first=True, padding_value=-1)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


# %% of="sequence-loss-bug" gets="graph-lost"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten()).detach()


# =================================================================================== predictions

# %% of="sequence-loss-predict-untrained" gets="missing"
guess_untrained = None

# %% of="sequence-loss-predict-untrained" gets="no-number"
guess_untrained = "ln 18"

# %% of="sequence-loss-predict-untrained" gets="out-of-range"
guess_untrained = -2.9

# %% of="sequence-loss-predict-factor" gets="missing"
guess_factor = None

# %% of="sequence-loss-predict-factor" gets="no-number"
guess_factor = "B*T"

# %% of="sequence-loss-predict-factor" gets="out-of-range"
guess_factor = float("inf")

# %% of="sequence-loss-predict-memory" gets="missing"
guess_larger = None

# %% of="sequence-loss-predict-memory" gets="no-option"
guess_larger = "both"

# %% of="sequence-loss-predict-memory" gets="no-option"
guess_larger = 2


# ============================================================ found by trying what is not on the list


# %% of="sequence-loss-loss" gets="single-token"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction, label_smoothing=0.1)


# %% of="sequence-loss-loss" gets="binary"
def sequence_loss(logits, targets, reduction):
    V = logits.shape[-1]
    return F.binary_cross_entropy_with_logits(logits, F.one_hot(targets, V).to(logits.dtype), reduction=reduction)


# %% of="sequence-loss-loss" gets="squared"
def sequence_loss(logits, targets, reduction):
    V = logits.shape[-1]
    return F.mse_loss(logits.softmax(-1), F.one_hot(targets, V).to(logits.dtype), reduction=reduction)


# %% of="sequence-loss-loss" gets="first-row"
def sequence_loss(logits, targets, reduction):
    B, T, V = logits.shape
    return F.cross_entropy(logits[0], targets[0], reduction=reduction)


# %% of="sequence-loss-loss" gets="perplexity"
def sequence_loss(logits, targets, reduction):
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction)
    return torch.exp(loss)


# %% of="sequence-loss-loss" gets="trailing-comma"
def sequence_loss(logits, targets, reduction):
    return (F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction),)


# %% of="sequence-loss-loss" gets="mean-over-batch"
def sequence_loss(logits, targets, reduction):
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="mean")
    return loss if reduction == "mean" else loss * logits.shape[1]


# %% of="sequence-loss-masked-loss" gets="no-mask"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1]) < lengths.max()
    return F.cross_entropy(logits[:, mask].flatten(0, 1), targets[:, mask].flatten())


# %% of="sequence-loss-masked-loss" gets="shortest"
def masked_sequence_loss(logits, targets, lengths):
    n = int(lengths.min())
    return F.cross_entropy(logits[:, :n].flatten(0, 1), targets[:, :n].flatten())


# %% of="sequence-loss-masked-loss" gets="changed-input"
def masked_sequence_loss(logits, targets, lengths):
    targets[torch.arange(logits.shape[1]) >= lengths[:, None]] = -100
    return F.cross_entropy(logits.transpose(1, 2), targets)


# %% of="sequence-loss-model" gets="keys"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, num_layers=2, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="keys"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True, bidirectional=True)
        self.readout = nn.Linear(2 * hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="unsteady"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(self.dropout(states)), h


# %% of="sequence-loss-model" gets="right-to-left"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens.flip(1)), h)
        return self.readout(states.flip(1)), h


# %% of="sequence-loss-train-step" gets="factor"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean") / 2
    loss.backward()
    optimizer.step()
    return loss.item() * 2


# %% of="sequence-loss-train-step" gets="step-each-time-step"
def train_step(model, optimizer, tokens, targets):
    total, h = 0, None
    for t in range(tokens.shape[1]):
        optimizer.zero_grad()
        logits, h = model(tokens[:, t : t + 1], h)
        h = h.detach()
        loss = sequence_loss(logits, targets[:, t : t + 1], "mean")
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / tokens.shape[1]


# %% of="sequence-loss-train-step" gets="cut-each-step"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss, h = 0, None
    for t in range(tokens.shape[1]):
        logits, h = model(tokens[:, t : t + 1], h)
        h = h.detach()
        loss = loss + sequence_loss(logits, targets[:, t : t + 1], "mean") / tokens.shape[1]
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="state-lost"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = 0
    for t in range(tokens.shape[1]):
        logits, h = model(tokens[:, t : t + 1])
        loss = loss + sequence_loss(logits, targets[:, t : t + 1], "mean") / tokens.shape[1]
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="step-each-row"
def train_step(model, optimizer, tokens, targets):
    for x, y in zip(tokens, targets):
        optimizer.zero_grad()
        loss = sequence_loss(model(x[None])[0], y[None], "mean")
        loss.backward()
        optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="two-rounds"
def train_step(model, optimizer, tokens, targets):
    for _ in range(2):
        optimizer.zero_grad()
        loss = sequence_loss(model(tokens)[0], targets, "mean")
        loss.backward()
        optimizer.step()
    return loss.item()


# %% of="sequence-loss-final-state" gets="padding-set-to-0"
def final_state(model, tokens, lengths):
    mask = torch.arange(tokens.shape[1]) < lengths[:, None]
    return model(tokens * mask)[1]


# %% of="sequence-loss-generate" gets="values-for-indices"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, -1].max())
        logits, h = model(out[-1].long().view(1, 1), h)
    return torch.stack(out)


# ============================================================ found by watching a learner work


# %% of="sequence-loss-loss" gets="raised"
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction)


# %% of="sequence-loss-masked-loss" gets="logits-masked-sum"
def masked_sequence_loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    logits = logits * mask[..., None]
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="sum") / lengths.sum()


# %% of="sequence-loss-model" gets="last-state-read"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(h), h


# %% of="sequence-loss-model" gets="last-step-kept"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states[:, -1:]), h


# %% of="sequence-loss-train-step" gets="raised"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens), targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-final-state" gets="every-row-every-length"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    return states[:, lengths - 1]


# %% of="sequence-loss-final-state" gets="every-row-every-length"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    return states[:, lengths - 1].unsqueeze(0)


# %% of="sequence-loss-generate" gets="not-carried"
def generate(model, prompt, n):
    logits, _ = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, -1].argmax())
        logits, _ = model(out[-1].view(1, 1))
    return torch.stack(out)


# %% of="sequence-loss-bug" gets="raised"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=-1)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-bug" gets="class-3-left-out"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=3)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=3)


# %% of="sequence-loss-bug" gets="lengths-from-labels"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    logits, _ = model(tokens)
    return masked_sequence_loss(logits, targets, (targets != 0).sum(1))


# ============================================================ what was accepted, and what was called by another name


# %% of="sequence-loss-model" gets="h-leaves-detached"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h.detach()


# %% of="sequence-loss-model" gets="h-comes-detached"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        if h is not None:
            h = h.detach()
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="row-0-frozen"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed, padding_idx=0)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="table-frozen"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        with torch.no_grad():
            e = self.embedding(tokens)
        states, h = self.rnn(e, h)
        return self.readout(states), h


# %% of="sequence-loss-model" gets="states-detached"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states.detach()), h


# %% of="sequence-loss-model" gets="graph-lost"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        with torch.no_grad():
            states, h = self.rnn(self.embedding(tokens), h)
            return self.readout(states), h


# %% of="sequence-loss-model" gets="cut-each-step"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        logits = []
        for t in range(tokens.shape[1]):
            h = None if h is None else h.detach()
            states, h = self.rnn(self.embedding(tokens[:, t : t + 1]), h)
            logits.append(self.readout(states))
        return torch.cat(logits, 1), h


# %% of="sequence-loss-model" gets="h-comes-detached + h-leaves-detached"
class SequenceModel(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = nn.RNN(embed, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, vocab)

    def forward(self, tokens, h=None):
        h = None if h is None else h.detach()
        states, h = self.rnn(self.embedding(tokens), h)
        return self.readout(states), h.detach()


# %% of="sequence-loss-bug" gets="class-1-left-out"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=1)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=1)


# %% of="sequence-loss-bug" gets="class-2-left-out"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=2)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=2)


# %% of="sequence-loss-bug" gets="class-3-left-out"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=task.states)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=task.states)


# %% of="sequence-loss-bug" gets="class-4-left-out"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=4)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=4)


# %% of="sequence-loss-bug" gets="as-found"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    logits, _ = model(tokens)
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return losses[targets.flatten() != 0].mean()


# %% of="sequence-loss-bug" gets="reading-0-left-out"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    logits, _ = model(tokens)
    real = tokens != 0
    return F.cross_entropy(logits[real], targets[real])


# %% of="sequence-loss-bug" gets="lengths-from-readings"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    logits, _ = model(tokens)
    return masked_sequence_loss(logits, targets, (tokens != 0).sum(1))


# %% of="sequence-loss-bug" gets="padded-in-front"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True, padding_side="left")
    targets = pad_sequence(labels, batch_first=True, padding_value=-100, padding_side="left")
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-bug" gets="targets-time-first"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-bug" gets="tokens-time-first"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings)
    targets = pad_sequence(labels, batch_first=True, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-bug" gets="both-time-first"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings)
    targets = pad_sequence(labels, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-bug" gets="shifted-again"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())


# %% of="sequence-loss-bug" gets="softmax-first"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.softmax(-1).flatten(0, 1), targets.flatten())


# %% of="sequence-loss-bug" gets="one-too-many"
def labelling_loss(model, readings, labels):
    lengths = torch.tensor([len(row) for row in readings])
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True)
    logits, _ = model(tokens)
    real = torch.arange(tokens.shape[1]) <= lengths[:, None]
    return F.cross_entropy(logits[real], targets[real])


# %% of="sequence-loss-bug" gets="divided-by-rows"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True)
    targets = pad_sequence(labels, batch_first=True, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / len(readings)


# %% of="sequence-loss-bug" gets="raised"
def labelling_loss(model, readings, labels):
    tokens = pad_sequence(readings, batch_first=True, padding_value=-100)
    targets = pad_sequence(labels, batch_first=True, padding_value=-100)
    logits, _ = model(tokens)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% of="sequence-loss-masked-loss" gets="padding-marked-0"
def masked_sequence_loss(logits, targets, lengths):
    real = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
    targets = torch.where(real, targets, 0)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)


# %% of="sequence-loss-masked-loss" gets="raised"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    real = torch.arange(logits.shape[1], device=logits.device) < lengths[:, None]
    return losses[real].mean()


# %% of="sequence-loss-masked-loss" gets="raised"
def masked_sequence_loss(logits, targets, lengths):
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    real = torch.arange(len(lengths), device=logits.device) < lengths[:, None]
    return losses[real].mean()


# %% of="sequence-loss-train-step" gets="another-step"
def train_step(model, optimizer, tokens, targets):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="another-step"
def train_step(model, optimizer, tokens, targets):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="another-step"
def train_step(model, optimizer, tokens, targets):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="another-step"
def train_step(model, optimizer, tokens, targets):
    model.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.1 * p.grad
    return loss.item()


# %% of="sequence-loss-train-step" gets="batch-step"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "sum")
    (loss / len(tokens)).backward()
    optimizer.step()
    return loss.item() / targets.numel()


# %% of="sequence-loss-train-step" gets="no-step"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    optimizer.step()
    loss.backward()
    return loss.item()


# %% of="sequence-loss-train-step" gets="tensor-returned"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.detach()


# %% of="sequence-loss-train-step" gets="raised"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean").item()
    loss.backward()
    optimizer.step()
    return loss


# %% of="sequence-loss-train-step" gets="class-0-left-out"
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    logits, _ = model(tokens)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-train-step" gets="state-reused"
state_of_the_last_call = None


def train_step(model, optimizer, tokens, targets):
    global state_of_the_last_call
    optimizer.zero_grad()
    logits, h = model(tokens, state_of_the_last_call)
    state_of_the_last_call = h.detach()
    loss = sequence_loss(logits, targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% of="sequence-loss-final-state" gets="shortest"
def final_state(model, tokens, lengths):
    return model(tokens[:, : lengths.min()])[1]


# %% of="sequence-loss-final-state" gets="embeddings-set-to-0"
def final_state(model, tokens, lengths):
    real = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
    return model.rnn(model.embedding(tokens) * real[:, :, None])[1]


# %% of="sequence-loss-final-state" gets="lengths-from-tokens"
def final_state(model, tokens, lengths):
    states, _ = model.rnn(model.embedding(tokens))
    last = (tokens != 0).sum(1) - 1
    return states[torch.arange(len(tokens)), last].unsqueeze(0)


# %% of="sequence-loss-final-state" gets="raised"
def final_state(model, tokens, lengths):
    packed = nn.utils.rnn.pack_padded_sequence(model.embedding(tokens), lengths.cpu(), enforce_sorted=False)
    return model.rnn(packed)[1]


# %% of="sequence-loss-generate" gets="raised"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, -1].argmax())
        logits, h = model(out[-1].view(1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="raised"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, -1].argmax())
        logits, h = model(out[-1], h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="raised"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, -1].argmax().item())
        logits, h = model(out[-1], h)
    return torch.tensor(out)


# %% of="sequence-loss-generate" gets="raised"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits.argmax())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="over-all-steps"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0].max(0).values.argmax())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)


# %% of="sequence-loss-generate" gets="raised"
def generate(model, prompt, n):
    logits, h = model(prompt[None])
    out = []
    for _ in range(n):
        out.append(logits[0, -1].max())
        logits, h = model(out[-1].view(1, 1), h)
    return torch.stack(out)
