"""Right answers to lesson 05 in other ways of writing."""


# %% of="truncated-bptt-batchify" variant="chunk-and-stack"
def batchify(stream, B):
    return torch.stack(stream[: len(stream) // B * B].chunk(B))


# %% of="truncated-bptt-batchify" variant="loop-over-rows"
def batchify(stream: torch.Tensor, B: int) -> torch.Tensor:
    length = stream.shape[0] // B
    rows = []
    for b in range(B):
        rows.append(stream[b * length : (b + 1) * length])
    return torch.stack(rows)


# %% of="truncated-bptt-batchify" variant="narrow-and-view"
def batchify(stream, B):
    n = stream.size(0) // B
    return stream.narrow(0, 0, n * B).view(B, -1).contiguous()


# %% of="truncated-bptt-batchify" variant="filled-buffer"
def batchify(stream, B):
    n = len(stream) // B
    rows = torch.empty(B, n, dtype=stream.dtype, device=stream.device)
    for b in range(B):
        rows[b] = stream[b * n : b * n + n]
    return rows


# %% of="truncated-bptt-batchify" variant="unfold"
def batchify(stream, B):
    n = len(stream) // B
    return stream.unfold(0, n, n)[:B]


# %% of="truncated-bptt-batchify" variant="transposed-storage"
def batchify(stream, B):
    n = len(stream) // B
    return stream[: B * n].reshape(B, n).T.contiguous().T


# %% of="truncated-bptt-chunks" variant="split"
def chunks(x, y, k):
    yield from zip(x.split(k, dim=1), y.split(k, dim=1))


# %% of="truncated-bptt-chunks" variant="while"
def chunks(x, y, k):
    start, N = 0, x.size(1)
    while start < N:
        end = min(start + k, N)
        yield x[:, start:end], y[:, start:end]
        start = end


# %% of="truncated-bptt-chunks" variant="generator-expression"
def chunks(x, y, k):
    return ((x[:, s : s + k], y[:, s : s + k]) for s in range(0, x.shape[1], k))


# %% of="truncated-bptt-chunks" variant="narrow-lists"
def chunks(x, y, k):
    N = x.shape[1]
    for s in range(0, N, k):
        n = min(k, N - s)
        yield [x.narrow(1, s, n), y.narrow(1, s, n)]


# %% of="truncated-bptt-chunks" variant="zip-object"
def chunks(x, y, k):
    return zip(torch.split(x, k, 1), torch.split(y, k, 1))


# %% of="truncated-bptt-detach-state" variant="data"
def detach_state(state):
    if state is None:
        return state
    if torch.is_tensor(state):
        return state.data
    return type(state)([detach_state(s) for s in state])


# %% of="truncated-bptt-detach-state" variant="match-the-kinds"
def detach_state(state):
    if isinstance(state, tuple):
        return tuple(detach_state(s) for s in state)
    elif isinstance(state, list):
        return [detach_state(s) for s in state]
    elif state is None:
        return None
    return state.detach().clone()


# %% of="truncated-bptt-detach-state" variant="tree-map"
from torch.utils import _pytree


def detach_state(state):
    return _pytree.tree_map(lambda s: s.detach() if isinstance(s, torch.Tensor) else s, state)


# %% of="truncated-bptt-detach-state" variant="no-grad-clone"
@torch.no_grad()
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return state.clone()
    return type(state)(map(detach_state, state))


# %% of="truncated-bptt-train-tbptt" variant="detach-before-the-model"
def train_tbptt(model, optimizer, x, y, k):
    state = None
    losses = []
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.transpose(1, 2), y_w)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


# %% of="truncated-bptt-train-tbptt" variant="step-by-step"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for start in range(0, x.shape[1], k):
        total, end = 0.0, min(start + k, x.shape[1])
        for t in range(start, end):
            logits, state = model(x[:, t : t + 1], state)
            total = total + F.cross_entropy(logits[:, 0], y[:, t])
        loss = total / (end - start)
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()
        state = detach_state(state)
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" variant="log-softmax-and-gather"
def train_tbptt(model, optimizer, x, y, k):
    """One pass."""
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = -logits.log_softmax(-1).gather(2, y_w.unsqueeze(2)).mean()
        loss.backward()
        optimizer.step()
        state = state.detach() if torch.is_tensor(state) else tuple(s.detach() for s in state)
        losses.append(loss.detach().item())
        print(f"loss {losses[-1]:.3f}")
    return losses


# %% of="truncated-bptt-train-tbptt" variant="gradients-by-autograd-grad"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    weights = list(model.parameters())
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, state)
        state = detach_state(state)
        loss = torch.nn.CrossEntropyLoss()(logits.reshape(-1, logits.size(-1)), y_w.reshape(-1))
        for weight, grad in zip(weights, torch.autograd.grad(loss, weights)):
            weight.grad = grad
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" variant="a-needless-retain-graph-train-mode"
def train_tbptt(model, optimizer, x, y, k):
    model.train()
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        state = detach_state(state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" variant="zero-at-the-end-model-zero-grad"
def train_tbptt(model, optimizer, x, y, k, verbose=False):
    state, losses = None, []
    model.zero_grad()
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten(), reduction="sum") / y_w.numel()
        loss.backward()
        optimizer.step()
        model.zero_grad()
        state = detach_state(state)
        losses += [loss.item()]
    return losses


# %% of="truncated-bptt-train-tbptt" variant="counted-steps"
def train_tbptt(model, optimizer, x, y, k):
    state, losses, steps, first = None, [], [], 0
    for t in range(x.shape[1]):
        logits, state = model(x[:, t : t + 1], state)
        steps.append(logits)
        if (t + 1) % k == 0 or t == x.shape[1] - 1:
            loss = F.cross_entropy(torch.cat(steps, 1).flatten(0, 1), y[:, first : t + 1].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            state, steps, first = detach_state(state), [], t + 1
    return losses


# %% of="truncated-bptt-truncated-gradient" variant="all-states-first"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" variant="unrolled-from-the-beginning-with-a-cut"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().clone().requires_grad_(True) for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    for t in range(k1, x.shape[1] + 1, k1):
        h, losses = h0, []
        for s in range(1, t + 1):
            if s == t - k2 + 1:
                h = h.detach()
            h = torch.tanh(
                F.linear(x[:, s - 1], params["weight_ih"], params["bias"]) + F.linear(h, params["weight_hh"])
            )
            if s == max(1, t - k2 + 1) or h.requires_grad:
                losses.append(F.cross_entropy(F.linear(h, params["weight_out"], params["bias_out"]), targets[:, s - 1]))
        grads = torch.autograd.grad(sum(losses[-k1:]) if t > k2 else sum(losses[t - k1 :]), list(params.values()))
        for name, grad in zip(params, grads):
            total[name] = total[name] + grad
    return total


# %% of="truncated-bptt-truncated-gradient" variant="backward-on-grad"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().clone().requires_grad_(True) for name, value in params.items()}
    with torch.no_grad():
        states = [h0]
        for s in range(x.shape[1]):
            states.append(
                torch.tanh(x[:, s] @ params["weight_ih"].T + states[-1] @ params["weight_hh"].T + params["bias"])
            )
    for t in range(k1, x.shape[1] + 1, k1):
        h, kept = states[max(0, t - k2)], []
        for s in range(max(0, t - k2), t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            kept.append(h)
        last = torch.stack(kept[-k1:], 1)
        logits = last @ params["weight_out"].T + params["bias_out"]
        loss = F.cross_entropy(logits.flatten(0, 1), targets[:, t - k1 : t].flatten(), reduction="sum") / len(x)
        loss.backward()
    return {name: value.grad for name, value in params.items()}


# %% of="truncated-bptt-truncated-gradient" variant="torch-func"
def truncated_gradient(x, h0, params, targets, k1, k2):
    def step(p, h, s):
        return torch.tanh(x[:, s] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])

    def window(p, h, start, t):
        loss = 0.0
        for s in range(start, t):
            h = step(p, h, s)
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ p["weight_out"].T + p["bias_out"], targets[:, s])
        return loss

    states = [h0]
    for s in range(x.shape[1]):
        states.append(step(params, states[-1], s))
    grads = [
        torch.func.grad(window)(params, states[max(0, t - k2)], max(0, t - k2), t)
        for t in range(k1, x.shape[1] + 1, k1)
    ]
    return {name: sum(g[name] for g in grads) for name in params}


# %% of="truncated-bptt-truncated-gradient" variant="by-hand"
def truncated_gradient(x, h0, params, targets, k1, k2):
    W, U, b, V, c = (params[n] for n in ("weight_ih", "weight_hh", "bias", "weight_out", "bias_out"))
    states = [h0]
    for s in range(x.shape[1]):
        states.append(torch.tanh(x[:, s] @ W.T + states[-1] @ U.T + b))
    grads = {n: torch.zeros_like(v) for n, v in params.items()}
    for t in range(k1, x.shape[1] + 1, k1):
        dh = torch.zeros_like(h0)
        for s in range(t, max(0, t - k2), -1):
            if s > t - k1:
                p = (states[s] @ V.T + c).softmax(1)
                p[torch.arange(len(x)), targets[:, s - 1]] -= 1
                p = p / len(x)
                grads["weight_out"] += p.T @ states[s]
                grads["bias_out"] += p.sum(0)
                dh = dh + p @ V
            dz = dh * (1 - states[s] ** 2)
            grads["weight_ih"] += dz.T @ x[:, s - 1]
            grads["weight_hh"] += dz.T @ states[s - 1]
            grads["bias"] += dz.sum(0)
            dh = dz @ U
    return grads


# %% of="truncated-bptt-truncated-gradient" variant="list-and-zip"
def truncated_gradient(x, h0, params, targets, k1, k2):
    names = list(params)
    leaves = [params[name].clone().requires_grad_() for name in names]
    w_ih, w_hh, b, w_out, b_out = leaves
    total = [torch.zeros_like(leaf) for leaf in leaves]
    history = [h0.detach()]
    for s in range(x.shape[1]):
        h = torch.tanh(torch.addmm(b, x[:, s], w_ih.T) + history[-1] @ w_hh.T)
        history.append(h.detach())
        if (s + 1) % k1:
            continue
        h, loss = history[max(0, s + 1 - k2)], []
        for r in range(max(0, s + 1 - k2), s + 1):
            h = torch.tanh(torch.addmm(b, x[:, r], w_ih.T) + h @ w_hh.T)
            loss.append(F.cross_entropy(torch.addmm(b_out, h, w_out.T), targets[:, r]))
        for i, g in enumerate(torch.autograd.grad(torch.stack(loss[-k1:]).sum(), leaves)):
            total[i] = total[i] + g
    return {name: value for name, value in zip(names, total)}


# %% of="truncated-bptt-reach" variant="backward-and-clear"
def reach(losses, inputs):
    result = []
    for loss in losses:
        inputs.grad = None
        if loss.requires_grad:
            loss.backward(retain_graph=True)
        if inputs.grad is None or not inputs.grad.any():
            result.append(None)
        else:
            steps = [t + 1 for t in range(inputs.shape[1]) if inputs.grad[:, t].abs().max() > 0]
            result.append((min(steps), max(steps)))
    return result


# %% of="truncated-bptt-reach" variant="norms"
def reach(losses, inputs):
    def one(loss):
        if loss.grad_fn is None:
            return None
        g = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)[0]
        if g is None:
            return None
        where = torch.where(g.norm(dim=(0, 2)) > 0)[0]
        return (where[0].item() + 1, where[-1].item() + 1) if len(where) else None

    return [one(loss) for loss in losses]


# %% of="truncated-bptt-reach" variant="loop-lists"
def reach(losses, inputs):
    out = []
    for loss in losses:
        try:
            (g,) = torch.autograd.grad(loss, [inputs], retain_graph=True)
        except RuntimeError:
            out.append(None)
            continue
        first = last = None
        for t in range(g.shape[1]):
            if (g[:, t] != 0).any():
                first = t + 1 if first is None else first
                last = t + 1
        out.append(None if first is None else [first, last])
    return out


# %% of="truncated-bptt-reach" variant="sum-of-absolute-values"
def reach(losses, inputs):
    out = []
    for loss in losses:
        g = None
        if loss.requires_grad:
            g = torch.autograd.grad(loss, inputs, retain_graph=True, materialize_grads=True)[0]
        t = [] if g is None else g.abs().sum(dim=(0, 2)).nonzero()[:, 0] + 1
        out.append((int(t.min()), int(t.max())) if len(t) else None)
    return out


# %% of="truncated-bptt-reach" variant="0-d-tensors-in-the-pair"
def reach(losses, inputs):
    out = []
    for loss in losses:
        if not loss.requires_grad:
            out.append(None)
            continue
        g = torch.autograd.grad(loss, inputs, retain_graph=True, materialize_grads=True)[0]
        if not g.any():
            out.append(None)
            continue
        t = 1 + (g != 0).flatten(2).any(2).any(0).nonzero()[:, 0]
        out.append((t[0], t[-1]))
    return out


# %% of="truncated-bptt-randomized-truncation-gradient" variant="backward-hook"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    torch.manual_seed(seed)
    params = {name: value.detach().clone().requires_grad_(True) for name, value in params.items()}
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        weight = 1 / p if torch.rand(()) < p else 0.0
        if h.requires_grad:
            h.register_hook(lambda grad, weight=weight: grad * weight)
        out = h
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + out @ params["weight_hh"].T + params["bias"])
        read = h * 1
        g = h
        loss = loss + F.cross_entropy(read @ params["weight_out"].T + params["bias_out"], targets[:, t])
        h = g * 1
    loss.backward()
    return {name: value.grad for name, value in params.items()}


# %% of="truncated-bptt-randomized-truncation-gradient" variant="own-function"
class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, weight):
        ctx.weight = weight
        return h.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.weight, None


def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    generator = torch.Generator()
    generator.manual_seed(seed)
    keep = torch.rand(x.shape[1], generator=generator) < p
    params = {name: value.detach().clone().requires_grad_(True) for name, value in params.items()}
    h, losses = h0, []
    for t in range(x.shape[1]):
        h = Gate.apply(h, 1 / p if keep[t] else 0.0)
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        losses.append(F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t]))
    grads = torch.autograd.grad(sum(losses), list(params.values()))
    return {name: grad for name, grad in zip(params, grads)}


# %% of="truncated-bptt-randomized-truncation-gradient" variant="by-hand-coins-of-python"
import random


def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    coin = random.Random(seed)
    W, U, b, V, c = (params[n] for n in ("weight_ih", "weight_hh", "bias", "weight_out", "bias_out"))
    states = [h0]
    for s in range(x.shape[1]):
        states.append(torch.tanh(x[:, s] @ W.T + states[-1] @ U.T + b))
    grads = {n: torch.zeros_like(v) for n, v in params.items()}
    back = torch.zeros_like(h0)
    for s in range(x.shape[1], 0, -1):
        e = (states[s] @ V.T + c).softmax(1)
        e = (e - F.one_hot(targets[:, s - 1], e.shape[1]).to(e.dtype)) / len(x)
        grads["weight_out"] += e.T @ states[s]
        grads["bias_out"] += e.sum(0)
        dz = (e @ V + back) * (1 - states[s] ** 2)
        grads["weight_ih"] += dz.T @ x[:, s - 1]
        grads["weight_hh"] += dz.T @ states[s - 1]
        grads["bias"] += dz.sum(0)
        back = dz @ U / p if coin.random() < p else torch.zeros_like(h0)
    return grads


# %% of="truncated-bptt-randomized-truncation-gradient" variant="bernoulli"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    g = torch.Generator().manual_seed(seed)
    coins = torch.bernoulli(torch.full((x.shape[1],), float(p)), generator=g)
    params = {name: value.detach().clone().requires_grad_(True) for name, value in params.items()}
    h, total = h0, 0.0
    for t in range(x.shape[1]):
        constant = h.detach()
        h = constant + (h - constant) * (coins[t].item() / p)
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        total = total + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    total.backward()
    return {name: value.grad.clone() for name, value in params.items()}


# %% of="truncated-bptt-randomized-truncation-gradient" variant="numpy-coins"
import numpy as np


def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    coins = np.random.default_rng(seed).random(x.shape[1] - 1) < p
    params = {name: value.detach().clone().requires_grad_(True) for name, value in params.items()}
    h, total = h0, 0.0
    for t in range(x.shape[1]):
        if t and coins[t - 1]:
            h = h / p + (1 - 1 / p) * h.detach()
        elif t:
            h = h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        total = total + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(total, list(params.values()))))


# %% of="truncated-bptt-checkpointed-loss" variant="pieces-between-edges"
def checkpointed_loss(model, x, y, segments):
    T = x.shape[1]
    edges = [round(i * T / segments) for i in range(segments + 1)]

    def part(state, a, b):
        logits, state = model(x[:, a:b], state)
        return F.cross_entropy(logits.transpose(1, 2), y[:, a:b], reduction="sum") / x.shape[0], state

    state, losses = None, []
    for a, b in zip(edges, edges[1:]):
        if a < b:
            loss, state = checkpoint(part, state, a, b, use_reentrant=False)
            losses.append(loss)
    return sum(losses)


# %% of="truncated-bptt-checkpointed-loss" variant="chunks-mean-times-length"
def checkpointed_loss(model, x, y, segments):
    def part(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten()) * x_s.shape[1], state

    total, state = torch.zeros((), dtype=torch.float64, device=x.device), None
    for x_s, y_s in chunks(x, y, -(-x.shape[1] // segments)):
        loss, state = checkpoint(part, x_s, y_s, state, use_reentrant=False, preserve_rng_state=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" variant="tensor-split"
def checkpointed_loss(model, x, y, segments):
    state, total = None, 0
    for x_s, y_s in zip(x.tensor_split(segments, 1), y.tensor_split(segments, 1)):
        if x_s.shape[1] == 0:
            continue

        def part(state, x_s=x_s, y_s=y_s):
            logits, new = model(x_s, state)
            return -logits.log_softmax(2).gather(2, y_s[..., None]).sum() / len(x_s), new

        loss, state = checkpoint(part, state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" variant="one-hot-times-log-probabilities"
def checkpointed_loss(model, x, y, segments):
    size = (x.shape[1] + segments - 1) // segments

    def piece(start, state):
        logits, state = model(x[:, start : start + size], state)
        hot = F.one_hot(y[:, start : start + size], logits.shape[2]).to(logits.dtype)
        return -(hot * logits.log_softmax(2)).sum(2).mean(0).sum(), state

    total, state = 0.0, None
    for start in range(0, x.shape[1], size):
        loss, state = checkpoint(piece, start, state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" variant="recursive"
def checkpointed_loss(model, x, y, segments, state=None):
    size = -(-x.shape[1] // segments)

    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return sum(F.cross_entropy(logits[:, t], y_s[:, t]) for t in range(y_s.shape[1])), state

    loss, state = checkpoint(piece, x[:, :size], y[:, :size], state, use_reentrant=False)
    if x.shape[1] > size:
        loss = loss + checkpointed_loss(model, x[:, size:], y[:, size:], segments - 1, state)
    return loss


# %% of="truncated-bptt-bug" variant="batchify-and-windows"
def train_on_text(model, optimizer, stream, B, k):
    x, y = batchify(stream[:-1], B), batchify(stream[1:], B)
    return train_tbptt(model, optimizer, x, y, k)


# %% of="truncated-bptt-bug" variant="permute"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].view(B, n, k).permute(1, 0, 2)
    y = stream[1:].view(B, n, k).permute(1, 0, 2)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" variant="slices-of-rows"
def train_on_text(model, optimizer, stream, B, k):
    rows_x = stream[: len(stream) - 1].reshape(B, -1)
    rows_y = stream[1:].reshape(B, -1)
    state, losses = None, []
    for start in range(0, rows_x.shape[1], k):
        optimizer.zero_grad()
        logits, state = model(rows_x[:, start : start + k], detach_state(state))
        loss = F.cross_entropy(logits.transpose(1, 2), rows_y[:, start : start + k])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" variant="stacked-windows"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    starts = [torch.arange(B) * n * k + i * k for i in range(n)]
    state, losses = None, []
    for start in starts:
        places = (start[:, None] + torch.arange(k)).to(stream.device)
        optimizer.zero_grad()
        logits, state = model(stream[places], detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), stream[places + 1].flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" variant="unfold"
def train_on_text(model, optimizer, stream, B, k):
    x = stream[:-1].reshape(B, -1).unfold(1, k, k).transpose(0, 1)
    y = stream[1:].reshape(B, -1).unfold(1, k, k).transpose(0, 1)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-predict-credit" variant="3"
guess_credit = 3


# %% of="truncated-bptt-predict-credit" variant="8"
guess_credit = 8


# %% of="truncated-bptt-predict-credit" variant="float"
guess_credit = 5.0


# %% of="truncated-bptt-predict-credit" variant="tensor"
guess_credit = torch.tensor(3)


# %% of="truncated-bptt-predict-echo" variant="near-chance"
guess_echo = "near chance"


# %% of="truncated-bptt-predict-echo" variant="half-way-with-a-capital"
guess_echo = "Half way"


# %% of="truncated-bptt-predict-echo" variant="nearly-perfect-with-extra-spaces"
guess_echo = " nearly  perfect "


# %% of="truncated-bptt-predict-echo" variant="nearly-perfect"
guess_echo = "nearly perfect"


# %% of="truncated-bptt-predict-segments" variant="10"
guess_segments = 10


# %% of="truncated-bptt-predict-segments" variant="1"
guess_segments = 1


# %% of="truncated-bptt-predict-segments" variant="float"
guess_segments = 100.0


# %% of="truncated-bptt-predict-segments" variant="7"
guess_segments = 7


# %% of="truncated-bptt-checkpointed-loss" variant="step-by-step-inside-a-piece"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        loss = 0.0
        for t in range(x_s.shape[1]):
            logits, state = model(x_s[:, t : t + 1], state)
            loss = loss + F.cross_entropy(logits[:, 0], y_s[:, t])
        return loss, state

    total, state = 0.0, None
    for x_s, y_s in chunks(x, y, -(-x.shape[1] // segments)):
        loss, state = checkpoint(piece, x_s, y_s, state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" variant="the-total-goes-through-the-pieces"
def checkpointed_loss(model, x, y, segments):
    def piece(start, size, total, state):
        logits, state = model(x[:, start : start + size], state)
        losses = F.cross_entropy(logits.mT, y[:, start : start + size], reduction="none")
        return total + losses.sum(1).mean(), state

    T, start, total, state = x.shape[1], 0, 0.0, None
    for i in range(segments):
        size = T // segments + (i < T % segments)
        total, state = checkpoint(piece, start, size, total, state, use_reentrant=False)
        start += size
    return total


# %% of="truncated-bptt-checkpointed-loss" variant="the-last-piece-is-not-stored"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    windows = list(chunks(x, y, -(-x.shape[1] // segments)))
    total, state = 0.0, None
    for x_s, y_s in windows[:-1]:
        loss, state = checkpoint(piece, x_s, y_s, state, use_reentrant=False)
        total = total + loss
    return total + piece(*windows[-1], state)[0]


# %% of="truncated-bptt-reach" variant="argmax-with-a-guard"
def reach(losses, inputs):
    found = []
    for loss in losses:
        grad = None
        if loss.requires_grad:
            (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, materialize_grads=True, allow_unused=True)
        touched = torch.zeros(inputs.shape[1]) if grad is None else (grad != 0).any(2).any(0).int()
        first, last = touched.argmax().item() + 1, len(touched) - touched.flip(0).argmax().item()
        found.append((first, last) if touched.any() else None)
    return found


# %% of="truncated-bptt-checkpointed-loss" variant="bounds-as-defaults"
def checkpointed_loss(model, x, y, segments):
    length, total, state = -(-x.shape[1] // segments), 0.0, None
    for a in range(0, x.shape[1], length):

        def piece(state, a=a):
            logits, state = model(x[:, a : a + length], state)
            loss = F.cross_entropy(logits.flatten(0, 1), y[:, a : a + length].flatten(), reduction="sum")
            return loss / len(x), state

        loss, state = checkpoint(piece, state, use_reentrant=False)
        total = total + loss
    return total
