"""Wrong answers to lesson 02, as learners write them; each declares the sign that it must get."""


# %% of="shared-gradients-bptt" gets="weight-hh-overwritten"
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
        dW_hh = dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="weight-ih-overwritten"
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
        dWxh = dhraw.t() @ x[:, t]
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


# %% of="shared-gradients-bptt" gets="bias-overwritten"
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
        dbh = dhraw.sum(0)
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


# %% of="shared-gradients-bptt" gets="all-overwritten"
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
            total[k] = dp[k]
        total["x"][:, t - 1] = dx
        from_later = dh_prev
    total["h0"] = from_later
    return sum(losses), total


# %% of="shared-gradients-bptt" gets="weight-out-overwritten"
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
        dW_out = p.T @ h
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


# %% of="shared-gradients-bptt" gets="bias-out-overwritten"
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
        dby = dy.sum(0)
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


# %% of="shared-gradients-bptt" gets="readout-last-only"
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
        "weight_out": dz[-1].T @ hs[-1],
        "bias_out": dz[-1].sum(0),
        "weight_ih": torch.einsum("tbh,tbd->hd", da, xs),
        "weight_hh": torch.einsum("tbh,tbk->hk", da, hs[:-1]),
        "bias": da.sum((0, 1)),
        "x": (da @ params["weight_ih"]).transpose(0, 1),
        "h0": back,
    }
    return loss, grads


# %% of="shared-gradients-bptt" gets="no-local-factor"
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
        dz = dh
        dW_ih += dz.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="factor-of-preactivation"
def bptt_every_step(x, h0, params, targets):
    B, T, D = x.shape
    W_ih, W_hh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    W_out, c = params["weight_out"], params["bias_out"]
    hs = [h0]
    pre = []
    for t in range(T):
        pre.append(x[:, t] @ W_ih.T + hs[-1] @ W_hh.T + b)
        hs.append(torch.tanh(pre[-1]))

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
        dz = dh * (1 - pre[t] ** 2)
        dW_ih += dz.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="sigmoid-factor"
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
        dhraw = hs[t] * (1 - hs[t]) * dh
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


# %% of="shared-gradients-bptt" gets="squashed-twice"
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
        da[t] = delta * (1 - torch.tanh(hs[t + 1]) ** 2)
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


# %% of="shared-gradients-bptt" gets="factor-of-previous"
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
        da[t] = delta * (1 - hs[t] ** 2)
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


# %% of="shared-gradients-bptt" gets="bias-from-dh"
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
        db += dh.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="weight-hh-from-dh"
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
        dWhh += dh.t() @ hs[t - 1]
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


# %% of="shared-gradients-bptt" gets="weight-ih-from-dh"
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
        dW_ih += dh.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="dx-from-dh"
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
        dxs.append(dh @ Wxh)
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


# %% of="shared-gradients-bptt" gets="carry-without-factor"
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
        dh_next = dh @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="carry-transposed"
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
        dhnext = dhraw @ Whh.t()
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


# %% of="shared-gradients-bptt" gets="weight-hh-transposed"
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
        dW_hh += h_prev.T @ dz
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="h-for-h-prev"
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
        "weight_hh": torch.einsum("tbh,tbk->hk", da, hs[1:]),
        "bias": da.sum((0, 1)),
        "x": (da @ params["weight_ih"]).transpose(0, 1),
        "h0": back,
    }
    return loss, grads


# %% of="shared-gradients-bptt" gets="first-step-wraps"
def bptt_every_step(x, h0, params, targets):
    B, T, D = x.shape
    W_ih, W_hh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    W_out, c = params["weight_out"], params["bias_out"]
    h, hs = h0, []
    for t in range(T):
        h = torch.tanh(x[:, t] @ W_ih.T + h @ W_hh.T + b)
        hs.append(h)

    dW_ih, dW_hh, db = torch.zeros_like(W_ih), torch.zeros_like(W_hh), torch.zeros_like(b)
    dW_out, dc = torch.zeros_like(W_out), torch.zeros_like(c)
    dx = torch.zeros_like(x)
    dh_next = torch.zeros_like(h0)
    loss = 0.0
    for t in reversed(range(T)):
        h, h_prev = hs[t], hs[t - 1]
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


# %% of="shared-gradients-bptt" gets="first-state-zero"
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
        "weight_hh": torch.einsum("tbh,tbk->hk", da[1:], hs[1:-1]),
        "bias": da.sum((0, 1)),
        "x": (da @ params["weight_ih"]).transpose(0, 1),
        "h0": back,
    }
    return loss, grads


# %% of="shared-gradients-bptt" gets="stops-before-first"
def bptt_every_step(x, h0, params, targets):
    states = forward(x, h0, params)
    B, T, D = x.shape
    rest = {k: params[k] for k in ("weight_ih", "weight_hh", "bias")}
    total = {k: torch.zeros_like(v) for k, v in params.items()}
    total["x"] = torch.zeros_like(x)
    losses = []
    from_later = torch.zeros_like(h0)
    for t in range(T, 1, -1):
        y = targets[:, t - 1]
        scores = states[t] @ params["weight_out"].T + params["bias_out"]
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
    logits = torch.stack(states[1:], 1) @ params["weight_out"].T + params["bias_out"]
    loss = F.cross_entropy(logits.reshape(B * T, -1), targets.reshape(-1), reduction="sum") / B
    return loss, total


# %% of="shared-gradients-bptt" gets="forward-order"
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
    for t in range(T):
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


# %% of="shared-gradients-bptt" gets="dh1-as-dh0"
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
    grads["h0"] = dh
    return loss, grads


# %% of="shared-gradients-bptt" gets="dx-reversed"
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
    return loss, {
        "weight_ih": dWxh,
        "weight_hh": dWhh,
        "bias": dbh,
        "weight_out": dWhy,
        "bias_out": dby,
        "x": torch.stack(dxs, 1),
        "h0": dhnext,
    }


# %% of="shared-gradients-bptt" gets="dx-reshaped"
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
        "x": (da @ params["weight_ih"]).reshape(B, T, D),
        "h0": back,
    }
    return loss, grads


# %% of="shared-gradients-bptt" gets="x-reshaped"
def bptt_every_step(x, h0, params, targets):
    B, T, D = x.shape
    V = params["bias_out"].numel()
    H = h0.shape[1]
    xs = x.reshape(T, B, D)
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


# %% of="shared-gradients-bptt" gets="targets-reshaped"
def bptt_every_step(x, h0, params, targets):
    B, T, D = x.shape
    V = params["bias_out"].numel()
    H = h0.shape[1]
    xs = x.transpose(0, 1)  # (T, B, D)
    ys = targets.reshape(T, B)
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


# %% of="shared-gradients-bptt" gets="h0-ignored"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    Wxh, Whh, bh = params["weight_ih"], params["weight_hh"], params["bias"]
    Why, by = params["weight_out"], params["bias_out"]
    hs, ps = {-1: torch.zeros_like(h0)}, {}
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


# %% of="shared-gradients-bptt" gets="left-linear"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    Wxh, Whh, bh = params["weight_ih"], params["weight_hh"], params["bias"]
    Why, by = params["weight_out"], params["bias_out"]
    hs, ps = {-1: h0}, {}
    loss = 0
    # forward pass
    for t in range(T):
        hs[t] = x[:, t] @ Wxh.t() + hs[t - 1] @ Whh.t() + bh
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


# %% of="shared-gradients-bptt" gets="no-carry"
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
        dh = p @ W_out
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


# %% of="shared-gradients-bptt" gets="fed-last-only"
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
    da = torch.zeros(T, B, H, dtype=x.dtype, device=x.device)
    back = dz[-1] @ params["weight_out"]
    for t in range(T - 1, -1, -1):
        da[t] = back * (1 - hs[t + 1] ** 2)
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


# %% of="shared-gradients-bptt" gets="carry-own-loss-only"
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
        from_later = rnn_step_backward(from_here, x[:, t - 1], states[t - 1], states[t], rest)[1]
    total["h0"] = from_later
    return sum(losses), total


# %% of="shared-gradients-bptt" gets="loss-last-only"
def bptt_every_step(x, h0, params, targets):
    states = forward(x, h0, params)
    B, T, D = x.shape
    rest = {k: params[k] for k in ("weight_ih", "weight_hh", "bias")}
    total = {k: torch.zeros_like(v) for k, v in params.items()}
    total["x"] = torch.empty_like(x)
    losses = []
    from_later = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        last = float(t == T)
        y = targets[:, t - 1]
        scores = states[t] @ params["weight_out"].T + params["bias_out"]
        losses.append(last * F.cross_entropy(scores, y))
        d_scores = (scores.softmax(-1) - F.one_hot(y, scores.shape[1])) / B * last
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


# %% of="shared-gradients-bptt" gets="loss-summed-over-batch"
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
        losses.append(F.cross_entropy(scores, y, reduction="sum"))
        d_scores = scores.softmax(-1) - F.one_hot(y, scores.shape[1])
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


# %% of="shared-gradients-bptt" gets="gradients-summed-over-batch"
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


# %% of="shared-gradients-bptt" gets="loss-averaged-over-time"
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
    loss = F.cross_entropy(z.reshape(T * B, V), ys.reshape(T * B))
    dz = (logp.exp() - onehot) / (T * B)
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


# %% of="shared-gradients-bptt" gets="gradients-averaged-over-time"
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
    dz = (logp.exp() - onehot) / (T * B)
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


# %% of="shared-gradients-bptt" gets="loss-not-averaged"
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


# %% of="shared-gradients-bptt" gets="softmax-over-batch"
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
        p = F.softmax(logits, dim=0)
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


# %% of="shared-gradients-bptt" gets="no-one-hot"
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


# %% of="shared-gradients-bptt" gets="wrong-sign"
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
        d_scores = (F.one_hot(y, scores.shape[1]) - scores.softmax(-1)) / B
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


# %% of="shared-gradients-bptt" gets="targets-shifted"
def bptt_every_step(x, h0, params, targets):
    states = forward(x, h0, params)
    B, T, D = x.shape
    rest = {k: params[k] for k in ("weight_ih", "weight_hh", "bias")}
    total = {k: torch.zeros_like(v) for k, v in params.items()}
    total["x"] = torch.empty_like(x)
    losses = []
    from_later = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        y = targets[:, min(t, T - 1)]
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


# %% of="shared-gradients-bptt" gets="readout-grad-of-previous"
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
        dWhy += dy.t() @ hs[t - 1]
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


# %% of="shared-gradients-bptt" gets="readout-of-previous"
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
    z = hs[:-1] @ params["weight_out"].T + params["bias_out"]  # (T, B, V)
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
        "weight_out": torch.einsum("tbv,tbh->vh", dz, hs[:-1]),
        "bias_out": dz.sum((0, 1)),
        "weight_ih": torch.einsum("tbh,tbd->hd", da, xs),
        "weight_hh": torch.einsum("tbh,tbk->hk", da, hs[:-1]),
        "bias": da.sum((0, 1)),
        "x": (da @ params["weight_ih"]).transpose(0, 1),
        "h0": back,
    }
    return loss, grads


# %% of="shared-gradients-bptt" gets="no-bias-out"
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
        logits = h @ W_out.T
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


# %% of="shared-gradients-bptt" gets="bias-mean"
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
        db += dz.mean(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="factor-not-squared"
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
        dz = dh * (1 - h)
        dW_ih += dz.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="starts-before-last"
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
    for t in range(T - 2, -1, -1):
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
    dxs.append(torch.zeros_like(dxs[0]))
    return loss, {
        "weight_ih": dWxh,
        "weight_hh": dWhh,
        "bias": dbh,
        "weight_out": dWhy,
        "bias_out": dby,
        "x": torch.stack(dxs, 1),
        "h0": dhnext,
    }


# %% of="shared-gradients-bptt" gets="none"
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
    loss, grads


# %% of="shared-gradients-bptt" gets="type"
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
    return grads


# %% of="shared-gradients-bptt" gets="keys"
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
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="keys"
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
    return sum(losses), total


# %% of="shared-gradients-bptt" gets="swapped-axes"
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
        "x": torch.stack(dxs),
        "h0": dhnext,
    }


# %% of="shared-gradients-bptt" gets="bias-not-summed"
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
        dbh = dbh + dhraw
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


# %% of="shared-gradients-bptt" gets="autograd"
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
    total["h0"] = torch.autograd.grad(sum(losses), h0)[0]
    return sum(losses), total


# %% of="shared-gradients-bptt" gets="raised"
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
        dh_next = dz @ W_ih
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="changed-input"
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
        y -= 0 * y
        d_scores = (scores.softmax(-1) - F.one_hot(y, scores.shape[1])) / B
        total["weight_out"] += d_scores.T @ states[t]
        total["bias_out"] += d_scores.sum(0)
        from_here = d_scores @ params["weight_out"]
        dx, dh_prev, dp = rnn_step_backward(from_here + from_later, x[:, t - 1], states[t - 1], states[t], rest)
        for k in dp:
            total[k] += dp[k]
        total["x"][:, t - 1] = dx
        from_later = dh_prev
        targets[:, t - 1] = 0
    total["h0"] = from_later
    return sum(losses), total


# %% of="shared-gradients-bptt" gets="no-local-factor + left-linear"
def bptt_every_step(x, h0, params, targets):
    B, T, D = x.shape
    W_ih, W_hh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    W_out, c = params["weight_out"], params["bias_out"]
    hs = [h0]
    for t in range(T):
        hs.append(x[:, t] @ W_ih.T + hs[-1] @ W_hh.T + b)

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
        dz = dh
        dW_ih += dz.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="step-one-left-out"
def bptt_every_step(x, h0, params, targets):
    states = forward(x, h0, params)
    B, T, D = x.shape
    rest = {k: params[k] for k in ("weight_ih", "weight_hh", "bias")}
    total = {k: torch.zeros_like(v) for k, v in params.items()}
    total["x"] = torch.zeros_like(x)
    losses = []
    from_later = torch.zeros_like(h0)
    for t in range(T, 1, -1):
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


# %% of="shared-gradients-bptt" gets="last-step-left-out"
def bptt_every_step(x, h0, params, targets):
    states = forward(x, h0, params)
    B, T, D = x.shape
    rest = {k: params[k] for k in ("weight_ih", "weight_hh", "bias")}
    total = {k: torch.zeros_like(v) for k, v in params.items()}
    total["x"] = torch.zeros_like(x)
    losses = []
    from_later = torch.zeros_like(h0)
    for t in range(T - 1, 0, -1):
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


# %% of="shared-gradients-bptt" gets="no-carry + no-local-factor"
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
        dh = p @ W_out
        dz = dh
        dW_ih += dz.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="gradients-summed-over-batch + h-for-h-prev"
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
        dWhy += dy.t() @ hs[t]
        dby += dy.sum(0)
        dh = dy @ Why + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw.sum(0)
        dWxh += dhraw.t() @ x[:, t]
        dWhh += dhraw.t() @ hs[t]
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


# %% of="shared-gradients-bptt" gets="carry-transposed + weight-hh-overwritten"
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
        dW_hh = dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh.T
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="weight-out-overwritten + bias-from-dh"
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
        dW_out = p.T @ h
        dc += p.sum(0)
        dh = p @ W_out + dh_next
        dz = dh * (1 - h**2)
        dW_ih += dz.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dh.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="weight-out-overwritten + weight-hh-overwritten"
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
        dWhy = dy.t() @ hs[t]
        dby += dy.sum(0)
        dh = dy @ Why + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw.sum(0)
        dWxh += dhraw.t() @ x[:, t]
        dWhh = dhraw.t() @ hs[t - 1]
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


# %% of="shared-gradients-bptt" gets="slope-twice"
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
        dz = dh * (1 - h**2) * (1 - h**2)
        dW_ih += dz.T @ x[:, t]
        dW_hh += dz.T @ h_prev
        db += dz.sum(0)
        dx[:, t] = dz @ W_ih
        dh_next = dz @ W_hh
    grads = {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db, "weight_out": dW_out, "bias_out": dc}
    grads["x"] = dx
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="loss-only-averaged-over-time"
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
    loss = loss / (B * T)
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


# %% of="shared-gradients-predict-total" gets="missing"
guess_total = None

# %% of="shared-gradients-predict-total" gets="no-number"
guess_total = "6"

# %% of="shared-gradients-predict-total" gets="no-number"
guess_total = [3, 3]

# %% of="shared-gradients-predict-total" gets="out-of-range"
guess_total = float("inf")

# %% of="shared-gradients-predict-eps" gets="missing"
guess_k = None

# %% of="shared-gradients-predict-eps" gets="no-number"
guess_k = "5"

# %% of="shared-gradients-predict-eps" gets="out-of-range"
guess_k = -5

# %% of="shared-gradients-predict-eps" gets="not-whole"
guess_k = 5.5

# %% of="shared-gradients-predict-eps" gets="no-number"
guess_k = True

# %% of="shared-gradients-predict-memory" gets="missing"
guess_T = None

# %% of="shared-gradients-predict-memory" gets="out-of-range"
guess_T = 0

# %% of="shared-gradients-predict-memory" gets="not-whole"
guess_T = 64.5

# %% of="shared-gradients-predict-memory" gets="no-number"
guess_T = "H**2"


# %% of="shared-gradients-untied" gets="one-copy"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copy = {k: v.detach().clone().requires_grad_(True) for k, v in params.items()}
    copies = [copy] * T
    h = h0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    L = (h * dh_T).sum()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="evenly-split"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    shared = {k: v.clone().requires_grad_() for k, v in params.items()}
    h = forward(x, h0, shared)[-1]
    total = torch.autograd.grad((h * dh_T).sum(), list(shared.values()))
    total = dict(zip(shared, total))
    return [{k: v / T for k, v in total.items()} for t in range(T)]


# %% of="shared-gradients-untied" gets="one-copy"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    shared = {k: v.clone().requires_grad_() for k, v in params.items()}
    h = forward(x, h0, shared)[-1]
    total = torch.autograd.grad((h * dh_T).sum(), list(shared.values()))
    total = dict(zip(shared, total))
    return [{k: v for k, v in total.items()} for t in range(T)]


# %% of="shared-gradients-untied" gets="reversed-list"
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
    return shares


# %% of="shared-gradients-untied" gets="last-step-only"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
    h = h0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h.detach() @ p["weight_hh"].T + p["bias"])
    L = (h * dh_T).sum()
    L.backward()
    return [{k: torch.zeros_like(v) if v.grad is None else v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="none"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
    h = h0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h.detach() @ p["weight_hh"].T + p["bias"])
    L = (h * dh_T).sum()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="no-way-back"
def untied_gradients(x, h0, params, dh_T):
    """By hand: back through the steps, keeping each step's share."""
    B, T, D = x.shape
    hs = forward(x, h0, params)
    shares = []
    dh = dh_T
    for t in range(T, 0, -1):
        da = dh * (1 - hs[t] ** 2)
        shares.append({"weight_ih": da.T @ x[:, t - 1], "weight_hh": da.T @ hs[t - 1], "bias": da.sum(0)})
    shares.reverse()
    return shares


# %% of="shared-gradients-untied" gets="accumulated-backward"
def untied_gradients(x, h0, params, dh_T):
    """By hand: back through the steps, keeping each step's share."""
    B, T, D = x.shape
    hs = forward(x, h0, params)
    shares = []
    total = {k: torch.zeros_like(v) for k, v in params.items()}
    dh = dh_T
    for t in range(T, 0, -1):
        da = dh * (1 - hs[t] ** 2)
        total["weight_ih"] += da.T @ x[:, t - 1]
        total["weight_hh"] += da.T @ hs[t - 1]
        total["bias"] += da.sum(0)
        shares.append({k: v.clone() for k, v in total.items()})
        dh = da @ params["weight_hh"]
    shares.reverse()
    return shares


# %% of="shared-gradients-untied" gets="accumulated-forward"
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
    for before, after in zip(shares, shares[1:]):
        for k in after:
            after[k] += before[k]
    return shares


# %% of="shared-gradients-untied" gets="sum-of-state"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
    h = h0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    L = h.sum()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="zero-state"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
    h = torch.zeros_like(h0)
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    L = (h * dh_T).sum()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="batch-mean"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
    h = h0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    L = (h * dh_T).sum(1).mean()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="loss-at-every-step"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
    h, L = h0, 0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
        L = L + (h * dh_T).sum()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="weight-hh-shared"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    W_hh = params["weight_hh"].clone().requires_grad_()
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
        copies[t]["weight_hh"] = W_hh
    h = h0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    L = (h * dh_T).sum()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="bias-shared"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = []
    b = params["bias"].clone().requires_grad_()
    for t in range(T):
        copies.append({k: v.detach().clone().requires_grad_(True) for k, v in params.items()})
        copies[t]["bias"] = b
    h = h0
    for t in range(T):
        p = copies[t]
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    L = (h * dh_T).sum()
    L.backward()
    return [{k: v.grad for k, v in p.items()} for p in copies]


# %% of="shared-gradients-untied" gets="length"
def untied_gradients(x, h0, params, dh_T):
    """By hand: back through the steps, keeping each step's share."""
    B, T, D = x.shape
    hs = forward(x, h0, params)
    shares = []
    dh = dh_T
    for t in range(T, 1, -1):
        da = dh * (1 - hs[t] ** 2)
        shares.append({"weight_ih": da.T @ x[:, t - 1], "weight_hh": da.T @ hs[t - 1], "bias": da.sum(0)})
        dh = da @ params["weight_hh"]
    shares.reverse()
    return shares


# %% of="shared-gradients-untied" gets="type"
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
    return {k: torch.stack([s[k] for s in shares]) for k in params}


# %% of="shared-gradients-untied" gets="type"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    shared = {k: v.clone().requires_grad_() for k, v in params.items()}
    h = forward(x, h0, shared)[-1]
    total = torch.autograd.grad((h * dh_T).sum(), list(shared.values()))
    total = dict(zip(shared, total))
    return total


# %% of="shared-gradients-untied" gets="keys"
def untied_gradients(x, h0, params, dh_T):
    """By hand: back through the steps, keeping each step's share."""
    B, T, D = x.shape
    hs = forward(x, h0, params)
    shares = []
    dh = dh_T
    for t in range(T, 0, -1):
        da = dh * (1 - hs[t] ** 2)
        shares.append({"weight_ih": da.T @ x[:, t - 1], "weight_hh": da.T @ hs[t - 1]})
        dh = da @ params["weight_hh"]
    shares.reverse()
    return shares


# %% of="shared-gradients-untied" gets="reversed-list + no-way-back"
def untied_gradients(x, h0, params, dh_T):
    """By hand: back through the steps, keeping each step's share."""
    B, T, D = x.shape
    hs = forward(x, h0, params)
    shares = []
    dh = dh_T
    for t in range(T, 0, -1):
        da = dh * (1 - hs[t] ** 2)
        shares.append({"weight_ih": da.T @ x[:, t - 1], "weight_hh": da.T @ hs[t - 1], "bias": da.sum(0)})
    return shares


# %% of="shared-gradients-untied" gets="reversed-list + batch-mean"
def untied_gradients(x, h0, params, dh_T):
    """By hand: back through the steps, keeping each step's share."""
    B, T, D = x.shape
    hs = forward(x, h0, params)
    shares = []
    dh = dh_T / B
    for t in range(T, 0, -1):
        da = dh * (1 - hs[t] ** 2)
        shares.append({"weight_ih": da.T @ x[:, t - 1], "weight_hh": da.T @ hs[t - 1], "bias": da.sum(0)})
        dh = da @ params["weight_hh"]
    return shares


# %% of="shared-gradients-step-backward" gets="no-local-factor"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="factor-of-preactivation"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    a = x_t @ W_ih.T + h_prev @ W_hh.T + params["bias"]
    d_a = torch.mul(dh, 1 - torch.square(a))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="sigmoid-factor"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * h * (1 - h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="squashed-twice"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(torch.tanh(h)))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="factor-of-previous"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h_prev * h_prev)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="factor-not-squared"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="bias-from-dh"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = {}
    grads["bias"] = torch.sum(dh, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="weight-hh-from-dh"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dh.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="weight-ih-from-dh"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", dh, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="dx-from-dh"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dh @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="carry-without-factor"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dh @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="carry-transposed"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bk,hk->bh", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="h-for-h-prev"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="weight-hh-transposed"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = h_prev.T @ dz
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="divided-by-batch"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t / len(x_t)
    dW_hh = dz.T @ h_prev / len(x_t)
    db = dz.mean(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="bias-mean"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.mean(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="skips-past"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dh + dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="dx-mean"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    dx = d_a @ W_ih
    dx = dx.mean(0, keepdim=True).expand_as(dx)
    return dx, torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="missing-axis"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum()
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="bias-not-summed"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="extra-axis"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0, keepdim=True)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="results-swapped"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hk->bk", d_a, W_hh), torch.einsum("bh,hd->bd", d_a, W_ih), grads


# %% of="shared-gradients-step-backward" gets="swapped-axes"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = x_t.T @ dz
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="length"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, dW_ih, dW_hh, db


# %% of="shared-gradients-step-backward" gets="keys"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "b": db}


# %% of="shared-gradients-step-backward" gets="type"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, (dW_ih, dW_hh, db)


# %% of="shared-gradients-step-backward" gets="none"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    result = dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="changed-input"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh
    dz *= 1 - h * h
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="writes-into-params"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dz.sum(dim=0)
    params["weight_ih"], params["weight_hh"], params["bias"] = dW_ih, dW_hh, db
    return dx, dh_prev, params


# %% of="shared-gradients-step-backward" gets="adds-up-over-calls"
sums = {}


def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    if not sums or sums["weight_ih"].shape != W_ih.shape:
        sums.update({k: torch.zeros_like(v) for k, v in params.items()})
    sums["bias"] += torch.sum(d_a, 0)
    sums["weight_ih"] += torch.einsum("bh,bd->hd", d_a, x_t)
    sums["weight_hh"] += torch.einsum("bh,bk->hk", d_a, h_prev)
    grads = sums
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="adds-up-over-calls"
def rnn_step_backward(dh, x_t, h_prev, h, params, db_so_far=[]):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db_so_far.append(dz.sum(dim=0))
    db = sum(db_so_far)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="overwritten-by-next-call"
buffers = {}


def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = buffers.setdefault(tuple(W_ih.shape), {k: torch.zeros_like(v) for k, v in params.items()})
    grads["bias"][:] = torch.sum(d_a, 0)
    grads["weight_ih"][:] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"][:] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return torch.einsum("bh,hd->bd", d_a, W_ih), torch.einsum("bh,hk->bk", d_a, W_hh), grads


# %% of="shared-gradients-step-backward" gets="autograd"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    step = lambda x, h, p: torch.tanh(x @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    _, back = torch.func.vjp(step, x_t, h_prev, params)
    return back(dh)


# %% of="shared-gradients-step-backward" gets="autograd"
from torch.func import vjp


def by_vjp(x, h, p, dh):
    return vjp(lambda x, h, p: torch.tanh(x @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"]), x, h, p)[1](dh)


def rnn_step_backward(dh, x_t, h_prev, h, params):
    W_ih, W_hh = params["weight_ih"], params["weight_hh"]
    d_a = torch.mul(dh, 1 - torch.square(h))
    grads = {}
    grads["bias"] = torch.sum(d_a, 0)
    grads["weight_ih"] = torch.einsum("bh,bd->hd", d_a, x_t)
    grads["weight_hh"] = torch.einsum("bh,bk->hk", d_a, h_prev)
    return by_vjp(x_t, h_prev, params, dh)


# %% of="shared-gradients-step-backward" gets="no-local-factor + h-for-h-prev"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="bias-from-dh + carry-transposed"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"].T
    dW_ih = dz.T @ x_t
    dW_hh = dz.T @ h_prev
    db = dh.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-step-backward" gets="sigmoid-factor + weight-hh-transposed"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * h * (1 - h)
    dx = dz @ params["weight_ih"]
    dh_prev = dz @ params["weight_hh"]
    dW_ih = dz.T @ x_t
    dW_hh = h_prev.T @ dz
    db = dz.sum(dim=0)
    return dx, dh_prev, {"weight_ih": dW_ih, "weight_hh": dW_hh, "bias": db}


# %% of="shared-gradients-bptt-last" gets="weight-hh-overwritten"
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
        gWh = dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="weight-ih-overwritten"
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
        gWi = dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="bias-overwritten"
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
        gb = dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="all-overwritten"
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
            grads[name] = dp[name]
    grads["x"] = torch.stack(dxs[::-1], dim=1)
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" gets="no-local-factor"
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
        delta[t] = g
        g = delta[t] @ params["weight_hh"]
    return {
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq),
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="sigmoid-factor"
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
        dz = dh * hs[t + 1] * (1 - hs[t + 1])
        gWi += dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="squashed-twice"
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
        delta[t] = g * (1 - torch.tanh(h[t]) ** 2)
        g = delta[t] @ params["weight_hh"]
    return {
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq),
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="factor-of-previous"
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
        dz = dh * (1 - hs[t].pow(2))
        gWi += dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="factor-of-preactivation"
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
        delta[t] = g * (1 - torch.atanh(h[t]) ** 2)
        g = delta[t] @ params["weight_hh"]
    return {
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq),
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="bias-from-dh"
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
        gb += dh.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="weight-hh-from-dh"
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
        gWh += dh.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="h-for-h-prev"
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
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, h),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="first-step-wraps"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    H = h0.shape[1]
    seq = x.permute(1, 0, 2)
    h = torch.zeros(T, B, H, dtype=x.dtype, device=x.device)
    prev = h0
    for t in range(T):
        prev = h[t] = torch.tanh(seq[t] @ params["weight_ih"].T + prev @ params["weight_hh"].T + params["bias"])
    before = torch.stack([h[t - 1] for t in range(T)])
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


# %% of="shared-gradients-bptt-last" gets="first-state-zero"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    H = h0.shape[1]
    seq = x.permute(1, 0, 2)
    h = torch.zeros(T, B, H, dtype=x.dtype, device=x.device)
    prev = h0
    for t in range(T):
        prev = h[t] = torch.tanh(seq[t] @ params["weight_ih"].T + prev @ params["weight_hh"].T + params["bias"])
    before = torch.cat([torch.zeros_like(h[:1]), h[:-1]])
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


# %% of="shared-gradients-bptt-last" gets="stops-before-first"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    Wi, Wh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    hs = [h0]
    for t in range(T):
        hs.append(torch.tanh(x[:, t] @ Wi.T + hs[t] @ Wh.T + b))
    gWi, gWh, gb = torch.zeros_like(Wi), torch.zeros_like(Wh), torch.zeros_like(b)
    gx = torch.zeros_like(x)
    dh = dh_T
    for t in range(T - 1, 0, -1):
        dz = dh * (1 - hs[t + 1].pow(2))
        gWi += dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="starts-before-last"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    Wi, Wh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    hs = [h0]
    for t in range(T):
        hs.append(torch.tanh(x[:, t] @ Wi.T + hs[t] @ Wh.T + b))
    gWi, gWh, gb = torch.zeros_like(Wi), torch.zeros_like(Wh), torch.zeros_like(b)
    gx = torch.zeros_like(x)
    dh = dh_T
    for t in range(T - 2, -1, -1):
        dz = dh * (1 - hs[t + 1].pow(2))
        gWi += dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="forward-order"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    steps = list(range(1, x.shape[1] + 1))
    grads = {k: torch.zeros_like(v) for k, v in params.items()}
    dxs = []
    delta = dh_T
    for t in steps:
        dx, delta, dp = rnn_step_backward(delta, x[:, t - 1], states[t - 1], states[t], params)
        dxs.append(dx)
        for name in grads:
            grads[name] = grads[name] + dp[name]
    grads["x"] = torch.stack(dxs, dim=1)
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" gets="dh1-as-dh0"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    Wi, Wh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    hs = [h0]
    for t in range(T):
        hs.append(torch.tanh(x[:, t] @ Wi.T + hs[t] @ Wh.T + b))
    gWi, gWh, gb = torch.zeros_like(Wi), torch.zeros_like(Wh), torch.zeros_like(b)
    gx = torch.zeros_like(x)
    dh_prev = dh_T
    for t in range(T - 1, -1, -1):
        dh = dh_prev
        dz = dh * (1 - hs[t + 1].pow(2))
        gWi += dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh_prev = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="carry-transposed"
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
        g = delta[t] @ params["weight_hh"].T
    return {
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq),
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="carry-without-factor"
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
        g = g @ params["weight_hh"]
    return {
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq),
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="weight-hh-transposed"
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
        "weight_hh": torch.einsum("tbh,tbk->kh", delta, before),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="same-upstream"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    steps = list(range(1, x.shape[1] + 1))
    grads = {k: torch.zeros_like(v) for k, v in params.items()}
    dxs = []
    delta = dh_T
    for t in reversed(steps):
        dx, dh_prev, dp = rnn_step_backward(delta, x[:, t - 1], states[t - 1], states[t], params)
        dxs.append(dx)
        for name in grads:
            grads[name] = grads[name] + dp[name]
    grads["x"] = torch.stack(dxs[::-1], dim=1)
    grads["h0"] = dh_prev
    return grads


# %% of="shared-gradients-bptt-last" gets="no-carry"
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
        g = delta[t] @ params["weight_hh"] if t == 0 else torch.zeros_like(g)
    return {
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq),
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before),
        "bias": delta.sum((0, 1)),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="fed-every-step"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    steps = list(range(1, x.shape[1] + 1))
    grads = {k: torch.zeros_like(v) for k, v in params.items()}
    dxs = []
    delta = dh_T
    for t in reversed(steps):
        dx, delta, dp = rnn_step_backward(
            delta + (dh_T if t < len(steps) else 0), x[:, t - 1], states[t - 1], states[t], params
        )
        dxs.append(dx)
        for name in grads:
            grads[name] = grads[name] + dp[name]
    grads["x"] = torch.stack(dxs[::-1], dim=1)
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" gets="dx-reversed"
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
    grads["x"] = torch.stack(dxs, dim=1)
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" gets="dx-reshaped"
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
        "x": (delta @ params["weight_ih"]).reshape(B, T, D),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="x-reshaped"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    H = h0.shape[1]
    seq = x.reshape(T, B, D)
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


# %% of="shared-gradients-bptt-last" gets="h0-ignored"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, torch.zeros_like(h0), params)
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


# %% of="shared-gradients-bptt-last" gets="left-linear"
def bptt_last(x, h0, params, dh_T):
    B, T, D = x.shape
    Wi, Wh, b = params["weight_ih"], params["weight_hh"], params["bias"]
    hs = [h0]
    for t in range(T):
        hs.append(x[:, t] @ Wi.T + hs[t] @ Wh.T + b)
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


# %% of="shared-gradients-bptt-last" gets="divided-by-batch"
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
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq) / B,
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before) / B,
        "bias": delta.sum((0, 1)) / B,
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="divided-by-time"
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
        "weight_ih": torch.einsum("tbh,tbd->hd", delta, seq) / T,
        "weight_hh": torch.einsum("tbh,tbk->hk", delta, before) / T,
        "bias": delta.mean(0).sum(0),
        "x": torch.einsum("tbh,hd->btd", delta, params["weight_ih"]),
        "h0": g,
    }


# %% of="shared-gradients-bptt-last" gets="dx-from-dh"
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
        gx[:, t] = dh @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="swapped-axes"
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
    grads["x"] = torch.stack(dxs[::-1])
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" gets="missing-axis"
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
        gx = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="keys"
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
    }


# %% of="shared-gradients-bptt-last" gets="changed-input"
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
        dh *= 1 - hs[t + 1].pow(2)
        dz = dh
        gWi += dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="autograd"
def bptt_last(x, h0, params, dh_T):
    shares = untied_gradients(x, h0, params, dh_T)
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
    grads.update({k: sum(s[k] for s in shares) for k in params})
    return grads


# %% of="shared-gradients-bptt-last" gets="differences"
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
    grads["h0"] = finite_difference(lambda h: (forward(x, h, params)[-1] * dh_T).sum(), h0, 1e-5)
    return grads


# %% of="shared-gradients-bptt-last" gets="look"
def bptt_last(x, h0, params, dh_T):
    states = eval("forward(x, h0, params)")
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


# %% of="shared-gradients-bptt-last" gets="bias-from-dh + weight-ih-overwritten"
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
        gWi = dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dh.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="no-local-factor + carry-transposed"
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
        dz = dh
        gWi += dz.T @ x[:, t]
        gWh += dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh.T
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="weight-hh-overwritten + weight-ih-overwritten"
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
        gWi = dz.T @ x[:, t]
        gWh = dz.T @ hs[t]
        gb += dz.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-bptt-last" gets="bias-from-dh + h-for-h-prev"
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
        gWh += dz.T @ hs[t + 1]
        gb += dh.sum(0)
        gx[:, t] = dz @ Wi
        dh = dz @ Wh
    return {"weight_ih": gWi, "weight_hh": gWh, "bias": gb, "x": gx, "h0": dh}


# %% of="shared-gradients-immediate" gets="no-local-factor"
def immediate_jacobian(h_t, h_prev):
    slope = torch.eye(len(h_t), dtype=h_t.dtype, device=h_t.device)
    return torch.einsum("ij,k->ijk", slope, h_prev)


# %% of="shared-gradients-immediate" gets="sigmoid-factor"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, i, k] = h_t[i] * (1 - h_t[i]) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="squashed-twice"
def immediate_jacobian(h_t, h_prev):
    slope = torch.diag(1 - torch.tanh(h_t) ** 2)  # (H, H)
    return torch.einsum("ij,k->ijk", slope, h_prev)


# %% of="shared-gradients-immediate" gets="factor-of-previous"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, i, k] = (1 - h_prev[i] ** 2) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="h-for-h-prev"
def immediate_jacobian(h_t, h_prev):
    slope = torch.diag(1 - h_t * h_t)  # (H, H)
    return torch.einsum("ij,k->ijk", slope, h_t)


# %% of="shared-gradients-immediate" gets="columns-for-rows"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, k, i] = (1 - h_t[i] ** 2) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="axis-k-first"
def immediate_jacobian(h_t, h_prev):
    slope = torch.diag(1 - h_t * h_t)  # (H, H)
    return torch.einsum("ij,k->kij", slope, h_prev)


# %% of="shared-gradients-immediate" gets="every-row-acts"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for j in range(H):
            for k in range(H):
                out[i, j, k] = (1 - h_t[i] ** 2) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="diagonal-only"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        out[i, i, i] = (1 - h_t[i] ** 2) * h_prev[i]
    return out


# %% of="shared-gradients-immediate" gets="slope-on-weights"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, i, k] = (1 - h_t[k] ** 2) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="no-state"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, i, k] = 1 - h_t[i] ** 2
    return out


# %% of="shared-gradients-immediate" gets="wrong-sign"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, i, k] = (h_t[i] ** 2 - 1) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="missing-axis"
def immediate_jacobian(h_t, h_prev):
    slope = torch.diag(1 - h_t * h_t)  # (H, H)
    return torch.outer(1 - h_t * h_t, h_prev)


# %% of="shared-gradients-immediate" gets="missing-axis"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, k] = (1 - h_t[i] ** 2) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="dtype"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H)
    for i in range(H):
        for k in range(H):
            out[i, i, k] = (1 - h_t[i] ** 2) * h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="none"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, i, k] = (1 - h_t[i] ** 2) * h_prev[k]


# %% of="shared-gradients-immediate" gets="autograd"
def immediate_jacobian(h_t, h_prev):
    W = torch.zeros(len(h_t), len(h_t), dtype=h_t.dtype, device=h_t.device)
    c = torch.atanh(h_t)
    return torch.func.jacrev(lambda W: torch.tanh(c + W @ h_prev))(W)


# %% of="shared-gradients-immediate" gets="no-local-factor + columns-for-rows"
def immediate_jacobian(h_t, h_prev):
    H = h_t.shape[0]
    out = torch.zeros(H, H, H, dtype=h_t.dtype, device=h_t.device)
    for i in range(H):
        for k in range(H):
            out[i, k, i] = h_prev[k]
    return out


# %% of="shared-gradients-immediate" gets="squashed-twice + h-for-h-prev"
def immediate_jacobian(h_t, h_prev):
    slope = torch.diag(1 - torch.tanh(h_t) ** 2)  # (H, H)
    return torch.einsum("ij,k->ijk", slope, h_t)


# %% of="shared-gradients-total" gets="immediate-only"
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
        S = immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="no-jacobian"
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
        S = S + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="jacobian-only"
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
            out[t - 1] = torch.tensordot(J, out[t - 2], dims=1)
    return out


# %% of="shared-gradients-total" gets="jacobian-transposed"
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
        S = torch.einsum("li,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="jacobian-without-slope"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H, dtype=x.dtype, device=x.device)
    hs = torch.stack([h[0] for h in forward(x[None], h0[None], params)])  # (T+1, H)
    for t in range(1, T + 1):
        slope = 1 - hs[t] ** 2
        J = params["weight_hh"]
        direct = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
        for i in range(H):
            direct[i, i, :] = slope[i] * hs[t - 1]
        if t == 1:
            out[0] = direct
        else:
            out[t - 1] = torch.tensordot(J, out[t - 2], dims=1) + direct
    return out


# %% of="shared-gradients-total" gets="jacobian-columns-scaled"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H, dtype=x.dtype, device=x.device)
    hs = torch.stack([h[0] for h in forward(x[None], h0[None], params)])  # (T+1, H)
    for t in range(1, T + 1):
        slope = 1 - hs[t] ** 2
        J = slope * params["weight_hh"]
        direct = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
        for i in range(H):
            direct[i, i, :] = slope[i] * hs[t - 1]
        if t == 1:
            out[0] = direct
        else:
            out[t - 1] = torch.tensordot(J, out[t - 2], dims=1) + direct
    return out


# %% of="shared-gradients-total" gets="jacobian-one-late"
def total_jacobian(x, h0, params):
    T, H = x.shape[0], h0.shape[0]
    W = params["weight_hh"]
    h = h0
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    result = []
    for t in range(T):
        h_prev = h
        h = torch.tanh(params["weight_ih"] @ x[t] + W @ h_prev + params["bias"])
        J = torch.diag(1 - h_prev**2) @ W
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="wrong-axis"
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
        S = torch.einsum("jl,ilk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="h-for-h-prev"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H, dtype=x.dtype, device=x.device)
    hs = torch.stack([h[0] for h in forward(x[None], h0[None], params)])  # (T+1, H)
    for t in range(1, T + 1):
        slope = 1 - hs[t] ** 2
        J = slope[:, None] * params["weight_hh"]
        direct = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
        for i in range(H):
            direct[i, i, :] = slope[i] * hs[t]
        if t == 1:
            out[0] = direct
        else:
            out[t - 1] = torch.tensordot(J, out[t - 2], dims=1) + direct
    return out


# %% of="shared-gradients-total" gets="no-local-factor"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H, dtype=x.dtype, device=x.device)
    hs = torch.stack([h[0] for h in forward(x[None], h0[None], params)])  # (T+1, H)
    for t in range(1, T + 1):
        slope = 1 - hs[t] ** 2
        J = slope[:, None] * params["weight_hh"]
        direct = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
        for i in range(H):
            direct[i, i, :] = hs[t - 1]
        if t == 1:
            out[0] = direct
        else:
            out[t - 1] = torch.tensordot(J, out[t - 2], dims=1) + direct
    return out


# %% of="shared-gradients-total" gets="zero-state"
def total_jacobian(x, h0, params):
    T, H = x.shape[0], h0.shape[0]
    W = params["weight_hh"]
    h = torch.zeros_like(h0)
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    result = []
    for t in range(T):
        h_prev = h
        h = torch.tanh(params["weight_ih"] @ x[t] + W @ h_prev + params["bias"])
        J = torch.diag(1 - h**2) @ W
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="starts-from-identity"
def total_jacobian(x, h0, params):
    T, H = x.shape[0], h0.shape[0]
    W = params["weight_hh"]
    h = h0
    S = torch.eye(H, dtype=x.dtype, device=x.device)[:, :, None].repeat(1, 1, H)
    result = []
    for t in range(T):
        h_prev = h
        h = torch.tanh(params["weight_ih"] @ x[t] + W @ h_prev + params["bias"])
        J = torch.diag(1 - h**2) @ W
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="stored-early"
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
        result.append(S)
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="summed-over-time"
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
    return torch.stack(result).cumsum(0)


# %% of="shared-gradients-total" gets="left-linear"
def total_jacobian(x, h0, params):
    T, H = x.shape[0], h0.shape[0]
    W = params["weight_hh"]
    h = h0
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    result = []
    for t in range(T):
        h_prev = h
        h = params["weight_ih"] @ x[t] + W @ h_prev + params["bias"]
        J = torch.diag(1 - h**2) @ W
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="missing-axis"
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
    return result[-1]


# %% of="shared-gradients-total" gets="not-stacked"
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
    return result


# %% of="shared-gradients-total" gets="one-too-many"
def total_jacobian(x, h0, params):
    T, H = x.shape[0], h0.shape[0]
    W = params["weight_hh"]
    h = h0
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    result = [S]
    for t in range(T):
        h_prev = h
        h = torch.tanh(params["weight_ih"] @ x[t] + W @ h_prev + params["bias"])
        J = torch.diag(1 - h**2) @ W
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return torch.stack(result)


# %% of="shared-gradients-total" gets="raised"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H)
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


# %% of="shared-gradients-total" gets="autograd"
def total_jacobian(x, h0, params):
    T, H = x.shape[0], h0.shape[0]
    W = params["weight_hh"]
    from torch.func import jacfwd

    h = h0
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    result = []
    for t in range(T):
        h_prev = h
        h = torch.tanh(params["weight_ih"] @ x[t] + W @ h_prev + params["bias"])
        J = torch.diag(1 - h**2) @ W
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(h, h_prev)
        result.append(S)
    return jacfwd(lambda W: torch.cat(forward(x[None], h0[None], {**params, "weight_hh": W})[1:]))(W)


# %% of="shared-gradients-total" gets="jacobian-without-slope + h-for-h-prev"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H, dtype=x.dtype, device=x.device)
    hs = torch.stack([h[0] for h in forward(x[None], h0[None], params)])  # (T+1, H)
    for t in range(1, T + 1):
        slope = 1 - hs[t] ** 2
        J = params["weight_hh"]
        direct = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
        for i in range(H):
            direct[i, i, :] = slope[i] * hs[t]
        if t == 1:
            out[0] = direct
        else:
            out[t - 1] = torch.tensordot(J, out[t - 2], dims=1) + direct
    return out


# %% of="shared-gradients-total" gets="no-jacobian + no-local-factor"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    out = torch.zeros(T, H, H, H, dtype=x.dtype, device=x.device)
    hs = torch.stack([h[0] for h in forward(x[None], h0[None], params)])  # (T+1, H)
    for t in range(1, T + 1):
        slope = 1 - hs[t] ** 2
        J = slope[:, None] * params["weight_hh"]
        direct = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
        for i in range(H):
            direct[i, i, :] = hs[t - 1]
        if t == 1:
            out[0] = direct
        else:
            out[t - 1] = out[t - 2] + direct
    return out


# %% of="shared-gradients-finite-difference" gets="forward-difference"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[i] = eps
        e = e.reshape(theta.shape)
        g = (f(theta + e) - f(theta)) / eps
        grad += g * (e != 0)
    return grad


# %% of="shared-gradients-finite-difference" gets="backward-difference"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[i] = eps
        e = e.reshape(theta.shape)
        g = (f(theta) - f(theta - e)) / eps
        grad += g * (e != 0)
    return grad


# %% of="shared-gradients-finite-difference" gets="no-two"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[i] = eps
        e = e.reshape(theta.shape)
        g = (f(theta + e) - f(theta - e)) / eps
        grad += g * (e != 0)
    return grad


# %% of="shared-gradients-finite-difference" gets="no-two"
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
        out.append((up - down) / 2 / eps * 2)
    return torch.stack(out).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="not-divided"
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
        out.append(up - down)
    return torch.stack(out).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="sign"
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
        out.append((down - up) / (2 * eps))
    return torch.stack(out).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="not-moved-back"
def finite_difference(f, theta, eps):
    flat = theta.clone().reshape(-1)
    out = []
    for i in range(len(flat)):
        old = flat[i].item()
        flat[i] = old + eps
        up = f(flat.reshape(theta.shape))
        flat[i] = old - eps
        down = f(flat.reshape(theta.shape))
        out.append((up - down) / (2 * eps))
    return torch.stack(out).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="all-at-once"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[:] = eps
        e = e.reshape(theta.shape)
        g = (f(theta + e) - f(theta - e)) / (2 * eps)
        grad.view(-1)[i] = g
    return grad


# %% of="shared-gradients-finite-difference" gets="half-step"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[i] = eps / 2
        e = e.reshape(theta.shape)
        g = (f(theta + e) - f(theta - e)) / eps
        grad += g * (e != 0)
    return grad


# %% of="shared-gradients-finite-difference" gets="relative-step"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        size = eps * theta.reshape(-1)[i].abs().item()
        e[i] = size
        e = e.reshape(theta.shape)
        g = (f(theta + e) - f(theta - e)) / (2 * size)
        grad += g * (e != 0)
    return grad


# %% of="shared-gradients-finite-difference" gets="reshaped"
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
    return torch.stack(out)


# %% of="shared-gradients-finite-difference" gets="not-stacked"
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
    return out


# %% of="shared-gradients-finite-difference" gets="raised"
def finite_difference(f, theta, eps):
    flat = theta.view(-1).clone()
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


# %% of="shared-gradients-finite-difference" gets="changed-input"
def finite_difference(f, theta, eps):
    flat = theta.reshape(-1)
    out = []
    for i in range(len(flat)):
        old = flat[i].item()
        flat[i] = old + eps
        up = f(flat.reshape(theta.shape))
        flat[i] = old - eps
        down = f(flat.reshape(theta.shape))
        flat[i] = old + 1e-9
        out.append((up - down) / (2 * eps))
    return torch.stack(out).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="dtype"
def finite_difference(f, theta, eps):
    grad = torch.zeros(theta.shape)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[i] = eps
        e = e.reshape(theta.shape)
        g = (f(theta + e) - f(theta - e)) / (2 * eps)
        grad += g * (e != 0)
    return grad


# %% of="shared-gradients-finite-difference" gets="none"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[i] = eps
        e = e.reshape(theta.shape)
        g = (f(theta + e) - f(theta - e)) / (2 * eps)
        grad += g * (e != 0)


# %% of="shared-gradients-finite-difference" gets="no-two + sign"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.numel()):
        e = torch.zeros_like(theta).reshape(-1)
        e[i] = eps
        e = e.reshape(theta.shape)
        g = (f(theta - e) - f(theta + e)) / eps
        grad += g * (e != 0)
    return grad


# %% of="shared-gradients-bug" gets="as-found"
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
        dh_next = da * u
    return loss, grads


# %% of="shared-gradients-bug" gets="leak-through-slope"
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
        dh_next = da * u + (1 - alpha) * dh * (1 - s**2)
    return loss, grads


# %% of="shared-gradients-bug" gets="leak-whole"
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
        dh_next = da * u + dh
    return loss, grads


# %% of="shared-gradients-bug" gets="no-alpha"
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
        da = dh * (1 - s**2)
        grads["u"] += (da * h_prev).sum(0)
        grads["w"] += (da * x_t).sum(0)
        grads["b"] += da.sum(0)
        dh_next = da * u + (1 - alpha) * dh
    return loss, grads


# %% of="shared-gradients-bug" gets="slope-of-state"
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
        da = dh * alpha * (1 - h**2)
        grads["u"] += (da * h_prev).sum(0)
        grads["w"] += (da * x_t).sum(0)
        grads["b"] += da.sum(0)
        dh_next = da * u + (1 - alpha) * dh
    return loss, grads


# %% of="shared-gradients-bug" gets="own-loss-only"
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
        dh = dguess * v
        da = dh * alpha * (1 - s**2)
        grads["u"] += (da * h_prev).sum(0)
        grads["w"] += (da * x_t).sum(0)
        grads["b"] += da.sum(0)
        dh_next = da * u + (1 - alpha) * dh
    return loss, grads


# %% of="shared-gradients-bug" gets="overwritten"
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
        grads["v"] = (dguess * h).sum(0)
        dh = dguess * v + dh_next
        da = dh * alpha * (1 - s**2)
        grads["u"] = (da * h_prev).sum(0)
        grads["w"] = (da * x_t).sum(0)
        grads["b"] = da.sum(0)
        dh_next = da * u + (1 - alpha) * dh
    return loss, grads


# %% of="shared-gradients-bug" gets="as-found + no-alpha"
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
        da = dh * (1 - s**2)
        grads["u"] += (da * h_prev).sum(0)
        grads["w"] += (da * x_t).sum(0)
        grads["b"] += da.sum(0)
        dh_next = da * u
    return loss, grads


# %% of="shared-gradients-bug" gets="leak-of-later-only"
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
        dh_next = da * u + (1 - alpha) * dh_next
    return loss, grads


# %% of="shared-gradients-bug" gets="leak-by-alpha"
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
        dh_next = da * u + alpha * dh
    return loss, grads


# %% of="shared-gradients-bug" gets="leak-by-u"
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
        dh_next = (da + (1 - alpha) * dh) * u
    return loss, grads


# %% of="shared-gradients-bptt-last" gets="never-handed-on"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    dh = dh_T
    for t in range(x.shape[1], 0, -1):
        dx, dh_prev, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], states[t], params)
        grads["x"][:, t - 1] = dx
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh
    return grads


# %% of="shared-gradients-bptt-last" gets="states-one-early"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    dh = dh_T
    for t in range(x.shape[1], 0, -1):
        dx, dh, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 2], states[t - 1], params)
        grads["x"][:, t - 1] = dx
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh
    return grads


# %% of="shared-gradients-bptt" gets="own-loss-late"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss, later = 0, torch.zeros_like(h0)
    for t in range(T, 0, -1):
        y = targets[:, t - 1]
        scores = states[t] @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        d = (scores.softmax(1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += d.T @ states[t]
        grads["bias_out"] += d.sum(0)
        dx, later, dparams = rnn_step_backward(later, x[:, t - 1], states[t - 1], states[t], params)
        later = later + d @ params["weight_out"]
        grads["x"][:, t - 1] = dx
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = later
    return loss, grads


# %% of="shared-gradients-bptt" gets="targets-one-early"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss, later = 0, torch.zeros_like(h0)
    for t in range(T, 0, -1):
        y = targets[:, t - 2]
        scores = states[t] @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        d = (scores.softmax(1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += d.T @ states[t]
        grads["bias_out"] += d.sum(0)
        dh = d @ params["weight_out"] + later
        dx, later, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], states[t], params)
        grads["x"][:, t - 1] = dx
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = later
    return loss, grads


# %% of="shared-gradients-bptt" gets="targets-one-late"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss, later = 0, torch.zeros_like(h0)
    for t in range(T, 0, -1):
        y = targets[:, t % T]
        scores = states[t] @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        d = (scores.softmax(1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += d.T @ states[t]
        grads["bias_out"] += d.sum(0)
        dh = d @ params["weight_out"] + later
        dx, later, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], states[t], params)
        grads["x"][:, t - 1] = dx
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = later
    return loss, grads


# %% of="shared-gradients-bptt" gets="readout-overwritten"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss, later = 0, torch.zeros_like(h0)
    for t in range(T, 0, -1):
        y = targets[:, t - 1]
        scores = states[t] @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        d = (scores.softmax(1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] = d.T @ states[t]
        grads["bias_out"] = d.sum(0)
        dh = d @ params["weight_out"] + later
        dx, later, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], states[t], params)
        grads["x"][:, t - 1] = dx
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = later
    return loss, grads


# %% of="shared-gradients-finite-difference" gets="rows-moved"
def finite_difference(f, theta, eps):
    if theta.dim() == 0:
        return (f(theta + eps) - f(theta - eps)) / (2 * eps)
    slopes = torch.zeros_like(theta)
    for i in range(theta.shape[0]):
        step = torch.zeros_like(theta)
        step[i] = eps
        slopes[i] = (f(theta + step) - f(theta - step)) / (2 * eps)
    return slopes


# %% of="shared-gradients-finite-difference" gets="f-sees-no-change"
def finite_difference(f, theta, eps):
    moved, slopes = theta.clone().reshape(-1), []
    for i in range(theta.numel()):
        moved[i] += eps
        up = f(theta)
        moved[i] -= 2 * eps
        down = f(theta)
        moved[i] += eps
        slopes.append((up - down) / (2 * eps))
    return torch.stack(slopes).reshape(theta.shape)


# %% of="shared-gradients-untied" gets="none"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = [{name: value.clone().requires_grad_() for name, value in params.items()} for _ in range(T)]
    h = h0
    for t in range(T):
        h = forward(x[:, t : t + 1], h.detach(), copies[t])[-1]
    entries = []
    for copy in copies:
        found = torch.autograd.grad(h, list(copy.values()), dh_T, retain_graph=True, allow_unused=True)
        entries.append(dict(zip(copy, found)))
    return entries


# %% of="shared-gradients-untied" gets="raised"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = [{name: value.clone().requires_grad_() for name, value in params.items()} for _ in range(T)]
    h = h0
    for t in range(T):
        h = forward(x[:, t : t + 1], h, copies[t])[-1]
    out = []
    for copy in copies:
        shares = torch.autograd.grad(h, list(copy.values()), grad_outputs=dh_T)
        out.append(dict(zip(copy, shares)))
    return out


# %% of="shared-gradients-untied" gets="raised"
def untied_gradients(x, h0, params, dh_T):
    T = x.shape[1]
    copies = [{name: value.clone().requires_grad_() for name, value in params.items()} for _ in range(T)]
    h = h0
    for t in range(T):
        h = forward(x[:, t : t + 1], h, copies[t])[-1]
    every = [leaf for copy in copies for leaf in copy.values()]
    found = iter(torch.autograd.grad(h, every))
    return [{name: next(found) for name in copy} for copy in copies]


# %% of="shared-gradients-step-backward" gets="bias-not-summed"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    da = dh * (1 - h**2)
    dparams = {
        "weight_ih": da.T @ x_t,
        "weight_hh": da.T @ h_prev,
        "bias": da,
    }
    dx = da @ params["weight_ih"]
    dh_prev = da @ params["weight_hh"]
    return dx, dh_prev, dparams


# %% of="shared-gradients-step-backward" gets="factor-squared-outside"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    da = dh * ((1 - h) ** 2)
    dparams = {
        "weight_ih": da.T @ x_t,
        "weight_hh": da.T @ h_prev,
        "bias": da.sum(0),
    }
    dx = da @ params["weight_ih"]
    dh_prev = da @ params["weight_hh"]
    return dx, dh_prev, dparams


# %% of="shared-gradients-step-backward" gets="divided-by-slope"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    da = dh / (1 - h**2)
    dparams = {
        "weight_ih": da.T @ x_t,
        "weight_hh": da.T @ h_prev,
        "bias": da.sum(0),
    }
    dx = da @ params["weight_ih"]
    dh_prev = da @ params["weight_hh"]
    return dx, dh_prev, dparams


# %% of="shared-gradients-step-backward" gets="swapped-axes"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    da = dh * (1 - h**2)
    dparams = {
        "weight_ih": x_t.T @ da,
        "weight_hh": da.T @ h_prev,
        "bias": da.sum(0),
    }
    dx = da @ params["weight_ih"]
    dh_prev = da @ params["weight_hh"]
    return dx, dh_prev, dparams


# %% of="shared-gradients-step-backward" gets="device"
def rnn_step_backward(dh, x_t, h_prev, h, params):
    da = dh * (1 - h**2) @ torch.eye(h.shape[1], dtype=h.dtype)
    dparams = {
        "weight_ih": da.T @ x_t,
        "weight_hh": da.T @ h_prev,
        "bias": da.sum(0),
    }
    dx = da @ params["weight_ih"]
    dh_prev = da @ params["weight_hh"]
    return dx, dh_prev, dparams


# %% of="shared-gradients-bptt-last" gets="goes-past-first"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    dh = dh_T
    for t in range(x.shape[1], -1, -1):
        grads["x"][:, t - 1], dh, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], states[t], params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh
    return grads


# %% of="shared-gradients-bptt-last" gets="goes-past-first-listed"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(params[name]) for name in params}
    dxs = []
    T = x.shape[1]
    delta = dh_T
    for t in range(T, -1, -1):
        dx, delta, dparams = rnn_step_backward(delta, x[:, t - 1], states[t - 1], states[t], params)
        dxs.append(dx)
        for name in dparams:
            grads[name] += dparams[name]
    dxs.reverse()
    grads["x"] = torch.stack(dxs, 1)
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" gets="stops-before-first-listed"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(params[name]) for name in params}
    dxs = []
    T = x.shape[1]
    delta = dh_T
    for t in range(T, 1, -1):
        dx, delta, dparams = rnn_step_backward(delta, x[:, t - 1], states[t - 1], states[t], params)
        dxs.append(dx)
        for name in dparams:
            grads[name] += dparams[name]
    dxs.reverse()
    grads["x"] = torch.stack(dxs, 1)
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" gets="starts-before-last-listed"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(params[name]) for name in params}
    dxs = []
    T = x.shape[1]
    delta = dh_T
    for t in range(T - 1, 0, -1):
        dx, delta, dparams = rnn_step_backward(delta, x[:, t - 1], states[t - 1], states[t], params)
        dxs.append(dx)
        for name in dparams:
            grads[name] += dparams[name]
    dxs.reverse()
    grads["x"] = torch.stack(dxs, 1)
    grads["h0"] = delta
    return grads


# %% of="shared-gradients-bptt-last" gets="keys"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    dh = dh_T
    for t in range(x.shape[1], 0, -1):
        grads["x"][:, t - 1], dh, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], states[t], params)
        for name, share in dparams.items():
            grads[name] += share
    return grads


# %% of="shared-gradients-bptt" gets="no-softmax"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        dscores = (scores - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="log-softmax"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.log_softmax(scores, 1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="softmax-slope"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.softmax(scores, 1) - F.one_hot(y, scores.shape[1])) / B
        p = torch.softmax(scores, 1)
        dscores = dscores * p * (1 - p)
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="value"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.ones_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.softmax(scores, 1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="gradient-targets-one-early"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.softmax(scores, 1) - F.one_hot(targets[:, t - 2], scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="gradient-targets-one-late"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.softmax(scores, 1) - F.one_hot(targets[:, t % T], scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="gradient-targets-shifted"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.softmax(scores, 1) - F.one_hot(targets[:, min(t, T - 1)], scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="loss-pairs-mixed"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    alls = []
    dh_next = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        alls.append(scores)
        dscores = (torch.softmax(scores, 1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    alls.reverse()
    loss = F.cross_entropy(torch.stack(alls).reshape(B * T, -1), targets.flatten(), reduction="sum") / B
    return loss, grads


# %% of="shared-gradients-finite-difference" gets="divided-then-multiplied"
def finite_difference(f, theta, eps):
    slopes = []
    for i in range(theta.numel()):
        step = torch.zeros(theta.numel(), dtype=theta.dtype, device=theta.device)
        step[i] = eps
        step = step.reshape(theta.shape)
        slopes.append((f(theta + step) - f(theta - step)) / 2 * eps)
    return torch.stack(slopes).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="raised"
def finite_difference(f, theta, eps):
    grad = torch.zeros_like(theta)
    for i in range(theta.shape[0]):
        for j in range(theta.shape[1]):
            step = torch.zeros_like(theta)
            step[i, j] = eps
            grad[i, j] = (f(theta + step) - f(theta - step)) / (2 * eps)
    return grad


# %% of="shared-gradients-finite-difference" gets="raised"
def finite_difference(f, theta, eps):
    slopes = []
    for i in range(theta.numel()):
        step = torch.zeros_like(theta)
        step.view(-1)[i] = eps
        slopes.append((f(theta + step) - f(theta - step)) / (2 * eps))
    return torch.stack(slopes).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="reshape-copies"
def finite_difference(f, theta, eps):
    slopes = []
    for i in range(theta.numel()):
        step = torch.zeros_like(theta)
        step.reshape(-1)[i] = eps
        slopes.append((f(theta + step) - f(theta - step)) / (2 * eps))
    return torch.stack(slopes).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="device"
def finite_difference(f, theta, eps):
    n = theta.numel()
    eye = torch.eye(n, dtype=theta.dtype)
    slopes = [
        (f(theta + eps * row.reshape(theta.shape)) - f(theta - eps * row.reshape(theta.shape))) / (2 * eps)
        for row in eye
    ]
    return torch.stack(slopes).reshape(theta.shape)


# %% of="shared-gradients-finite-difference" gets="device"
def finite_difference(f, theta, eps):
    slopes = []
    for i in range(theta.numel()):
        step = torch.zeros(theta.numel(), dtype=theta.dtype, device=theta.device)
        step[i] = eps
        step = step.reshape(theta.shape)
        slopes.append(((f(theta + step) - f(theta - step)) / (2 * eps)).item())
    return torch.tensor(slopes, dtype=theta.dtype).reshape(theta.shape)


# %% of="shared-gradients-total" gets="one-tensor"
def total_jacobian(x, h0, params):
    H = len(h0)
    states = [h[0] for h in forward(x[None], h0[None], params)]
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    found = []
    for t in range(1, len(states)):
        J = (1 - states[t] ** 2)[:, None] * params["weight_hh"]
        S[:] = (J @ S.reshape(H, H * H)).reshape(H, H, H) + immediate_jacobian(states[t], states[t - 1])
        found.append(S)
    return torch.stack(found)


# %% of="shared-gradients-total" gets="arguments-swapped"
def total_jacobian(x, h0, params):
    H = len(h0)
    states = [h[0] for h in forward(x[None], h0[None], params)]
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    found = []
    for t in range(1, len(states)):
        J = (1 - states[t] ** 2)[:, None] * params["weight_hh"]
        S = (J @ S.reshape(H, H * H)).reshape(H, H, H) + immediate_jacobian(states[t - 1], states[t])
        found.append(S)
    return torch.stack(found)


# %% of="shared-gradients-total" gets="jacobian-over-sum"
def total_jacobian(x, h0, params):
    H = len(h0)
    states = [h[0] for h in forward(x[None], h0[None], params)]
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    found = []
    for t in range(1, len(states)):
        J = (1 - states[t] ** 2)[:, None] * params["weight_hh"]
        S = (J @ (S + immediate_jacobian(states[t], states[t - 1])).reshape(H, H * H)).reshape(H, H, H)
        found.append(S)
    return torch.stack(found)


# %% of="shared-gradients-total" gets="starts-from-ones"
def total_jacobian(x, h0, params):
    H = len(h0)
    states = [h[0] for h in forward(x[None], h0[None], params)]
    S = torch.ones(H, H, H, dtype=x.dtype, device=x.device)
    found = []
    for t in range(1, len(states)):
        J = (1 - states[t] ** 2)[:, None] * params["weight_hh"]
        S = (J @ S.reshape(H, H * H)).reshape(H, H, H) + immediate_jacobian(states[t], states[t - 1])
        found.append(S)
    return torch.stack(found)


# %% of="shared-gradients-total" gets="raised"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    states = forward(x[None], h0[None], params)
    S = torch.zeros(H, H, H, dtype=x.dtype, device=x.device)
    found = []
    for t in range(1, T + 1):
        J = (1 - states[t] ** 2)[:, None] * params["weight_hh"]
        S = torch.einsum("il,ljk->ijk", J, S) + immediate_jacobian(states[t], states[t - 1])
        found.append(S)
    return torch.stack(found)


# %% of="shared-gradients-total" gets="device"
def total_jacobian(x, h0, params):
    T, H = len(x), len(h0)
    eye = torch.eye(H, dtype=x.dtype)
    out = []
    for t in range(1, T + 1):
        out.append(
            torch.stack([bptt_last(x[None, :t], h0[None], params, eye[i : i + 1])["weight_hh"] for i in range(H)])
        )
    return torch.stack(out)


# %% of="shared-gradients-bug" gets="autograd"
def leaky_gradients(x, y, params, alpha):
    B, T = x.shape
    given = {k: v.clone().requires_grad_() for k, v in params.items()}
    h, loss = x.new_zeros(B, len(params["u"])), 0
    for t in range(T):
        h = (1 - alpha) * h + alpha * torch.tanh(given["u"] * h + given["w"] * x[:, t, None] + given["b"])
        loss = loss + ((h @ given["v"] - y[:, t]) ** 2).mean() / T
    got = torch.autograd.grad(loss, list(given.values()))
    return loss.detach(), dict(zip(given, got))


# %% of="shared-gradients-bug" gets="differences"
def leaky_gradients(x, y, params, alpha):
    def loss(p):
        B, T = x.shape
        h, loss = x.new_zeros(B, len(params["u"])), 0
        for t in range(T):
            h = (1 - alpha) * h + alpha * torch.tanh(p["u"] * h + p["w"] * x[:, t, None] + p["b"])
            loss = loss + ((h @ p["v"] - y[:, t]) ** 2).mean() / T
        return loss

    return loss(params), {k: finite_difference(lambda v, k=k: loss({**params, k: v}), params[k], 1e-5) for k in params}


# %% of="shared-gradients-bptt" gets="step-zero-too"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = 0
    dh_next = torch.zeros_like(h0)
    for t in range(T, -1, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        loss = loss + F.cross_entropy(scores, y)
        dscores = (torch.softmax(scores, 1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt" gets="step-zero-too-listed"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    loss, dxs, from_later = 0, [], torch.zeros_like(h0)
    for t in range(T, -1, -1):
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


# %% of="shared-gradients-bptt" gets="step-one-left-out-listed"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    loss, dxs, from_later = 0, [], torch.zeros_like(h0)
    for t in range(T, 1, -1):
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


# %% of="shared-gradients-bptt" gets="last-step-left-out-listed"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    loss, dxs, from_later = 0, [], torch.zeros_like(h0)
    for t in range(T - 1, 0, -1):
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


# %% of="shared-gradients-bptt" gets="gradient-pairs-mixed"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    V = params["bias_out"].shape[0]
    states = forward(x, h0, params)
    scores = torch.stack(states[1:]) @ params["weight_out"].T + params["bias_out"]
    loss = F.cross_entropy(scores.transpose(0, 1).reshape(B * T, V), targets.reshape(B * T), reduction="sum") / B
    onehot = F.one_hot(targets, V)
    dscores = (scores.softmax(2) - onehot.reshape(T, B, V)) / B
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    back = torch.zeros_like(h0)
    for t in range(T, 0, -1):
        grads["weight_out"] += dscores[t - 1].T @ states[t]
        grads["bias_out"] += dscores[t - 1].sum(0)
        back = back + dscores[t - 1] @ params["weight_out"]
        grads["x"][:, t - 1], back, shares = rnn_step_backward(back, x[:, t - 1], states[t - 1], states[t], params)
        for name, share in shares.items():
            grads[name] += share
    grads["h0"] = back
    return loss, grads


# %% of="shared-gradients-bptt" gets="goes-past-first"
def bptt_every_step(x, h0, params, targets):
    B, T, _ = x.shape
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    loss = sum(
        F.cross_entropy(F.linear(h, params["weight_out"], params["bias_out"]), targets[:, t])
        for t, h in enumerate(states[1:])
    )
    dh_next = torch.zeros_like(h0)
    for t in range(T, -1, -1):
        h, y = states[t], targets[:, t - 1]
        scores = h @ params["weight_out"].T + params["bias_out"]
        dscores = (torch.softmax(scores, 1) - F.one_hot(y, scores.shape[1])) / B
        grads["weight_out"] += dscores.T @ h
        grads["bias_out"] += dscores.sum(0)
        dh = dscores @ params["weight_out"] + dh_next
        grads["x"][:, t - 1], dh_next, dparams = rnn_step_backward(dh, x[:, t - 1], states[t - 1], h, params)
        for name, share in dparams.items():
            grads[name] += share
    grads["h0"] = dh_next
    return loss, grads


# %% of="shared-gradients-bptt-last" gets="factor-squared-outside"
def bptt_last(x, h0, params, dh_T):
    states = forward(x, h0, params)
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    grads["x"] = torch.zeros_like(x)
    delta = dh_T
    for t in range(x.shape[1], 0, -1):
        da = delta * (1 - states[t]) ** 2
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ states[t - 1]
        grads["bias"] += da.sum(0)
        grads["x"][:, t - 1] = da @ params["weight_ih"]
        delta = da @ params["weight_hh"]
    grads["h0"] = delta
    return grads
