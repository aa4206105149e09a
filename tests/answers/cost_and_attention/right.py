"""Right answers to lesson 08 in other ways than the solution's, as learners write them."""


# %% of="cost-and-attention-rnn-flops" variant="a-loop"
def rnn_flops(B, T, D, H):
    flops = 0
    for t in range(T):
        flops += B * H * 2 * D
        flops += B * H * 2 * H
    return flops


# %% of="cost-and-attention-rnn-flops" variant="two-products"
def rnn_flops(B, T, D, H):
    input_product = 2 * B * T * D * H
    recurrent_product = 2 * B * T * H * H
    return input_product + recurrent_product


# %% of="cost-and-attention-rnn-flops" variant="multiply-adds-by-numel"
def rnn_flops(B: int, T: int, D: int, H: int) -> int:
    weights = torch.empty(H, D, device="meta").numel() + torch.empty(H, H, device="meta").numel()
    return 2 * weights * B * T


# %% of="cost-and-attention-rnn-flops" variant="a-float-that-is-whole"
def rnn_flops(B, T, D, H):
    return B * T * (D + H) * H / 0.5


# %% of="cost-and-attention-rnn-flops" variant="counted-by-pytorch"
def rnn_flops(B, T, D, H):
    rnn = nn.RNN(D, H, batch_first=True)
    with FlopCounterMode(display=False) as meter:
        rnn(torch.zeros(B, T, D))
    return meter.get_total_flops()


# %% of="cost-and-attention-bptt-bytes" variant="numel-and-element-size"
def bptt_bytes(B, T, H, dtype):
    return B * T * H * torch.empty((), dtype=dtype).element_size()


# %% of="cost-and-attention-bptt-bytes" variant="nbytes"
def bptt_bytes(B, T, H, dtype):
    return torch.zeros(B, T, H, dtype=dtype).nbytes


# %% of="cost-and-attention-bptt-bytes" variant="finfo-bits"
def bptt_bytes(B, T, H, dtype=torch.float32):
    return B * T * H * torch.finfo(dtype).bits // 8


# %% of="cost-and-attention-bptt-bytes" variant="a-sum-over-steps"
def bptt_bytes(B, T, H, dtype):
    return sum(B * H * dtype.itemsize for _ in range(T))


# %% of="cost-and-attention-bptt-bytes" variant="math-prod"
def bptt_bytes(B, T, H, dtype):
    return math.prod((B, T, H, dtype.itemsize))


# %% of="cost-and-attention-predict-growth" variant="another-guess"
guess_growth = 4


# %% of="cost-and-attention-predict-cache" variant="a-float"
guess_cache = 500.0


# %% of="cost-and-attention-predict-slower" variant="capitals"
guess_slower = " Everywhere"


# %% of="cost-and-attention-causal-attention" variant="einsum-and-tril"
def causal_attention(q, k, v):
    B, T, E = q.shape
    scores = torch.einsum("bte,bse->bts", q, k) / E**0.5
    mask = torch.tril(torch.ones(T, T, device=q.device)) == 0
    scores = scores.masked_fill(mask, float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    return torch.einsum("bts,bse->bte", weights, v)


# %% of="cost-and-attention-causal-attention" variant="added-mask"
def causal_attention(q, k, v):
    T = q.size(1)
    mask = torch.full((T, T), -math.inf, dtype=q.dtype, device=q.device)
    mask = torch.triu(mask, diagonal=1)
    attn = F.softmax(q @ k.mT * q.size(-1) ** -0.5 + mask, dim=2)
    return attn @ v


# %% of="cost-and-attention-causal-attention" variant="a-loop-over-steps"
def causal_attention(q, k, v):
    out = []
    for t in range(q.shape[1]):
        scores = (k[:, : t + 1] * q[:, t : t + 1]).sum(-1) / math.sqrt(q.shape[-1])
        w = torch.softmax(scores, dim=1)
        out.append((w.unsqueeze(-1) * v[:, : t + 1]).sum(1))
    return torch.stack(out, dim=1)


# %% of="cost-and-attention-causal-attention" variant="query-scaled-bmm"
def causal_attention(q, k, v):
    steps = torch.arange(q.shape[1], device=q.device)
    allowed = steps[None, :] <= steps[:, None]
    scores = torch.bmm(q / math.sqrt(q.shape[2]), k.transpose(-2, -1))
    return torch.bmm(torch.where(allowed, scores, -torch.inf).softmax(-1), v)


# %% of="cost-and-attention-causal-attention" variant="renormalised-by-hand"
def causal_attention(q, k, v):
    scores = q @ k.transpose(1, 2) / math.sqrt(k.shape[-1])
    mask = torch.ones_like(scores).tril()
    scores = scores.masked_fill(mask == 0, -1e30)
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True).values) * mask
    return (e / e.sum(-1, keepdim=True)) @ v


# %% of="cost-and-attention-causal-attention" variant="a-large-negative-number"
def causal_attention(q, k, v):
    scores = torch.matmul(q, k.transpose(1, 2)) / np_sqrt(q.shape[-1])
    scores[:, ~torch.ones(q.shape[1], q.shape[1], dtype=torch.bool, device=q.device).tril()] = -1e9
    return torch.matmul(nn.Softmax(dim=-1)(scores), v)


def np_sqrt(x):
    return x**0.5


# %% of="cost-and-attention-causal-attention" variant="a-module"
class _Attention(nn.Module):
    def forward(self, q, k, v):
        T = q.shape[1]
        s = (q @ k.mT) / math.sqrt(q.shape[-1])
        s = s + torch.full_like(s[0], float("-inf")).triu(1)
        return s.log_softmax(-1).exp() @ v


causal_attention = _Attention()


# %% of="cost-and-attention-kv-cache" variant="tensors-joined-at-once"
class KVCache:
    def __init__(self):
        self.k = None
        self.v = None

    def append(self, k, v):
        if self.k is None:
            self.k, self.v = k, v
        else:
            self.k = torch.cat([self.k, k], dim=1)
            self.v = torch.cat([self.v, v], dim=1)

    def attend(self, q):
        w = torch.softmax(torch.einsum("bqe,bte->bqt", q, self.k) / math.sqrt(q.size(-1)), dim=-1)
        return torch.einsum("bqt,bte->bqe", w, self.v)


# %% of="cost-and-attention-kv-cache" variant="pairs-in-one-list"
class KVCache(object):
    def __init__(self, pairs=None):
        self.pairs = pairs or []

    def append(self, k, v):
        self.pairs.append((k, v))
        return self

    def attend(self, q):
        scores = torch.cat([(q * k).sum(-1, keepdim=True) for k, _ in self.pairs], 2) / q.shape[-1] ** 0.5
        weights = scores.softmax(2)
        return sum(weights[..., i : i + 1] * v for i, (_, v) in enumerate(self.pairs))


# %% of="cost-and-attention-kv-cache" variant="a-buffer-that-doubles"
class KVCache:
    def __init__(self):
        self.n = 0

    def append(self, k, v):
        if self.n == 0:
            self.K, self.V = k.new_zeros(k.shape[0], 4, k.shape[2]), v.new_zeros(v.shape[0], 4, v.shape[2])
        if self.n == self.K.shape[1]:
            self.K = torch.cat([self.K, torch.zeros_like(self.K)], 1)
            self.V = torch.cat([self.V, torch.zeros_like(self.V)], 1)
        self.K[:, self.n], self.V[:, self.n] = k[:, 0], v[:, 0]
        self.n += 1

    def attend(self, q):
        K, V = self.K[:, : self.n], self.V[:, : self.n]
        return (q @ K.mT / math.sqrt(K.shape[-1])).softmax(dim=-1) @ V


# %% of="cost-and-attention-kv-cache" variant="newest-in-front"
class KVCache(nn.Module):
    def __init__(self):
        super().__init__()
        self.keys, self.values = [], []

    def append(self, k, v):
        self.keys.insert(0, k)
        self.values.insert(0, v)

    def attend(self, q):
        keys = torch.cat(self.keys, dim=1)
        return F.softmax(q.matmul(keys.transpose(1, 2)) / math.sqrt(q.shape[-1]), -1).matmul(
            torch.cat(self.values, dim=1)
        )


# %% of="cost-and-attention-kv-cache" variant="by-the-full-pass"
class KVCache:
    def __init__(self):
        self.keys, self.values = [], []

    def append(self, k, v):
        self.keys.append(k)
        self.values.append(v)

    def attend(self, q):
        keys, values = torch.cat(self.keys, dim=1), torch.cat(self.values, dim=1)
        return causal_attention(q.expand_as(keys), keys, values)[:, -1:]


# %% of="cost-and-attention-linear-recurrence" variant="a-buffer"
def linear_recurrence(a, b, h0):
    B, T, H = a.shape
    states = torch.zeros(B, T, H, dtype=a.dtype, device=a.device)
    h = h0
    for t in range(T):
        h = torch.addcmul(b[:, t], a[:, t], h)
        states[:, t] = h
    return states


# %% of="cost-and-attention-linear-recurrence" variant="unbound"
def linear_recurrence(a, b, h0):
    states = [h0]
    for a_t, b_t in zip(a.unbind(1), b.unbind(1)):
        states.append(a_t * states[-1] + b_t)
    return torch.stack(states[1:], dim=1)


# %% of="cost-and-attention-linear-recurrence" variant="slices-joined"
def linear_recurrence(a, b, h0):
    h = h0[:, None]
    out = []
    for t in range(a.size(1)):
        h = a[:, t : t + 1].mul(h).add(b[:, t : t + 1])
        out += [h]
    return torch.cat(out, dim=1)


# %% of="cost-and-attention-linear-recurrence" variant="accumulate"
def linear_recurrence(a, b, h0):
    from itertools import accumulate

    steps = zip(a.transpose(0, 1), b.transpose(0, 1))
    states = accumulate(steps, lambda h, step: step[0] * h + step[1], initial=h0)
    return torch.stack(list(states)[1:], 1)


# %% of="cost-and-attention-linear-recurrence" variant="recursive"
def linear_recurrence(a, b, h0):
    if a.shape[1] == 1:
        return a * h0.unsqueeze(1) + b
    before = linear_recurrence(a[:, :-1], b[:, :-1], h0)
    return torch.cat([before, a[:, -1:] * before[:, -1:] + b[:, -1:]], 1)


# %% of="cost-and-attention-scan" variant="h0-at-the-end"
def linear_recurrence_scan(a, b, h0):
    d = 1
    while d < a.shape[1]:
        a_prev = F.pad(a, (0, 0, d, 0), value=1.0)[:, : a.shape[1]]
        b_prev = F.pad(b, (0, 0, d, 0))[:, : b.shape[1]]
        a, b = a * a_prev, a * b_prev + b
        d = 2 * d
    return a * h0[:, None, :] + b


# %% of="cost-and-attention-scan" variant="halves"
def linear_recurrence_scan(a, b, h0):
    def pairs(a, b):
        T = a.shape[1]
        if T == 1:
            return a, b
        a1, b1 = pairs(a[:, : T // 2], b[:, : T // 2])
        a2, b2 = pairs(a[:, T // 2 :], b[:, T // 2 :])
        return torch.cat([a1, a2 * a1[:, -1:]], 1), torch.cat([b1, a2 * b1[:, -1:] + b2], 1)

    A, B = pairs(a, b)
    return A * h0.unsqueeze(1) + B


# %% of="cost-and-attention-scan" variant="odd-and-even"
def linear_recurrence_scan(a, b, h0):
    T = a.shape[1]
    if T == 1:
        return a * h0[:, None] + b
    n = T // 2
    even = linear_recurrence_scan(
        a[:, 1 : 2 * n : 2] * a[:, 0 : 2 * n : 2], a[:, 1 : 2 * n : 2] * b[:, 0 : 2 * n : 2] + b[:, 1 : 2 * n : 2], h0
    )
    before = torch.cat([h0[:, None], even], 1)[:, : T - n]
    odd = a[:, 0::2] * before + b[:, 0::2]
    woven = torch.stack([odd[:, :n], even], 2).flatten(1, 2)
    return torch.cat([woven, odd[:, n:]], 1)


# %% of="cost-and-attention-scan" variant="all-pairs"
def linear_recurrence_scan(a, b, h0):
    T = a.shape[1]
    a = torch.cat([torch.ones_like(a[:, :1]), a], 1)
    b = torch.cat([h0[:, None], b], 1)
    t = torch.arange(T + 1, device=a.device)
    later = (t[:, None] > t[None, :])[None, :, :, None]
    factors = torch.where(later, a[:, :, None], torch.ones_like(a[:, :, None])).cumprod(1)
    kept = torch.where((t[:, None] >= t[None, :])[None, :, :, None], factors, torch.zeros_like(factors))
    return (kept * b[:, None]).sum(2)[:, 1:]


# %% of="cost-and-attention-scan" variant="rounds-counted"
def linear_recurrence_scan(a, b, h0):
    T = a.shape[1]
    first = torch.zeros_like(b)
    first[:, 0] = a[:, 0] * h0
    b = b + first
    for i in range(math.ceil(math.log2(T))):
        jump = 2**i
        keep_a, keep_b = a[:, :jump], b[:, :jump]
        new_b = torch.addcmul(b[:, jump:], a[:, jump:], b[:, : T - jump])
        new_a = a[:, jump:] * a[:, : T - jump]
        a, b = torch.cat((keep_a, new_a), dim=1), torch.cat((keep_b, new_b), dim=1)
    return b


# %% of="cost-and-attention-bug" variant="a-counter"
def stream(model, cache, tokens):
    logits, seen = [], 0
    for token in tokens.split(1, dim=1):
        x = model.read(token, torch.tensor([seen], device=tokens.device))
        q, k, v = model.project(x)
        cache.append(k, v)
        logits.append(model.say(x, cache.attend(q)))
        seen += 1
    return torch.cat(logits, dim=1)


# %% of="cost-and-attention-bug" variant="positions-beforehand"
def stream(model, cache, tokens):
    places = torch.arange(tokens.shape[1], device=tokens.device)
    outs = []
    for t, place in enumerate(places):
        x = model.read(tokens[:, t].unsqueeze(1), place.unsqueeze(0))
        q, k, v = model.project(x)
        cache.append(k, v)
        outs.append(model.say(x, cache.attend(q)).squeeze(1))
    return torch.stack(outs, 1)


# %% of="cost-and-attention-bug" variant="position-as-a-list"
def stream(model, cache, tokens):
    logits = []
    for t in range(tokens.shape[1]):
        x = model.read(tokens[:, t : t + 1], tokens.new_full((1,), t))
        q, k, v = model.project(x)
        cache.append(k, v)
        logits += [model.say(x, cache.attend(q))]
    return torch.cat(logits, 1)


# %% of="cost-and-attention-bug" variant="full-like"
def stream(model, cache, tokens):
    logits = []
    for t in range(tokens.shape[1]):
        token = tokens[:, t : t + 1]
        x = model.read(token, torch.full_like(token, t))
        q, k, v = model.project(x)
        cache.append(k, v)
        logits.append(model.say(x, cache.attend(q)))
    return torch.cat(logits, 1)


# %% of="cost-and-attention-bug" variant="offset-added"
def stream(model, cache, tokens):
    logits = []
    for t in range(tokens.shape[1]):
        token = tokens[:, t : t + 1]
        positions = torch.arange(token.shape[1], device=tokens.device) + t
        x = model.read(token, positions)
        q, k, v = model.project(x)
        cache.append(k, v)
        logits.append(model.say(x, cache.attend(q)))
    return torch.cat(logits, 1)
