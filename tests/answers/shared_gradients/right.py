"""Right answers to lesson 02 in other ways than ours."""

# %% of="shared-gradients-predict-total" variant="as-a-float"
guess_total = 6.0


# %% of="shared-gradients-predict-total" variant="the-immediate-one"
guess_total = 3


# %% of="shared-gradients-predict-total" variant="a-tensor"
guess_total = torch.tensor(6.0)


# %% of="shared-gradients-predict-total" variant="worked-out"
guess_total = 2 * 3 * 1


# %% of="shared-gradients-predict-eps" variant="the-best"
guess_k = 5


# %% of="shared-gradients-predict-eps" variant="near"
guess_k = 6


# %% of="shared-gradients-predict-eps" variant="too-small-a-step"
guess_k = 15


# %% of="shared-gradients-predict-eps" variant="as-a-float"
guess_k = 8.0


# %% of="shared-gradients-predict-memory" variant="a-power"
guess_T = 64**2


# %% of="shared-gradients-predict-memory" variant="cubed"
guess_T = 64**3


# %% of="shared-gradients-predict-memory" variant="small"
guess_T = 64


# %% of="shared-gradients-predict-memory" variant="as-a-float"
guess_T = 4096.0


# %% of="shared-gradients-untied" variant="backward-of-copies"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
    h = h0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    L = (h * dh_T).sum()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" variant="by-hand"
def untied_gradients(x, h0, params, dh_T):
    """By hand: back through the steps, keeping each step's share."""
    B, T, D = x.shape
    hs = forward(x, h0, params)
    shares = []
    dh = dh_T
    for t in range(T, 0, -1):
        da = dh * (1 - hs[t] ** 2)
        shares.append({"weight_ih": da.T @ x[:, t - 1], "weight_hh": da.T @ hs[t - 1], "bias": da.sum(0)})
        dh = da @ params["weight_hh"]
    shares.reverse()
    return shares


# %% of="shared-gradients-untied" variant="vjp"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]

    def last(copies):
        h = h0
        for t in range(T):
            p = copies[t]
            h = torch.tanh(F.linear(x[:, t], p["weight_ih"]) + F.linear(h, p["weight_hh"], p["bias"]))
        return h

    _, back = torch.func.vjp(last, [dict(params) for _ in range(T)])
    (shares,) = back(dh_T)
    return shares


# %% of="shared-gradients-untied" variant="stacked-leaves"
def untied_gradients(x, h0, params, dh_T):
    """One tensor with a leading time axis for each parameter; autograd tells the steps apart by index."""
    T = x.shape[1]
    big = {k: v.expand(T, *v.shape).clone().requires_grad_() for k, v in params.items()}
    h = h0
    for t in range(T):
        h = torch.tanh(x[:, t] @ big["weight_ih"][t].mT + h @ big["weight_hh"][t].mT + big["bias"][t])
    h.backward(dh_T)
    return [{k: v.grad[t] for k, v in big.items()} for t in range(T)]


# %% of="shared-gradients-untied" variant="tuple-and-types"
def untied_gradients(x: torch.Tensor, h0: torch.Tensor, params: dict, dh_T: torch.Tensor, verbose: bool = False):
    keys = sorted(params)
    copies = tuple(tuple(params[k].detach().clone().requires_grad_() for k in keys) for _ in range(x.size(1)))
    h = h0
    for x_t, (b, W_hh, W_ih) in zip(x.unbind(1), copies):
        h = torch.tanh(torch.addmm(b, x_t, W_ih.t()) + torch.mm(h, W_hh.t()))
    total = torch.sum(h * dh_T)
    if verbose:
        print(total)
    found = [torch.autograd.grad(total, copy, retain_graph=True) for copy in copies]
    return tuple(dict(zip(keys, grads)) for grads in found)


# %% of="shared-gradients-untied" variant="running-difference"
def untied_gradients(x, h0, params, dh_T):
    # the share of step t = gradient with the parameters of steps t..T alive, minus that with t+1..T alive
    T = x.shape[1]

    def alive_from(first):
        live = {k: v.clone().requires_grad_() for k, v in params.items()}
        h = h0
        for t in range(T):
            p = live if t >= first else params
            h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
        return dict(zip(live, torch.autograd.grad(h, list(live.values()), dh_T)))

    sums = [alive_from(t) for t in range(T)]
    zero = {k: torch.zeros_like(v) for k, v in params.items()}
    return [{k: a[k] - b[k] for k in params} for a, b in zip(sums, sums[1:] + [zero])]


# %% of="shared-gradients-step-backward" variant="plain"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" variant="einsum"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" variant="row-by-row"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    # one sequence after the other
    grads = {k: torch.zeros_like(v) for k, v in params.items()}
    dx, dh_prev = torch.zeros_like(x_t), torch.zeros_like(h_prev)
    for n in range(dh.shape[0]):
        dz = dh[n] * (1 - h[n]) * (1 + h[n])
        grads["weight_ih"] += torch.outer(dz, x_t[n])
        grads["weight_hh"] += torch.outer(dz, h_prev[n])
        grads["bias"] += dz
        dx[n] = params["weight_ih"].T @ dz
        dh_prev[n] = params["weight_hh"].T @ dz
    return dx, dh_prev, grads


# %% of="shared-gradients-step-backward" variant="one-matrix"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    # glue input, state and a one together: a_t = [x, h, 1] Wᵀ
    B, D = x_t.shape
    H = h.shape[1]
    W = torch.cat([params["weight_ih"], params["weight_hh"], params["bias"][:, None]], dim=1)  # (H, D+H+1)
    inputs = torch.cat([x_t, h_prev, torch.ones_like(h[:, :1])], dim=1)  # (B, D+H+1)
    dz = dh - dh * h * h
    dW = dz.t().mm(inputs)
    din = dz.mm(W)
    dW_ih, dW_hh, db = dW.split([D, H, 1], dim=1)
    return [din[:, :D], din[:, D : D + H], {"bias": db.squeeze(1), "weight_hh": dW_hh, "weight_ih": dW_ih}]


# %% of="shared-gradients-step-backward" variant="helpers-and-vmap"
from torch.func import vmap


def slope(h):
    return torch.ones_like(h).addcmul(h, h, value=-1)


def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh.clone()
    dz *= slope(h)  # my own buffer
    outer = vmap(torch.outer)
    return (
        dz.matmul(params["weight_ih"]),
        dz.matmul(params["weight_hh"]),
        dict(weight_ih=outer(dz, x_t).sum(0), weight_hh=outer(dz, h_prev).sum(0), bias=torch.ones_like(dz[:, 0]) @ dz),
    )


# %% of="shared-gradients-step-backward" variant="callable-class"
class StepBackward:
    """Looks like a function."""

    def backward(self, dh, h):
        return dh * (1 - h.square())

    def __call__(self, dh, x_t, h_prev, h, params):
        dz = self.backward(dh, h)
        shares = {"bias": dz.sum(0)}
        for name, entering in (("weight_ih", x_t), ("weight_hh", h_prev)):
            shares[name] = dz.mT @ entering
        dx, dh_prev = (dz @ params[name] for name in ("weight_ih", "weight_hh"))
        return dx, dh_prev, shares


rnn_step_backward = StepBackward()


# %% of="shared-gradients-bptt-last" variant="inlined"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    Wi, Wh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    hs = [h0]
    for t in range(T):
        hs.append(torch.tanh(x[:, t] @ Wi.T + hs[t] @ Wh.T + b))
    gWi, gWh, gb = torch.zeros_like(Wi), torch.zeros_like(Wh), torch.zeros_like(b)
    gx = torch.zeros_like(x)
    dh = dh_T
    for t in range(T - 1, -1, -1):
        dz = dh * (1 - hs[t + 1].pow(2))
        gWi += dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" variant="by-the-step"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    steps = list(range(1, x.shape[1] + 1))
    grads = {k: torch.zeros_like(v) for k, v in params.items()}
    dxs = []
    delta = dh_T
    for t in reversed(steps):
        dx, delta, dp = rnn_step_backward(delta, x[:, t - 1], states[t - 1], states[t], params)
        dxs.append(dx)
        for name in grads:
            grads[name] = grads[name] + dp[name]
    grads["x"] = torch.stack(dxs[::-1], dim=1)
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" variant="buffers-and-einsum"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    H = h0.shape[1]
    seq = x.permute(1, 0, 2)
    h = torch.zeros(T, B, H, dtype=x.dtype, device=x.device)
    prev = h0
    for t in range(T):
        prev = h[t] = torch.tanh(seq[t] @ params["weight_ih"].T + prev @ params["weight_hh"].T + params["bias"])
    before = torch.cat([h0[None], h[:-1]])
    delta = torch.zeros_like(h)
    g = dh_T
    for t in reversed(range(T)):
        delta[t] = g * (1 - h[t] ** 2)
        g = delta[t] @ params["weight_hh"]
    return {
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq),
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" variant="recursion"
def bptt_last(x, h0, params, dh_T):
    def go(h_prev, t):
        """Runs step t+1 and everything after it; returns the gradients and dL/dh_prev."""
        if t == x.shape[1]:
            return {k: torch.zeros_like(v) for k, v in params.items()}, [], dh_T
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])
        grads, dxs, dh = go(h, t + 1)
        dx, dh_prev, dp = rnn_step_backward(dh, x[:, t], h_prev, h, params)
        return {k: grads[k] + dp[k] for k in grads}, [dx] + dxs, dh_prev

    grads, dxs, dh0 = go(h0, 0)
    return {**grads, "x": torch.stack(dxs, 1), "h0": dh0}


# %% of="shared-gradients-bptt-last" variant="jacobians"
def bptt_last(x, h0, params, dh_T):
    hs = torch.stack(forward(x, h0, params))  # (T+1, B, H)
    T = x.shape[1]
    J = (1 - hs[1:] ** 2)[..., None] * params["weight_hh"]  # (T, B, H, H): dh_t / dh_{t-1}
    delta = [dh_T[:, None, :]]
    for t in range(T - 1, -1, -1):
        delta.insert(0, delta[0] @ J[t])
    delta = torch.cat(delta, 1)  # (B, T+1, H): dL/dh_t, t = 0..T
    da = delta[:, 1:] * (1 - hs[1:].transpose(0, 1) ** 2)  # (B, T, H)
    return {
        "h0": delta[:, 0],
        "x": da @ params["weight_ih"],
        "bias": da.flatten(0, 1).sum(0),
        "weight_hh": da.flatten(0, 1).T @ hs[:-1].transpose(0, 1).flatten(0, 1),
        "weight_ih": da.flatten(0, 1).T @ x.flatten(0, 1),
    }


# %% of="shared-gradients-bptt-last" variant="addmm-in-place"
import warnings


def bptt_last(x, h0, params, dh_T):
    warnings.warn("slow but right")
    B, T, D = x.size()
    Wi, Wh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    h = x.new_empty(B, T + 1, h0.size(1))
    h[:, 0] = h0
    for t in range(T):
        h[:, t + 1] = torch.addmm(b, x[:, t], Wi.t()).addmm_(h[:, t], Wh.t()).tanh_()
    gi, gh, gb, gx = Wi * 0, Wh * 0, b * 0, x * 0
    d = dh_T.clone()
    t = T
    while t > 0:
        d.mul_(1 - h[:, t].square())
        gi.addmm_(d.t(), x[:, t - 1])
        gh.addmm_(d.t(), h[:, t - 1])
        gb.add_(d.sum(0))
        gx[:, t - 1] = d.mm(Wi)
        d = d.mm(Wh)
        t -= 1
    return {"x": gx, "h0": d, "bias": gb, "weight_ih": gi, "weight_hh": gh}


# %% of="shared-gradients-bptt-last" variant="class-with-tape"
class Tape:
    def __init__(self, params):
        self.params, self.steps = params, []
        self.grads = {k: torch.zeros_like(v) for k, v in params.items()}

    def forward(self, x_t, h_prev):
        p = self.params
        h = torch.tanh(F.linear(x_t, p["weight_ih"]) + F.linear(h_prev, p["weight_hh"], p["bias"]))
        self.steps.append((x_t, h_prev, h))
        return h

    def backward(self, dh):
        dxs = []
        while self.steps:
            dx, dh, shares = rnn_step_backward(dh, *self.steps.pop(), self.params)
            dxs.append(dx)
            for k, v in shares.items():
                self.grads[k] += v
        return torch.stack(dxs[::-1], 1), dh


def bptt_last(x, h0, params, dh_T):
    tape = Tape(params)
    h = h0
    for t in range(x.shape[1]):
        h = tape.forward(x[:, t], h)
    dx, dh0 = tape.backward(dh_T)
    return dict(tape.grads, x=dx, h0=dh0)


# %% of="shared-gradients-bptt" variant="inlined"
def bptt_every_step(x, h0, params, targets):
    B, T, D = x.shape
    W_ih, W_hh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    W_out, c = params["weight_out"], params["bias_out"]
    hs = [h0]
    for t in range(T):
        hs.append(torch.tanh(x[:, t] @ W_ih.T + hs[-1] @ W_hh.T + b))

    dW_ih, dW_hh, db = torch.zeros_like(W_ih), torch.zeros_like(W_hh), torch.zeros_like(b)
    dW_out, dc = torch.zeros_like(W_out), torch.zeros_like(c)
    dx = torch.zeros_like(x)
    dh_next = torch.zeros_like(h0)
    loss = 0.0
    for t in reversed(range(T)):
        h, h_prev = hs[t + 1], hs[t]
        logits = h @ W_out.T + c
        y = targets[:, t]
        loss = loss + F.cross_entropy(logits, y, reduction="sum") / B
        p = F.softmax(logits, dim=1)
        p[torch.arange(B, device=x.device), y] -= 1
        p = p / B
        dW_out += p.T @ h
        dc += p.sum(0)
        dh = p @ W_out + dh_next
        dz = dh * (1 - h**2)
        dW_ih += dz.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" variant="by-the-step"
def bptt_every_step(x, h0, params, targets):
    states = forward(x, h0, params)
    B, T, D = x.shape
    rest = {k: params[k] for k in ("weight_ih", "weight_hh", "bias")}
    total = {k: torch.zeros_like(v) for k, v in params.items()}
    total["x"] = torch.empty_like(x)
    losses = []
    from_later = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        y = targets[:, t - 1]
        scores = states[t] @ params["weight_out"].T + params["bias_out"]
        losses.append(F.cross_entropy(scores, y))
        d_scores = (scores.softmax(-1) - F.one_hot(y, scores.shape[1])) / B
        total["weight_out"] += d_scores.T @ states[t]
        total["bias_out"] += d_scores.sum(0)
        from_here = d_scores @ params["weight_out"]
        dx, dh_prev, dp = rnn_step_backward(from_here + from_later, x[:, t - 1], states[t - 1], states[t], rest)
        for k in dp:
            total[k] += dp[k]
        total["x"][:, t - 1] = dx
        from_later = dh_prev
    total["h0"] = from_later
    return sum(losses), total


# %% of="shared-gradients-bptt" variant="min-char-rnn"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    Wxh, Whh, bh = params["weight_ih"], params["weight_hh"], params["bias"]
    Why, by = params["weight_out"], params["bias_out"]
    hs, ps = {-1: h0}, {}
    loss = 0
    # forward pass
    for t in range(T):
        hs[t] = torch.tanh(x[:, t] @ Wxh.t() + hs[t - 1] @ Whh.t() + bh)
        ys = hs[t] @ Why.t() + by
        ps[t] = torch.exp(ys) / torch.exp(ys).sum(1, keepdim=True)
        loss += -torch.log(ps[t][range(B), targets[:, t]]).sum()
    loss = loss / B
    # backward pass
    dWxh, dWhh, dWhy = torch.zeros_like(Wxh), torch.zeros_like(Whh), torch.zeros_like(Why)
    dbh, dby = torch.zeros_like(bh), torch.zeros_like(by)
    dxs = []
    dhnext = torch.zeros_like(hs[0])
    for t in reversed(range(T)):
        dy = ps[t].clone()
        dy[range(B), targets[:, t]] -= 1
        dy /= B
        dWhy += dy.t() @ hs[t]
        dby += dy.sum(0)
        dh = dy @ Why + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw.sum(0)
        dWxh += dhraw.t() @ x[:, t]
        dWhh += dhraw.t() @ hs[t - 1]
        dxs.append(dhraw @ Wxh)
        dhnext = dhraw @ Whh
    dxs.reverse()
    return loss, {
        "weight_ih": dWxh,
        "weight_hh": dWhh,
        "bias": dbh,
        "weight_out": dWhy,
        "bias_out": dby,
        "x": torch.stack(dxs, 1),
        "h0": dhnext,
    }


# %% of="shared-gradients-bptt" variant="einsum-over-time"
def bptt_every_step(x, h0, params, targets):
    B, T, D = x.shape
    V = params["bias_out"].numel()
    H = h0.shape[1]
    xs = x.transpose(0, 1)  # (T, B, D)
    ys = targets.transpose(0, 1)  # (T, B)
    hs = torch.empty(T + 1, B, H, dtype=x.dtype, device=x.device)
    hs[0] = h0
    for t in range(T):
        hs[t + 1] = torch.tanh(xs[t] @ params["weight_ih"].T + params["bias"] + hs[t] @ params["weight_hh"].T)
    z = hs[1:] @ params["weight_out"].T + params["bias_out"]  # (T, B, V)
    logp = z.log_softmax(dim=2)
    onehot = F.one_hot(ys, V).to(x.dtype)
    loss = -(onehot * logp).sum() / B
    dz = (logp.exp() - onehot) / B  # (T, B, V)
    dh_direct = dz @ params["weight_out"]  # (T, B, H)
    da = torch.zeros(T, B, H, dtype=x.dtype, device=x.device)
    back = torch.zeros_like(h0)
    for t in range(T - 1, -1, -1):
        delta = dh_direct[t] + back
        da[t] = delta * (1 - hs[t + 1] ** 2)
        back = da[t] @ params["weight_hh"]
    grads = {
        "weight_out": torch.einsum("tbv,tbh->vh", dz, hs[1:]),
        "bias_out": dz.sum((0, 1)),
        "weight_ih": torch.einsum("tbh,tbd->hd", da, xs),
        "weight_hh": torch.einsum("tbh,tbk->hk", da, hs[:-1]),
        "bias": da.sum((0, 1)),
        "x": (da @ params["weight_ih"]).transpose(0, 1),
        "h0": back,
    }
    return loss, grads


# %% of="shared-gradients-bptt" variant="linearity"
def bptt_every_step(x, h0, params, targets):
    """The gradient is linear in the losses: one bptt_last for each step's own loss, added up."""
    B, T, D = x.shape
    own = {k: params[k] for k in ("weight_ih", "weight_hh", "bias")}
    states = forward(x, h0, own)
    grads = {k: torch.zeros_like(v) for k, v in params.items()}
    grads["x"], grads["h0"] = torch.zeros_like(x), torch.zeros_like(h0)
    loss = torch.zeros((), dtype=x.dtype, device=x.device)
    for t in range(1, T + 1):
        logp = torch.log_softmax(states[t] @ params["weight_out"].T + params["bias_out"], dim=1)
        y = targets[:, t - 1 : t]
        loss = loss - logp.gather(1, y).mean()
        d = logp.exp().scatter_add(1, y, -torch.ones_like(logp[:, :1])) / B
        grads["weight_out"] += d.T @ states[t]
        grads["bias_out"] += d.sum(0)
        part = bptt_last(x[:, :t], h0, own, d @ params["weight_out"])
        grads["x"][:, :t] += part.pop("x")
        for k, v in part.items():
            grads[k] += v
    return loss, grads


# %% of="shared-gradients-bptt" variant="float-loss-and-transposed-storage"
def bptt_every_step(x, h0, params, targets, dtype=None):
    B, T, D = x.shape
    xs = x.permute(1, 2, 0).contiguous()  # (T, D, B): columns, as in books
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias"][:, None]
    Vo, c = params["weight_out"], params["bias_out"][:, None]
    h = [h0.T.contiguous()]  # (H, B)
    for t in range(T):
        h.append(torch.tanh(W @ xs[t] + U @ h[-1] + b))
    loss, dW, dU, db, dV, dc = 0.0, 0, 0, 0, 0, 0
    dxs, back = [None] * T, torch.zeros_like(h[0])
    for t in range(T - 1, -1, -1):
        z = Vo @ h[t + 1] + c  # (V, B)
        y = targets[:, t]
        loss += (torch.logsumexp(z, 0) - z[y, torch.arange(B, device=z.device)]).sum().item() / B
        dz = torch.softmax(z, 0)
        dz[y, torch.arange(B, device=z.device)] -= 1
        dz = dz / B
        dV, dc = dV + dz @ h[t + 1].T, dc + dz.sum(1)
        da = (Vo.T @ dz + back) * (1 - h[t + 1] ** 2)
        dW, dU, db = dW + da @ xs[t].T, dU + da @ h[t].T, db + da.sum(1)
        dxs[t] = (W.T @ da).T
        back = U.T @ da
    grads = dict(weight_ih=dW, weight_hh=dU, bias=db, weight_out=dV, bias_out=dc)
    return loss, {**grads, "x": torch.stack(dxs, dim=1), "h0": back.T}


# %% of="shared-gradients-bptt" variant="nested-helpers-and-defaultdict"
from collections import defaultdict


def bptt_every_step(x, h0, params, targets):
    h = [h0]
    for x_t in torch.unbind(x, dim=1):
        h += [
            torch.rnn_tanh_cell(
                x_t, h[-1], params["weight_ih"], params["weight_hh"], params["bias"], torch.zeros_like(params["bias"])
            )
        ]
    B, T = targets.shape
    total = defaultdict(lambda: 0)

    def read(t):
        return torch.log_softmax(F.linear(h[t], params["weight_out"], params["bias_out"]), -1)

    def collect(shares):
        for name, share in shares.items():
            total[name] = total[name] + share

    loss = sum(F.nll_loss(read(t), targets[:, t - 1]) for t in range(1, T + 1))
    dx, dh = torch.full_like(x, float("nan")), 0
    for t in range(T, 0, -1):
        error = (read(t).exp() - F.one_hot(targets[:, t - 1], len(params["bias_out"])).to(x.dtype)).div(B)
        collect({"weight_out": error.T.mm(h[t]), "bias_out": error.sum(0)})
        dh = dh + error @ params["weight_out"]
        dx[:, t - 1], dh, shares = rnn_step_backward(dh, x[:, t - 1], h[t - 1], h[t], params)
        collect(shares)
    return loss, {**total, "x": dx, "h0": dh}


# %% of="shared-gradients-bptt" variant="two-steps-at-the-end"
class EveryStep:
    def __init__(self, reduce="sum"):
        self.reduce = reduce

    def __call__(self, x, h0, params, targets):
        states = forward(x, h0, params)
        logits = [h @ params["weight_out"].t() + params["bias_out"] for h in states[1:]]
        z = torch.stack(logits, dim=1)  # (B, T, V)
        loss = F.cross_entropy(z.reshape(-1, z.shape[-1]), targets.reshape(-1), reduction=self.reduce) / len(x)
        dz = (z.softmax(-1) - torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)[targets]) / len(x)
        deltas = self.deltas(states, dz @ params["weight_out"], params)
        return loss, self.gradients(x, states, dz, deltas, params)

    def deltas(self, states, own, params):
        out, later = [], torch.zeros_like(states[0])
        for h, direct in zip(reversed(states[1:]), reversed(own.unbind(1))):
            da = (direct + later) * (1 - h * h)
            later = da @ params["weight_hh"]
            out.append(da)
        return torch.stack(out[::-1], 1), later

    def gradients(self, x, states, dz, deltas, params):
        (da, dh0), hs = deltas, torch.stack(states, 1)
        by = lambda d, e: torch.tensordot(d, e, dims=([0, 1], [0, 1]))
        return {
            "weight_ih": by(da, x),
            "weight_hh": by(da, hs[:, :-1]),
            "bias": da.sum((0, 1)),
            "weight_out": by(dz, hs[:, 1:]),
            "bias_out": dz.sum(dim=(0, 1)),
            "x": da @ params["weight_ih"],
            "h0": dh0,
        }


bptt_every_step = EveryStep()


# %% of="shared-gradients-bptt" variant="a-list-of-dx"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    loss, dxs, from_later = 0, [], torch.zeros_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = F.linear(h, params["weight_out"], params["bias_out"])
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.softmax(scores, -1) - F.one_hot(y, scores.shape[-1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        from_own_loss = dscores @ params["weight_out"]
        dx, from_later, dparams = rnn_step_backward(
            from_own_loss + from_later, x[:, t - 1], states[t - 1], states[t], params
        )
        dxs.append(dx)
        for name in dparams:
            grads[name] += dparams[name]
    grads["x"] = torch.stack(dxs[::-1], 1)
    grads["h0"] = from_later
    return loss, grads


# %% of="shared-gradients-finite-difference" variant="fresh-step"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[i] = eps
        e = e.reshape(theta.shape)
        g = (f(theta + e) - f(theta - e)) / (2 * eps)
        grad += g * (e != 0)
    return grad


# %% of="shared-gradients-finite-difference" variant="move-and-restore"
def finite_difference(f, theta, eps):
    flat = theta.clone().reshape(-1)
    out = []
    for i in range(len(flat)):
        old = flat[i].item()
        flat[i] = old + eps
        up = f(flat.reshape(theta.shape))
        flat[i] = old - eps
        down = f(flat.reshape(theta.shape))
        flat[i] = old
        out.append((up - down) / (2 * eps))
    return torch.stack(out).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" variant="identity-rows"
def finite_difference(f, theta, eps):
    eye = torch.eye(theta.numel(), dtype=theta.dtype, device=theta.device)
    slopes = [
        (f(theta + eps * row.view(theta.shape)) - f(theta - eps * row.view(theta.shape))) / (2 * eps) for row in eye
    ]
    return torch.stack(slopes).view(theta.shape)


# %% of="shared-gradients-finite-difference" variant="vmap"
def finite_difference(f, theta, eps):
    steps = (eps * torch.eye(theta.numel(), dtype=theta.dtype, device=theta.device)).reshape(-1, *theta.shape)
    up = torch.func.vmap(f)(theta + steps)
    down = torch.func.vmap(f)(theta - steps)
    return ((up - down) / (2 * eps)).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" variant="multi-index"
import itertools


def finite_difference(f, theta, eps=1e-5):
    grad = torch.empty_like(theta)
    for index in itertools.product(*(range(n) for n in theta.shape)):
        plus, minus = theta.clone(), theta.clone()
        plus[index] += eps
        minus[index] -= eps
        grad[index] = (f(plus).item() - f(minus).item()) / (2 * eps)
    return grad


# %% of="shared-gradients-immediate" variant="two-loops"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, i, k] = (1 - h_t[i] ** 2) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" variant="einsum"
def immediate_jacobian(h_t, h_prev):
    slope = torch.diag(1 - h_t * h_t)  # (H, H)
    return torch.einsum("ij,k->ijk", slope, h_prev)


# %% of="shared-gradients-immediate" variant="diag-embed"
def immediate_jacobian(h_t, h_prev):
    """diag_embed puts a vector on a diagonal: here over the axes i and j."""
    block = torch.outer(h_prev, 1 - h_t.square())  # (k, i)
    return torch.diag_embed(block).permute(1, 2, 0)


# %% of="shared-gradients-immediate" variant="broadcast"
def immediate_jacobian(h_t, h_prev):
    H = h_t.numel()
    eye = torch.eye(H, dtype=h_t.dtype, device=h_t.device)
    return (1 - h_t**2).view(H, 1, 1) * eye.view(H, H, 1) * h_prev.view(1, 1, H)


# %% of="shared-gradients-immediate" variant="index-put"
def immediate_jacobian(h_t, h_prev):
    H = len(h_t)
    i = torch.arange(H, device=h_t.device)
    out = h_t.new_zeros((H,) * 3)
    out[i, i] = torch.outer(1 - h_t * h_t, h_prev)
    return out


# %% of="shared-gradients-total" variant="einsum"
def total_jacobian(x, h0, params):
    T, H = x.shape[0], h0.shape[0]
    W = params["weight_hh"]
    h = h0
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    result = []
    for t in range(T):
        h_prev = h
        h = torch.tanh(params["weight_ih"] @ x[t] + W @ h_prev + params["bias"])
        J = torch.diag(1 - h**2) @ W
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" variant="buffer-and-tensordot"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H, dtype=x.dtype, device=x.device)
    hs = torch.stack([h[0] for h in forward(x[None], h0[None], params)])  # (T+1, H)
    for t in range(1, T + 1):
        slope = 1 - hs[t] ** 2
        J = slope[:, None] * params["weight_hh"]
        direct = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
        for i in range(H):
            direct[i, i, :] = slope[i] * hs[t - 1]
        if t == 1:
            out[0] = direct
        else:
            out[t - 1] = torch.tensordot(J, out[t - 2], dims=1) + direct
    return out


# %% of="shared-gradients-total" variant="sum-over-paths"
def total_jacobian(x, h0, params):
    # dh_t/dW = sum over k of (dh_t/dh_k) times the immediate derivative at k
    hs = [h.squeeze(0) for h in forward(x.unsqueeze(0), h0.unsqueeze(0), params)]
    T, H = x.shape[0], h0.shape[0]
    Js = [None] + [torch.diag(1 - hs[t] ** 2) @ params["weight_hh"] for t in range(1, T + 1)]
    result = []
    for t in range(1, T + 1):
        total, product = 0, torch.eye(H, dtype=x.dtype, device=x.device)
        for k in range(t, 0, -1):
            total = total + torch.einsum("il,ljk->ijk", product, immediate_jacobian(hs[k], hs[k - 1]))
            product = product @ Js[k]
        result.append(total)
    return torch.stack(result)


# %% of="shared-gradients-total" variant="flat-matrix"
def total_jacobian(x, h0, params):
    H = h0.numel()
    S, out, h = x.new_zeros(H, H * H), [], h0
    for x_t in x:
        new = torch.tanh(torch.mv(params["weight_ih"], x_t) + torch.mv(params["weight_hh"], h) + params["bias"])
        slope = (1 - new * new).unsqueeze(1)
        S = slope * (params["weight_hh"] @ S + torch.kron(torch.eye(H, dtype=x.dtype, device=x.device), h))
        out.append(S.view(H, H, H))
        h = new
    return torch.stack(out)


# %% of="shared-gradients-total" variant="from-the-back"
def total_jacobian(x, h0, params):
    """Row by row: for each t and unit i one backward sweep with a one in the upstream gradient."""
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H, dtype=x.dtype, device=x.device)
    for t in range(T):
        for i in range(H):
            one = torch.zeros(1, H, dtype=x.dtype, device=x.device)
            one[0, i] = 1
            out[t, i] = bptt_last(x[None, : t + 1], h0[None], params, one)["weight_hh"]
    return out


# %% of="shared-gradients-bug" variant="mended"
def leaky_gradients(x, y, params, alpha):
    B, T = x.shape
    u, w, b, v = (params[name] for name in ("u", "w", "b", "v"))

    h, tape, loss = x.new_zeros(B, len(u)), [], 0
    for t in range(T):
        h_prev = h
        s = torch.tanh(u * h_prev + w * x[:, t, None] + b)
        h = (1 - alpha) * h_prev + alpha * s
        error = h @ v - y[:, t]
        loss = loss + (error**2).mean() / T
        tape.append((x[:, t, None], h_prev, s, h, error))

    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    dh_next = torch.zeros_like(h)
    for x_t, h_prev, s, h, error in reversed(tape):
        dguess = 2 * error[:, None] / (B * T)
        grads["v"] += (dguess * h).sum(0)
        dh = dguess * v + dh_next
        da = dh * alpha * (1 - s**2)
        grads["u"] += (da * h_prev).sum(0)
        grads["w"] += (da * x_t).sum(0)
        grads["b"] += da.sum(0)
        dh_next = da * u + (1 - alpha) * dh
    return loss, grads


# %% of="shared-gradients-bug" variant="two-ways-named"
def leaky_gradients(x, y, params, alpha):
    B, T = x.shape
    u, w, b, v = (params[name] for name in ("u", "w", "b", "v"))

    h, tape, loss = x.new_zeros(B, len(u)), [], 0
    for t in range(T):
        h_prev = h
        s = torch.tanh(u * h_prev + w * x[:, t, None] + b)
        h = (1 - alpha) * h_prev + alpha * s
        error = h @ v - y[:, t]
        loss = loss + (error**2).mean() / T
        tape.append((x[:, t, None], h_prev, s, h, error))

    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    dh_next = torch.zeros_like(h)
    for x_t, h_prev, s, h, error in reversed(tape):
        dguess = 2 * error[:, None] / (B * T)
        grads["v"] += (dguess * h).sum(0)
        dh = dguess * v + dh_next
        da = dh * alpha * (1 - s**2)
        grads["u"] += (da * h_prev).sum(0)
        grads["w"] += (da * x_t).sum(0)
        grads["b"] += da.sum(0)
        through, past = da * u, dh * (1 - alpha)
        dh_next = through + past
    return loss, grads


# %% of="shared-gradients-bug" variant="lerp"
def leaky_gradients(x, y, params, alpha):
    B, T = x.shape
    u, w, b, v = (params[name] for name in ("u", "w", "b", "v"))

    h, tape, loss = x.new_zeros(B, len(u)), [], 0
    for t in range(T):
        h_prev = h
        s = torch.tanh(u * h_prev + w * x[:, t, None] + b)
        h = (1 - alpha) * h_prev + alpha * s
        error = h @ v - y[:, t]
        loss = loss + (error**2).mean() / T
        tape.append((x[:, t, None], h_prev, s, h, error))

    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    dh_next = torch.zeros_like(h)
    for x_t, h_prev, s, h, error in reversed(tape):
        dguess = 2 * error[:, None] / (B * T)
        grads["v"] += (dguess * h).sum(0)
        dh = dguess * v + dh_next
        da = dh * alpha * (1 - s**2)
        grads["u"] += (da * h_prev).sum(0)
        grads["w"] += (da * x_t).sum(0)
        grads["b"] += da.sum(0)
        dh_next = torch.lerp(dh, dh * (1 - s**2) * u, alpha)
    return loss, grads


# %% of="shared-gradients-bug" variant="minus"
def leaky_gradients(x, y, params, alpha):
    B, T = x.shape
    u, w, b, v = (params[name] for name in ("u", "w", "b", "v"))

    h, tape, loss = x.new_zeros(B, len(u)), [], 0
    for t in range(T):
        h_prev = h
        s = torch.tanh(u * h_prev + w * x[:, t, None] + b)
        h = (1 - alpha) * h_prev + alpha * s
        error = h @ v - y[:, t]
        loss = loss + (error**2).mean() / T
        tape.append((x[:, t, None], h_prev, s, h, error))

    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    dh_next = torch.zeros_like(h)
    for x_t, h_prev, s, h, error in reversed(tape):
        dguess = 2 * error[:, None] / (B * T)
        grads["v"] += (dguess * h).sum(0)
        dh = dguess * v + dh_next
        da = dh * alpha * (1 - s**2)
        grads["u"] += (da * h_prev).sum(0)
        grads["w"] += (da * x_t).sum(0)
        grads["b"] += da.sum(0)
        dh_next = da * u - alpha * dh + dh
    return loss, grads


# %% of="shared-gradients-bug" variant="written-anew"
def leaky_gradients(x, y, params, alpha):
    B, T = x.shape
    H = params["u"].shape[0]
    h = torch.zeros(T + 1, B, H, dtype=x.dtype, device=x.device)
    s = torch.zeros_like(h)
    for t in range(1, T + 1):
        s[t] = torch.tanh(h[t - 1] * params["u"] + x[:, t - 1 : t] * params["w"] + params["b"])
        h[t] = h[t - 1] + alpha * (s[t] - h[t - 1])
    error = h[1:] @ params["v"] - y.T  # (T, B)
    own = 2 * error / (B * T)
    dh = torch.zeros_like(h)
    da = torch.zeros_like(h)
    for t in range(T, 0, -1):
        dh[t] += own[t - 1][:, None] * params["v"]
        da[t] = alpha * dh[t] * (1 - s[t] ** 2)
        dh[t - 1] = da[t] * params["u"] + (1 - alpha) * dh[t]
    return (error**2).mean(), {
        "u": (da[1:] * h[:-1]).sum((0, 1)),
        "w": torch.einsum("tbh,bt->h", da[1:], x),
        "b": da.sum((0, 1)),
        "v": torch.einsum("tb,tbh->h", own, h[1:]),
    }
