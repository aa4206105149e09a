"""Right answers to lesson 00 that are written in other ways: all must be accepted."""

# %% of="start-here-predict-digits" variant="wrong-but-honest"
guess_k = 7

# %% of="start-here-predict-digits" variant="a-whole-number-as-float"
guess_k = 16.0

# %% of="start-here-predict-digits" variant="computed"
import math

guess_k = math.ceil(-math.log10(torch.finfo(torch.float32).eps))

# %% of="start-here-predict-digits" variant="a-tensor-of-one-entry"
guess_k = torch.tensor(8)

# %% of="start-here-predict-slope" variant="wrong-but-honest"
guess_slope = 0.99

# %% of="start-here-predict-slope" variant="exact"
guess_slope = 1 - 0.99**2

# %% of="start-here-predict-slope" variant="a-whole-number"
guess_slope = 0

# %% of="start-here-predict-slope" variant="a-tensor-of-one-entry"
guess_slope = torch.tensor([0.02])


# %% of="start-here-tanh-grad" variant="power"
def tanh_grad(h):
    return 1 - h**2


# %% of="start-here-tanh-grad" variant="factored-with-type-hints"
def tanh_grad(h: torch.Tensor) -> torch.Tensor:
    return (1 + h) * (1 - h)


# %% of="start-here-tanh-grad" variant="torch-functions"
def tanh_grad(h):
    return torch.ones_like(h).sub(torch.square(h))


# %% of="start-here-tanh-grad" variant="in-place-on-its-own-copy-and-a-print"
def tanh_grad(h):
    out = h.clone()
    out.mul_(h).neg_().add_(1)
    print("slope", out.shape)
    return out


# %% of="start-here-tanh-grad" variant="back-to-z-by-atanh"
def tanh_grad(output):
    return 1 / torch.cosh(torch.atanh(output)) ** 2


# %% of="start-here-tanh-grad" variant="autograd"
def tanh_grad(h):
    with torch.enable_grad():
        z = torch.atanh(h).detach().requires_grad_()
        (slope,) = torch.autograd.grad(torch.tanh(z).sum(), z)
    return slope


# %% of="start-here-tanh-grad" variant="an-object-that-can-be-called"
class TanhGrad:
    def __call__(self, h):
        return torch.addcmul(torch.ones_like(h), h, h, value=-1)


tanh_grad = TanhGrad()


# %% of="start-here-bug" variant="one-line"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    return ((h - y) ** 2).mean(), (2 * (h - y) * tanh_grad(h) * x).mean()


# %% of="start-here-bug" variant="autograd"
def loss_and_slope(w, x, y):
    w = w.detach().clone().requires_grad_()
    loss = ((torch.tanh(w * x) - y) ** 2).mean()
    loss.backward()
    return loss, w.grad


# %% of="start-here-bug" variant="a-dot-product-without-tanh-grad"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    dz = (h - y) * (1 - h * h) * 2 / x.shape[0]
    return torch.nn.functional.mse_loss(h, y), dz @ x


# %% of="start-here-bug" variant="a-loop-over-the-batch-and-a-list-returned"
def loss_and_slope(w, x, y):
    loss, dw = torch.zeros_like(w), torch.zeros_like(w)
    for one, target in zip(x, y):
        h = torch.tanh(w * one)
        loss = loss + (h - target) ** 2 / len(x)
        dw = dw + 2 * (h - target) / len(x) * tanh_grad(h) * one
    return [loss, dw]
