"""Right answers to lesson 07 in ways that differ from the solution's; all must be accepted."""


# %% of="vanishing-gradients-flow" variant="a-leaf-for-each-step"
def gradient_flow(module, x):
    steps = [x[:, t : t + 1].clone().requires_grad_() for t in range(x.shape[1])]
    last = module(torch.cat(steps, 1))[0][:, -1]
    grads = torch.autograd.grad(last, steps, torch.ones_like(last))
    return torch.stack([(g[:, 0] ** 2).sum(-1).sqrt().mean() for g in grads])


# %% of="vanishing-gradients-flow" variant="row-by-row"
def gradient_flow(module, x):
    rows = []
    for row in x:
        leaf = row[None].clone().requires_grad_(True)
        out, state = module(leaf)
        rows.append(torch.autograd.grad(out[0, -1].sum(), leaf)[0][0].norm(dim=-1))
    return sum(rows) / len(rows)


# %% of="vanishing-gradients-flow" variant="unit-by-unit"
def gradient_flow(module, x):
    x = torch.tensor(x.tolist(), dtype=x.dtype, device=x.device, requires_grad=True)
    out = module(x)[0]
    total = 0
    for j in range(out.shape[-1]):
        total = total + torch.autograd.grad(out[:, -1, j].sum(), x, retain_graph=True)[0]
    return torch.linalg.vector_norm(total, dim=-1).mean(dim=0)


# %% of="vanishing-gradients-flow" variant="backward-with-the-gradients-put-back"
def gradient_flow(module, x):
    before = [(p, p.grad) for p in module.parameters()]
    for p, _ in before:
        p.grad = None
    leaf = x.detach().clone()
    leaf.requires_grad = True
    module(leaf)[0][:, -1, :].sum().backward()
    for p, grad in before:
        p.grad = grad
    return torch.einsum("btd,btd->bt", leaf.grad, leaf.grad).sqrt().mean(0)


# %% of="vanishing-gradients-flow" variant="backward-into-the-inputs-alone"
def gradient_flow(module, x, p=2):
    given = x.clone().requires_grad_()
    module(given)[0].select(1, x.shape[1] - 1).sum().backward(inputs=[given])
    print("measured")
    return given.grad.norm(p, dim=2).sum(0) / x.shape[0]


# %% of="vanishing-gradients-lstm-step" variant="linear-and-slices"
def lstm_step(x_t, state, params):
    h, c = state
    H = h.shape[-1]
    pre = F.linear(x_t, params["weight_ih"], params["bias_ih"]) + F.linear(h, params["weight_hh"], params["bias_hh"])
    i, f, o = pre[:, :H].sigmoid(), pre[:, H : 2 * H].sigmoid(), pre[:, 3 * H :].sigmoid()
    g = pre[:, 2 * H : 3 * H].tanh()
    new = f * c + i * g
    return (o * new.tanh(), new)


# %% of="vanishing-gradients-lstm-step" variant="gate-by-gate"
def gate(k, x_t, h, params):
    H = h.shape[1]
    rows = slice(k * H, (k + 1) * H)
    return (
        x_t @ params["weight_ih"][rows].T
        + h @ params["weight_hh"][rows].T
        + (params["bias_ih"] + params["bias_hh"])[rows]
    )


def lstm_step(x, hc, p):
    h, c = hc
    i, f, g, o = (gate(k, x, h, p) for k in range(4))
    c2 = 1 / (1 + torch.exp(-f)) * c + 1 / (1 + torch.exp(-i)) * torch.tanh(g)
    return 1 / (1 + torch.exp(-o)) * torch.tanh(c2), c2


# %% of="vanishing-gradients-lstm-step" variant="one-product-einsum"
def lstm_step(x_t, state, params):
    both = torch.cat([x_t, state[0]], dim=1)
    W = torch.cat([params["weight_ih"], params["weight_hh"]], dim=1)
    a = torch.einsum("bk,jk->bj", both, W) + params["bias_ih"] + params["bias_hh"]
    a = a.view(len(x_t), 4, -1)
    c = torch.addcmul(torch.sigmoid(a[:, 1]) * state[1], torch.sigmoid(a[:, 0]), torch.tanh(a[:, 2]))
    return [torch.sigmoid(a[:, 3]) * torch.tanh(c), c]


# %% of="vanishing-gradients-lstm-step" variant="a-class-and-own-buffers"
class Step:
    def __call__(self, x_t, state, params, peephole=None):
        h, c = state
        a = torch.addmm(params["bias_ih"], x_t, params["weight_ih"].t())
        a += h @ params["weight_hh"].t()
        a += params["bias_hh"]
        a_i, a_f, a_g, a_o = torch.tensor_split(a, 4, dim=1)
        a_i.sigmoid_(), a_f.sigmoid_(), a_g.tanh_(), a_o.sigmoid_()
        c_t = c.clone()
        c_t *= a_f
        c_t += a_i * a_g
        return a_o * c_t.tanh(), c_t


lstm_step = Step()


# %% of="vanishing-gradients-lstm-step" variant="row-by-row"
def lstm_step(x_t: torch.Tensor, state: tuple, params: dict) -> tuple:
    hs, cs = [], []
    for x, h, c in zip(x_t, *state):
        a = params["weight_ih"] @ x + params["bias_ih"] + params["weight_hh"] @ h + params["bias_hh"]
        i, f, g, o = a.reshape(4, -1)
        cs.append(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g))
        hs.append(torch.sigmoid(o) * torch.tanh(cs[-1]))
    return torch.stack(hs), torch.stack(cs)


# %% of="vanishing-gradients-gru-step" variant="linear-and-difference"
def gru_step(x_t, h, params):
    xs = F.linear(x_t, params["weight_ih"], params["bias_ih"]).chunk(3, -1)
    hs = F.linear(h, params["weight_hh"], params["bias_hh"]).chunk(3, -1)
    r, z = ((a + b).sigmoid() for a, b in zip(xs[:2], hs[:2]))
    n = (xs[2] + r * hs[2]).tanh()
    return n + z * (h - n)


# %% of="vanishing-gradients-gru-step" variant="slices-and-lerp"
def gru_step(x_t, h, params):
    H = h.shape[1]
    a, b = x_t @ params["weight_ih"].T + params["bias_ih"], h @ params["weight_hh"].T + params["bias_hh"]
    rz = torch.sigmoid(a[:, : 2 * H] + b[:, : 2 * H])
    return torch.lerp(torch.tanh(a[:, 2 * H :] + rz[:, :H] * b[:, 2 * H :]), h, rz[:, H:])


# %% of="vanishing-gradients-gru-step" variant="gate-by-gate"
def thirds(params, k):
    H = len(params["bias_ih"]) // 3
    return [params[name][k * H : k * H + H] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def gru_step(x_t, h, params):
    gates = []
    for k in (0, 1):
        U, W, b, d = thirds(params, k)
        gates.append(1 / (1 + torch.exp(-(x_t @ U.T + h @ W.T + b + d))))
    U, W, b, d = thirds(params, 2)
    n = torch.tanh(x_t @ U.T + b + gates[0] * (h @ W.T + d))
    return (1 - gates[1]) * n + gates[1] * h


# %% of="vanishing-gradients-gru-step" variant="einsum-a-class"
class GRUStep:
    def __call__(self, x_t, h, params, train=True):
        W, U = (params[name].view(3, h.shape[1], -1) for name in ("weight_ih", "weight_hh"))
        a = torch.einsum("bd,khd->kbh", x_t, W) + params["bias_ih"].view(3, 1, -1)
        b = torch.einsum("bj,khj->kbh", h, U) + params["bias_hh"].view(3, 1, -1)
        r, z = torch.sigmoid(a[:2] + b[:2])
        return (1 - z) * torch.tanh(a[2] + r * b[2]) + z * h


gru_step = GRUStep()


# %% of="vanishing-gradients-gru-step" variant="row-by-row-with-buffers"
def gru_step(x_t, h, params):
    out = torch.empty_like(h)
    for row, (x, old) in enumerate(zip(x_t, h)):
        a = params["weight_ih"] @ x + params["bias_ih"]
        b = params["weight_hh"] @ old + params["bias_hh"]
        (ar, az, an), (br, bz, bn) = a.view(3, -1), b.view(3, -1)
        z = torch.sigmoid(az + bz)
        out[row] = (1 - z) * torch.tanh(an + torch.sigmoid(ar + br) * bn) + z * old
    return out


# %% of="vanishing-gradients-lstm-step-backward" variant="a-buffer-by-slices"
def lstm_step_backward(dh, dc, x_t, state, params):
    h_prev, c_prev = state
    B, H = dh.shape
    a = F.linear(x_t, params["weight_ih"], params["bias_ih"]) + F.linear(h_prev, params["weight_hh"], params["bias_hh"])
    i, f, o = a[:, :H].sigmoid(), a[:, H : 2 * H].sigmoid(), a[:, 3 * H :].sigmoid()
    g = a[:, 2 * H : 3 * H].tanh()
    c = f * c_prev + i * g
    at_c = dc + dh * o * (1 - c.tanh().square())
    da = torch.empty_like(a)
    da[:, :H] = at_c * g * i * (1 - i)
    da[:, H : 2 * H] = at_c * c_prev * f * (1 - f)
    da[:, 2 * H : 3 * H] = at_c * i * (1 - g * g)
    da[:, 3 * H :] = dh * c.tanh() * o * (1 - o)
    grads = {"weight_ih": da.T @ x_t, "weight_hh": da.T @ h_prev, "bias_ih": da.sum(0), "bias_hh": da.sum(0)}
    return da @ params["weight_ih"], da @ params["weight_hh"], at_c * f, grads


# %% of="vanishing-gradients-lstm-step-backward" variant="gate-by-gate"
def lstm_step_backward(dh, dc, x_t, state, params):
    h, c = state
    W, U = params["weight_ih"].chunk(4), params["weight_hh"].chunk(4)
    b, d = params["bias_ih"].chunk(4), params["bias_hh"].chunk(4)
    values = [x_t @ W[k].T + b[k] + h @ U[k].T + d[k] for k in range(4)]
    values = [torch.tanh(v) if k == 2 else torch.sigmoid(v) for k, v in enumerate(values)]
    i, f, g, o = values
    new = f * c + i * g
    dnew = dc.clone()
    dnew += dh * o / torch.cosh(new) ** 2
    above = [dnew * g, dnew * c, dnew * i, dh * torch.tanh(new)]
    back = [up * (1 - v * v if k == 2 else v - v * v) for k, (up, v) in enumerate(zip(above, values))]
    dx = sum(part @ W[k] for k, part in enumerate(back))
    dh_prev = sum(part @ U[k] for k, part in enumerate(back))
    dparams = {
        "weight_ih": torch.cat([part.T @ x_t for part in back]),
        "weight_hh": torch.cat([part.T @ h for part in back]),
        "bias_ih": torch.cat([part.sum(0) for part in back]),
        "bias_hh": torch.cat([part.sum(0) for part in back]),
    }
    return dx, dh_prev, dnew * f, dparams


# %% of="vanishing-gradients-lstm-step-backward" variant="einsum"
def lstm_step_backward(dh, dc, x_t, state, params):
    h, c = state
    B, H = h.shape
    a = (x_t @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias_ih"] + params["bias_hh"]).view(B, 4, H)
    s, g = torch.sigmoid(a), torch.tanh(a[:, 2])
    t = torch.tanh(s[:, 1] * c + s[:, 0] * g)
    dct = dc + dh * s[:, 3] * (1 - t * t)
    da = torch.stack([dct * g, dct * c, dct * s[:, 0], dh * t], 1)  # (B, 4, H)
    slope = s * (1 - s)
    slope[:, 2] = 1 - g * g
    da = da * slope
    W, U = params["weight_ih"].view(4, H, -1), params["weight_hh"].view(4, H, H)
    total = torch.einsum("bkh->kh", da).reshape(-1)
    return (
        torch.einsum("bkh,khd->bd", da, W),
        torch.einsum("bkh,khj->bj", da, U),
        dct * s[:, 1],
        {
            "bias_hh": total.clone(),
            "bias_ih": total,
            "weight_hh": torch.einsum("bkh,bj->khj", da, h).reshape(4 * H, H),
            "weight_ih": torch.einsum("bkh,bd->khd", da, x_t).reshape(4 * H, -1),
        },
    )


# %% of="vanishing-gradients-lstm-step-backward" variant="row-by-row"
def lstm_step_backward(dh, dc, x_t, state, params):
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    dxs, dhs, dcs = [], [], []
    for up_h, up_c, x, h, c in zip(dh, dc, x_t, *state):
        a = params["weight_ih"] @ x + params["weight_hh"] @ h + params["bias_ih"] + params["bias_hh"]
        i, f, g, o = a.chunk(4)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        shown = torch.tanh(f * c + i * g)
        up = up_c + up_h * o * (1 - shown**2)
        da = torch.cat([up * g * i * (1 - i), up * c * f * (1 - f), up * i * (1 - g**2), up_h * shown * o * (1 - o)])
        grads["weight_ih"] += torch.outer(da, x)
        grads["weight_hh"] += torch.outer(da, h)
        grads["bias_ih"] += da
        grads["bias_hh"] += da
        dxs.append(da @ params["weight_ih"])
        dhs.append(da @ params["weight_hh"])
        dcs.append(up * f)
    return torch.stack(dxs), torch.stack(dhs), torch.stack(dcs), grads


# %% of="vanishing-gradients-lstm-step-backward" variant="the-step-asked-for-c-a-class"
class Backward:
    def __call__(self, dh, dc, x_t, state, params):
        """With lstm_step for the new state."""
        h_t, c_t = lstm_step(x_t, state, params)
        a = F.linear(torch.cat((x_t, state[0]), 1), torch.cat((params["weight_ih"], params["weight_hh"]), 1))
        a = (a + (params["bias_ih"] + params["bias_hh"])).chunk(4, 1)
        i, f, o = (torch.sigmoid(a[k]) for k in (0, 1, 3))
        g = torch.tanh(a[2])
        tc = c_t.tanh()
        dct = torch.addcmul(dc, dh, o * (1 - tc) * (1 + tc))
        delta = torch.hstack(
            (dct * g * i * (1 - i), dct * state[1] * f * (1 - f), dct * i * (1 - g) * (1 + g), dh * h_t * (1 - o))
        )
        both = delta.mT @ torch.cat((x_t, state[0]), 1)
        D = x_t.shape[1]
        bias = delta.sum(dim=0)
        dparams = dict(weight_ih=both[:, :D], weight_hh=both[:, D:], bias_ih=bias, bias_hh=bias.clone())
        return delta.matmul(params["weight_ih"]), delta.matmul(params["weight_hh"]), f * dct, dparams


lstm_step_backward = Backward()


# %% of="vanishing-gradients-bug" variant="lists-stacked-at-the-end"
def lstm_gradients(x, state, params, dh_T):
    states = [state]
    for t in range(x.shape[1]):
        states.append(lstm_step(x[:, t], states[t], params))
    dh, dc, dxs = dh_T, 0 * dh_T, []
    total = {name: 0 for name in params}
    for x_t, before in zip(reversed(x.unbind(1)), reversed(states[:-1])):
        dx, dh, dc, dparams = lstm_step_backward(dh, dc, x_t, before, params)
        dxs.insert(0, dx)
        total = {name: total[name] + dparams[name] for name in params}
    return {**total, "x": torch.stack(dxs, 1)}


# %% of="vanishing-gradients-bug" variant="recursion"
def lstm_gradients(x, state, params, dh_T):
    def rest(t, before):
        if t == x.shape[1]:
            return dh_T, torch.zeros_like(dh_T), {name: torch.zeros_like(v) for name, v in params.items()}, []
        dh, dc, grads, dxs = rest(t + 1, lstm_step(x[:, t], before, params))
        dx, dh, dc, dparams = lstm_step_backward(dh, dc, x[:, t], before, params)
        return dh, dc, {name: grads[name] + dparams[name] for name in grads}, [dx, *dxs]

    _, _, grads, dxs = rest(0, state)
    grads["x"] = torch.stack(dxs, dim=1)
    return grads


# %% of="vanishing-gradients-bug" variant="one-name-for-the-pair"
def lstm_gradients(x, state, params, dh_T):
    states = [state]
    for x_t in x.transpose(0, 1):
        states.append(lstm_step(x_t, states[-1], params))
    back = (dh_T, torch.zeros_like(dh_T))
    grads = {"x": x.new_empty(x.shape)} | {name: torch.zeros_like(value) for name, value in params.items()}
    for t in reversed(range(x.shape[1])):
        dx, *back, dparams = lstm_step_backward(*back, x[:, t], states[t], params)
        grads["x"][:, t] = dx
        for name in params:
            grads[name] = grads[name] + dparams[name]
    return grads


# %% of="vanishing-gradients-bug" variant="the-last-step-first"
def lstm_gradients(x, state, params, dh_T):
    T, seen = x.shape[1], [state]
    while len(seen) <= T:
        seen.append(lstm_step(x[:, len(seen) - 1], seen[-1], params))
    dx, dh, dc, grads = lstm_step_backward(dh_T, torch.zeros_like(dh_T), x[:, -1], seen[-2], params)
    grads, dxs = dict(grads), [dx]
    for t in range(T - 2, -1, -1):
        dx, dh, dc, more = lstm_step_backward(dh, dc, x[:, t], seen[t], params)
        dxs.append(dx)
        for name in more:
            grads[name] = grads[name] + more[name]
    grads["x"] = torch.stack(dxs[::-1], dim=1)
    return grads


# %% of="vanishing-gradients-bug" variant="states-unpacked-a-class"
class Gradients:
    def __call__(self, x, state, params, dh_T):
        hs, cs = [state[0]], [state[1]]
        for x_t in x.unbind(1):
            h, c = lstm_step(x_t, (hs[-1], cs[-1]), params)
            hs.append(h)
            cs.append(c)
        back, shares = (None, dh_T, torch.zeros_like(dh_T), None), []
        for t in range(x.size(1) - 1, -1, -1):
            back = lstm_step_backward(back[1], back[2], x[:, t], (hs[t], cs[t]), params)
            shares.append(back)
        grads = {name: torch.stack([share[3][name] for share in shares]).sum(0) for name in params}
        return {"x": torch.stack([share[0] for share in shares[::-1]], 1), **grads}


lstm_gradients = Gradients()


# %% of="vanishing-gradients-forget-bias" variant="halves"
def set_forget_bias(lstm, value):
    H = lstm.hidden_size
    for bias in (lstm.bias_ih_l0, lstm.bias_hh_l0):
        bias.data[H : 2 * H].fill_(value / 2)


# %% of="vanishing-gradients-forget-bias" variant="bias-ih-alone"
@torch.no_grad()
def set_forget_bias(lstm, value):
    forget = lstm.bias_ih_l0.chunk(4)[1]
    forget.copy_(value - lstm.bias_hh_l0.chunk(4)[1])


# %% of="vanishing-gradients-forget-bias" variant="by-name"
def set_forget_bias(lstm, value):
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            n = parameter.shape[0]
            with torch.no_grad():
                nn.init.constant_(parameter[n // 4 : n // 2], value if "hh" in name else 0.0)
    return lstm


# %% of="vanishing-gradients-forget-bias" variant="state-dict"
def set_forget_bias(lstm, value):
    state, H = lstm.state_dict(), lstm.hidden_size
    state["bias_ih_l0"][H : 2 * H], state["bias_hh_l0"][H : 2 * H] = value, 0
    lstm.load_state_dict(state)


# %% of="vanishing-gradients-forget-bias" variant="loop"
def set_forget_bias(lstm, value):
    with torch.no_grad():
        for j in range(lstm.hidden_size, 2 * lstm.hidden_size):
            lstm.bias_ih_l0[j] += value - lstm.bias_ih_l0[j] - lstm.bias_hh_l0[j]


# %% of="vanishing-gradients-identity" variant="copy"
def identity_init(rnn, scale):
    with torch.no_grad():
        rnn.weight_hh_l0.copy_(scale * torch.eye(rnn.hidden_size))
        rnn.bias_ih_l0.fill_(0)
        rnn.bias_hh_l0.fill_(0)


# %% of="vanishing-gradients-identity" variant="diagonal"
@torch.no_grad()
def identity_init(rnn, scale):
    rnn.weight_hh_l0.zero_().fill_diagonal_(scale)
    for name, parameter in rnn.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)


# %% of="vanishing-gradients-identity" variant="data"
def identity_init(rnn, scale):
    W = rnn.weight_hh_l0
    W.data = scale * torch.eye(*W.shape, dtype=W.dtype, device=W.device)
    rnn.bias_ih_l0.data *= 0
    rnn.bias_hh_l0.data *= 0
    return rnn


# %% of="vanishing-gradients-identity" variant="state-dict"
def identity_init(rnn, scale):
    state = rnn.state_dict()
    n = rnn.hidden_size
    rnn.load_state_dict(
        {
            "weight_ih_l0": state["weight_ih_l0"],
            "weight_hh_l0": torch.diag(torch.full((n,), float(scale))),
            "bias_ih_l0": torch.zeros(n),
            "bias_hh_l0": torch.zeros(n),
        }
    )


# %% of="vanishing-gradients-identity" variant="loop"
def identity_init(rnn, scale):
    with torch.no_grad():
        for j in range(rnn.hidden_size):
            for k in range(rnn.hidden_size):
                rnn.weight_hh_l0[j, k] = scale if j == k else 0
            rnn.bias_ih_l0[j] = rnn.bias_hh_l0[j] = 0


# %% of="vanishing-gradients-predict-fresh" variant="with-a-capital"
guess_fresh = "Hardly smaller"


# %% of="vanishing-gradients-predict-adding" variant="worse"
guess_adding = "clearly worse"


# %% of="vanishing-gradients-predict-agreement" variant="one"
guess_agreement = 1
