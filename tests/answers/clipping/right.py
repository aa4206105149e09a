"""Right answers to lesson 06 in other ways of writing."""


# %% of="clipping-global-norm" variant="long-vector"
def global_norm(tensors):
    whole = [t.flatten() for t in tensors if t is not None]
    return torch.cat(whole).norm() if whole else torch.tensor(0.0)


# %% of="clipping-global-norm" variant="running-sum"
def global_norm(tensors):
    total = torch.zeros(())
    for t in tensors:
        if t is None:
            continue
        total = total + t.pow(2).sum()
    return total.sqrt()


# %% of="clipping-global-norm" variant="norm-of-norms"
def global_norm(tensors):
    norms = [torch.linalg.vector_norm(t) for t in tensors if t is not None]
    if not norms:
        return torch.tensor(0.0)
    return torch.stack(norms).norm()


# %% of="clipping-global-norm" variant="sum-of-generator"
def global_norm(tensors):
    squares = sum((t * t).sum() for t in tensors if t is not None)
    return torch.as_tensor(squares).sqrt() if torch.is_tensor(squares) else torch.tensor(0.0)


# %% of="clipping-global-norm" variant="power"
def global_norm(tensors: list) -> torch.Tensor:
    kept = list(filter(lambda t: t is not None, tensors))
    print(len(kept), "tensors")
    if len(kept) == 0:
        return torch.zeros(())
    return torch.cat([t.reshape(-1) for t in kept]).square().sum() ** 0.5


# %% of="clipping-norm" variant="min-factor"
def clip_grad_norm(parameters, max_norm):
    parameters = [p for p in dict.fromkeys(parameters) if p.grad is not None]
    norm = global_norm([p.grad for p in parameters])
    factor = torch.clamp(max_norm / (norm + 1e-6), max=1.0)
    for p in parameters:
        p.grad.mul_(factor.to(p.grad.dtype))
    return norm


# %% of="clipping-norm" variant="new-gradients"
def clip_grad_norm(parameters, max_norm):
    kept = []
    for p in parameters:
        if p.grad is not None and not any(p is q for q in kept):
            kept.append(p)
    norm = global_norm([p.grad for p in kept])
    if norm > max_norm:
        for p in kept:
            p.grad = p.grad * (max_norm / norm).to(p.grad.dtype)
    return norm


# %% of="clipping-norm" variant="no-helper"
def clip_grad_norm(parameters, max_norm):
    seen = {id(p): p.grad for p in parameters if p.grad is not None}
    grads = list(seen.values())
    if not grads:
        return torch.tensor(0.0)
    norm = sum(g.double().pow(2).sum() for g in grads).sqrt().to(grads[0].dtype)
    scale = min(1.0, max_norm / (norm.item() + 1e-6))
    for g in grads:
        g *= scale
    return norm


# %% of="clipping-norm" variant="no-grad"
def clip_grad_norm(parameters, max_norm, eps=1e-6):
    params = set(parameters)
    with torch.no_grad():
        norm = global_norm(p.grad for p in params)
        for p in params:
            if p.grad is not None and norm >= max_norm:
                p.grad.copy_(p.grad * max_norm / (norm + eps))
    return norm


# %% of="clipping-norm" variant="foreach"
def clip_grad_norm(parameters, max_norm):
    params = list(dict.fromkeys(parameters))
    grads = [p.grad for p in params if p.grad is not None]
    total = global_norm(grads)
    if grads and float(total) > max_norm:
        torch._foreach_mul_(grads, max_norm / float(total))
    return total.detach().clone()


# %% of="clipping-norm" variant="slices"
def clip_grad_norm(parameters, max_norm):
    grads = [p.grad for p in dict.fromkeys(parameters)]
    grads = [g for g in grads if g is not None]
    norm = global_norm(grads)
    factor = max_norm / norm if norm > max_norm else 1.0
    for g in grads:
        g[...] = g * factor
    return norm


# %% of="clipping-value" variant="new-gradients"
def clip_grad_value(parameters, limit):
    for p in parameters:
        if p.grad is None:
            continue
        p.grad = p.grad.clamp(min=-limit, max=limit)


# %% of="clipping-value" variant="two-masks"
def clip_grad_value(parameters, limit):
    for p in parameters:
        g = p.grad
        if g is not None:
            g[g > limit] = limit
            g[g < -limit] = -limit
    return None


# %% of="clipping-value" variant="min-max"
def clip_grad_value(parameters, limit):
    parameters = list(parameters)
    with torch.no_grad():
        for g in [p.grad for p in parameters if p.grad is not None]:
            low, high = torch.full_like(g, -limit), torch.full_like(g, limit)
            g.copy_(torch.maximum(torch.minimum(g, high), low))
    return parameters


# %% of="clipping-value" variant="data"
def clip_grad_value(parameters, limit):
    for p in filter(lambda p: p.grad is not None, parameters):
        p.grad.data.clamp_(-abs(limit), abs(limit))


# %% of="clipping-value" variant="where"
def clip_grad_value(parameters, limit):
    for p in parameters:
        if p.grad is not None:
            g = p.grad
            p.grad = torch.where(g.abs() > limit, g.sign() * limit, g)


# %% of="clipping-train-step" variant="own-clipping"
def clipped_train_step(model, optimizer, x, y, max_norm):
    model.zero_grad()
    logits, _ = model(x)
    loss = F.cross_entropy(logits.transpose(1, 2), y)
    loss.backward()
    before = clip_grad_norm(model.parameters(), max_norm)
    after = global_norm(p.grad for p in model.parameters())
    skipped = not torch.isfinite(before).item()
    if not skipped:
        optimizer.step()
    return {"loss": loss, "norm_before": before, "norm_after": after, "skipped": skipped}


# %% of="clipping-train-step" variant="looks-first"
def clipped_train_step(model, optimizer, x, y, max_norm):
    optimizer.zero_grad(set_to_none=False)
    logits = model(x)[0]
    loss = nn.CrossEntropyLoss()(logits.flatten(0, 1), y.flatten())
    loss.backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    before = torch.cat([g.flatten() for g in grads]).norm().item()
    if not all(g.isfinite().all() for g in grads):
        optimizer.zero_grad()
        return {"loss": loss.item(), "norm_before": before, "norm_after": 0.0, "skipped": True}
    nn.utils.clip_grad_norm_(grads and model.parameters(), max_norm)
    optimizer.step()
    return {"loss": loss.item(), "norm_before": before, "norm_after": min(before, max_norm), "skipped": False}


# %% of="clipping-train-step" variant="error-if-nonfinite"
def clipped_train_step(model, optimizer, x, y, max_norm):
    optimizer.zero_grad()
    logits, state = model(x, None)
    B, T, V = logits.shape
    loss = F.cross_entropy(logits.reshape(B * T, V), y.reshape(B * T))
    loss.backward()
    try:
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm, error_if_nonfinite=True)
    except RuntimeError:
        return dict(loss=loss.item(), norm_before=float("nan"), norm_after=float("nan"), skipped=True)
    optimizer.step()
    return dict(loss=loss.item(), norm_before=norm.item(), norm_after=min(norm.item(), max_norm), skipped=False)


# %% of="clipping-train-step" variant="by-hand"
def clipped_train_step(model, optimizer, x, y, max_norm):
    params = list(model.parameters())
    logits, _ = model(x)
    loss = -logits.log_softmax(-1).gather(-1, y.unsqueeze(-1)).mean()
    grads = torch.autograd.grad(loss, params)
    before = sum(g.square().sum() for g in grads).sqrt()
    skipped = bool(torch.isnan(before) or torch.isinf(before))
    if not skipped:
        factor = min(1.0, max_norm / before.item())
        for p, g in zip(params, grads):
            p.grad = g * factor
        optimizer.step()
    after = before * min(1.0, max_norm / before.item())
    return {"skipped": skipped, "loss": loss.item(), "norm_before": before.item(), "norm_after": after.item()}


# %% of="clipping-train-step" variant="inf-measures"
def clipped_train_step(model, optimizer, x, y, max_norm):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x)[0].flatten(end_dim=1), y.flatten())
    loss.backward()
    log = {"loss": float(loss), "skipped": False}
    log["norm_before"] = float(nn.utils.clip_grad_norm_(model.parameters(), float("inf")))
    if math.isfinite(log["norm_before"]):
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    else:
        log["skipped"] = True
    log["norm_after"] = float(nn.utils.get_total_norm([p.grad for p in model.parameters()]))
    return log


# %% of="clipping-symptoms" variant="statistics"
import statistics


def symptoms(log):
    found = set()
    for value in log["loss"]:
        if math.isnan(value) or math.isinf(value):
            found.add("nan loss")
    for key, factor, name in (("loss", 3, "loss jump"), ("grad_norm", 10, "gradient spike")):
        values = log[key]
        for i in range(20, len(values)):
            if values[i] > factor * statistics.median(values[i - 20 : i]):
                found.add(name)
    weights = log["weight_norm"]
    if weights and max(w for w in [0, *weights] if w == w) > 10 * weights[0]:
        found.add("weight growth")
    return found


# %% of="clipping-symptoms" variant="unfold"
def symptoms(log):
    def over(values, factor):
        if len(values) <= 20:
            return False
        v = torch.tensor(values, dtype=torch.float64)
        before = v[:-1].unfold(0, 20, 1).sort(1).values[:, 9:11].mean(1)
        return bool((v[20:] > factor * before).any())

    weights = log["weight_norm"]
    shown = {
        "nan loss": not all(map(math.isfinite, log["loss"])),
        "loss jump": over(log["loss"], 3),
        "weight growth": any(w > 10 * weights[0] for w in weights),
        "gradient spike": over(log["grad_norm"], 10),
    }
    return {name for name, seen in shown.items() if seen}


# %% of="clipping-symptoms" variant="tensors"
def symptoms(log):
    out = []
    loss, grad, weight = (torch.tensor(log[k], dtype=torch.float64) for k in ("loss", "grad_norm", "weight_norm"))
    if not torch.isfinite(loss).all():
        out.append("nan loss")
    if any(loss[i] > 3 * loss[i - 20 : i].quantile(0.5) for i in range(20, len(loss))):
        out.append("loss jump")
    if any(grad[i] > 10 * grad[i - 20 : i].quantile(0.5) for i in range(20, len(grad))):
        out.append("gradient spike")
    if len(weight) and (weight > 10 * weight[0]).any():
        out.append("weight growth")
    return out


# %% of="clipping-symptoms" variant="sorted-by-hand"
def symptoms(log):
    def median(twenty):
        ordered = sorted(twenty)
        return (ordered[9] + ordered[10]) / 2

    found = frozenset()
    if any(x - x != 0 for x in log["loss"]):
        found |= {"nan loss"}
    for i, x in enumerate(log["loss"]):
        if i >= 20 and x > 3 * median(log["loss"][i - 20 : i]):
            found |= {"loss jump"}
    for i, x in enumerate(log["grad_norm"]):
        if i >= 20 and x > 10 * median(log["grad_norm"][i - 20 : i]):
            found |= {"gradient spike"}
    for x in log["weight_norm"]:
        if x > 10 * log["weight_norm"][0]:
            found |= {"weight growth"}
    return found


# %% of="clipping-symptoms" variant="deque"
from collections import deque


def symptoms(log):
    def over(values, factor):
        past = deque(maxlen=20)
        for value in values:
            if len(past) == 20 and value > factor * torch.quantile(torch.tensor(list(past)), 0.5):
                return True
            past.append(value)
        return False

    found = set()
    found.update(["nan loss"] if [v for v in log["loss"] if not math.isfinite(v)] else [])
    found.update(["loss jump"] if over(log["loss"], 3) else [])
    found.update(["gradient spike"] if over(log["grad_norm"], 10) else [])
    found.update(["weight growth"] if [v for v in log["weight_norm"] if v > 10 * log["weight_norm"][0]] else [])
    return found


# %% of="clipping-bug" variant="own-clipping"
def train_in_parts(model, optimizer, x, y, k, every, max_norm):
    state, losses = None, []
    optimizer.zero_grad()
    for number in range(x.shape[1] // k):
        window = slice(number * k, number * k + k)
        logits, state = model(x[:, window], state)
        state = state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y[:, window].flatten())
        (loss / every).backward()
        if (number + 1) % every == 0:
            clip_grad_norm(model.parameters(), max_norm)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% of="clipping-bug" variant="inner-loop"
def train_in_parts(model, optimizer, x, y, k, every, max_norm):
    state, losses = None, []
    for begin in range(0, x.shape[1], k * every):
        optimizer.zero_grad()
        for start in range(begin, begin + k * every, k):
            logits, state = model(x[:, start : start + k], state)
            state = state.detach()
            losses.append(F.cross_entropy(logits.flatten(0, 1), y[:, start : start + k].flatten()))
            losses[-1].backward()
            losses[-1] = losses[-1].item()
        for p in model.parameters():
            p.grad /= every
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    return losses


# %% of="clipping-bug" variant="limit-of-the-sum"
def train_in_parts(model, optimizer, x, y, k, every, max_norm):
    state, losses, held = None, [], None
    optimizer.zero_grad()
    for number, (x_w, y_w) in enumerate(zip(x.split(k, 1), y.split(k, 1))):
        logits, state = model(x_w, None if held is None else held)
        held = state.detach()
        loss = F.cross_entropy(logits.transpose(1, 2), y_w)
        loss.backward()
        losses.append(loss.detach())
        if number % every == every - 1:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm * every)
            for p in model.parameters():
                p.grad.mul_(1 / every)
            optimizer.step()
            optimizer.zero_grad()
    return losses


# %% of="clipping-predict-first" variant="one"
guess_first = 1


# %% of="clipping-predict-nan" variant="never"
guess_nan = 400


# %% of="clipping-predict-folklore" variant="helps"
guess_folklore = "Helps"


# %% of="clipping-bug" variant="scale-afterwards"
def train_in_parts(model, optimizer, x, y, k, every, max_norm):
    def window(number, state):
        x_w, y_w = (part[:, number * k : (number + 1) * k] for part in (x, y))
        logits, state = model(x_w, state)
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y_w.reshape(-1)), state.detach()

    state, losses = None, []
    for number in range(x.shape[1] // k):
        if number % every == 0:
            optimizer.zero_grad()
        loss, state = window(number, state)
        loss.div(every).backward()
        losses.append(float(loss))
        if number % every + 1 == every:
            clip_grad_norm(list(model.parameters()), max_norm)
            optimizer.step()
    return losses


# %% of="clipping-bug" variant="one-graph"
def train_in_parts(model, optimizer, x, y, k, every, max_norm):
    state, losses, waiting = None, [], []
    for x_w, y_w in zip(x.split(k, 1), y.split(k, 1)):
        logits, state = model(x_w, state)
        state = state.detach()
        waiting.append(F.cross_entropy(logits.flatten(0, 1), y_w.flatten()))
        if len(waiting) == every:
            optimizer.zero_grad()
            torch.stack(waiting).mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
            losses += [loss.item() for loss in waiting]
            waiting = []
    return losses
