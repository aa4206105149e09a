"""Wrong answers to lesson 00, as learners write them; each declares the sign that it must get."""

# %% of="start-here-predict-digits" gets="missing"
guess_k = None

# %% of="start-here-predict-digits" gets="no-number"
guess_k = "8"

# %% of="start-here-predict-digits" gets="no-number"
guess_k = [7, 8]

# %% of="start-here-predict-digits" gets="no-number"
guess_k = True

# %% of="start-here-predict-digits" gets="out-of-range"
guess_k = -8

# %% of="start-here-predict-digits" gets="out-of-range"
guess_k = float("inf")

# %% of="start-here-predict-digits" gets="not-whole"
guess_k = 7.5

# %% of="start-here-predict-slope" gets="missing"
guess_slope = None

# %% of="start-here-predict-slope" gets="no-number"
guess_slope = "small"

# %% of="start-here-predict-slope" gets="no-number"
guess_slope = (0.0, 0.1)

# %% of="start-here-predict-slope" gets="out-of-range"
guess_slope = 2

# %% of="start-here-predict-slope" gets="out-of-range"
guess_slope = -0.5

# %% of="start-here-predict-slope" gets="out-of-range"
guess_slope = float("nan")


# %% of="start-here-tanh-grad" gets="sigmoid-slope"
def tanh_grad(h):
    return h * (1 - h)


# %% of="start-here-tanh-grad" gets="tanh-again"
def tanh_grad(h):
    return 1 - torch.tanh(h) ** 2


# %% of="start-here-tanh-grad" gets="tanh-again"
def tanh_grad(h):
    return 1 / torch.cosh(h) ** 2


# %% of="start-here-tanh-grad" gets="not-squared"
def tanh_grad(h):
    return 1 - h


# %% of="start-here-tanh-grad" gets="plus"
def tanh_grad(h):
    return 1 + h**2


# %% of="start-here-tanh-grad" gets="square-only"
def tanh_grad(h):
    return h**2


# %% of="start-here-tanh-grad" gets="root"
def tanh_grad(h):
    return torch.sqrt(1 - h**2)


# %% of="start-here-tanh-grad" gets="square-outside"
def tanh_grad(h):
    return (1 - h) ** 2


# %% of="start-here-tanh-grad" gets="derivative-of-square"
def tanh_grad(h):
    return -2 * h


# %% of="start-here-tanh-grad" gets="sign"
def tanh_grad(h):
    return h**2 - 1


# %% of="start-here-tanh-grad" gets="trailing-comma"
def tanh_grad(h):
    return (1 - h**2,)


# %% of="start-here-tanh-grad" gets="none"
def tanh_grad(h):
    slope = 1 - h**2


# %% of="start-here-tanh-grad" gets="changed-input"
def tanh_grad(h):
    h *= h
    return 1 - h


# %% of="start-here-tanh-grad" gets="missing-axis"
def tanh_grad(h):
    return (1 - h**2).sum()


# %% of="start-here-tanh-grad" gets="tanh-again + not-squared"
def tanh_grad(h):
    return 1 - torch.tanh(h)


# %% of="start-here-tanh-grad" gets="dtype"
def tanh_grad(h):
    return torch.ones(h.shape, dtype=torch.float64) - h.double() ** 2


# %% of="start-here-bug" gets="as-found"
def loss_and_slope(w, x, y):
    a = w * x
    h = torch.tanh(a)
    loss = ((h - y) ** 2).mean()
    dh = 2 * (h - y) / len(x)
    da = dh * tanh_grad(a)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="slope-not-squared"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    dh = 2 * (h - y) / len(x)
    da = dh * (1 - h)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="slope-of-tanh-h"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    dh = 2 * (h - y) / len(x)
    da = dh * tanh_grad(torch.tanh(h))
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="no-local-factor"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    dh = 2 * (h - y) / len(x)
    return loss, (dh * x).sum()


# %% of="start-here-bug" gets="slope-twice"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    dh = 2 * (h - y) / len(x) * tanh_grad(h)
    da = dh * tanh_grad(h)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="slope-of-y"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    da = 2 * (h - y) / len(x) * tanh_grad(y)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="sum-over-batch"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    da = 2 * (h - y) * tanh_grad(h)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="mean-twice"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    da = 2 * (h - y) / len(x) * tanh_grad(h)
    return loss, (da * x).mean()


# %% of="start-here-bug" gets="no-two"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    da = (h - y) / len(x) * tanh_grad(h)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="no-input"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    da = 2 * (h - y) / len(x) * tanh_grad(h)
    return loss, da.sum()


# %% of="start-here-bug" gets="by-x"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    da = 2 * (h - y) / len(x) * tanh_grad(h)
    return loss, (da * w).sum()


# %% of="start-here-bug" gets="slope-of-a + no-two"
def loss_and_slope(w, x, y):
    a = w * x
    h = torch.tanh(a)
    loss = ((h - y) ** 2).mean()
    da = (h - y) / len(x) * tanh_grad(a)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="factor"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).sum()
    da = 2 * (h - y) * tanh_grad(h)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="not-reduced"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = (h - y) ** 2
    da = 2 * (h - y) / len(x) * tanh_grad(h)
    return loss, (da * x).sum()


# %% of="start-here-bug" gets="number-for-tensor"
def loss_and_slope(w, x, y):
    h = torch.tanh(w * x)
    loss = ((h - y) ** 2).mean()
    da = 2 * (h - y) / len(x) * tanh_grad(h)
    return loss.item(), (da * x).sum().item()
