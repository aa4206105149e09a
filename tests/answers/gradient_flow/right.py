"""Right answers to lesson 03 in ways that differ from the solution's; all must be accepted."""


# %% of="gradient-flow-step-jacobian" variant="diag-embed"
def step_jacobian(h, params):
    return torch.diag_embed(1 - h**2) @ params["weight_hh"]


# %% of="gradient-flow-step-jacobian" variant="einsum"
def step_jacobian(h, params):
    return torch.einsum("bi,ij->bij", 1 - h.square(), params["weight_hh"])


# %% of="gradient-flow-step-jacobian" variant="loops"
def step_jacobian(h, params):
    B, H = h.shape
    J = h.new_zeros(B, H, H)
    for b in range(B):
        for i in range(H):
            for j in range(H):
                J[b, i, j] = (1 - h[b, i] * h[b, i]) * params["weight_hh"][i, j]
    return J


# %% of="gradient-flow-step-jacobian" variant="torch-func"
def step_jacobian(h, params):
    from torch.func import jacrev, vmap

    def step(before, after):
        return torch.tanh(torch.atanh(after) + params["weight_hh"] @ before)

    return vmap(jacrev(step))(torch.zeros_like(h), h)


# %% of="gradient-flow-step-jacobian" variant="transposed-storage-own-buffer-a-print"
def step_jacobian(h: torch.Tensor, params: dict[str, torch.Tensor]) -> torch.Tensor:
    J = params["weight_hh"].T.repeat(h.shape[0], 1, 1)
    J *= (1 - h.pow(2)).unsqueeze(1)
    print("scaled")
    return J.mT


# %% of="gradient-flow-step-jacobian" variant="a-class-that-is-callable"
class StepJacobian:
    def __call__(self, state, params, eps=0.0):
        return torch.stack([(1 - row * row).unsqueeze(-1) * params["weight_hh"] for row in state])


step_jacobian = StepJacobian()


# %% of="gradient-flow-product" variant="downwards-onto-the-right"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype, device=states.device).expand(B, H, H)
    for s in range(t, k, -1):
        P = P @ step_jacobian(states[:, s - 1], params)
    return P


# %% of="gradient-flow-product" variant="recursion"
def jacobian_product(states, params, k, t):
    if k == t:
        return torch.diag_embed(torch.ones_like(states[:, 0]))
    return step_jacobian(states[:, t - 1], params) @ jacobian_product(states, params, k, t - 1)


# %% of="gradient-flow-product" variant="all-factors-at-once-einsum"
def jacobian_product(states, params, k, t):
    J = torch.einsum("bti,ij->btij", 1 - states[:, k:t] ** 2, params["weight_hh"])
    P = torch.zeros(states.shape[0], states.shape[2], states.shape[2], dtype=states.dtype, device=states.device)
    P.diagonal(dim1=1, dim2=2).fill_(1)
    for s in range(t - k):
        P = torch.einsum("bij,bjk->bik", J[:, s], P)
    return P


# %% of="gradient-flow-product" variant="row-by-row-with-multi-dot"
def jacobian_product(states, params, k, t):
    out = []
    for row in states:
        factors = [torch.diag(1 - h**2) @ params["weight_hh"] for h in row[k:t].flip(0)]
        eye = torch.eye(row.shape[1], dtype=row.dtype, device=row.device)
        out.append(torch.linalg.multi_dot([*factors, eye]) if factors else eye)
    return torch.stack(out)


# %% of="gradient-flow-product" variant="slopes-on-the-left-of-w-p-reduce"
import functools


def slope_at(states, s):
    return (1 - states[:, s - 1] ** 2).unsqueeze(2)


def jacobian_product(states, params, k, t):
    eye = torch.eye(states.shape[2]).to(states).repeat(states.shape[0], 1, 1)
    return functools.reduce(lambda P, s: slope_at(states, s) * (params["weight_hh"] @ P), range(k + 1, t + 1), eye)


# %% of="gradient-flow-product" variant="autograd-through-the-steps-seen-from-h-k"
def jacobian_product(states, params, k, t):
    H = states.shape[2]
    rows = []
    for i in range(H):
        g = torch.zeros_like(states[:, 0])
        g[:, i] = 1
        for s in range(t, k, -1):
            g = (g * (1 - states[:, s - 1] ** 2)) @ params["weight_hh"]
        rows.append(g)
    return torch.stack(rows, dim=1)


# %% of="gradient-flow-norms" variant="retain-grad"
def gradient_norms(x, h0, params, dh_T):
    h = h0.detach().clone().requires_grad_()
    kept = [h]
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        h.retain_grad()
        kept.append(h)
    h.backward(dh_T)
    return torch.stack([state.grad.norm(dim=1).mean() for state in kept])


# %% of="gradient-flow-norms" variant="autograd-grad"
def gradient_norms(x, h0, params, dh_T):
    h = h0.clone().requires_grad_()
    kept = [h]
    for x_t in x.transpose(0, 1):
        h = torch.tanh(x_t @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        kept.append(h)
    grads = torch.autograd.grad((h * dh_T).sum(), kept)
    return torch.stack(grads).norm(dim=2).mean(dim=1)


# %% of="gradient-flow-norms" variant="step-jacobian-buffer-filled-from-the-end"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    T = x.shape[1]
    norms = torch.zeros(T + 1, dtype=x.dtype, device=x.device)
    g = dh_T
    norms[T] = g.pow(2).sum(1).sqrt().mean()
    for t in range(T, 0, -1):
        g = torch.einsum("bi,bij->bj", g, step_jacobian(states[:, t - 1], params))
        norms[t - 1] = g.pow(2).sum(1).sqrt().mean()
    return norms


# %% of="gradient-flow-norms" variant="jacobian-product-for-each-t"
def gradient_norms(x, h0, params, dh_T):
    states, T = unroll(x, h0, params), x.shape[1]
    grads = [(dh_T[:, None] @ jacobian_product(states, params, t, T))[:, 0] for t in range(T + 1)]
    return torch.stack([torch.linalg.vector_norm(g, dim=-1).mean() for g in grads])


# %% of="gradient-flow-norms" variant="columns-growing-product-from-the-left"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    column = dh_T.unsqueeze(2)
    out = [column.squeeze(2)]
    for h in states.unbind(1)[::-1]:
        column = step_jacobian(h, params).transpose(1, 2) @ column
        out.insert(0, column.squeeze(2))
    return torch.stack(out).norm(dim=-1).mean(-1)


# %% of="gradient-flow-norms" variant="zeros-plus-in-place-add-f-linear"
import torch.nn.functional as F


def gradient_norms(x, h0, params, dh_T):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.tanh(F.linear(x[:, t], params["weight_ih"], params["bias"]) + F.linear(h, params["weight_hh"]))
        states.append(h)
    grads = x.new_zeros(len(states) + 1, *dh_T.shape)
    grads[-1] += dh_T
    for t in reversed(range(len(states))):
        grads[t].addmm_(grads[t + 1] * (1 - states[t] ** 2), params["weight_hh"])
    return grads.norm(dim=2).mean(1)


# %% of="gradient-flow-radius" variant="a-0-d-tensor"
def spectral_radius(W):
    return torch.linalg.eigvals(W).abs().max()


# %% of="gradient-flow-radius" variant="python-s-abs"
def spectral_radius(W):
    return max(abs(value) for value in torch.linalg.eigvals(W).tolist())


# %% of="gradient-flow-radius" variant="numpy"
import numpy as np


def spectral_radius(W):
    return float(np.abs(np.linalg.eigvals(W.cpu().numpy())).max())


# %% of="gradient-flow-radius" variant="real-and-imaginary-parts"
def spectral_radius(W):
    values = torch.linalg.eig(W).eigenvalues
    return torch.hypot(values.real, values.imag).amax().item()


# %% of="gradient-flow-radius" variant="sorted"
def spectral_radius(W):
    return float(sorted(torch.linalg.eigvals(W).abs().tolist())[-1])


# %% of="gradient-flow-radius" variant="powers-squared-again-and-again"
def spectral_radius(W):
    log, P = 0.0, W
    for k in range(60):
        size = P.norm().item()
        if size == 0:
            return 0.0
        log += math.log(size) / 2**k
        P = P / size
        P = P @ P
    return math.exp(log)


# %% of="gradient-flow-singular-value" variant="matrix-norm"
def largest_singular_value(W):
    return torch.linalg.matrix_norm(W, ord=2).item()


# %% of="gradient-flow-singular-value" variant="svd"
def largest_singular_value(W):
    U, S, Vh = torch.linalg.svd(W)
    return S[0]


# %% of="gradient-flow-singular-value" variant="root-of-an-eigenvalue"
def largest_singular_value(W):
    return torch.linalg.eigvalsh(W.T @ W).max().sqrt().item()


# %% of="gradient-flow-singular-value" variant="norm"
def largest_singular_value(W):
    return float(torch.linalg.norm(W, 2))


# %% of="gradient-flow-singular-value" variant="power-iteration-on-w-w"
def largest_singular_value(W):
    v = torch.ones_like(W[0])
    for _ in range(500):
        v = W.T @ (W @ v)
        v = v / v.norm()
    return (W @ v).norm().item()


# %% of="gradient-flow-rescale" variant="inline-eigenvalues"
def with_spectral_radius(W, rho):
    radius = torch.linalg.eigvals(W).abs().max()
    if radius < 1e-12:
        raise ValueError(f"W has radius {radius:.1e}")
    return rho * W / radius


# %% of="gradient-flow-rescale" variant="clone-and-scale-in-place"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if not radius > 1e-9:
        raise ValueError("this matrix has spectral radius 0")
    W = W.clone()
    W *= rho / radius
    return W


# %% of="gradient-flow-rescale" variant="divide-first-an-exception-of-its-own"
class NoRadius(ValueError):
    pass


def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if radius > 1e-8 * W.norm():
        return (W / radius) * rho
    raise ValueError("cannot rescale")


# %% of="gradient-flow-rescale" variant="through-the-eigenvalues"
def with_spectral_radius(W, rho):
    values, vectors = torch.linalg.eig(W)
    if values.abs().max() < 1e-10:
        raise ValueError("radius 0")
    values = values * rho / values.abs().max()
    return (vectors @ torch.diag(values) @ torch.linalg.inv(vectors)).real


# %% of="gradient-flow-rescale" variant="from-zerodivisionerror-to-valueerror"
def with_spectral_radius(W, rho):
    scale = W.abs().max().item()
    try:
        return W * (rho / scale / round(spectral_radius(W / scale), 12))
    except ZeroDivisionError:
        raise ValueError("radius 0: every multiple of W has radius 0") from None


# %% of="gradient-flow-rescale" variant="numpy-s-eigenvalues-no-call-of-the-own-spectral-radius"
import numpy as np


def with_spectral_radius(W, rho):
    radius = np.abs(np.linalg.eigvals(W.cpu().numpy())).max()
    if radius <= 1e-6 * W.abs().max().item():
        raise ValueError("the spectral radius of W is 0, and so is that of every multiple")
    return W * (rho / radius)


# %% of="gradient-flow-exponent" variant="step-jacobian-logs-stacked"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.full_like(h0, len(h0) ** -0.5)
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(v.norm().log())
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean()


# %% of="gradient-flow-exponent" variant="own-forward-loop-math-log"
import math


def lyapunov_exponent(x, h0, params, warmup):
    h = h0
    v = torch.ones_like(h0) / math.sqrt(h0.shape[0])
    total, count = 0.0, 0
    for t in range(x.shape[0]):
        h = torch.tanh(params["weight_ih"] @ x[t] + params["weight_hh"] @ h + params["bias"])
        v = (1 - h**2) * (params["weight_hh"] @ v)
        size = v.norm().item()
        v = v / size
        if t >= warmup:
            total += math.log(size)
            count += 1
    return total / count


# %% of="gradient-flow-exponent" variant="jvp"
def lyapunov_exponent(x, h0, params, warmup):
    h, v, logs = h0, torch.nn.functional.normalize(torch.ones_like(h0), dim=0), []
    for x_t in x:
        step = lambda h: torch.tanh(params["weight_ih"] @ x_t + params["weight_hh"] @ h + params["bias"])
        h, v = torch.func.jvp(step, (h,), (v,))
        logs.append(float(torch.log(torch.linalg.norm(v))))
        v = v / torch.linalg.norm(v)
    return sum(logs[warmup:]) / (len(x) - warmup)


# %% of="gradient-flow-exponent" variant="log-of-squares-halved"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x.unsqueeze(0), h0.unsqueeze(0), params).squeeze(0)
    v = torch.ones_like(h0)
    v /= v.norm()
    total = 0
    for t in range(1, len(x) + 1):
        v = step_jacobian(states[t - 1 : t], params)[0] @ v
        squared = v.dot(v)
        v = v * squared.rsqrt()
        if t > warmup:
            total = total + 0.5 * squared.log()
    return (total / (len(x) - warmup)).item()


# %% of="gradient-flow-exponent" variant="a-batch-of-one-numpy-s-mean"
import numpy as np


def lyapunov_exponent(x, h0, params, warmup):
    H = h0.shape[-1]
    states = unroll(x[None], h0[None], params)
    v = torch.ones(1, H, 1, dtype=h0.dtype, device=h0.device) / H**0.5
    logs = []
    for t in range(x.shape[0]):
        v = step_jacobian(states[:, t], params) @ v
        logs.append(v.norm().log().item())
        v /= v.norm()
    return np.mean(logs[warmup:])


# %% of="gradient-flow-exponent" variant="on-the-cpu"
import math


def lyapunov_exponent(x, h0, params, warmup):
    W = params["weight_hh"].cpu()
    states = unroll(x[None], h0[None], params)[0].cpu()
    v = torch.ones(len(h0), dtype=W.dtype) / len(h0) ** 0.5
    logs = []
    for h in states:
        v = (1 - h * h) * (W @ v)
        logs.append(math.log(v.norm().item()))
        v = v / v.norm()
    return sum(logs[warmup:]) / len(logs[warmup:])


# %% of="gradient-flow-bug" variant="the-tanh-undone-in-its-own-line"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    h0 = torch.zeros(B, params["bias"].shape[0], dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target
    dout = (2 * error / B)[:, None]
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = (dh * (1 - h_t**2)) @ params["weight_hh"]
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" variant="step-jacobian"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    h0 = torch.zeros(B, params["bias"].shape[0], dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target
    dout = (2 * error / B)[:, None]
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = (dh[:, None] @ step_jacobian(h_t, params))[:, 0]
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" variant="a-buffer-for-all-da-and-the-sums-by-einsum-at-the-end"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    states = unroll(x, x.new_zeros(B, params["bias"].numel()), params)
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)
    error = torch.nn.functional.linear(states[:, -1], params["weight_out"], params["bias_out"]).squeeze(1) - target
    dout = 2 * error / B
    da = torch.empty_like(states)
    dh = torch.outer(dout, params["weight_out"][0])
    for t in reversed(range(T)):
        da[:, t] = dh * (1 - states[:, t].square())
        dh = da[:, t] @ params["weight_hh"]
    grads = {
        "weight_ih": torch.einsum("bth,btd->hd", da, x),
        "weight_hh": torch.einsum("bth,btk->hk", da, before),
        "bias": da.sum((0, 1)),
        "weight_out": (dout @ states[:, -1])[None],
        "bias_out": dout.sum()[None],
    }
    return error.square().mean(), grads


# %% of="gradient-flow-predict-growth" variant="a-whole-number"
guess_growth = 1

# %% of="gradient-flow-predict-growth" variant="a-tensor"
guess_growth = torch.tensor(0.35)

# %% of="gradient-flow-predict-louder" variant="wrong-but-honest"
guess_louder = "Larger"

# %% of="gradient-flow-predict-louder" variant="blanks"
guess_louder = " the  same "

# %% of="gradient-flow-predict-radius-zero" variant="wrong-but-honest"
guess_radius_zero = "always shrinks"


# %% of="gradient-flow-exponent" variant="all-moved-to-the-cpu"
def lyapunov_exponent(x, h0, params, warmup):
    x, h0 = x.to("cpu"), h0.to("cpu")
    params = {name: tensor.to("cpu") for name, tensor in params.items()}
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones(len(h0), dtype=h0.dtype) / len(h0) ** 0.5
    logs = []
    for h in states:
        v = (1 - h * h) * (params["weight_hh"] @ v)
        logs.append(v.norm().log().item())
        v = v / v.norm()
    return sum(logs[warmup:]) / len(logs[warmup:])
