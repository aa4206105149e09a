"""Named mistakes of one step of an LSTM, read backwards: by gate and by path. Those of the sweep are in measures.py."""

from __future__ import annotations

import itertools
from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.vanishing_gradients.oracles import NAMES, Params, State, torch_lstm_step

GATES = {"i": "the input gate", "f": "the forget gate", "g": "the cell candidate", "o": "the output gate"}
_PARTNER = {
    "i": "c_t contains i ⊙ g. If i moves, by how much does c_t?",
    "f": "c_t contains f ⊙ c_{t-1}. If f moves, by how much does c_t?",
    "g": "c_t contains i ⊙ g. If g moves, by how much does c_t?",
    "o": "h_t is o ⊙ tanh(c_t). If o moves, by how much does h_t?",
}


def _by_gate() -> tuple[Slip, ...]:
    slips = []
    for gate, name in GATES.items():
        own, other = (
            ("1 − g²", "that of a sigmoid, g (1 − g)")
            if gate == "g"
            else (f"{gate} (1 − {gate})", f"that of a tanh, 1 − {gate}²")
        )
        slips += [
            Slip(f"{gate}-no-slope", f"in {name} the slope of its own squashing is left out",
                 f"Your gradient arrives at {gate}. What lies between {gate} and its pre-activation?"),
            Slip(f"{gate}-other-slope", f"{name} is given the wrong slope: {other}", f"Which function made {gate}, and is {own} its slope?"),
            Slip(f"{gate}-left-out", f"nothing goes back through {name}", _PARTNER[gate]),
        ]  # fmt: skip
    return tuple(slips)


BY_GATE = (
    *_by_gate(),
    Slip("gates-without-slope", "the slopes of all four squashings are left out",
         "Your gradients arrive at i, f, g and o. What lies between each of them and its pre-activation?"),
    Slip("i-with-c-prev", "in the input gate c_{t-1} stands where g belongs", _PARTNER["i"]),
    Slip("i-alone", "in the input gate the factor g is missing", _PARTNER["i"]),
    Slip("f-with-new-c", "in the forget gate c_t stands where c_{t-1} belongs", _PARTNER["f"]),
    Slip("f-with-g", "in the forget gate g stands where c_{t-1} belongs", _PARTNER["f"]),
    Slip("f-with-h-prev", "in the forget gate h_{t-1} stands where c_{t-1} belongs", _PARTNER["f"]),
    Slip("f-alone", "in the forget gate the factor c_{t-1} is missing", _PARTNER["f"]),
    Slip("g-with-f", "in the cell candidate f stands where i belongs", _PARTNER["g"]),
    Slip("g-alone", "in the cell candidate the factor i is missing", _PARTNER["g"]),
    Slip("o-with-c", "in the output gate c_t stands where tanh(c_t) belongs", _PARTNER["o"]),
    Slip("o-alone", "in the output gate the factor tanh(c_t) is missing", _PARTNER["o"]),
    Slip("o-from-dc", "the output gate is fed by what arrives at c_t, and not by dh", "Does c_t depend on o? What does?"),
    *(Slip(f"rows-{a}{b}", f"the gradients of {a} and of {b} are put together in each other's place",
           "In which order do the rows of weight_ih belong to the gates?") for a, b in itertools.combinations(GATES, 2)),
)  # fmt: skip
BY_PATH = (
    Slip("h-to-c-lost", "what arrives at h_t does not go on to c_t: only dc does", "h_t is made from o and from c_t. Do both of them hear of dh?"),
    Slip("dc-ignored", "what arrives at c_t from step t + 1, dc, is not used", "c_t has two uses: in h_t, and in the next step. Which of your lines hears of the second?"),
    Slip("tanh-c-no-slope", "on the way from h_t to c_t the slope of the tanh is left out", "h_t is o ⊙ tanh(c_t). What lies between c_t and h_t besides o?"),
    Slip("tanh-c-twice", "on the way from h_t to c_t the tanh is taken twice: 1 − tanh(tanh(c_t))²", "Does your name hold c_t or tanh(c_t)?"),
    Slip("tanh-c-slope-of-c", "on the way from h_t to c_t the slope is 1 − c_t², without the tanh in it", "The slope of the tanh is written in its output. What is the output here?"),
    Slip("tanh-c-slope-old", "on the way from h_t to c_t the slope is taken at c_{t-1}", "Which c does h_t show?"),
    Slip("tanh-c-slope-on-all", "the slope of tanh(c_t) multiplies dc as well", "dc arrives at c_t itself. Does it pass the tanh that leads to h_t?"),
    Slip("h-to-c-no-o", "on the way from h_t to c_t the output gate is left out", "h_t is o ⊙ tanh(c_t). By what is a move of tanh(c_t) multiplied?"),
    Slip("c-not-through-f", "what goes back to c_{t-1} has not passed the forget gate", "c_t contains f ⊙ c_{t-1}. By what is a move of c_{t-1} multiplied?"),
    Slip("c-through-i", "what goes back to c_{t-1} is multiplied by i", "c_t contains f ⊙ c_{t-1}. By what is a move of c_{t-1} multiplied?"),
    Slip("c-from-dc-alone", "only dc goes back to c_{t-1}, without what h_t gave to c_t", "What has arrived at c_t in all, when it goes on to c_{t-1}?"),
    Slip("c-not-back", "nothing goes back to c_{t-1}", "c_t contains c_{t-1}. What arrives there?"),
    Slip("c-stays", "dc comes back as dc_prev as it was", "What has arrived at c_t in all, and what does it pass on its way to c_{t-1}?"),
    Slip("h-not-back", "nothing goes back to h_{t-1}", "All four gates read h_{t-1}. What arrives there?"),
    *(Slip(f"h-not-through-{gate}", f"what goes back to h_{{t-1}} does not come through {name}", "Which gates read h_{t-1}? Are they all in your sum?") for gate, name in GATES.items()),
    Slip("h-keeps-dh", "dh itself is added to what goes back to h_{t-1}", "Is there a way from h_{t-1} to h_t that passes no gate?"),
    Slip("h-by-transpose", "what goes back to h_{t-1} meets weight_hh the wrong way round within each gate", "The forward step multiplies rows by weight_hhᵀ. What does the way back multiply by?"),
)  # fmt: skip
SHARES = (
    Slip("weight-hh-with-new-h", "dL/dweight_hh is built with h_t in place of h_{t-1}", "Which h did weight_hh multiply in this step?"),
    Slip("weight-hh-with-c", "dL/dweight_hh is built with c_{t-1} in place of h_{t-1}", "Which of h and c did weight_hh multiply in this step?"),
    Slip("bias-hh-zero", "dL/dbias_hh is 0", "Both biases are added to the same pre-activations. How do their gradients differ?"),
    Slip("bias-halved", "each bias is given half of the gradient", "If bias_ih alone moves, by how much do the pre-activations?"),
    Slip("biases-averaged", "the gradients of the biases are averaged over the batch, not summed", "The weights sum over the batch. And the biases?"),
    Slip("divided-by-batch", "the gradients of the parameters are divided by the batch size", "Where would a mean over the batch enter: here, or in dh and dc?"),
)  # fmt: skip


@reference(*BY_GATE, *BY_PATH, *SHARES)
def lstm_step_backward(
    slips: Set[str], dh: Tensor, dc: Tensor, x_t: Tensor, state: State, params: Params
) -> tuple[Tensor, Tensor, Tensor, Params]:
    """(dx, dh_prev, dc_prev, dparams) of one step."""
    h, c = state
    made_h, made_c = torch_lstm_step(x_t, state, params)
    a = x_t @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias_ih"] + params["bias_hh"]
    i, f, g, o = a.chunk(4, 1)
    i, f, g, o, shown = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o), torch.tanh(made_c)
    arrived = _at_c(slips, dh, dc, o, c, made_c)
    one = torch.ones_like(i)
    partner = {
        "i": c if "i-with-c-prev" in slips else one if "i-alone" in slips else g,
        "f": made_c if "f-with-new-c" in slips else g if "f-with-g" in slips else h if "f-with-h-prev" in slips
        else one if "f-alone" in slips else c,
        "g": f if "g-with-f" in slips else one if "g-alone" in slips else i,
        "o": made_c if "o-with-c" in slips else one if "o-alone" in slips else shown,
    }  # fmt: skip
    da = {}
    for gate, value in (("i", i), ("f", f), ("g", g), ("o", o)):
        as_tanh = (gate == "g") != (f"{gate}-other-slope" in slips)
        slope = 1 - value * value if as_tanh else value * (1 - value)
        slope = one if slips & {f"{gate}-no-slope", "gates-without-slope"} else slope
        above = dh if gate == "o" and "o-from-dc" not in slips else arrived
        da[gate] = above * partner[gate] * slope * (f"{gate}-left-out" not in slips)
    order = list(GATES)
    for one_gate, other in itertools.combinations(GATES, 2):
        if f"rows-{one_gate}{other}" in slips:
            da[one_gate], da[other] = da[other], da[one_gate]
    stacked = torch.cat([da[gate] for gate in order], 1)
    read = made_h if "weight-hh-with-new-h" in slips else c if "weight-hh-with-c" in slips else h
    bias = stacked.mean(0) if "biases-averaged" in slips else stacked.sum(0)
    bias = bias / 2 if "bias-halved" in slips else bias
    values = (stacked.T @ x_t, stacked.T @ read, bias, 0 * bias if "bias-hh-zero" in slips else bias)
    dparams = {name: value / (len(dh) if "divided-by-batch" in slips else 1) for name, value in zip(NAMES, values, strict=True)}  # fmt: skip
    dh_prev = _to_h(slips, dh, da, params["weight_hh"])
    return stacked @ params["weight_ih"], dh_prev, _to_c(slips, dc, arrived, i, f), dparams


def _at_c(slips: Set[str], dh: Tensor, dc: Tensor, o: Tensor, c: Tensor, made_c: Tensor) -> Tensor:
    """What arrives at c_t, through h_t and from step t + 1."""
    slope = 1 - torch.tanh(c if "tanh-c-slope-old" in slips else made_c) ** 2
    if "tanh-c-twice" in slips:
        slope = 1 - torch.tanh(torch.tanh(made_c)) ** 2
    if "tanh-c-slope-of-c" in slips:
        slope = 1 - made_c**2
    if "tanh-c-no-slope" in slips:
        slope = torch.ones_like(slope)
    through_h = dh * (1 if "h-to-c-no-o" in slips else o) * slope
    if "h-to-c-lost" in slips:
        through_h = 0 * through_h
    own = 0 * dc if "dc-ignored" in slips else dc
    return through_h + (own * slope if "tanh-c-slope-on-all" in slips else own)


def _to_c(slips: Set[str], dc: Tensor, arrived: Tensor, i: Tensor, f: Tensor) -> Tensor:
    """What goes back to c_{t-1}."""
    if "c-stays" in slips:
        return dc
    arrived = dc if "c-from-dc-alone" in slips else 0 * dc if "c-not-back" in slips else arrived
    return arrived if "c-not-through-f" in slips else arrived * (i if "c-through-i" in slips else f)


def _to_h(slips: Set[str], dh: Tensor, da: Params, weight_hh: Tensor) -> Tensor:
    """What goes back to h_{t-1}."""
    rows = weight_hh.chunk(4)
    total = torch.zeros_like(dh)
    for gate, W in zip(GATES, rows, strict=True):
        if f"h-not-through-{gate}" not in slips:
            total = total + da[gate] @ (W.T if "h-by-transpose" in slips else W)
    if "h-not-back" in slips:
        return torch.zeros_like(dh)
    return total + dh if "h-keeps-dh" in slips else total
