"""Wrong answers to lesson 05, as learners write them; each declares the sign that it must get."""


# %% of="truncated-bptt-batchify" gets="interleaved"
def batchify(stream, B):
    n = len(stream) // B
    return stream[: n * B].reshape(n, B).T


# %% of="truncated-bptt-batchify" gets="interleaved"
def batchify(stream, B):
    n = len(stream) // B
    return torch.stack([stream[b::B][:n] for b in range(B)])


# %% of="truncated-bptt-batchify" gets="front-dropped"
def batchify(stream, B):
    n = len(stream) // B
    return stream[-n * B :].reshape(B, n)


# %% of="truncated-bptt-batchify" gets="swapped-axes"
def batchify(stream, B):
    n = len(stream) // B
    return stream[: n * B].view(B, n).t().contiguous()


# %% of="truncated-bptt-batchify" gets="rest-kept"
def batchify(stream, B):
    return stream.reshape(B, -1)


# %% of="truncated-bptt-batchify" gets="one-too-many"
def batchify(stream, B):
    n = -(-len(stream) // B)
    padded = torch.cat([stream, stream.new_zeros(n * B - len(stream))])
    return padded.reshape(B, n)


# %% of="truncated-bptt-batchify" gets="rows-overlap"
def batchify(stream, B):
    n = len(stream) // B
    return torch.stack([stream[b : b + n] for b in range(B)])


# %% of="truncated-bptt-batchify" gets="row-repeated"
def batchify(stream, B):
    n = len(stream) // B
    return stream[:n].repeat(B, 1)


# %% of="truncated-bptt-batchify" gets="not-stacked"
def batchify(stream, B):
    n = len(stream) // B
    return [stream[b * n : (b + 1) * n] for b in range(B)]


# %% of="truncated-bptt-batchify" gets="dtype"
def batchify(stream, B):
    n = len(stream) // B
    rows = torch.zeros(B, n)
    for b in range(B):
        rows[b] = stream[b * n : (b + 1) * n]
    return rows


# %% of="truncated-bptt-batchify" gets="one-too-few"
def batchify(stream, B):
    n = len(stream) // B - 1
    return stream[: n * B].reshape(B, n)


# %% of="truncated-bptt-chunks" gets="rest-dropped"
def chunks(x, y, k):
    for i in range(x.shape[1] // k):
        yield x[:, i * k : (i + 1) * k], y[:, i * k : (i + 1) * k]


# %% of="truncated-bptt-chunks" gets="swapped"
def chunks(x, y, k):
    for start in range(0, x.shape[1], k):
        yield y[:, start : start + k], x[:, start : start + k]


# %% of="truncated-bptt-chunks" gets="sliding"
def chunks(x, y, k):
    for start in range(x.shape[1]):
        yield x[:, start : start + k], y[:, start : start + k]


# %% of="truncated-bptt-chunks" gets="first-only"
def chunks(x, y, k):
    for start in range(0, x.shape[1], k):
        yield x[:, start : start + k], y[:, start : start + k]
        return


# %% of="truncated-bptt-chunks" gets="rows-cut"
def chunks(x, y, k):
    for start in range(0, len(x), k):
        yield x[start : start + k], y[start : start + k]


# %% of="truncated-bptt-chunks" gets="y-shifted"
def chunks(x, y, k):
    for start in range(0, x.shape[1], k):
        yield x[:, start : start + k], y[:, start + 1 : start + k + 1]


# %% of="truncated-bptt-chunks" gets="long"
def chunks(x, y, k):
    for start in range(0, x.shape[1], k):
        yield x[:, start : start + k + 1], y[:, start : start + k + 1]


# %% of="truncated-bptt-chunks" gets="short"
def chunks(x, y, k):
    for start in range(0, x.shape[1], k):
        yield x[:, start : start + k - 1], y[:, start : start + k - 1]


# %% of="truncated-bptt-chunks" gets="first-missing"
def chunks(x, y, k):
    for start in range(k, x.shape[1], k):
        yield x[:, start : start + k], y[:, start : start + k]


# %% of="truncated-bptt-chunks" gets="no-generator"
def chunks(x, y, k):
    return [(x[:, s : s + k], y[:, s : s + k]) for s in range(0, x.shape[1], k)]


# %% of="truncated-bptt-chunks" gets="no-pair"
def chunks(x, y, k):
    for start in range(0, x.shape[1], k):
        yield x[:, start : start + k]


# %% of="truncated-bptt-chunks" gets="k-windows"
def chunks(x, y, k):
    yield from zip(x.chunk(k, 1), y.chunk(k, 1))


# %% of="truncated-bptt-chunks" gets="none"
def chunks(x, y, k):
    windows = []
    for start in range(0, x.shape[1], k):
        windows.append((x[:, start : start + k], y[:, start : start + k]))


# %% of="truncated-bptt-chunks" gets="first-only"
def chunks(x, y, k):
    yield x[:, :k], y[:, :k]


# %% of="truncated-bptt-chunks" gets="y-whole"
def chunks(x, y, k):
    for start in range(0, x.shape[1], k):
        yield x[:, start : start + k], y


# %% of="truncated-bptt-chunks" gets="rest-dropped + sliding"
def chunks(x, y, k):
    for start in range(x.shape[1] - k + 1):
        yield x[:, start : start + k], y[:, start : start + k]


# %% of="truncated-bptt-chunks" gets="rest-dropped + y-shifted"
def chunks(x, y, k):
    for start in range(0, x.shape[1] - k + 1, k):
        yield x[:, start : start + k], y[:, start + 1 : start + k + 1]


# %% of="truncated-bptt-detach-state" gets="graph-kept"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, (tuple, list)):
        return type(state)(detach_state(part) for part in state)
    state.detach()
    return state


# %% of="truncated-bptt-detach-state" gets="graph-kept-in-part"
def detach_state(state):
    if state is None or isinstance(state, torch.Tensor):
        return None if state is None else state.detach()
    h, *rest = state
    return type(state)([detach_state(h), *rest])


# %% of="truncated-bptt-detach-state" gets="tuple-not-handled"
def detach_state(state):
    return state.detach()


# %% of="truncated-bptt-detach-state" gets="none-not-handled"
def detach_state(state):
    if isinstance(state, torch.Tensor):
        return state.detach()
    return type(state)(detach_state(part) for part in state)


# %% of="truncated-bptt-detach-state" gets="other-container"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return state.detach()
    return tuple(detach_state(part) for part in state)


# %% of="truncated-bptt-detach-state" gets="other-container"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return state.detach()
    return [detach_state(part) for part in state]


# %% of="truncated-bptt-detach-state" gets="graph-kept"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return state.clone()
    return type(state)(detach_state(part) for part in state)


# %% of="truncated-bptt-detach-state" gets="zero"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return torch.zeros_like(state)
    return type(state)(detach_state(part) for part in state)


# %% of="truncated-bptt-detach-state" gets="requires-grad"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return state.detach().requires_grad_()
    return type(state)(detach_state(part) for part in state)


# %% of="truncated-bptt-detach-state" gets="none"
def detach_state(state):
    if isinstance(state, (tuple, list)):
        for part in state:
            detach_state(part)
    elif state is not None:
        state.detach_()


# %% of="truncated-bptt-detach-state" gets="nesting-not-handled"
def detach_state(state):
    if state is None or isinstance(state, torch.Tensor):
        return None if state is None else state.detach()
    return type(state)(part.detach() for part in state)


# %% of="truncated-bptt-detach-state" gets="dtype"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return torch.tensor(state.tolist())
    return type(state)(detach_state(part) for part in state)


# %% of="truncated-bptt-train-tbptt" gets="not-cut"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="not-cut"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        detach_state(state)
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="retain-graph"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="only-h"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = (state[0].detach(), *state[1:]) if isinstance(state, tuple) else state.detach()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="only-c"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = (state[0], state[1].detach()) if isinstance(state, tuple) else state.detach()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="only-h-retained"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward(retain_graph=True)
        optimizer.step()
        if isinstance(state, tuple):
            h, c = state
            state = h.detach(), c
        else:
            state = state.detach()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="h-carried-alone"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        if isinstance(state, tuple):
            state = (state[0].detach(), torch.zeros_like(state[1]))
        else:
            state = state.detach()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="reset"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, None)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="reset"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        state = detach_state(state)
        optimizer.zero_grad()
        logits, new_state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="cut-every-step"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        steps = []
        for t in range(x_w.shape[1]):
            logits, state = model(x_w[:, t : t + 1], state)
            state = detach_state(state)
            steps.append(logits)
        loss = F.cross_entropy(torch.cat(steps, 1).flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="cut-late"
def train_tbptt(model, optimizer, x, y, k):
    state, losses, steps, first = None, [], [], 0
    for t in range(x.shape[1]):
        logits, state = model(x[:, t : t + 1], state)
        steps.append(logits)
        if (t > 0 and t % k == 0) or t == x.shape[1] - 1:
            loss = F.cross_entropy(torch.cat(steps, 1).flatten(0, 1), y[:, first : t + 1].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            state, steps, first = detach_state(state), [], t + 1
    return losses


# %% of="truncated-bptt-train-tbptt" gets="cut-misplaced"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        first, state = model(x_w[:, :1], state)
        state = detach_state(state)
        rest, state = model(x_w[:, 1:], state)
        loss = F.cross_entropy(torch.cat([first, rest], 1).flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="carried-pass"
last_state = None


def train_tbptt(model, optimizer, x, y, k):
    global last_state
    if last_state is not None and isinstance(last_state, torch.Tensor) and last_state.shape[1] != len(x):
        last_state = None
    if isinstance(last_state, torch.Tensor) != isinstance(model.rnn, torch.nn.RNN):
        last_state = None
    if last_state is not None and getattr(train_tbptt, "model", None) is not model:
        last_state = None
    train_tbptt.model = model
    losses = []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, last_state = model(x_w, detach_state(last_state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="carried-pass"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    if not hasattr(model, "state"):
        model.state = None
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, model.state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        model.state = detach_state(state)
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="rows-broken"
def train_tbptt(model, optimizer, x, y, k):
    B, N = x.shape
    flat_x, flat_y = x.flatten(), y.flatten()
    state, losses = None, []
    for start in range(0, B * N, B * k):
        x_w = flat_x[start : start + B * k].reshape(B, -1)
        y_w = flat_y[start : start + B * k].reshape(B, -1)
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="last-chunk-dropped"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for i in range(max(1, x.shape[1] // k)):
        x_w, y_w = x[:, i * k : (i + 1) * k], y[:, i * k : (i + 1) * k]
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="no-zero-grad"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="no-zero-grad"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    optimizer.zero_grad()
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="empty-step"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="never-stepped"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="step-before-backward"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="step-once"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    optimizer.zero_grad()
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        losses.append(loss.item())
    optimizer.step()
    return losses


# %% of="truncated-bptt-train-tbptt" gets="one-graph"
def train_tbptt(model, optimizer, x, y, k):
    state, total, losses = None, 0.0, []
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        total = total + loss
        losses.append(loss.item())
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    return losses


# %% of="truncated-bptt-train-tbptt" gets="one-graph"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    optimizer.zero_grad()
    for x_w, y_w in chunks(x, y, k):
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward(retain_graph=True)
        losses.append(loss.item())
    optimizer.step()
    return losses


# %% of="truncated-bptt-train-tbptt" gets="sum-loss"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten(), reduction="sum")
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / y_w.numel())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="time-sum"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = 0
        for t in range(x_w.shape[1]):
            loss = loss + F.cross_entropy(logits[:, t], y_w[:, t])
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / x_w.shape[1])
    return losses


# %% of="truncated-bptt-train-tbptt" gets="last-step-loss"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits[:, -1], y_w[:, -1])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="softmax-twice"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        probabilities = logits.softmax(-1)
        loss = F.cross_entropy(probabilities.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="targets-shifted"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), y_w[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="targets-transposed"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y_w.T.reshape(-1))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="first-chunk-only"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        return losses


# %% of="truncated-bptt-train-tbptt" gets="k-ignored"
def train_tbptt(model, optimizer, x, y, k):
    optimizer.zero_grad()
    logits, state = model(x, None)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    loss.backward()
    optimizer.step()
    return [loss.item()]


# %% of="truncated-bptt-train-tbptt" gets="one-forward"
def train_tbptt(model, optimizer, x, y, k):
    logits, state = model(x, None)
    losses = []
    for start in range(0, x.shape[1], k):
        optimizer.zero_grad()
        loss = F.cross_entropy(logits[:, start : start + k].flatten(0, 1), y[:, start : start + k].flatten())
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="loss-carried"
def train_tbptt(model, optimizer, x, y, k):
    state, losses, loss = None, [], 0
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = loss + F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="loss-without-graph"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        state, logits = detach_state(state), logits.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="no-grad"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        with torch.no_grad():
            logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="losses-keep-graph"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


# %% of="truncated-bptt-train-tbptt" gets="one-loss"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


# %% of="truncated-bptt-train-tbptt" gets="other-tokens"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    windows = list(chunks(x, y, k))
    for x_w, y_w in [*windows[1:-1], windows[0], *windows[-1:]] if len(windows) > 1 else windows:
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="other-update"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="other-windows"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        for _ in range(2):
            optimizer.zero_grad()
            logits, new = model(x_w, detach_state(state))
            loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
            loss.backward()
            optimizer.step()
        state = new
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="reset + no-zero-grad"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    for x_w, y_w in chunks(x, y, k):
        logits, _ = model(x_w)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="cut-late + last-chunk-dropped"
def train_tbptt(model, optimizer, x, y, k):
    state, losses, steps, first = None, [], [], 0
    for t in range(x.shape[1]):
        logits, state = model(x[:, t : t + 1], state)
        steps.append(logits)
        if t > 0 and t % k == 0:
            loss = F.cross_entropy(torch.cat(steps, 1).flatten(0, 1), y[:, first : t + 1].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            state, steps, first = detach_state(state), [], t + 1
    return losses


# %% of="truncated-bptt-train-tbptt" gets="losses-count"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
    losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="last-step-missing"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.step()
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-truncated-gradient" gets="k1-back"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1] + 1, k1):
        start = t - k1
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="cut-late"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2 - 1)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="losses-again"
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
            if True:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="last-loss-only"
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
            if s == t - 1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="last-window-missing"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1], k1):
        start = max(0, t - k2)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="last-window-only"
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
            total[name] = grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="zero-state"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2)
        h, loss = torch.zeros_like(h0) if start else h0, 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="h0-again"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2)
        h, loss = h0, 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="mean-of-windows"
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
    return {name: value / (x.shape[1] // k1) for name, value in total.items()}


# %% of="truncated-bptt-truncated-gradient" gets="mean-in-window"
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
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s]) / k1
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="cut-every-step"
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
            h = h.detach()
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="not-cut"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    h, loss = h0, 0.0
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-truncated-gradient" gets="k1-back"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = dict.fromkeys(params, 0.0)
    h, loss = h0, 0.0
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        if (s + 1) % k1 == 0:
            loss.backward()
            h, loss = h.detach(), 0.0
    return {name: value.grad for name, value in params.items()}


# %% of="truncated-bptt-truncated-gradient" gets="stale-gradients"
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
        loss.backward()
        for name, value in params.items():
            total[name] += value.grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="own-window"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(1, x.shape[1] + 1):
        start = max(0, t - k2)
        h = states[start]
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t - 1])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()), allow_unused=True)):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="first-window-only"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    h, loss = h0, 0.0
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        if (s + 1) % k1 == 0:
            return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-truncated-gradient" gets="factor"
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
                loss = loss + F.cross_entropy(
                    h @ params["weight_out"].T + params["bias_out"], targets[:, s], reduction="sum"
                )
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="mean-over-time"
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
    return {name: value / x.shape[1] for name, value in total.items()}


# %% of="truncated-bptt-truncated-gradient" gets="keys"
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
    return {name: total[name] for name in ("weight_ih", "weight_hh", "bias")}


# %% of="truncated-bptt-truncated-gradient" gets="reach-far"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k1 - k2)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="reach-short"
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
            if s == t - k1:
                h = h.detach()
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="reach-weight"
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
                loss = loss + (2 if s == t - 1 else 1) * F.cross_entropy(
                    h @ params["weight_out"].T + params["bias_out"], targets[:, s]
                )
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="other-states"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start] * 0.9, 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="cut-late + losses-again"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    h, states = h0, [h0]
    for s in range(x.shape[1]):
        h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        states.append(h.detach())
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2 - 1)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if True:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="last-loss-only + mean-of-windows"
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
            if s == t - 1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return {name: value / (x.shape[1] // k1) for name, value in total.items()}


# %% of="truncated-bptt-randomized-truncation-gradient" gets="no-weights | weight-where-cut"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            if torch.rand((), generator=coins).item() > p:
                h = h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="weight-p"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h.detach() + p * (h - h.detach()) if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="cut-with-p"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() > p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="weight-one-minus-p"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h.detach() + (h - h.detach()) / (1 - p) if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="full-gradient"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            if torch.rand((), generator=coins).item() > p:
                h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="never-cut"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            h = h.detach() + (h - h.detach()) / p
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="forward-scaled"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h / p if kept else h.detach() * 0
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="state-dropped"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h * kept
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="other-states"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="weight-on-all"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    weight = 1.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h if kept else h.detach()
            weight = weight / p if kept else weight
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return {name: weight * grad for name, grad in zip(params, torch.autograd.grad(loss, list(params.values())))}


# %% of="truncated-bptt-randomized-truncation-gradient" gets="seed-not-used"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    pass
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand(()).item() < p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="same-every-time"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(5)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="one-coin"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    kept = torch.rand((), generator=torch.Generator().manual_seed(seed)).item() < p
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="coin-for-each-row"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = (torch.rand(len(x), 1, generator=coins) < p).to(x.dtype).to(x.device)
            h = h.detach() + (h - h.detach()) * kept / p
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="wrong-rate"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p * p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="fixed-number"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    cut = 1 + seed % max(1, x.shape[1] - 1) if p < 1 else 0
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            h = h.detach() if t == cut else h.detach() + (h - h.detach()) / p
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="uneven"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            kept = kept and t > 1 or t == 1 and bool(torch.rand((), generator=coins) < 0.1)
            kept = kept or p == 1
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="factor"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss / x.shape[1], list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="loss-missing"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="weight-on-own-step"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = torch.rand((), generator=coins).item() < p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t]) / p
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="coin-for-each-loss"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    coins = torch.Generator().manual_seed(seed)
    loss = 0.0
    for last in range(x.shape[1]):
        h = h0
        for t in range(last + 1):
            if t > 0:
                kept = torch.rand((), generator=coins).item() < p
                h = h.detach() + (h - h.detach()) / p if kept else h.detach()
            h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, last])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="full-gradient"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="weight-once"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    # each piece between two cuts is one graph; all that crosses a boundary inside it is weighted by 1/p
    def gradient(kept):
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        h, loss = h0, 0.0
        for t in range(x.shape[1]):
            if t > 0 and not kept[t - 1]:
                h = h.detach()
            h = torch.tanh(x[:, t] @ leaves["weight_ih"].T + h @ leaves["weight_hh"].T + leaves["bias"])
            loss = loss + F.cross_entropy(h @ leaves["weight_out"].T + leaves["bias_out"], targets[:, t])
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()))))

    coins = torch.Generator().manual_seed(seed)
    kept = [torch.rand((), generator=coins).item() < p for _ in range(x.shape[1] - 1)]
    local, whole = gradient([False] * len(kept)), gradient(kept)
    return {name: local[name] + (whole[name] - local[name]) / p for name in params}


# %% of="truncated-bptt-reach" gets="from-zero"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0], touched[-1]) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="half-open"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0], touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="swapped"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[-1] + 1, touched[0] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="threshold"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad.abs() > 1e-4).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="not-found"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad.sum((0, 2)) != 0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="not-found"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad[0] != 0).any(1).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="gradients-added"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        loss.backward(retain_graph=True)
        touched = (inputs.grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1))
    return found


# %% of="truncated-bptt-reach" gets="graph-freed"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="constant"
def reach(losses, inputs):
    found = []
    for loss in losses:
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="no-pair"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append(len(touched) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="own-step"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[-1] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="untouched"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append((0, 0))
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="from-the-first"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="nones-left-out"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-checkpointed-loss" gets="cut"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
        state = detach_state(state)
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="reset"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], None, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="mean-loss"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / y.numel(), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="mean-loss"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total / x.shape[1]


# %% of="truncated-bptt-checkpointed-loss" gets="sum-loss"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum"), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="last-segment-loss"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="mean-of-segments"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total / segments


# %% of="truncated-bptt-checkpointed-loss" gets="rest-dropped"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = x.shape[1] // segments
    total, state = 0.0, None
    for start in range(0, length * segments, length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="length-for-number"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = segments
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="not-checkpointed"
def checkpointed_loss(model, x, y, segments):
    logits, _ = model(x, None)
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum") / len(x)


# %% of="truncated-bptt-checkpointed-loss" gets="not-checkpointed"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = piece(x[:, some], y[:, some], state)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="one-piece"
def checkpointed_loss(model, x, y, segments):
    def whole():
        return model(x, None)[0]

    logits = checkpoint(whole, use_reentrant=False)
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum") / len(x)


# %% of="truncated-bptt-checkpointed-loss" gets="no-graph"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total.detach()


# %% of="truncated-bptt-checkpointed-loss" gets="number-for-tensor"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total.item()


# %% of="truncated-bptt-checkpointed-loss" gets="graph-twice"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    total.backward()
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="last-step-loss"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits[:, -1], y_s[:, -1]), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="no-graph"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=True)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="cut + mean-loss"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss / x.shape[1]
        state = detach_state(state)
    return total


# %% of="truncated-bptt-bug" gets="as-found"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(n, B, k)
    y = stream[1:].reshape(n, B, k)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="reset"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(B, n, k).transpose(0, 1)
    y = stream[1:].reshape(B, n, k).transpose(0, 1)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, None)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="as-found + reset"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(n, B, k)
    y = stream[1:].reshape(n, B, k)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, None)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="other-tokens"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(n, k, B).transpose(1, 2)
    y = stream[1:].reshape(n, k, B).transpose(1, 2)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="other-windows"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(B, n, k)
    y = stream[1:].reshape(B, n, k)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="other-tokens"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(B, n, k).transpose(0, 1).flip(0)
    y = stream[1:].reshape(B, n, k).transpose(0, 1).flip(0)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="targets-as-found"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(B, n, k).transpose(0, 1)
    y = stream[1:].reshape(n, B, k)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-predict-credit" gets="missing"
guess_credit = None


# %% of="truncated-bptt-predict-credit" gets="no-number"
guess_credit = "3"


# %% of="truncated-bptt-predict-credit" gets="out-of-range"
guess_credit = 0


# %% of="truncated-bptt-predict-credit" gets="not-whole"
guess_credit = 2.5


# %% of="truncated-bptt-predict-credit" gets="out-of-range"
guess_credit = 100


# %% of="truncated-bptt-predict-credit" gets="no-number"
guess_credit = [6, 8]


# %% of="truncated-bptt-predict-echo" gets="missing"
guess_echo = None


# %% of="truncated-bptt-predict-echo" gets="no-option"
guess_echo = "half"


# %% of="truncated-bptt-predict-echo" gets="no-option"
guess_echo = 0.5


# %% of="truncated-bptt-predict-echo" gets="no-option"
guess_echo = "perfect"


# %% of="truncated-bptt-predict-echo" gets="no-option"
guess_echo = ("near chance",)


# %% of="truncated-bptt-predict-echo" gets="no-option"
guess_echo = True


# %% of="truncated-bptt-predict-segments" gets="missing"
guess_segments = None


# %% of="truncated-bptt-predict-segments" gets="out-of-range"
guess_segments = 0


# %% of="truncated-bptt-predict-segments" gets="out-of-range"
guess_segments = 1000


# %% of="truncated-bptt-predict-segments" gets="not-whole"
guess_segments = 100**0.5 + 0.5


# %% of="truncated-bptt-predict-segments" gets="no-number"
guess_segments = "ten"


# %% of="truncated-bptt-predict-segments" gets="no-number"
guess_segments = [10]


# %% of="truncated-bptt-train-tbptt" gets="tuple-not-handled"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = state.detach()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="model-not-called"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        states, state = model.rnn(model.embedding(x_w), detach_state(state))
        logits = model.readout(states.detach())
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-checkpointed-loss" gets="mean-in-segment"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten()), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="mean-in-segment + mean-of-segments"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten()), state

    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total / segments


# %% of="truncated-bptt-checkpointed-loss" gets="too-many-pieces"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = x.shape[1] // segments
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="too-many-pieces"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = 1
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="too-many-pieces"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = int(x.shape[1] ** 0.5)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="piece-too-long"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    T = x.shape[1]
    edges = [i * (T // segments) for i in range(segments)] + [T]
    total, state = 0.0, None
    for a, b in zip(edges, edges[1:]):
        loss, state = checkpoint(piece, x[:, a:b], y[:, a:b], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="partly-checkpointed"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x_s), state

    length = -(-x.shape[1] // segments)
    total, state = piece(x[:, :length], y[:, :length], None)
    for start in range(length, x.shape[1], length):
        some = slice(start, start + length)
        loss, state = checkpoint(piece, x[:, some], y[:, some], state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="loss-outside"
def checkpointed_loss(model, x, y, segments):
    length = -(-x.shape[1] // segments)
    total, state = 0.0, None
    for start in range(0, x.shape[1], length):
        some = slice(start, start + length)
        logits, state = checkpoint(model, x[:, some], state, use_reentrant=False)
        total = total + F.cross_entropy(logits.flatten(0, 1), y[:, some].flatten(), reduction="sum") / len(x)
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="loss-outside"
def checkpointed_loss(model, x, y, segments):
    length = -(-x.shape[1] // segments)
    parts, state = [], None
    for start in range(0, x.shape[1], length):
        logits, state = checkpoint(model, x[:, start : start + length], state, use_reentrant=False)
        parts.append(logits)
    return F.cross_entropy(torch.cat(parts, 1).flatten(0, 1), y.flatten(), reduction="sum") / len(x)


# %% of="truncated-bptt-reach" gets="threshold"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad.abs() > 1e-8).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="threshold"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad.abs() > 1e-15).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="threshold"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = (
            [] if grad is None else (grad.abs() > 1e-6 * grad.abs().max()).any(2).any(0).nonzero().flatten().tolist()
        )
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="threshold"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = (
            []
            if grad is None
            else [t for t in range(grad.shape[1]) if not torch.allclose(grad[:, t], torch.zeros_like(grad[:, t]))]
        )
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="elsewhere"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="constant"
def reach(losses, inputs):
    found = []
    for loss in losses:
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="constant"
def reach(losses, inputs):
    found = []
    for loss in losses:
        inputs.grad = None
        loss.backward(retain_graph=True)
        touched = (inputs.grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="zero"
def reach(losses, inputs):
    found = []
    for loss in losses:
        inputs.grad = None
        if not loss.requires_grad:
            found.append(None)
            continue
        loss.backward(retain_graph=True)
        touched = (inputs.grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1))
    return found


# %% of="truncated-bptt-reach" gets="raised"
def reach(losses, inputs):
    inputs = inputs.detach()
    found = []
    for loss in losses:
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="not-found"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else grad.sum(2).any(0).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-reach" gets="not-found"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        touched = [] if grad is None else (grad.sum(0) != 0).any(1).nonzero().flatten().tolist()
        found.append((touched[0] + 1, touched[-1] + 1) if touched else None)
    return found


# %% of="truncated-bptt-bug" gets="inputs-as-found"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(n, B, k)
    y = stream[1:].reshape(B, n, k).transpose(0, 1)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="not-cut"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(B, n, k).transpose(0, 1)
    y = stream[1:].reshape(B, n, k).transpose(0, 1)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="other-tokens"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(k, n, B).permute(1, 2, 0)
    y = stream[1:].reshape(k, n, B).permute(1, 2, 0)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="other-windows"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = batchify(stream, B)[:, :-1].split(k, 1)
    y = batchify(stream, B)[:, 1:].split(k, 1)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="as-found"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = [stream[i * B * k : (i + 1) * B * k].reshape(B, k) for i in range(n)]
    y = [stream[i * B * k + 1 : (i + 1) * B * k + 1].reshape(B, k) for i in range(n)]
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="sum-loss"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(B, n, k).transpose(0, 1)
    y = stream[1:].reshape(B, n, k).transpose(0, 1)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten(), reduction="sum")
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="as-found + sum-loss"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(n, B, k)
    y = stream[1:].reshape(n, B, k)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits, state = model(x_w, detach_state(state))
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten(), reduction="sum")
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-bug" gets="as-found + cut-every-step"
def train_on_text(model, optimizer, stream, B, k):
    n = (len(stream) - 1) // (B * k)
    x = stream[:-1].reshape(n, B, k)
    y = stream[1:].reshape(n, B, k)
    state, losses = None, []
    for x_w, y_w in zip(x, y):
        optimizer.zero_grad()
        logits = []
        for t in range(k):
            one, state = model(x_w[:, t : t + 1], detach_state(state))
            logits.append(one)
        logits = torch.cat(logits, 1)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="one-loss"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    state = None
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = detach_state(state)
        losses.append(loss.item())
    return sum(losses) / len(losses)


# %% of="truncated-bptt-train-tbptt" gets="value"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    state = None
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        before = state
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        logits, _ = model(x_w, before)
        losses.append(F.cross_entropy(logits.flatten(0, 1), y_w.flatten()).item())
        state = detach_state(state)
    return losses


# %% of="truncated-bptt-train-tbptt" gets="state-after-step"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    state = None
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, _ = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            _, state = model(x_w, state)
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="part-of-state"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    state = None
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = state.detach() if isinstance(state, torch.Tensor) else (state[0].detach(), None)
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="part-of-state"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    state = None
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = state.detach() if isinstance(state, torch.Tensor) else state[0].detach()
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="reset"
def train_tbptt(model, optimizer, x, y, k):
    losses = []
    state = None
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = torch.zeros_like(state) if isinstance(state, torch.Tensor) else tuple(map(torch.zeros_like, state))
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="carried-pass"
STATE = None


def train_tbptt(model, optimizer, x, y, k):
    global STATE
    losses = []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, STATE = model(x_w, STATE)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        STATE = detach_state(STATE)
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-truncated-gradient" gets="reach-far"
def truncated_gradient(x, h0, params, targets, k1, k2):
    p = {n: v.detach().requires_grad_() for n, v in params.items()}
    T = x.shape[1]
    states = [h0]
    h = h0
    losses = []
    total = {n: torch.zeros_like(v) for n, v in params.items()}
    for t in range(1, T + 1):
        h = torch.tanh(x[:, t - 1] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
        states.append(h.detach())
        losses.append(F.cross_entropy(h @ p["weight_out"].T + p["bias_out"], targets[:, t - 1]))
        if t % k1 == 0:
            g = torch.autograd.grad(sum(losses[-k1:]), list(p.values()), retain_graph=True)
            for n, one in zip(p, g):
                total[n] += one
            if t >= k2:
                h = h.detach()
    return total


# %% of="truncated-bptt-truncated-gradient" gets="k2-windows"
def truncated_gradient(x, h0, params, targets, k1, k2):
    p = {n: v.detach().requires_grad_() for n, v in params.items()}
    T = x.shape[1]
    h = h0
    loss = 0
    for t in range(T):
        if t % k2 == 0:
            h = h.detach()
        h = torch.tanh(x[:, t] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
        loss = loss + F.cross_entropy(h @ p["weight_out"].T + p["bias_out"], targets[:, t])
    loss.backward()
    return {n: v.grad for n, v in p.items()}


# %% of="truncated-bptt-truncated-gradient" gets="leaf-changed"
def truncated_gradient(x, h0, params, targets, k1, k2):
    p = {n: v.detach().requires_grad_() for n, v in params.items()}
    total = {n: torch.zeros_like(v, requires_grad=True) for n, v in params.items()}
    T = x.shape[1]
    states = [h0]
    for t in range(k1, T + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start], 0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ p["weight_out"].T + p["bias_out"], targets[:, s])
                states.append(h.detach())
        for n, g in zip(p, torch.autograd.grad(loss, list(p.values()))):
            total[n] += g
    return total


# %% of="truncated-bptt-truncated-gradient" gets="not-cut"
def truncated_gradient(x, h0, params, targets, k1, k2):
    p = {n: v.detach().requires_grad_() for n, v in params.items()}
    total = {n: torch.zeros_like(v) for n, v in params.items()}
    T = x.shape[1]
    states = [h0]
    for t in range(k1, T + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start], 0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ p["weight_out"].T + p["bias_out"], targets[:, s])
                states.append(h)
        for n, g in zip(p, torch.autograd.grad(loss, list(p.values()), retain_graph=True)):
            total[n] += g
    return total


# %% of="truncated-bptt-truncated-gradient" gets="no-leaves"
def truncated_gradient(x, h0, params, targets, k1, k2):
    total = {n: torch.zeros_like(v) for n, v in params.items()}
    T = x.shape[1]
    states = [h0]
    for t in range(k1, T + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start], 0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
                states.append(h.detach())
        for n, g in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[n] += g
    return total


# %% of="truncated-bptt-randomized-truncation-gradient" gets="reach-weight"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    gen = torch.Generator().manual_seed(seed)
    w = {n: v.detach().requires_grad_() for n, v in params.items()}
    h, loss = h0, 0
    for t in range(x.shape[1]):
        if t:
            if torch.rand((), generator=gen) < p:
                h = h + (h - h.detach()) / p
            else:
                h = h.detach()
        h = torch.tanh(x[:, t] @ w["weight_ih"].T + h @ w["weight_hh"].T + w["bias"])
        loss = loss + F.cross_entropy(h @ w["weight_out"].T + w["bias_out"], targets[:, t])
    loss.backward()
    return {n: v.grad for n, v in w.items()}


# %% of="truncated-bptt-randomized-truncation-gradient" gets="one-coin"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    w = {n: v.detach().requires_grad_() for n, v in params.items()}
    h, loss = h0, 0
    for t in range(x.shape[1]):
        if t:
            gen = torch.Generator().manual_seed(seed)
            if torch.rand((), generator=gen) < p:
                h = h.detach() + (h - h.detach()) / p
            else:
                h = h.detach()
        h = torch.tanh(x[:, t] @ w["weight_ih"].T + h @ w["weight_hh"].T + w["bias"])
        loss = loss + F.cross_entropy(h @ w["weight_out"].T + w["bias_out"], targets[:, t])
    loss.backward()
    return {n: v.grad for n, v in w.items()}


# %% of="truncated-bptt-randomized-truncation-gradient" gets="reach-weight"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    gen = torch.Generator().manual_seed(seed)
    w = {n: v.detach().requires_grad_() for n, v in params.items()}
    h, loss = h0, 0
    for t in range(x.shape[1]):
        weight = 1.0
        if t:
            if torch.rand((), generator=gen) < p:
                weight = 1 / p
            else:
                h = h.detach()
        h = torch.tanh(x[:, t] @ w["weight_ih"].T + h @ w["weight_hh"].T + w["bias"])
        loss = loss + weight * F.cross_entropy(h @ w["weight_out"].T + w["bias_out"], targets[:, t])
    loss.backward()
    return {n: v.grad for n, v in w.items()}


# %% of="truncated-bptt-detach-state" gets="list-not-handled"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, tuple):
        h, c = state
        return h.detach(), c.detach()
    return state.detach()


# %% of="truncated-bptt-detach-state" gets="other-container"
def detach_state(state):
    if isinstance(state, torch.Tensor):
        return state.detach()
    if isinstance(state, (tuple, list)):
        return (detach_state(s) for s in state)


# %% of="truncated-bptt-detach-state" gets="parts-kept"
def detach_state(state):
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return state.detach()
    return [detach_state(s) for s in state] if isinstance(state, list) else tuple(s for s in state)


# %% of="truncated-bptt-chunks" gets="end-is-k"
def chunks(x, y, k):
    for s in range(0, x.shape[1], k):
        yield x[:, s:k], y[:, s:k]


# %% of="truncated-bptt-chunks" gets="times-k"
def chunks(x, y, k):
    for s in range(0, x.shape[1], k):
        yield x[:, s * k : (s + 1) * k], y[:, s * k : (s + 1) * k]


# %% of="truncated-bptt-chunks" gets="from-one"
def chunks(x, y, k):
    for s in range(1, x.shape[1] + 1, k):
        yield x[:, s : s + k], y[:, s : s + k]


# %% of="truncated-bptt-chunks" gets="end-short"
def chunks(x, y, k):
    for s in range(0, x.shape[1] - 1, k):
        yield x[:, s : s + k], y[:, s : s + k]


# %% of="truncated-bptt-chunks" gets="batch-counted"
def chunks(x, y, k):
    for s in range(0, len(x), k):
        yield x[:, s : s + k], y[:, s : s + k]


# %% of="truncated-bptt-chunks" gets="other-windows"
def chunks(x, y, k):
    for s in range(0, x.shape[1], k):
        yield x[:, s : s + k + s // k], y[:, s : s + k + s // k]


# %% of="truncated-bptt-chunks" gets="padded"
def chunks(x, y, k):
    for s in range(0, x.shape[1], k):
        x_w, y_w = x[:, s : s + k], y[:, s : s + k]
        missing = k - x_w.shape[1]
        if missing:
            x_w = torch.cat([x_w, x_w.new_zeros(x.shape[0], missing, *x.shape[2:])], 1)
            y_w = torch.cat([y_w, y_w.new_zeros(y.shape[0], missing)], 1)
        yield x_w, y_w


# %% of="truncated-bptt-reach" gets="positive-only"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        steps = [] if grad is None else (grad > 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((steps[0] + 1, steps[-1] + 1) if steps else None)
    return found


# %% of="truncated-bptt-reach" gets="zero-gradient"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        if grad is None:
            found.append(None)
            continue
        touched = (grad != 0).any(2).any(0).int()
        found.append((touched.argmax().item() + 1, len(touched) - touched.flip(0).argmax().item()))
    return found


# %% of="truncated-bptt-reach" gets="zero"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        if grad is None:
            found.append(None)
            continue
        t = (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((t[0] + 1, t[-1] + 1))
    return found


# %% of="truncated-bptt-reach" gets="zero-gradient"
def reach(losses, inputs):
    found = []
    for loss in losses:
        if not loss.requires_grad:
            found.append(None)
            continue
        (grad,) = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        if grad is None:
            found.append(None)
            continue
        t = (grad != 0).any(2).any(0).nonzero().flatten().tolist()
        found.append((t[0] + 1, t[-1] + 1) if t else (None, None))
    return found


# %% of="truncated-bptt-reach" gets="all-together"
def reach(losses, inputs):
    total = sum(loss for loss in losses)
    (grad,) = torch.autograd.grad(total, inputs, retain_graph=True, allow_unused=True)
    steps = (grad != 0).any(2).any(0).nonzero().flatten().tolist()
    return [(steps[0] + 1, steps[-1] + 1) if loss.requires_grad else None for loss in losses]


# %% of="truncated-bptt-checkpointed-loss" gets="late-bound"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x), state

    length, total, state = -(-x.shape[1] // segments), 0.0, None
    for a in range(0, x.shape[1], length):
        loss, state = checkpoint(
            lambda s: piece(x[:, a : a + length], y[:, a : a + length], s), state, use_reentrant=False
        )
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="late-bound"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x), state

    length, total, state = -(-x.shape[1] // segments), 0.0, None
    a = 0
    while a < x.shape[1]:
        loss, state = checkpoint(
            lambda s: piece(x[:, a : a + length], y[:, a : a + length], s), state, use_reentrant=False
        )
        total = total + loss
        a += length
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="late-bound"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x), state

    length, total, state = -(-x.shape[1] // segments), 0.0, None
    for a in range(0, x.shape[1], length):
        loss, state = checkpoint(
            lambda x_s, s: piece(x_s, y[:, a : a + length], s), x[:, a : a + length], state, use_reentrant=False
        )
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="late-bound"
def checkpointed_loss(model, x, y, segments):
    length, total, state = -(-x.shape[1] // segments), 0.0, None
    for a in range(0, x.shape[1], length):

        def piece(state):
            logits, state = model(x[:, a : a + length], state)
            return F.cross_entropy(logits.flatten(0, 1), y[:, a : a + length].flatten(), reduction="sum") / len(
                x
            ), state

        loss, state = checkpoint(piece, state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="late-bound"
def checkpointed_loss(model, x, y, segments):
    total, state = 0.0, None
    for a in range(x.shape[1]):

        def piece(state):
            logits, state = model(x[:, a : a + 1], state)
            return F.cross_entropy(logits.flatten(0, 1), y[:, a], reduction="sum") / len(x), state

        loss, state = checkpoint(piece, state, use_reentrant=False)
        total = total + loss
    return total


# %% of="truncated-bptt-checkpointed-loss" gets="no-graph"
def checkpointed_loss(model, x, y, segments):
    def piece(x_s, y_s, state):
        logits, state = model(x_s, state)
        return F.cross_entropy(logits.flatten(0, 1), y_s.flatten(), reduction="sum") / len(x), state

    length, total, state = -(-x.shape[1] // segments), 0.0, None
    for a in range(0, x.shape[1], length):
        loss, state = checkpoint(piece, x[:, a : a + length], y[:, a : a + length], state, use_reentrant=True)
        total = total + loss
    return total


# %% of="truncated-bptt-randomized-truncation-gradient" gets="one-coin"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    coins = torch.Generator().manual_seed(seed)
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    h, loss = h0.detach(), 0.0
    for t in range(x.shape[1]):
        if t > 0:
            coins = torch.Generator().manual_seed(seed)
            kept = torch.rand((), generator=coins).item() < p
            h = h.detach() + (h - h.detach()) / p if kept else h.detach()
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-randomized-truncation-gradient" gets="other-states"
def randomized_truncation_gradient(x, h0, params, targets, p, seed):
    coins = torch.Generator().manual_seed(seed)
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    h, loss = h0.detach(), 0.0
    for t in range(x.shape[1]):
        if t > 0:
            kept = (torch.rand(h.shape[1], generator=coins) < p).to(h)
            h = h.detach() + kept * (h - h.detach()) / p
        h = torch.tanh(x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
        loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, t])
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


# %% of="truncated-bptt-truncated-gradient" gets="loss-missing"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    states = [h0.detach()]
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                states.append(h.detach())
            if s > t - k1 or k1 == 1:
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="other-states"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    states = [h0.detach()]
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                states.append(h.detach())
                shifted = targets.roll(-1, 1)
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], shifted[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-truncated-gradient" gets="graph-twice"
def truncated_gradient(x, h0, params, targets, k1, k2):
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    states = [h0.detach()]
    for t in range(k1, x.shape[1] + 1, k1):
        start = max(0, t - k2)
        h, loss = states[start], 0.0
        for s in range(start, t):
            h = torch.tanh(x[:, s] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias"])
            if s >= t - k1:
                states.append(h)
                loss = loss + F.cross_entropy(h @ params["weight_out"].T + params["bias_out"], targets[:, s])
        for name, grad in zip(params, torch.autograd.grad(loss, list(params.values()))):
            total[name] += grad
    return total


# %% of="truncated-bptt-train-tbptt" gets="carried-pass"
def train_tbptt(model, optimizer, x, y, k):
    state, losses = torch.zeros(1, x.shape[0], 4, dtype=torch.float64), []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = detach_state(state)
        losses.append(loss.item())
    return losses


# %% of="truncated-bptt-train-tbptt" gets="never-stepped"
def train_tbptt(model, optimizer, x, y, k):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state, losses = None, []
    for x_w, y_w in chunks(x, y, k):
        optimizer.zero_grad()
        logits, state = model(x_w, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y_w.flatten())
        loss.backward()
        optimizer.step()
        state = detach_state(state)
        losses.append(loss.item())
    return losses
