"""Wrong answers to lesson 01, as learners write them; each declares the sign that it must get."""


# %% of="unrolled-graph-rnn-step" gets="left-linear"
def rnn_step(x_t, h_prev, params):
    return x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"]


# %% of="unrolled-graph-rnn-step" gets="no-bias"
def rnn_step(x_t, h_prev, params):
    return torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T)


# %% of="unrolled-graph-rnn-step" gets="bias-twice"
def rnn_step(x_t, h_prev, params):
    from_x = torch.nn.functional.linear(x_t, params["weight_ih"], params["bias"])
    from_h = torch.nn.functional.linear(h_prev, params["weight_hh"], params["bias"])
    return torch.tanh(from_x + from_h)


# %% of="unrolled-graph-rnn-step" gets="no-recurrence"
def rnn_step(x_t, h_prev, params):
    h_t = torch.tanh(x_t @ params["weight_ih"].T + params["bias"])
    return h_t


# %% of="unrolled-graph-rnn-step" gets="no-input"
def rnn_step(x_t, h_prev, params):
    return torch.tanh(h_prev @ params["weight_hh"].T + params["bias"])


# %% of="unrolled-graph-rnn-step" gets="weight-hh-transposed"
def rnn_step(x_t, h_prev, params):
    return torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"] + params["bias"])


# %% of="unrolled-graph-rnn-step" gets="sigmoid"
def rnn_step(x_t, h_prev, params):
    return torch.sigmoid(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])


# %% of="unrolled-graph-rnn-step" gets="relu"
def rnn_step(x_t, h_prev, params):
    return torch.relu(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])


# %% of="unrolled-graph-rnn-step" gets="state-added"
def rnn_step(x_t, h_prev, params):
    return h_prev + torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])


# %% of="unrolled-graph-rnn-step" gets="bias-outside"
def rnn_step(x_t, h_prev, params):
    return torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T) + params["bias"]


# %% of="unrolled-graph-rnn-step" gets="left-linear + weight-hh-transposed"
def rnn_step(x_t, h_prev, params):
    return x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"] + params["bias"]


# %% of="unrolled-graph-rnn-step" gets="raised"
def rnn_step(x_t, h_prev, params):
    return torch.tanh(params["weight_ih"] @ x_t + params["weight_hh"] @ h_prev + params["bias"])


# %% of="unrolled-graph-rnn-step" gets="trailing-comma"
def rnn_step(x_t, h_prev, params):
    return (torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"]),)


# %% of="unrolled-graph-rnn-step" gets="graph-lost"
def rnn_step(x_t, h_prev, params):
    with torch.no_grad():
        return torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])


# %% of="unrolled-graph-rnn-step" gets="zero"
def rnn_step(x_t, h_prev, params):
    weight_ih, weight_hh, bias = params["weight_ih"], params["weight_hh"].data, params["bias"]
    return torch.tanh(x_t @ weight_ih.T + h_prev @ weight_hh.T + bias)


# %% of="unrolled-graph-rnn-step" gets="weight-ih-reshaped"
def rnn_step(x_t, h_prev, params):
    W = params["weight_ih"]
    H, D = W.shape
    return torch.tanh(x_t @ W.reshape(D, H) + h_prev @ params["weight_hh"].T + params["bias"])


# %% of="unrolled-graph-rnn-step" gets="terms-squashed"
def rnn_step(x_t, h_prev, params):
    return torch.tanh(x_t @ params["weight_ih"].T) + torch.tanh(h_prev @ params["weight_hh"].T) + params["bias"]


# %% of="unrolled-graph-rnn-step" gets="terms-squashed-with-bias"
def rnn_step(x_t, h_prev, params):
    from_x = torch.tanh(torch.nn.functional.linear(x_t, params["weight_ih"], params["bias"]))
    return from_x + torch.tanh(h_prev @ params["weight_hh"].T)


# %% of="unrolled-graph-unroll" gets="graph-lost"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h.detach())
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="graph-lost"
@torch.no_grad()
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="cut-each-step"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
        h = h.detach()
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="cut-before-each-step"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h.data, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="h0-cut"
def unroll(x, h0, params):
    h, states = h0.clone().detach(), []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="params-cut"
def unroll(x, h0, params):
    params = {name: tensor.detach() for name, tensor in params.items()}
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="raised"
def unroll(x, h0, params):
    states = x.new_empty(x.shape[0], x.shape[1], h0.shape[1])
    for t in range(x.shape[1]):
        states[:, t] = rnn_step(x[:, t], states[:, t - 1] if t else h0, params)
    return states


# %% of="unrolled-graph-unroll" gets="counts-rows"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[0]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="raised"
def unroll(x, h0, params):
    h, states = h0, []
    for x_t in x:
        h = rnn_step(x_t, h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="raised"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(1, x.shape[1] + 1):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="restart"
def unroll(x, h0, params):
    states = []
    for t in range(x.shape[1]):
        states.append(rnn_step(x[:, t], h0, params))
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="from-zero"
def unroll(x, h0, params):
    h = torch.zeros_like(h0)
    states = []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="h0-stored"
def unroll(x, h0, params):
    h = h0
    states = []
    for t in range(x.shape[1]):
        states.append(h)
        h = rnn_step(x[:, t], h, params)
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="one-too-many"
def unroll(x, h0, params):
    states = [h0]
    for t in range(x.shape[1]):
        states.append(rnn_step(x[:, t], states[-1], params))
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="one-too-few"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(1, x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="reshape-in"
def unroll(x, h0, params):
    B, T, D = x.shape
    h, states = h0, []
    for x_t in x.reshape(T, B, D):
        h = rnn_step(x_t, h, params)
        states.append(h)
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="reshape-out"
def unroll(x, h0, params):
    B, T, D = x.shape
    h, states = h0, []
    for t in range(T):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states).view(B, T, -1)


# %% of="unrolled-graph-unroll" gets="swapped-axes"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states)


# %% of="unrolled-graph-unroll" gets="not-stacked"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return states


# %% of="unrolled-graph-unroll" gets="missing-axis"
def unroll(x, h0, params):
    h = h0
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
    return h


# %% of="unrolled-graph-unroll" gets="inputs-reversed"
def unroll(x, h0, params):
    h, states = h0, []
    for t in reversed(range(x.shape[1])):
        h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="same-input"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, 0], h, params)
        states.append(h)
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="input-late"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t - 1], h, params)
        states.append(h)
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="last-everywhere"
def unroll(x, h0, params):
    h, states = h0.clone(), []
    for t in range(x.shape[1]):
        h.copy_(rnn_step(x[:, t], h, params))
        states.append(h)
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="two-steps"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states.append(rnn_step(x[:, t], h, params))
        h = states[-1]
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="stuck"
def unroll(x, h0, params):
    h = rnn_step(x[:, 0], h0, params)
    states = [h]
    for t in range(1, x.shape[1]):
        states.append(rnn_step(x[:, t], h, params))
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="changed-input"
def unroll(x, h0, params):
    states = []
    for t in range(x.shape[1]):
        h0[:] = rnn_step(x[:, t], h0, params)
        states.append(h0.clone())
    return torch.stack(states, dim=1)


# %% of="unrolled-graph-unroll" gets="dtype"
def unroll(x, h0, params):
    states = torch.zeros(x.shape[0], x.shape[1], h0.shape[1])
    h = h0
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states[:, t] = h
    return states


# %% of="unrolled-graph-unroll" gets="last-input"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, -1], h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="new-beginning"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params).detach().requires_grad_()
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="raised"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(h, x[:, t], params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="raised"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, :, t], h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="raised"
def unroll(x, h0, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[t], h, params)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll" gets="device"
def unroll(x, h0, params):
    states = torch.zeros(x.shape[0], x.shape[1], h0.shape[1], dtype=x.dtype)
    h = h0
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params)
        states[:, t] = h
    return states


# %% of="unrolled-graph-predict-leaves" gets="missing"
guess_leaves = None


# %% of="unrolled-graph-predict-leaves" gets="no-number"
guess_leaves = "one"


# %% of="unrolled-graph-predict-leaves" gets="no-number"
guess_leaves = False


# %% of="unrolled-graph-predict-leaves" gets="out-of-range"
guess_leaves = -1


# %% of="unrolled-graph-predict-leaves" gets="not-whole"
guess_leaves = 0.5


# %% of="unrolled-graph-predict-leaves" gets="no-number"
guess_leaves = {1, 6}


# %% of="unrolled-graph-predict-depth" gets="missing"
guess_depth_factor = None


# %% of="unrolled-graph-predict-depth" gets="no-number"
guess_depth_factor = "4"


# %% of="unrolled-graph-predict-depth" gets="no-number"
guess_depth_factor = [4, 16]


# %% of="unrolled-graph-predict-depth" gets="out-of-range"
guess_depth_factor = -4


# %% of="unrolled-graph-predict-depth" gets="out-of-range"
guess_depth_factor = float("nan")


# %% of="unrolled-graph-predict-depth" gets="out-of-range"
guess_depth_factor = float("inf")


# %% of="unrolled-graph-predict-paths" gets="missing"
guess_path_factor = None


# %% of="unrolled-graph-predict-paths" gets="no-number"
guess_path_factor = "2**50"


# %% of="unrolled-graph-predict-paths" gets="no-number"
guess_path_factor = (2, 4)


# %% of="unrolled-graph-predict-paths" gets="out-of-range"
guess_path_factor = -2


# %% of="unrolled-graph-predict-paths" gets="out-of-range"
guess_path_factor = float("inf")


# %% of="unrolled-graph-predict-paths" gets="no-number"
guess_path_factor = True


# %% of="unrolled-graph-unrolled-edges" gets="stops-early"
def unrolled_edges(T):
    edges = []
    for t in range(1, T):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="counts-from-zero"
def unrolled_edges(T):
    edges = []
    for t in range(T):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="reversed"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [(f"h{t}", "theta"), (f"h{t}", f"x{t}"), (f"h{t}", f"h{t - 1}"), (f"L{t}", f"h{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="own-theta"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [(f"theta{t}", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="theta-once"
def unrolled_edges(T):
    edges = [("theta", "h1")]
    for t in range(1, T + 1):
        edges += [(f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="theta-to-losses"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [
            ("theta", f"h{t}"),
            (f"x{t}", f"h{t}"),
            (f"h{t - 1}", f"h{t}"),
            (f"h{t}", f"L{t}"),
            ("theta", f"L{t}"),
        ]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="no-theta"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [(f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="no-h0"
def unrolled_edges(T):
    edges = [("theta", "h1"), ("x1", "h1"), ("h1", "L1")]
    for t in range(2, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="no-inputs"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="no-losses"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="last-loss-only"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}")]
    edges.append((f"h{T}", f"L{T}"))
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="no-recurrence"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="from-h0"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), ("h0", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="past-the-end"
def unrolled_edges(T):
    edges = [("h0", "h1")]
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t}", f"h{t + 1}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="input-to-loss"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [
            ("theta", f"h{t}"),
            (f"x{t}", f"h{t}"),
            (f"h{t - 1}", f"h{t}"),
            (f"h{t}", f"L{t}"),
            (f"x{t}", f"L{t}"),
        ]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="own-theta + no-losses"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [(f"theta{t}", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="listed-twice"
def unrolled_edges(T):
    edges = [("h0", "h1"), ("theta", "h1")]
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="no-pair"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [f"theta->h{t}", f"x{t}->h{t}", f"h{t - 1}->h{t}", f"h{t}->L{t}"]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="none"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]


# %% of="unrolled-graph-unrolled-edges" gets="missing-item"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("θ", f"h_{t}"), (f"x_{t}", f"h_{t}"), (f"h_{t - 1}", f"h_{t}"), (f"h_{t}", f"L_{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="states-late"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t}", f"h{t + 1}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="first-step-only"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
        return edges


# %% of="unrolled-graph-unrolled-edges" gets="inputs-from-zero"
def unrolled_edges(T):
    edges = []
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t - 1}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="extra-item"
def unrolled_edges(T):
    edges = [("theta", "h0")]
    for t in range(1, T + 1):
        edges += [("theta", f"h{t}"), (f"x{t}", f"h{t}"), (f"h{t - 1}", f"h{t}"), (f"h{t}", f"L{t}")]
    return edges


# %% of="unrolled-graph-unrolled-edges" gets="missing-item"
def unrolled_edges(T):
    edges = [("theta", f"h{T}"), (f"x{T}", f"h{T}"), (f"h{T}", f"L{T}")]
    for t in range(1, T + 1):
        edges += [(f"h{t - 1}", f"h{t}")]
    return edges


# %% of="unrolled-graph-count-paths" gets="all-losses"
def count_paths(t):
    return t * (t + 1) // 2


# %% of="unrolled-graph-count-paths" gets="doubles"
def count_paths(t):
    return 1 if t == 1 else 2 * count_paths(t - 1)


# %% of="unrolled-graph-count-paths" gets="one-too-few"
def count_paths(t):
    return sum(1 for enters_at in range(1, t))


# %% of="unrolled-graph-count-paths" gets="one-too-many"
def count_paths(t):
    return len(range(0, t + 1))


# %% of="unrolled-graph-count-paths" gets="one-path"
def count_paths(t):
    return 1


# %% of="unrolled-graph-count-paths" gets="squared"
def count_paths(t):
    return t**2


# %% of="unrolled-graph-count-paths" gets="arrows"
def count_paths(t):
    return len(unrolled_edges(t))


# %% of="unrolled-graph-count-paths" gets="factorial"
def count_paths(t):
    paths = 1
    for step in range(1, t + 1):
        paths *= step
    return paths


# %% of="unrolled-graph-count-paths" gets="none"
def count_paths(t):
    print(t)


# %% of="unrolled-graph-count-paths" gets="each-parameter"
def count_paths(t):
    return 3 * t


# %% of="unrolled-graph-count-paths" gets="two-for-all"
def count_paths(t):
    return 2


# %% of="unrolled-graph-count-paths" gets="value"
def count_paths(t):
    return 3


# %% of="unrolled-graph-parameter-count" gets="two-biases | with-h0"
def parameter_count(D, H, V):
    return H * D + H * H + 2 * H + V * H + V


# %% of="unrolled-graph-parameter-count" gets="no-bias"
def parameter_count(D, H, V):
    return H * D + H * H + V * H + V


# %% of="unrolled-graph-parameter-count" gets="no-bias-out"
def parameter_count(D, H, V):
    return H * D + H * H + H + V * H


# %% of="unrolled-graph-parameter-count" gets="no-bias + no-bias-out"
def parameter_count(D, H, V):
    return H * D + H * H + V * H


# %% of="unrolled-graph-parameter-count" gets="no-recurrent-weights"
def parameter_count(D, H, V):
    return (D + 1) * H + (H + 1) * V


# %% of="unrolled-graph-parameter-count" gets="no-input-weights"
def parameter_count(D, H, V):
    return (H + 1) * H + (H + 1) * V


# %% of="unrolled-graph-parameter-count" gets="no-readout"
def parameter_count(D, H, V):
    return sum(p.numel() for p in torch.nn.RNN(D, H).parameters()) - H


# %% of="unrolled-graph-parameter-count" gets="readout-of-input"
def parameter_count(D, H, V):
    return H * D + H * H + H + V * D + V


# %% of="unrolled-graph-parameter-count" gets="h-once"
def parameter_count(D, H, V):
    return H * D + H + H + V * H + V


# %% of="unrolled-graph-parameter-count" gets="sizes-added"
def parameter_count(D, H, V):
    return (H + D) + (H + H) + H + (V + H) + V


# %% of="unrolled-graph-parameter-count" gets="bias-out-of-state"
def parameter_count(D, H, V):
    return H * D + H * H + H + V * H + H


# %% of="unrolled-graph-parameter-count" gets="two-biases | with-h0"
def parameter_count(D, H, V):
    h0 = H
    return H * D + H * H + H + V * H + V + h0


# %% of="unrolled-graph-unroll-padded" gets="nan-on-the-way-back"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="nan-on-the-way-back"
def unroll_padded(x, h0, lengths, params):
    free = torch.cat([h0[:, None], unroll(x, h0, params)], 1)  # (B, T + 1, H)
    steps = torch.arange(1, x.shape[1] + 1, device=x.device)
    at = torch.minimum(steps[None, :], lengths[:, None])  # (B, T)
    rows = torch.arange(len(x), device=x.device)
    return free[rows[:, None], at], free[rows, lengths]


# %% of="unrolled-graph-unroll-padded" gets="graph-lost"
def unroll_padded(x, h0, lengths, params):
    x = torch.where((torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, :, None], x, 0)
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h.detach()


# %% of="unrolled-graph-unroll-padded" gets="cut-each-step"
def unroll_padded(x, h0, lengths, params):
    x = torch.where((torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, :, None], x, 0)
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
        h = h.detach()
    return torch.stack(states, 1), states[-1]


# %% of="unrolled-graph-unroll-padded" gets="last-everywhere"
def unroll_padded(x, h0, lengths, params):
    h, states = h0.clone(), []
    for t in range(x.shape[1]):
        for b in range(x.shape[0]):
            if t < lengths[b]:
                h[b] = rnn_step(x[b : b + 1, t], h[b : b + 1], params)[0]
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="choice-swapped"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        new = rnn_step(x[:, t], h, params)
        going = (t < lengths).unsqueeze(1)
        h = torch.where(going, h, new)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="last-is-new"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        new = rnn_step(x[:, t], h, params)
        going = (t < lengths).unsqueeze(1)
        h = torch.where(going, new, h)
        states.append(h)
    return torch.stack(states, 1), new


# %% of="unrolled-graph-unroll-padded" gets="results-swapped"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return h, torch.stack(states, 1)


# %% of="unrolled-graph-unroll-padded" gets="raised"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        if t < lengths:
            h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="lengths-ignored"
def unroll_padded(x, h0, lengths, params):
    states = unroll(x, h0, params)
    return states, states[:, -1]


# %% of="unrolled-graph-unroll-padded" gets="zero-past-end"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params) * (t < lengths).unsqueeze(1)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="states-zeroed"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths).unsqueeze(1)
        h = torch.where(going, rnn_step(x[:, t], h, params), h)
        states.append(h * going)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="back-to-h0"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h0)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="input-zeroed"
def unroll_padded(x, h0, lengths, params):
    real = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
    states = unroll(x * real[:, :, None], h0, params)
    return states, states[:, -1]


# %% of="unrolled-graph-unroll-padded" gets="one-too-many"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t <= lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="one-too-few"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t + 1 < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="first-length"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        if t < lengths[0]:
            h = rnn_step(x[:, t], h, params)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="last-of-unroll"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), unroll(x, h0, params)[:, -1]


# %% of="unrolled-graph-unroll-padded" gets="last-one-early"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    states = torch.stack(states, 1)
    rows = torch.arange(len(lengths), device=x.device)
    return states, states[rows, (lengths - 2).clamp(min=0)]


# %% of="unrolled-graph-unroll-padded" gets="mask-by-product"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        m = (t < lengths).to(x.dtype).unsqueeze(1)
        h = m * rnn_step(x[:, t], h, params) + (1 - m) * h
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="one-of-several"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1)


# %% of="unrolled-graph-unroll-padded" gets="raised"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where(t < lengths, rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="zero-past-end + first-length"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = rnn_step(x[:, t], h, params) if t < lengths[0] else torch.zeros_like(h0)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="cleaned-by-value"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(torch.nan_to_num(x[:, t]), h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="cleaned-by-value"
def unroll_padded(x, h0, lengths, params):
    x = torch.where(x.isnan(), 0, x)
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="cleaned-by-value"
def unroll_padded(x, h0, lengths, params):
    x = torch.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where((t < lengths)[:, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="row-carried-over"
def unroll_padded(x, h0, lengths, params):
    h = h0[0:1]
    rows, last = [], []
    for b in range(x.shape[0]):
        states = []
        for t in range(x.shape[1]):
            if t < lengths[b]:
                h = rnn_step(x[b : b + 1, t], h, params)
            states.append(h[0])
        rows.append(torch.stack(states))
        last.append(h[0])
    return torch.stack(rows), torch.stack(last)


# %% of="unrolled-graph-unroll-padded" gets="nan-on-the-way-back"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths).unsqueeze(1)
        h = torch.where(going, rnn_step(x[:, t] * going, h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="device"
def unroll_padded(x, h0, lengths, params):
    going = torch.arange(x.shape[1]) < lengths[:, None]
    x = torch.where(going[:, :, None], x, 0)
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where(going[:, t, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="changed-input"
def unroll_padded(x, h0, lengths, params):
    mask = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
    x[~mask] = 0
    h, states = h0, []
    for t in range(x.shape[1]):
        h = torch.where(mask[:, t, None], rnn_step(x[:, t], h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="choice-swapped-after-cleaning"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths)[:, None]
        x_t = torch.where(going, x[:, t], 0)
        h = torch.where(going, h, rnn_step(x_t, h, params))
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="cleaning-swapped"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths)[:, None]
        x_t = torch.where(going, 0, x[:, t])
        h = torch.where(going, rnn_step(x_t, h, params), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="graph-lost"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths)[:, None]
        x_t = torch.where(going, x[:, t], 0)
        h = torch.where(going, rnn_step(x_t, h, params), h).detach()
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="graph-lost"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths)[:, None]
        x_t = torch.where(going, x[:, t], 0)
        h = torch.where(going, rnn_step(x_t, h, params), h)
        states.append(h.detach())
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="length-0"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths)[:, None]
        x_t = torch.where(going, x[:, t], 0)
        h = torch.where(going, rnn_step(x_t, h, params), h)
        states.append(h)
    free = unroll(
        torch.where((torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, :, None], x, 0), h0, params
    )
    return torch.stack(states, 1), free[torch.arange(len(x)), lengths - 1]


# %% of="unrolled-graph-unroll-padded" gets="length-0"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths)[:, None]
        x_t = torch.where(going, x[:, t], 0)
        h = rnn_step(x_t, h, params)
        states.append(h)
    free = torch.stack(states, 1)
    rows = torch.arange(len(x), device=x.device)
    steps = torch.arange(x.shape[1], device=x.device)
    at = torch.minimum(steps[None], (lengths - 1)[:, None])
    return free[rows[:, None], at], free[rows, lengths - 1]


# %% of="unrolled-graph-unroll-padded" gets="choice-swapped"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        ended = (t < lengths)[:, None]
        x_t = torch.where(ended, 0, x[:, t])
        h = torch.where(ended, h, rnn_step(x_t, h, params))
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="step-cut"
def unroll_padded(x, h0, lengths, params):
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths)[:, None]
        x_t = torch.where(going, x[:, t], 0)
        h = torch.where(going, rnn_step(x_t, h, params).detach(), h)
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-unroll-padded" gets="cleaned-by-value"
def unroll_padded(x, h0, lengths, params):
    x = torch.where(x.isnan(), 0, x)
    h, states = h0, []
    for t in range(x.shape[1]):
        going = (t < lengths).to(x.dtype)[:, None]
        h = going * rnn_step(x[:, t] * going, h, params) + (1 - going) * h
        states.append(h)
    return torch.stack(states, 1), h


# %% of="unrolled-graph-bug" gets="as-found"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    log = [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], log[-1], *recurrent)
        log.append(h.detach())
    guess = h @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="as-found"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    h, log = h0, [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], h.data, *recurrent)
        log.append(h.detach())
    guess = h @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="log-keeps-graph"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    log = [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], log[-1], *recurrent)
        log.append(h)
    guess = h @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="length"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    h, log = h0, []
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], h, *recurrent)
        log.append(h.detach())
    guess = h @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="restart"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    log = [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], h0, *recurrent)
        log.append(h.detach())
    guess = h @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="raised"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    h, log = h0, [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], h, *recurrent)
        log.append(h.detach())
    guess = log[-1] @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="cut-before-last"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    h, log = h0, [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], h, *recurrent)
        log.append(h.detach())
    guess = log[-1] @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()), allow_unused=True, materialize_grads=True)
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="sum-not-mean"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    h, log = h0, [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], h, *recurrent)
        log.append(h.detach())
    guess = h @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).sum()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="cut-each-step + sum-not-mean"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    log = [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], log[-1], *recurrent)
        log.append(h.detach())
    guess = h @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).sum()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="no-path"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    log = [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], log[-1], *recurrent)
        log.append(h.detach())
    guess = log[-1] @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
    return loss, dict(zip(params, gradients)), log


# %% of="unrolled-graph-bug" gets="raised"
def loss_and_gradients(x, h0, params, target):
    params = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    recurrent = [params[name] for name in ("weight_ih", "weight_hh", "bias")]
    log = [h0]
    for t in range(x.shape[1]):
        h = torch.rnn_tanh_cell(x[:, t], log[-1], *recurrent)
        log.append(h.detach())
    guess = log[-1] @ params["weight_out"].T + params["bias_out"]
    loss = ((guess[:, 0] - target) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(params.values()))
    return loss, dict(zip(params, gradients)), log
