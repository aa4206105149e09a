"""Right answers to lesson 01 that are written in other ways: all must be accepted."""


# %% of="unrolled-graph-rnn-step" variant="linear-layers"
def rnn_step(x_t, h_prev, params):
    from torch.nn import functional as F

    return torch.tanh(F.linear(x_t, params["weight_ih"], params["bias"]) + F.linear(h_prev, params["weight_hh"]))


# %% of="unrolled-graph-rnn-step" variant="einsum-with-type-hints"
def rnn_step(x_t: torch.Tensor, h_prev: torch.Tensor, params: dict) -> torch.Tensor:
    a = torch.einsum("bd,hd->bh", x_t, params["weight_ih"])
    a = a + torch.einsum("bg,hg->bh", h_prev, params["weight_hh"])
    return (a + params["bias"]).tanh()


# %% of="unrolled-graph-rnn-step" variant="one-product-of-joined-matrices"
def rnn_step(x_t, h_prev, params):
    joined = torch.cat([x_t, h_prev], dim=1)
    weight = torch.cat([params["weight_ih"], params["weight_hh"]], dim=1)
    return torch.tanh(torch.addmm(params["bias"], joined, weight.T))


# %% of="unrolled-graph-rnn-step" variant="pytorch-s-own-step"
def rnn_step(x_t, h_prev, params):
    return torch.rnn_tanh_cell(x_t, h_prev, params["weight_ih"], params["weight_hh"], params["bias"])


# %% of="unrolled-graph-rnn-step" variant="row-by-row-in-place-on-an-own-buffer"
def rnn_step(x, h, p):
    out = torch.empty_like(h)
    for row in range(len(x)):
        out[row] = p["weight_ih"] @ x[row] + p["weight_hh"] @ h[row]
    out += p["bias"]
    return out.tanh_()


# %% of="unrolled-graph-rnn-step" variant="an-object-that-can-be-called-a-print-and-a-warning"
class Step:
    def __call__(self, x_t, h_prev, params):
        import warnings

        warnings.warn("a warning is no mistake")
        print(x_t.shape)
        columns = params["weight_ih"] @ x_t.mT + params["weight_hh"] @ h_prev.mT + params["bias"][:, None]
        return torch.tanh(columns).mT


rnn_step = Step()


# %% of="unrolled-graph-unroll" variant="a-buffer-filled"
def unroll(x, h0, params):
    B, T, _ = x.shape
    states = x.new_empty(B, T, h0.shape[1])
    for t in range(T):
        states[:, t] = rnn_step(x[:, t], states[:, t - 1].clone() if t else h0, params)
    return states


# %% of="unrolled-graph-unroll" variant="over-unbound-steps-time-first-and-then-transposed"
def unroll(x, h0, params):
    out = [h0]
    for x_t in x.unbind(dim=1):
        out.append(rnn_step(x_t, out[-1], params))
    return torch.stack(out[1:]).transpose(0, 1)


# %% of="unrolled-graph-unroll" variant="recursion"
def unroll(x, h0, params):
    if x.shape[1] == 0:
        return h0.new_empty(len(x), 0, h0.shape[1])
    h = rnn_step(x[:, 0], h0, params)
    return torch.cat([h.unsqueeze(1), unroll(x[:, 1:], h, params)], dim=1)


# %% of="unrolled-graph-unroll" variant="accumulate"
from itertools import accumulate


def unroll(x, h0, params):
    steps = accumulate(x.transpose(0, 1), lambda h, x_t: rnn_step(x_t, h, params), initial=h0)
    return torch.stack(list(steps)[1:], 1)


# %% of="unrolled-graph-unroll" variant="the-inputs-part-in-one-product-without-rnn-step"
def unroll(x, h0, params):
    from_x = x @ params["weight_ih"].T + params["bias"]
    h, states = h0, []
    for t in range(x.size(1)):
        h = torch.tanh(from_x[:, t] + h @ params["weight_hh"].T)
        states += [h[:, None]]
    return torch.cat(states, 1)


# %% of="unrolled-graph-unroll" variant="torch-nn-rnn"
def unroll(x, h0, params, verbose=False):
    rnn = torch.nn.RNN(x.shape[2], h0.shape[1], batch_first=True).to(x.device, x.dtype)
    weights = {"weight_ih_l0": params["weight_ih"], "weight_hh_l0": params["weight_hh"], "bias_ih_l0": params["bias"]}
    weights["bias_hh_l0"] = torch.zeros_like(params["bias"])
    return torch.func.functional_call(rnn, weights, (x, h0[None]))[0]


# %% of="unrolled-graph-predict-leaves" variant="wrong-but-honest"
guess_leaves = 6

# %% of="unrolled-graph-predict-leaves" variant="a-whole-number-as-float"
guess_leaves = 1.0

# %% of="unrolled-graph-predict-leaves" variant="none-at-all"
guess_leaves = 0

# %% of="unrolled-graph-predict-leaves" variant="a-tensor-of-one-entry"
guess_leaves = torch.tensor(12)

# %% of="unrolled-graph-predict-depth" variant="wrong-but-honest"
guess_depth_factor = 16

# %% of="unrolled-graph-predict-depth" variant="a-product"
guess_depth_factor = 40 / 10

# %% of="unrolled-graph-predict-depth" variant="a-fraction"
guess_depth_factor = 0.25

# %% of="unrolled-graph-predict-depth" variant="a-tensor-of-one-entry"
guess_depth_factor = torch.tensor(4.0)

# %% of="unrolled-graph-predict-paths" variant="wrong-but-honest"
guess_path_factor = 2

# %% of="unrolled-graph-predict-paths" variant="exponential"
guess_path_factor = 2**50

# %% of="unrolled-graph-predict-paths" variant="exact"
guess_path_factor = 5050 / 1275

# %% of="unrolled-graph-predict-paths" variant="one"
guess_path_factor = 1.0


# %% of="unrolled-graph-unrolled-edges" variant="a-set"
def unrolled_edges(T):
    steps = range(1, T + 1)
    return (
        {("theta", f"h{t}") for t in steps}
        | {(f"x{t}", f"h{t}") for t in steps}
        | {(f"h{t - 1}", f"h{t}") for t in steps}
        | {(f"h{t}", f"L{t}") for t in steps}
    )


# %% of="unrolled-graph-unrolled-edges" variant="lists-of-two-in-another-order"
def unrolled_edges(T):
    edges = []
    for t in range(T, 0, -1):
        for start in ("theta", "x" + str(t), "h" + str(t - 1)):
            edges.append([start, "h" + str(t)])
        edges.append(["h" + str(t), "L" + str(t)])
    return edges


# %% of="unrolled-graph-unrolled-edges" variant="recursion-a-tuple"
def unrolled_edges(T):
    if T == 0:
        return ()
    here = f"h{T}"
    return unrolled_edges(T - 1) + (("theta", here), (f"x{T}", here), (f"h{T - 1}", here), (here, f"L{T}"))


# %% of="unrolled-graph-unrolled-edges" variant="zipped-names"
def unrolled_edges(T):
    h = [f"h{t}" for t in range(T + 1)]
    x = [f"x{t}" for t in range(1, T + 1)]
    L = [f"L{t}" for t in range(1, T + 1)]
    return [*zip(["theta"] * T, h[1:]), *zip(x, h[1:]), *zip(h, h[1:]), *zip(h[1:], L)]


# %% of="unrolled-graph-unrolled-edges" variant="a-generator"
def unrolled_edges(T):
    for t in range(1, T + 1):
        yield "theta", f"h{t}"
        yield f"x{t}", f"h{t}"
        yield f"h{t - 1}", f"h{t}"
        yield f"h{t}", f"L{t}"


# %% of="unrolled-graph-count-paths" variant="a-sum"
def count_paths(t):
    return sum(1 for enters_at in range(1, t + 1))


# %% of="unrolled-graph-count-paths" variant="a-difference-of-totals"
def count_paths(t):
    return t * (t + 1) // 2 - (t - 1) * t // 2


# %% of="unrolled-graph-count-paths" variant="recursion"
def count_paths(t):
    return 0 if t == 0 else 1 + count_paths(t - 1)


# %% of="unrolled-graph-count-paths" variant="counted-on-the-edges"
def count_paths(t):
    edges, last = unrolled_edges(t), f"L{t}"
    ways = {last: 1}

    def from_node(node):
        if node not in ways:
            ways[node] = sum(from_node(end) for start, end in edges if start == node)
        return ways[node]

    return from_node("theta")


# %% of="unrolled-graph-count-paths" variant="powers-of-the-adjacency-matrix-as-a-tensor"
def count_paths(t):
    nodes = sorted({name for edge in unrolled_edges(t) for name in edge})
    A = torch.zeros(len(nodes), len(nodes), dtype=torch.long)
    for start, end in unrolled_edges(t):
        A[nodes.index(start), nodes.index(end)] = 1
    total, power = A.clone(), A
    for _ in range(t + 1):
        power = power @ A
        total = total + power
    return total[nodes.index("theta"), nodes.index(f"L{t}")]


# %% of="unrolled-graph-parameter-count" variant="five-terms"
def parameter_count(D, H, V):
    return H * D + H * H + H + V * H + V


# %% of="unrolled-graph-parameter-count" variant="counted-on-real-tensors"
def parameter_count(D, H, V):
    return sum(tensor.numel() for tensor in make_params(D, H, V, seed=0).values())


# %% of="unrolled-graph-parameter-count" variant="products-of-shapes-with-a-helper"
import math

SHAPES = lambda D, H, V: [(H, D), (H, H), (H,), (V, H), (V,)]


def parameter_count(D, H, V):
    return sum(math.prod(shape) for shape in SHAPES(D, H, V))


# %% of="unrolled-graph-parameter-count" variant="torch-modules-one-bias-taken-off"
def parameter_count(D, H, V):
    modules = [torch.nn.RNN(D, H), torch.nn.Linear(H, V)]
    return sum(p.numel() for module in modules for p in module.parameters()) - H


# %% of="unrolled-graph-unroll-padded" variant="gathered-at-the-lengths"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, [h0]
    for t in range(x.shape[1]):
        going = lengths[:, None] > t
        h = torch.where(going, rnn_step(x[:, t].where(going, torch.zeros_like(x[:, t])), h, params), h)
        states.append(h)
    states = torch.stack(states, 1)
    last = states.gather(1, lengths.view(-1, 1, 1).expand(-1, 1, h0.shape[1])).squeeze(1)
    return states[:, 1:], last


# %% of="unrolled-graph-unroll-padded" variant="cleaned-run-free-then-read-off"
def unroll_padded(x, h0, lengths, params):
    x = x.masked_fill((torch.arange(x.shape[1], device=x.device) >= lengths[:, None])[:, :, None], 0)
    free = torch.cat([h0[:, None], unroll(x, h0, params)], 1)  # (B, T + 1, H)
    steps = torch.arange(1, x.shape[1] + 1, device=x.device)
    at = torch.minimum(steps[None, :], lengths[:, None])  # (B, T)
    rows = torch.arange(len(x), device=x.device)
    return free[rows[:, None], at], free[rows, lengths]


# %% of="unrolled-graph-unroll-padded" variant="row-by-row"
def unroll_padded(x, h0, lengths, params):
    states = torch.zeros(*x.shape[:2], h0.shape[1], dtype=h0.dtype, device=h0.device)
    h_last = h0.clone()
    for b, length in enumerate(lengths.tolist()):
        for t in range(x.shape[1]):
            if t < length:
                h_last[b] = rnn_step(x[b : b + 1, t], h_last[b : b + 1].clone(), params)[0]
            states[b, t] = h_last[b]
    return states, h_last


# %% of="unrolled-graph-unroll-padded" variant="only-the-rows-that-go-on"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = lengths > t
        new = h.clone()
        if going.any():
            new[going] = rnn_step(x[going, t], h[going], params)
        h = new
        states.append(h)
    return [torch.stack(states, 1), states[-1]]


# %% of="unrolled-graph-unroll-padded" variant="the-padding-cleaned-then-multiplied"
def unroll_padded(x, h0, lengths, params):
    real = (torch.arange(x.shape[1], device=x.device)[None] < lengths[:, None]).unsqueeze(-1)  # (B, T, 1)
    x = torch.where(real, x, torch.zeros_like(x))
    h, states = h0, []
    for t in range(x.shape[1]):
        m = real[:, t].to(x.dtype)
        h = h + m * (rnn_step(x[:, t], h, params) - h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-bug" variant="the-log-detached-at-the-end"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    log = [h0]
    for t in range(x.shape[1]):
        log.append(torch.rnn_tanh_cell(x[:, t], log[-1], *recurrent))
    guess = log[-1] @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), [h.detach() for h in log]


# %% of="unrolled-graph-bug" variant="with-rnn-step-and-backward"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().clone().requires_grad_() for name, tensor in params.items()}
    h, log = h0, [h0.clone()]
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        log.append(h.detach().clone())
    guess = h @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    loss.backward()
    return loss.detach(), {name: tensor.grad for name, tensor in params.items()}, log


# %% of="unrolled-graph-bug" variant="with-unroll"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    states = unroll(x, h0, params)
    guess = states[:, -1] @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), [h0] + list(states.detach().transpose(0, 1))


# %% of="unrolled-graph-bug" variant="the-log-taken-without-a-graph"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    h, log = h0, [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], h, *recurrent)
        with torch.no_grad():
            log.append(1 * h)
    guess = torch.nn.functional.linear(h, params["weight_out"], params["bias_out"])
    loss = torch.nn.functional.mse_loss(guess.squeeze(1), target)
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), tuple(log)
