"""Right answers to lesson 09 in other ways of writing."""


# %% of="capstone-best-probs" variant="situations"
def best_probs(tokens, K, r):
    out = torch.zeros(len(tokens), 2 * K + 1, dtype=torch.float64)
    first = second = None
    place = "first"
    for t, token in enumerate(tokens):
        token = int(token)
        if place == "first":
            first, place = token, "second"
        elif place == "second":
            second, place = token, "walk"
        elif place == "walk" and token != K:
            place = "last"
        elif place == "last":
            place = "first"
        if place in ("first", "second"):
            out[t, :K] = 1.0 / K
        elif place == "walk":
            out[t, K] = r
            out[t, K + 1 + second] = 1 - r
        else:
            out[t, K + 1 + first] = 1
    return out


# %% of="capstone-best-probs" variant="one-hot"
def best_probs(tokens, K, r):
    def certain(i):
        return F.one_hot(torch.tensor(i), 2 * K + 1).double()

    pile, rows, last = [], [], None
    for token in tokens.tolist():
        pile = pile + [token] if token < K else pile if token == K else pile[:-1]
        if token > K and pile:
            rows.append(certain(K + 1 + pile[0]))
        elif len(pile) == 2:
            rows.append(r * certain(K) + (1 - r) * certain(K + 1 + pile[1]))
        else:
            rows.append(sum(certain(i) for i in range(K)) / K)
    return torch.stack(rows)


# %% of="capstone-best-probs" variant="state-as-tuple"
def best_probs(tokens, K, r):
    def read(state, token):
        if len(state) == 2 and token == K:
            return state
        if token < K:
            return (*state, token)
        return state[:-1] + ("closing",) if "closing" not in state and len(state) == 2 else ()

    state, out = (), tokens.new_zeros(len(tokens), 2 * K + 1, dtype=torch.float32)
    for t, token in enumerate(tokens.tolist()):
        state = read(state, token)
        if "closing" in state:
            out[t, K + 1 + state[0]] = 1
        elif len(state) == 2:
            out[t, K], out[t, K + 1 + state[1]] = r, 1 - r
        else:
            out[t, :K].fill_(1 / K)
    return out


# %% of="capstone-nats-above" variant="cross-entropy"
def nats_above(log_probs, tokens, best):
    return best.mean() + F.nll_loss(log_probs.flatten(0, 1), tokens[:, 1:].flatten())


# %% of="capstone-nats-above" variant="one-hot"
def nats_above(log_probs, tokens, best):
    came = F.one_hot(tokens[:, 1:], log_probs.shape[-1]).to(log_probs)
    return (best - (came * log_probs).sum(-1)).mean()


# %% of="capstone-nats-above" variant="loop"
def nats_above(log_probs, tokens, best):
    total = 0.0
    for b in range(tokens.shape[0]):
        for t in range(tokens.shape[1] - 1):
            total = total + best[b, t] - log_probs[b, t, tokens[b, t + 1]]
    return total / best.numel()


# %% of="capstone-bug" variant="split"
def windows(rows, k):
    return list(zip(rows[:, :-1].split(k, 1), rows[:, 1:].split(k, 1)))


# %% of="capstone-bug" variant="chunks-of-one-more"
def windows(rows, k):
    for start in range(0, rows.shape[1] - 1, k):
        chunk = rows[:, start : start + k + 1]
        yield chunk[:, :-1], chunk[:, 1:]


# %% of="capstone-bug" variant="roll-of-all"
def windows(rows, k):
    after = rows.roll(-1, 1)
    for start in range(0, rows.shape[1] - 1, k):
        end = min(start + k, rows.shape[1] - 1)
        yield rows[:, start:end], after[:, start:end]


# %% of="capstone-train-window" variant="by-hand"
def train_window(model, optimizer, x, y, state, max_norm):
    def without_past(state):
        return tuple(map(without_past, state)) if isinstance(state, tuple) else state.detach()

    for parameter in model.parameters():
        parameter.grad = None
    logits, after = model(x, state)
    loss = -logits.log_softmax(2).gather(2, y[:, :, None]).mean()
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norm = torch.stack([gradient.pow(2).sum() for gradient in gradients]).sum().sqrt()
    if norm > max_norm:
        for gradient in gradients:
            gradient.mul_(max_norm / norm)
    optimizer.step()
    return float(loss), without_past(after)


# %% of="capstone-train-window" variant="cut-first"
def train_window(model, optimizer, x, y, state, max_norm):
    if state is not None:
        state = state.detach() if torch.is_tensor(state) else tuple(s.detach() for s in state)
    logits, state = model(x, state)
    loss = nn.CrossEntropyLoss()(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(model.parameters()), max_norm=max_norm)
    optimizer.step()
    return loss.item(), state


# %% of="capstone-train-window" variant="time-second"
def train_window(model, optimizer, x, y, state, max_norm):
    optimizer.zero_grad(set_to_none=False)
    logits, state = model(x, state)
    loss = F.cross_entropy(logits.transpose(1, 2), y)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm, error_if_nonfinite=True)
    optimizer.step()
    if isinstance(state, torch.Tensor):
        return loss.detach().item(), state.detach()
    h, c = state
    return loss.detach().item(), (h.detach(), c.detach())


# %% of="capstone-state" variant="numpy-and-struct"
def pack_state(state):
    import struct

    h, c = state
    return struct.pack("ii", h.shape[1], h.shape[2]) + h.cpu().numpy().tobytes() + c.cpu().numpy().tobytes()


def unpack_state(data):
    import struct

    B, H = struct.unpack("ii", data[:8])
    h, c = torch.frombuffer(bytearray(data[8:]), dtype=torch.float32).reshape(2, 1, B, H)
    return h, c


# %% of="capstone-state" variant="torch-save"
def pack_state(state):
    import io

    file = io.BytesIO()
    torch.save(list(state), file)
    return file.getvalue()


def unpack_state(data):
    import io

    return tuple(torch.load(io.BytesIO(data), weights_only=True))


# %% of="capstone-state" variant="as-they-come"
def pack_state(state):
    import io

    file = io.BytesIO()
    torch.save({"h": state[0], "c": state[1]}, file)
    return file.getvalue()


def unpack_state(data):
    import io

    parts = torch.load(io.BytesIO(data))
    return parts["h"], parts["c"]


# %% of="capstone-state" variant="pickled"
def pack_state(state):
    import pickle

    return pickle.dumps(state)


def unpack_state(data):
    import pickle

    return pickle.loads(data)


# %% of="capstone-state" variant="one-tensor"
def pack_state(state):
    from safetensors.torch import save

    return save({"both": torch.cat(state)})


def unpack_state(data):
    from safetensors.torch import load

    return load(data)["both"].split(1)


# %% of="capstone-predictor" variant="gates-by-hand"
class Predictor:
    def __init__(self):
        self.w = load_file("09_weights.safetensors")
        self.H = self.w["rnn.weight_hh_l0"].shape[1]

    def start(self, B):
        self.h, self.c = torch.zeros(B, self.H), torch.zeros(B, self.H)

    def step(self, token):
        w = self.w
        x = w["embedding.weight"][token]
        a = x @ w["rnn.weight_ih_l0"].T + w["rnn.bias_ih_l0"] + self.h @ w["rnn.weight_hh_l0"].T + w["rnn.bias_hh_l0"]
        i, f, g, o = a.chunk(4, 1)
        self.c = f.sigmoid() * self.c + i.sigmoid() * g.tanh()
        self.h = o.sigmoid() * self.c.tanh()
        return torch.log_softmax(self.h @ w["readout.weight"].T + w["readout.bias"], dim=-1)

    def state(self):
        return torch.stack([self.h, self.c]).numpy().tobytes()

    def resume(self, data):
        self.h, self.c = torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(2, -1, self.H).clone()


# %% of="capstone-predictor" variant="half-precision-state"
NETWORK = None


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn, self.readout = nn.Embedding(32, 32), nn.LSTM(32, 64), nn.Linear(64, 32)

    def forward(self, x, state=None):
        states, state = self.rnn(self.embedding(x.T), state)
        return self.readout(states.transpose(0, 1)), state


class Predictor:
    def __init__(self):
        global NETWORK
        NETWORK = Network()
        NETWORK.load_state_dict(load_file(WEIGHTS))
        NETWORK.eval().requires_grad_(False)

    def start(self, B):
        self.pair = (torch.zeros(1, B, 64), torch.zeros(1, B, 64))

    def step(self, token):
        logits, self.pair = NETWORK(token.view(-1, 1), self.pair)
        return (logits - logits.logsumexp(-1, keepdim=True)).squeeze(1)

    def state(self):
        return torch.cat(self.pair).half().numpy().tobytes()

    def resume(self, data):
        both = torch.frombuffer(bytearray(data), dtype=torch.float16).float()
        self.pair = both.view(2, 1, -1, 64).unbind(0)


# %% of="capstone-predictor" variant="json-state"
class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn, self.readout = (
            nn.Embedding(32, 32),
            nn.LSTM(32, 64, batch_first=True),
            nn.Linear(64, 32),
        )

    def forward(self, x, state=None):
        states, state = self.rnn(self.embedding(x), state)
        return self.readout(states), state


class Predictor(Network):
    def __init__(self):
        super().__init__()
        self.load_state_dict(load_file(WEIGHTS))
        self.h = self.c = None

    def start(self, B):
        self.h = torch.zeros(1, B, 64)
        self.c = torch.zeros(1, B, 64)

    @torch.inference_mode()
    def step(self, token):
        logits, (self.h, self.c) = self(token.unsqueeze(1), (self.h, self.c))
        return F.log_softmax(logits.squeeze(1), dim=1)

    def state(self):
        import json

        return json.dumps([self.h.tolist(), self.c.tolist()]).encode()

    def resume(self, data):
        import json

        self.h, self.c = (torch.tensor(part) for part in json.loads(data))


# %% of="capstone-predictor" variant="network-made-before"
class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn, self.readout = nn.Embedding(32, 32), nn.LSTM(32, 64), nn.Linear(64, 32)

    def forward(self, x, state=None):
        states, state = self.rnn(self.embedding(x.T), state)
        return self.readout(states.transpose(0, 1)), state


TRAINED = Network()
TRAINED.load_state_dict(load_file(WEIGHTS))


class Predictor:
    def __init__(self):
        self.network = TRAINED

    def start(self, B):
        self.now = None

    def step(self, token):
        with torch.no_grad():
            logits, self.now = self.network(token[:, None], self.now)
        return logits[:, 0].log_softmax(1)

    def state(self):
        return torch.cat(self.now).numpy().tobytes()

    def resume(self, data):
        self.now = torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(2, 1, -1, 64).unbind(0)


# %% of="capstone-predict-forgotten" variant="a-sentence"
guess_forgotten = 2.77


# %% of="capstone-predict-forgotten" variant="tensor"
guess_forgotten = torch.tensor(0.17)


# %% of="capstone-predict-window" variant="below"
guess_window = "below 0.03"


# %% of="capstone-predict-window" variant="above-with-capital"
guess_window = "Above 0.20"
