"""Wrong answers to lesson 03, as learners write them; each declares the sign that it must get."""


# ---------------------------------------------------------------------------------------- step_jacobian
# %% of="gradient-flow-step-jacobian" gets="no-slope"
def step_jacobian(h, params):
    B, H = h.shape
    return params["weight_hh"].expand(B, H, H)


# %% of="gradient-flow-step-jacobian" gets="slope-not-squared"
def step_jacobian(h, params):
    return (1 - h).unsqueeze(2) * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="sigmoid-slope"
def step_jacobian(h, params):
    return (h * (1 - h))[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="slope-of-tanh-h"
def step_jacobian(h, params):
    slope = 1 - torch.tanh(h) ** 2
    return slope[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="slope-on-columns"
def step_jacobian(h, params):
    slope = 1 - h**2
    return params["weight_hh"] * slope[:, None, :]


# %% of="gradient-flow-step-jacobian" gets="slope-on-columns"
def step_jacobian(h, params):
    return params["weight_hh"] @ torch.diag_embed(1 - h**2)


# %% of="gradient-flow-step-jacobian" gets="weights-transposed"
def step_jacobian(h, params):
    return torch.diag_embed(1 - h**2) @ params["weight_hh"].T


# %% of="gradient-flow-step-jacobian" gets="transposed"
def step_jacobian(h, params):
    return torch.einsum("bi,ij->bji", 1 - h**2, params["weight_hh"])


# %% of="gradient-flow-step-jacobian" gets="transposed"
def step_jacobian(h, params):
    # row vectors: h_prev @ W.T, so I take W.T, and the slope behind it
    return params["weight_hh"].T @ torch.diag_embed(1 - h**2)


# %% of="gradient-flow-step-jacobian" gets="slope-averaged"
def step_jacobian(h, params):
    slope = (1 - h**2).mean(0)
    J = slope[:, None] * params["weight_hh"]
    return J.unsqueeze(0).repeat(h.shape[0], 1, 1)


# %% of="gradient-flow-step-jacobian" gets="first-row-for-all"
def step_jacobian(h, params):
    J = torch.diag(1 - h[0] ** 2) @ params["weight_hh"]
    return torch.stack([J for _ in h])


# %% of="gradient-flow-step-jacobian" gets="slope-twice"
def step_jacobian(h, params):
    slope = 1 - h**2
    return (slope * slope)[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="slope-inverted"
def step_jacobian(h, params):
    return params["weight_hh"] / (1 - h**2)[:, :, None]


# %% of="gradient-flow-step-jacobian" gets="slope-alone"
def step_jacobian(h, params):
    return torch.diag_embed(1 - h**2)


# %% of="gradient-flow-step-jacobian" gets="matrix-product"
def step_jacobian(h, params):
    return (1 - h**2) @ params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="sign"
def step_jacobian(h, params):
    return (h**2 - 1)[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="raised"
def step_jacobian(h, params):
    return (1 - h**2) * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="raised"
def step_jacobian(h, params):
    return torch.diag(1 - h**2) @ params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="missing-axis"
def step_jacobian(h, params):
    return (1 - h[0] ** 2)[:, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="not-stacked"
def step_jacobian(h, params):
    return [torch.diag(1 - row**2) @ params["weight_hh"] for row in h]


# %% of="gradient-flow-step-jacobian" gets="none"
def step_jacobian(h, params):
    J = (1 - h**2)[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="dtype"
def step_jacobian(h, params):
    J = torch.zeros(h.shape[0], h.shape[1], h.shape[1])
    J[:] = (1 - h**2)[:, :, None] * params["weight_hh"]
    return J


# %% of="gradient-flow-step-jacobian" gets="changed-input"
def step_jacobian(h, params):
    slope = h.mul_(h).neg_().add_(1)
    return slope[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="slope-not-squared + transposed"
def step_jacobian(h, params):
    return params["weight_hh"].T * (1 - h)[:, None, :]


# %% of="gradient-flow-step-jacobian" gets="slope-on-columns + slope-averaged"
def step_jacobian(h, params):
    slope = (1 - h**2).mean(0)
    return (params["weight_hh"] * slope).repeat(len(h), 1, 1)


# %% of="gradient-flow-step-jacobian" gets="slope-plus"
def step_jacobian(h, params):
    return (1 + h**2)[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="slope-of-abs"
def step_jacobian(h, params):
    return (1 - abs(h))[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="identity-added"
def step_jacobian(h, params):
    return torch.eye(h.shape[1], dtype=h.dtype) + (1 - h**2)[:, :, None] * params["weight_hh"]


# %% of="gradient-flow-step-jacobian" gets="rows-mixed"
def step_jacobian(h, params):
    return torch.stack([torch.diag(1 - h[-b] ** 2) @ params["weight_hh"] for b in range(1, len(h) + 1)])


# %% of="gradient-flow-step-jacobian" gets="value"
def step_jacobian(h, params):
    return (1 - h**2)[:, :, None] * (params["weight_ih"] @ params["weight_ih"].T)


# ------------------------------------------------------------------------------------- jacobian_product
# %% of="gradient-flow-product" gets="oldest-left"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k + 1, t + 1):
        P = P @ step_jacobian(states[:, s - 1], params)
    return P


# %% of="gradient-flow-product" gets="starts-late"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k + 2, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="starts-early"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="stops-early"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k + 1, t):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="stops-late"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k, t + 1):
        P = step_jacobian(states[:, s], params) @ P
    return P


# %% of="gradient-flow-product" gets="index-one-late"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s], params) @ P
    return P


# %% of="gradient-flow-product" gets="index-one-early"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k, t):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="product-transposed"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k + 1, t + 1):
        P = P @ step_jacobian(states[:, s - 1], params).transpose(1, 2)
    return P


# %% of="gradient-flow-product" gets="oldest-left + product-transposed"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params).mT @ P
    return P


# %% of="gradient-flow-product" gets="no-slope"
def jacobian_product(states, params, k, t):
    W = torch.linalg.matrix_power(params["weight_hh"], t - k)
    return W.expand(states.shape[0], *W.shape)


# %% of="gradient-flow-product" gets="slope-not-squared"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        P = (1 - states[:, s - 1]).unsqueeze(2) * params["weight_hh"] @ P
    return P


# %% of="gradient-flow-product" gets="sigmoid-slope"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        h = states[:, s - 1]
        P = torch.diag_embed(h * (1 - h)) @ params["weight_hh"] @ P
    return P


# %% of="gradient-flow-product" gets="slope-of-tanh-h"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        slope = 1 - torch.tanh(states[:, s - 1]) ** 2
        P = torch.diag_embed(slope) @ params["weight_hh"] @ P
    return P


# %% of="gradient-flow-product" gets="slope-on-columns"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        P = params["weight_hh"] @ torch.diag_embed(1 - states[:, s - 1] ** 2) @ P
    return P


# %% of="gradient-flow-product" gets="weights-transposed"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        P = torch.diag_embed(1 - states[:, s - 1] ** 2) @ params["weight_hh"].T @ P
    return P


# %% of="gradient-flow-product" gets="entry-by-entry"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    if k == t:
        return torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    P = torch.ones(B, H, H, dtype=states.dtype)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params) * P
    return P


# %% of="gradient-flow-product" gets="summed"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.zeros(B, H, H, dtype=states.dtype)
    for s in range(k + 1, t + 1):
        P = P + step_jacobian(states[:, s - 1], params)
    return P


# %% of="gradient-flow-product" gets="same-factor"
def jacobian_product(states, params, k, t):
    J = step_jacobian(states[:, t - 1], params)
    return torch.linalg.matrix_power(J, t - k)


# %% of="gradient-flow-product" gets="only-newest"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params)
    return P


# %% of="gradient-flow-product" gets="only-oldest"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
        return P
    return P


# %% of="gradient-flow-product" gets="slope-averaged"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype)
    for s in range(k + 1, t + 1):
        slope = (1 - states[:, s - 1] ** 2).mean(0)
        P = torch.diag(slope) @ params["weight_hh"] @ P
    return P.expand(B, H, H)


# %% of="gradient-flow-product" gets="first-row-for-all"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype)
    for s in range(k + 1, t + 1):
        P = torch.diag(1 - states[0, s - 1] ** 2) @ params["weight_hh"] @ P
    return P.repeat(B, 1, 1)


# %% of="gradient-flow-product" gets="product-averaged"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P.mean(0, keepdim=True).repeat(B, 1, 1)


# %% of="gradient-flow-product" gets="starts-with-factor"
def jacobian_product(states, params, k, t):
    P = step_jacobian(states[:, k], params)
    for s in range(k + 2, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="starts-with-newest"
def jacobian_product(states, params, k, t):
    P = step_jacobian(states[:, t - 1], params)
    for s in range(t - 1, k, -1):
        P = P @ step_jacobian(states[:, s - 1], params)
    return P


# %% of="gradient-flow-product" gets="zero"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.zeros(B, H, H, dtype=states.dtype)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="identity-unbatched"
def jacobian_product(states, params, k, t):
    P = torch.eye(states.shape[2], dtype=states.dtype)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="raised"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H).expand(B, H, H)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="none"
def jacobian_product(states, params, k, t):
    P = None
    for s in range(k + 1, t + 1):
        J = step_jacobian(states[:, s - 1], params)
        P = J if P is None else J @ P
    return P


# %% of="gradient-flow-product" gets="slope-of-tanh-h + slope-on-columns"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).repeat(B, 1, 1)
    for s in range(k + 1, t + 1):
        P = params["weight_hh"] @ torch.diag_embed(1 - torch.tanh(states[:, s - 1]) ** 2) @ P
    return P


# %% of="gradient-flow-product" gets="oldest-left + starts-early"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k, t + 1):
        P = P @ step_jacobian(states[:, s - 1], params)
    return P


# %% of="gradient-flow-product" gets="value"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.ones(B, H, H, dtype=states.dtype)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
    return P


# %% of="gradient-flow-product" gets="value"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k, t):
        P = torch.tanh(step_jacobian(states[:, s], params) @ P)
    return P


# %% of="gradient-flow-product" gets="factor"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    P = torch.eye(H, dtype=states.dtype).expand(B, H, H)
    for s in range(k + 1, t + 1):
        P = step_jacobian(states[:, s - 1], params) @ P
        P = P / P.norm()
    return P


# %% of="gradient-flow-product" gets="index-one-early"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    product = torch.eye(H, dtype=states.dtype, device=states.device).expand(B, H, H)
    for s in range(k, t):
        product = step_jacobian(states[:, s - 1], params) @ product
    return product


# %% of="gradient-flow-product" gets="counts-steps"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    product = torch.eye(H, dtype=states.dtype, device=states.device).expand(B, H, H)
    for s in range(1, t - k + 1):
        product = step_jacobian(states[:, s - 1], params) @ product
    return product


# %% of="gradient-flow-product" gets="starts-at-1"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    product = torch.eye(H, dtype=states.dtype, device=states.device).expand(B, H, H)
    for s in range(1, t + 1):
        product = step_jacobian(states[:, s - 1], params) @ product
    return product


# %% of="gradient-flow-product" gets="stops-at-T"
def jacobian_product(states, params, k, t):
    B, T, H = states.shape
    product = torch.eye(H, dtype=states.dtype, device=states.device).expand(B, H, H)
    for s in range(k + 1, T + 1):
        product = step_jacobian(states[:, s - 1], params) @ product
    return product


# -------------------------------------------------------------------------------------- gradient_norms
# %% of="gradient-flow-norms" gets="slope-behind-weights"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh @ params["weight_hh"]) * (1 - states[:, t] ** 2)
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="weights-transposed"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"].T
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="no-slope"
def gradient_norms(x, h0, params, dh_T):
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in range(x.shape[1]):
        dh = dh @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="slope-not-squared"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t])) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="sigmoid-slope"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        h = states[:, t]
        dh = (dh * h * (1 - h)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="slope-of-preactivation"
def gradient_norms(x, h0, params, dh_T):
    h, pre = h0, []
    for t in range(x.shape[1]):
        a = x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"]
        pre.append(a)
        h = torch.tanh(a)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for a in reversed(pre):
        dh = (dh * (1 - a**2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="slope-of-old-state"
def gradient_norms(x, h0, params, dh_T):
    states = torch.cat([h0[:, None], unroll(x, h0, params)], 1)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="mean-of-gradients"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.mean(0).norm()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.mean(0).norm())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="norm-over-batch"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="summed-over-batch"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).sum()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).sum())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="squared"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [(dh**2).sum(1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, (dh**2).sum(1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="root-mean-square"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [(dh**2).mean(1).sqrt().mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, (dh**2).mean(1).sqrt().mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="one-norm"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(p=1, dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(p=1, dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="largest-entry"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.abs().amax(1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.abs().amax(1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="without-h0"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in range(x.shape[1] - 1, 0, -1):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="without-hT"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = []
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="not-carried"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    norms = [dh_T.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh_T * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="loss-at-every-step"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = dh_T + (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="forward-order"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in range(x.shape[1]):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="reversed-time"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.append(dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="norm-of-the-product"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    T = x.shape[1]
    return torch.stack(
        [torch.linalg.matrix_norm(jacobian_product(states, params, t, T), 2).mean() for t in range(T + 1)]
    )


# %% of="gradient-flow-norms" gets="norm-times-norm"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    T = x.shape[1]
    norms = []
    for t in range(T + 1):
        J = jacobian_product(states, params, t, T)
        norms.append((dh_T.norm(dim=1) * torch.linalg.matrix_norm(J, 2)).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="stacked-gradient"
def gradient_norms(x, h0, params, dh_T):
    h0 = h0.clone().requires_grad_()
    states = torch.cat([h0[:, None], unroll(x, h0, params)], 1)
    states.retain_grad()
    (states[:, -1] * dh_T).sum().backward()
    return states.grad.norm(dim=2).mean(0)


# %% of="gradient-flow-norms" gets="raised"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0.requires_grad_(), params)
    norms = []
    for t in range(x.shape[1]):
        (grad,) = torch.autograd.grad((states[:, -1] * dh_T).sum(), states[:, t])
        norms.append(grad.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="not-stacked"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return norms


# %% of="gradient-flow-norms" gets="not-averaged-steps-first"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1)]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1))
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="dtype"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean().item()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean().item())
    return torch.tensor(norms)


# %% of="gradient-flow-norms" gets="mean-of-gradients + without-h0"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.mean(0).norm()]
    for t in range(x.shape[1] - 1, 0, -1):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.mean(0).norm())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="weights-transposed + slope-not-squared"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t])) @ params["weight_hh"].T
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="times-a-column"
def gradient_norms(x, h0, params, dh_T):
    states, T = unroll(x, h0, params), x.shape[1]
    norms = []
    for t in range(T + 1):
        grad = jacobian_product(states, params, t, T) @ dh_T[:, :, None]
        norms.append(grad.squeeze(2).norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="from-the-start"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    norms = []
    for t in range(x.shape[1] + 1):
        grad = dh_T[:, None] @ jacobian_product(states, params, 0, t)
        norms.append(grad.squeeze(1).norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="state-norms"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    return torch.stack([h.norm(dim=1).mean() for h in [h0, *states.unbind(1)]])


# %% of="gradient-flow-norms" gets="factor"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T / x.shape[0]
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="worse-going-back"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=1).mean()]
    for t in reversed(range(x.shape[1])):
        dh = (dh * (1 - states[:, t] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=0).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="other-side"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh, norms = dh_T, [dh_T.norm(dim=1).mean()]
    for t in range(x.shape[1], 0, -1):
        dh = (step_jacobian(states[:, t - 1], params) @ dh[:, :, None])[:, :, 0]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="index-one-early"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh, norms = dh_T, [dh_T.norm(dim=1).mean()]
    for t in range(x.shape[1], 0, -1):
        dh = (dh * (1 - states[:, t - 2] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1).mean())
    return torch.stack(norms)


# %% of="gradient-flow-norms" gets="not-averaged"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh, norms = dh_T, [dh_T.norm(dim=1)]
    for t in range(x.shape[1], 0, -1):
        dh = (dh * (1 - states[:, t - 1] ** 2)) @ params["weight_hh"]
        norms.insert(0, dh.norm(dim=1))
    return torch.stack(norms, 1)


# %% of="gradient-flow-norms" gets="norm-of-columns"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm(dim=0).mean()]
    for t in range(x.shape[1], 0, -1):
        dh = (dh * (1 - states[:, t - 1] ** 2)) @ params["weight_hh"]
        norms.append(dh.norm(dim=0).mean())
    return torch.stack(norms[::-1])


# %% of="gradient-flow-norms" gets="norm-over-batch-by-B"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [dh.norm() / len(dh)]
    for t in range(x.shape[1], 0, -1):
        dh = (dh * (1 - states[:, t - 1] ** 2)) @ params["weight_hh"]
        norms.append(dh.norm() / len(dh))
    return torch.stack(norms[::-1])


# %% of="gradient-flow-norms" gets="mean-before-root"
def gradient_norms(x, h0, params, dh_T):
    states = unroll(x, h0, params)
    dh = dh_T
    norms = [(dh**2).sum(1).mean().sqrt()]
    for t in range(x.shape[1], 0, -1):
        dh = (dh * (1 - states[:, t - 1] ** 2)) @ params["weight_hh"]
        norms.append((dh**2).sum(1).mean().sqrt())
    return torch.stack(norms[::-1])


# %% of="gradient-flow-norms" gets="stacked-gradient-but-h0"
def gradient_norms(x, h0, params, dh_T):
    h0 = h0.clone().requires_grad_()
    states = unroll(x, h0, params)
    states.retain_grad()
    (states[:, -1] * dh_T).sum().backward()
    grads = torch.cat([h0.grad[:, None], states.grad], 1)  # (B, T+1, H)
    return grads.norm(dim=2).mean(0)


# ------------------------------------------------------------------------------------- spectral_radius
# %% of="gradient-flow-radius" gets="singular-value"
def spectral_radius(W):
    return torch.linalg.matrix_norm(W, 2).item()


# %% of="gradient-flow-radius" gets="real-part"
def spectral_radius(W):
    return torch.linalg.eigvals(W).real.max().item()


# %% of="gradient-flow-radius" gets="abs-real-part"
def spectral_radius(W):
    return torch.linalg.eigvals(W).real.abs().max().item()


# %% of="gradient-flow-radius" gets="abs-real-part"
def spectral_radius(W):
    return max(abs(value.item().real) for value in torch.linalg.eigvals(W))


# %% of="gradient-flow-radius" gets="symmetric"
def spectral_radius(W):
    return torch.linalg.eigvalsh(W).abs().max().item()


# %% of="gradient-flow-radius" gets="frobenius"
def spectral_radius(W):
    return W.norm().item()


# %% of="gradient-flow-radius" gets="smallest"
def spectral_radius(W):
    return torch.linalg.eigvals(W).abs().sort().values[0].item()


# %% of="gradient-flow-radius" gets="squared"
def spectral_radius(W):
    values = torch.linalg.eigvals(W)
    return (values * values.conj()).real.max().item()


# %% of="gradient-flow-radius" gets="largest-entry"
def spectral_radius(W):
    return W.abs().max().item()


# %% of="gradient-flow-radius" gets="column-sums"
def spectral_radius(W):
    return torch.linalg.norm(W, 1).item()


# %% of="gradient-flow-radius" gets="mean-size"
def spectral_radius(W):
    return torch.linalg.eigvals(W).abs().mean().item()


# %% of="gradient-flow-radius" gets="complex"
def spectral_radius(W):
    return torch.linalg.eigvals(W)[0].item()


# %% of="gradient-flow-radius" gets="type"
def spectral_radius(W):
    return torch.linalg.eigvals(W).abs()


# %% of="gradient-flow-radius" gets="raised"
def spectral_radius(W):
    return torch.linalg.eigvals(W).max().item()


# %% of="gradient-flow-radius" gets="first-eigenvalue"
def spectral_radius(W):
    return torch.linalg.eigvals(W).abs()[0].item()


# %% of="gradient-flow-radius" gets="first-eigenvalue"
def spectral_radius(W):
    return torch.linalg.eig(W)[0].abs()[0].item()


# %% of="gradient-flow-radius" gets="first-eigenvalue"
import numpy as np


def spectral_radius(W):
    return float(np.abs(np.linalg.eigvals(W.cpu().numpy())[0]))


# %% of="gradient-flow-radius" gets="last-eigenvalue"
def spectral_radius(W):
    return torch.linalg.eigvals(W)[-1].abs().item()


# %% of="gradient-flow-radius" gets="sum-of-parts"
def spectral_radius(W):
    values = torch.linalg.eigvals(W)
    return (values.real.abs() + values.imag.abs()).max().item()


# %% of="gradient-flow-radius" gets="largest-part"
def spectral_radius(W):
    values = torch.linalg.eigvals(W)
    return max(values.real.abs().max().item(), values.imag.abs().max().item())


# %% of="gradient-flow-radius" gets="imaginary-part"
def spectral_radius(W):
    return torch.linalg.eigvals(W).imag.max().item()


# %% of="gradient-flow-radius" gets="row-sums"
def spectral_radius(W):
    return torch.linalg.norm(W, float("inf")).item()


# %% of="gradient-flow-radius" gets="complex"
def spectral_radius(W):
    values = torch.linalg.eigvals(W)
    return values[values.abs().argmax()].item()


# %% of="gradient-flow-radius" gets="complex"
def spectral_radius(W):
    values = torch.linalg.eigvals(W)
    return values[values.abs().argmax()]


# %% of="gradient-flow-radius" gets="value"
def spectral_radius(W):
    v = torch.ones_like(W[0])
    for _ in range(200):
        moved = W @ v
        growth = moved.norm() / v.norm()
        v = moved / moved.norm()
    return growth.item()


# ---------------------------------------------------------------------------------- largest_singular_value
# %% of="gradient-flow-singular-value" gets="radius"
def largest_singular_value(W):
    return torch.linalg.eigvals(W).abs().max().item()


# %% of="gradient-flow-singular-value" gets="real-part"
def largest_singular_value(W):
    return torch.linalg.eigvals(W).real.max().item()


# %% of="gradient-flow-singular-value" gets="symmetric"
def largest_singular_value(W):
    return torch.linalg.eigvalsh(W).abs().max().item()


# %% of="gradient-flow-singular-value" gets="frobenius"
def largest_singular_value(W):
    return torch.linalg.norm(W).item()


# %% of="gradient-flow-singular-value" gets="smallest"
def largest_singular_value(W):
    return torch.linalg.svd(W).S[-1].item()


# %% of="gradient-flow-singular-value" gets="squared"
def largest_singular_value(W):
    return torch.linalg.eigvalsh(W.T @ W)[-1].item()


# %% of="gradient-flow-singular-value" gets="largest-entry"
def largest_singular_value(W):
    return W.abs().max().item()


# %% of="gradient-flow-singular-value" gets="column-sums"
def largest_singular_value(W):
    return torch.linalg.matrix_norm(W, 1).item()


# %% of="gradient-flow-singular-value" gets="nuclear"
def largest_singular_value(W):
    return torch.linalg.matrix_norm(W, "nuc").item()


# %% of="gradient-flow-singular-value" gets="type"
def largest_singular_value(W):
    return torch.linalg.svdvals(W)


# %% of="gradient-flow-singular-value" gets="value"
def largest_singular_value(W):
    v = torch.ones(len(W), dtype=W.dtype, device=W.device) / len(W) ** 0.5
    return (W @ v).norm().item()


# %% of="gradient-flow-singular-value" gets="row-sums"
def largest_singular_value(W):
    return torch.linalg.norm(W, float("inf")).item()


# %% of="gradient-flow-singular-value" gets="value"
def largest_singular_value(W):
    return W.abs().sum().item()


# ------------------------------------------------------------------------------------ with_spectral_radius
# %% of="gradient-flow-rescale" gets="by-singular-value"
def with_spectral_radius(W, rho):
    return W * rho / torch.linalg.matrix_norm(W, 2)


# %% of="gradient-flow-rescale" gets="by-frobenius"
def with_spectral_radius(W, rho):
    return rho * W / W.norm()


# %% of="gradient-flow-rescale" gets="by-real-part"
def with_spectral_radius(W, rho):
    return rho * W / torch.linalg.eigvals(W).real.max()


# %% of="gradient-flow-rescale" gets="not-divided"
def with_spectral_radius(W, rho):
    return rho * W


# %% of="gradient-flow-rescale" gets="without-rho"
def with_spectral_radius(W, rho):
    return W / spectral_radius(W)


# %% of="gradient-flow-rescale" gets="upside-down"
def with_spectral_radius(W, rho):
    return W * spectral_radius(W) / rho


# %% of="gradient-flow-rescale" gets="diagonal-added"
def with_spectral_radius(W, rho):
    return W + (rho - spectral_radius(W)) * torch.eye(len(W), dtype=W.dtype)


# %% of="gradient-flow-rescale" gets="root"
def with_spectral_radius(W, rho):
    return W * (rho / spectral_radius(W)) ** 0.5


# %% of="gradient-flow-rescale" gets="unchanged"
def with_spectral_radius(W, rho):
    W * (rho / spectral_radius(W))
    return W


# %% of="gradient-flow-rescale" gets="radius-zero"
def with_spectral_radius(W, rho):
    return W * (rho / spectral_radius(W))


# %% of="gradient-flow-rescale" gets="radius-zero"
def with_spectral_radius(W, rho):
    return W * rho / torch.linalg.eigvals(W).abs().max()


# %% of="gradient-flow-rescale" gets="radius-zero"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    return W if radius == 0 else W * (rho / radius)


# %% of="gradient-flow-rescale" gets="radius-zero"
def with_spectral_radius(W, rho):
    return W * (rho / max(spectral_radius(W), 1e-8))


# %% of="gradient-flow-rescale" gets="radius-nearly-zero"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if radius == 0:
        raise ValueError("radius 0")
    return W * (rho / radius)


# %% of="gradient-flow-rescale" gets="none"
def with_spectral_radius(W, rho):
    W *= rho / spectral_radius(W)


# %% of="gradient-flow-rescale" gets="changed-input"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if radius < 1e-9:
        raise ValueError("radius 0")
    W *= rho / radius
    return W


# %% of="gradient-flow-rescale" gets="radius-small"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if radius < 1e-6:
        raise ValueError("every multiple of this W has spectral radius 0")
    return W * (rho / radius)


# %% of="gradient-flow-rescale" gets="radius-small"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if radius < 1e-6 * rho:
        raise ValueError("every multiple of this W has spectral radius 0")
    return W * (rho / radius)


# %% of="gradient-flow-rescale" gets="radius-small"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if radius < 1e-3 * W.abs().max():
        raise ValueError("every multiple of this W has spectral radius 0")
    return W * (rho / radius)


# %% of="gradient-flow-rescale" gets="radius-zero"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if radius < 1e-6 * W.max():
        raise ValueError("every multiple of this W has spectral radius 0")
    return W * (rho / radius)


# %% of="gradient-flow-rescale" gets="no-message"
def with_spectral_radius(W, rho):
    radius = spectral_radius(W)
    if radius <= 1e-6 * W.abs().max():
        raise ValueError
    return W * (rho / radius)


# %% of="gradient-flow-rescale" gets="by-first-eigenvalue"
def with_spectral_radius(W, rho):
    radius = torch.linalg.eigvals(W).abs()[0]
    if radius <= 1e-6 * W.abs().max():
        raise ValueError("radius 0 stays 0")
    return rho * W / radius


# %% of="gradient-flow-exponent" gets="log2"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    total = 0
    for t, J in enumerate(step_jacobian(states, params)):
        v = J @ v
        if t >= warmup:
            total += torch.log2(v.norm()).item()
        v = v / v.norm()
    return total / (len(x) - warmup)


# %% of="gradient-flow-exponent" gets="log10"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    total = 0
    for t, J in enumerate(step_jacobian(states, params)):
        v = J @ v
        if t >= warmup:
            total += torch.log10(v.norm()).item()
        v = v / v.norm()
    return total / (len(x) - warmup)


# %% of="gradient-flow-exponent" gets="summed"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    total = 0
    for t, J in enumerate(step_jacobian(states, params)):
        v = J @ v
        if t >= warmup:
            total += torch.log(v.norm()).item()
        v = v / v.norm()
    return total


# %% of="gradient-flow-exponent" gets="divided-by-T"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    total = 0
    for t, J in enumerate(step_jacobian(states, params)):
        v = J @ v
        if t >= warmup:
            total += torch.log(v.norm()).item()
        v = v / v.norm()
    return total / len(x)


# %% of="gradient-flow-exponent" gets="warmup-kept"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs).mean().item()


# %% of="gradient-flow-exponent" gets="warmup-one-more"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for t, J in enumerate(step_jacobian(states, params)):
        v = J @ v
        if t > warmup:
            logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs).mean().item()


# %% of="gradient-flow-exponent" gets="warmup-one-less"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for t, J in enumerate(step_jacobian(states, params), 1):
        v = J @ v
        if t >= warmup:
            logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs).mean().item()


# %% of="gradient-flow-exponent" gets="restarted"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for h in states[warmup:]:
        v = step_jacobian(h[None], params)[0] @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs).mean().item()


# %% of="gradient-flow-exponent" gets="warmup-cut"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None, warmup:], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for h in states:
        v = step_jacobian(h[None], params)[0] @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs).mean().item()


# %% of="gradient-flow-exponent" gets="not-normalised"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(torch.log(v.norm()))
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="start-not-normalised"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0)
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="first-unit"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.zeros_like(h0)
    v[0] = 1.0
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="mean-before-log"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    growth = []
    for J in step_jacobian(states, params):
        v = J @ v
        growth.append(v.norm())
        v = v / v.norm()
    return torch.stack(growth[warmup:]).mean().log().item()


# %% of="gradient-flow-exponent" gets="no-log"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    growth = []
    for J in step_jacobian(states, params):
        v = J @ v
        growth.append(v.norm())
        v = v / v.norm()
    return torch.stack(growth[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="after-normalising"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        v = v / v.norm()
        logs.append(torch.log(v.norm()))
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="log-of-product"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)
    T = len(x)
    P = jacobian_product(states, params, warmup, T)[0]
    return torch.linalg.matrix_norm(P, 2).log().item() / (T - warmup)


# %% of="gradient-flow-exponent" gets="log-of-whole-product"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)
    P = jacobian_product(states, params, 0, len(x))[0]
    return torch.linalg.matrix_norm(P, 2).log().item() / len(x)


# %% of="gradient-flow-exponent" gets="log-of-radius"
def lyapunov_exponent(x, h0, params, warmup):
    return torch.log(torch.tensor(spectral_radius(params["weight_hh"]))).item()


# %% of="gradient-flow-exponent" gets="largest-entry"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        size = v.abs().max()
        logs.append(torch.log(size))
        v = v / size
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="start-divided-by-H"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / len(h0)
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="value"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.linspace(-1, 1, len(h0), dtype=h0.dtype)
    v = v / v.norm()
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="log-of-step-norms"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    J = step_jacobian(states, params)[warmup:]
    return torch.linalg.matrix_norm(J, 2).log().mean().item()


# %% of="gradient-flow-exponent" gets="transposed"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for J in step_jacobian(states, params):
        v = v @ J
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="steps-reversed"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for J in step_jacobian(states, params).flip(0):
        v = J @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="no-slope"
def lyapunov_exponent(x, h0, params, warmup):
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for t in range(len(x)):
        v = params["weight_hh"] @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="slope-not-squared"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for h in states:
        v = (1 - h) * (params["weight_hh"] @ v)
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="slope-on-columns"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for h in states:
        v = params["weight_hh"] @ ((1 - h**2) * v)
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="slope-of-old-state"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for h in [h0, *states[:-1]]:
        v = (1 - h**2) * (params["weight_hh"] @ v)
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="state-not-carried"
def lyapunov_exponent(x, h0, params, warmup):
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for x_t in x:
        h = torch.tanh(params["weight_ih"] @ x_t + params["weight_hh"] @ h0 + params["bias"])
        v = (1 - h**2) * (params["weight_hh"] @ v)
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="vector-not-carried"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = [torch.log((J @ v).norm()) for J in step_jacobian(states, params)]
    return torch.stack(logs[warmup:]).mean().item()


# %% of="gradient-flow-exponent" gets="negative"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    total = 0
    for t, J in enumerate(step_jacobian(states, params)):
        v = J @ v
        if t >= warmup:
            total -= torch.log(v.norm()).item()
        v = v / v.norm()
    return total / (len(x) - warmup)


# %% of="gradient-flow-exponent" gets="underflow"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    start = 0.0
    for t, J in enumerate(step_jacobian(states, params), 1):
        v = J @ v
        if t == warmup:
            start = v.norm().log()
    return ((v.norm().log() - start) / (len(x) - warmup)).item()


# %% of="gradient-flow-exponent" gets="raised"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones(len(h0)) / len(h0) ** 0.5
    total = 0
    for t, J in enumerate(step_jacobian(states, params)):
        v = J @ v
        if t >= warmup:
            total += torch.log(v.norm()).item()
        v = v / v.norm()
    return total / (len(x) - warmup)


# %% of="gradient-flow-exponent" gets="type"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(torch.log(v.norm()))
        v = v / v.norm()
    return torch.stack(logs[warmup:])


# %% of="gradient-flow-exponent" gets="log2 + warmup-kept"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    logs = []
    for J in step_jacobian(states, params):
        v = J @ v
        logs.append(torch.log2(v.norm()))
        v = v / v.norm()
    return torch.stack(logs).mean().item()


# %% of="gradient-flow-exponent" gets="warmup-kept + mean-before-log"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / h0.numel() ** 0.5
    growth = []
    for J in step_jacobian(states, params):
        v = J @ v
        growth.append(v.norm())
        v = v / v.norm()
    return torch.stack(growth).mean().log().item()


# %% of="gradient-flow-exponent" gets="weights-transposed"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / len(h0) ** 0.5
    logs = []
    for h in states:
        v = (v @ params["weight_hh"]) * (1 - h * h)
        logs.append(v.norm().log().item())
        v = v / v.norm()
    return sum(logs[warmup:]) / len(logs[warmup:])


# %% of="gradient-flow-exponent" gets="weights-transposed"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / len(h0) ** 0.5
    logs = []
    for h in states:
        v = (1 - h * h) * (params["weight_hh"].T @ v)
        logs.append(v.norm().log().item())
        v = v / v.norm()
    return sum(logs[warmup:]) / len(logs[warmup:])


# %% of="gradient-flow-exponent" gets="warmup-alone"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / len(h0) ** 0.5
    logs = []
    for h in states:
        v = (1 - h * h) * (params["weight_hh"] @ v)
        logs.append(v.norm().log().item())
        v = v / v.norm()
    return sum(logs[:warmup]) / len(logs[:warmup])


# %% of="gradient-flow-exponent" gets="warmup-alone"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / len(h0) ** 0.5
    logs = []
    for h in states:
        v = (1 - h * h) * (params["weight_hh"] @ v)
        logs.append(v.norm().log().item())
        v = v / v.norm()
    return sum(logs[:warmup]) / max(warmup, 1)


# %% of="gradient-flow-exponent" gets="last-left-out"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / len(h0) ** 0.5
    logs = []
    for h in states:
        v = (1 - h * h) * (params["weight_hh"] @ v)
        logs.append(v.norm().log().item())
        v = v / v.norm()
    return sum(logs[: len(logs) - warmup]) / (len(logs) - warmup)


# %% of="gradient-flow-exponent" gets="h0-counted"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / len(h0) ** 0.5
    logs = []
    for h in torch.cat([h0[None], states]):
        v = (1 - h * h) * (params["weight_hh"] @ v)
        logs.append(v.norm().log().item())
        v = v / v.norm()
    return sum(logs[warmup:]) / len(logs[warmup:])


# %% of="gradient-flow-exponent" gets="scaled-after-warmup"
def lyapunov_exponent(x, h0, params, warmup):
    states = unroll(x[None], h0[None], params)[0]
    v = torch.ones_like(h0) / len(h0) ** 0.5
    total = 0.0
    for t, h in enumerate(states, 1):
        v = (1 - h * h) * (params["weight_hh"] @ v)
        if t > warmup:
            total += v.norm().log().item()
            v = v / v.norm()
    return total / (len(states) - warmup)


# ---------------------------------------------------------------------------------------- the bug to find
# %% of="gradient-flow-bug" gets="as-found"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = (dh @ W) * (1 - h_t**2)
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="no-slope"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = dh @ W
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="slope-twice"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = (da @ W) * (1 - h_t**2)
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="weights-transposed"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = da @ W.T
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="slope-of-old-state"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_prev**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = da @ W
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="not-carried"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = torch.zeros_like(dh)
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="weight-hh-with-new-state"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_t
        grads["bias"] += da.sum(0)
        dh = da @ W
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="gradients-without-slope"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += dh.T @ x[:, t - 1]
        grads["weight_hh"] += dh.T @ h_prev
        grads["bias"] += dh.sum(0)
        dh = da @ W
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="last-step-only"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] = da.T @ x[:, t - 1]
        grads["weight_hh"] = da.T @ h_prev
        grads["bias"] = da.sum(0)
        dh = da @ W
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="slope-twice-old"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = (da @ W) * (1 - h_prev**2)
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="slope-moved"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = (dh @ W) * (1 - h_prev**2)
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="slope-exchanged"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = (dh * (1 - h_prev**2)) @ W
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="value"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = da @ W + dh
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="other-side"
def loss_and_gradients(x, target, params):
    B, T, D = x.shape
    W = params["weight_hh"]
    h0 = torch.zeros(B, len(W), dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)  # (B, T, H)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target  # (B,)
    dout = (2 * error / B)[:, None]  # (B, 1)
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"] += dout.T @ states[:, -1]
    grads["bias_out"] += dout.sum(0)
    dh = dout @ params["weight_out"]  # (B, H): dL/dh_T
    for t in range(T, 0, -1):
        h_t, h_prev = states[:, t - 1], states[:, t - 2] if t > 1 else h0
        da = dh * (1 - h_t**2)
        grads["weight_ih"] += da.T @ x[:, t - 1]
        grads["weight_hh"] += da.T @ h_prev
        grads["bias"] += da.sum(0)
        dh = (dh @ W.T) * (1 - h_t**2)
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="slope-twice-before"
def loss_and_gradients(x, target, params):
    B, T, _ = x.shape
    h0 = torch.zeros(B, len(params["bias"]), dtype=x.dtype, device=x.device)
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
        dh = (da * (1 - h_t**2)) @ params["weight_hh"]
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="slope-twice"
def loss_and_gradients(x, target, params):
    B, T, _ = x.shape
    h0 = torch.zeros(B, len(params["bias"]), dtype=x.dtype, device=x.device)
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
        dh = (da @ params["weight_hh"]) * (1 - h_t**2)
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="as-found"
def loss_and_gradients(x, target, params):
    B, T, _ = x.shape
    h0 = torch.zeros(B, len(params["bias"]), dtype=x.dtype, device=x.device)
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
        dh = (1 - h_t**2) * torch.einsum("bi,ij->bj", dh, params["weight_hh"])
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="as-found + weight-hh-with-new-state"
def loss_and_gradients(x, target, params):
    B, T, _ = x.shape
    h0 = torch.zeros(B, len(params["bias"]), dtype=x.dtype, device=x.device)
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
        grads["weight_hh"] += da.T @ h_t
        grads["bias"] += da.sum(0)
        dh = (dh @ params["weight_hh"]) * (1 - h_t**2)
    return (error**2).mean(), grads


# %% of="gradient-flow-bug" gets="autograd"
def loss_and_gradients(x, target, params):
    params = {name: tensor.detach().clone().requires_grad_() for name, tensor in params.items()}
    h0 = torch.zeros(x.shape[0], params["bias"].shape[0], dtype=x.dtype, device=x.device)
    states = unroll(x, h0, params)
    error = (states[:, -1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target
    loss = (error**2).mean()
    return loss.detach(), dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# -------------------------------------------------------------------------------------------- predictions
# %% of="gradient-flow-predict-growth" gets="missing"
guess_growth = None

# %% of="gradient-flow-predict-growth" gets="no-number"
guess_growth = "shrinks"

# %% of="gradient-flow-predict-growth" gets="out-of-range"
guess_growth = -1

# %% of="gradient-flow-predict-louder" gets="missing"
guess_louder = None

# %% of="gradient-flow-predict-louder" gets="no-option"
guess_louder = "10 times"

# %% of="gradient-flow-predict-radius-zero" gets="missing"
guess_radius_zero = None

# %% of="gradient-flow-predict-radius-zero" gets="no-option"
guess_radius_zero = True
