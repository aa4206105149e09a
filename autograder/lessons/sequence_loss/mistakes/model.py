"""Named mistakes of lesson 04 in a sequence model, in the states that it hands back, and in generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference


def states_of(slips: Set[str], weights: Mapping[str, Tensor], tokens: Tensor, h: Tensor | None) -> Tensor:
    """All states of a SequenceModel with these weights; (B, T), (1, B, H) or None → (B, T, H)."""
    inputs = weights["embedding.weight"][tokens]  # (B, T, E)
    state = inputs.new_zeros(len(tokens), weights["readout.weight"].shape[1]) if h is None else h[0]
    squash = torch.relu if "relu" in slips else torch.tanh
    bias, states = weights["rnn.bias_ih_l0"] + weights["rnn.bias_hh_l0"], []
    for t in range(tokens.shape[1]):
        if "cut-each-step" in slips:
            state = state.detach()
        if "state-lost" in slips:
            state = torch.zeros_like(state)
        state = squash(inputs[:, t] @ weights["rnn.weight_ih_l0"].T + state @ weights["rnn.weight_hh_l0"].T + bias)
        states.append(state)
    return torch.stack(states, 1)


READOUT = "The logits of every step are asked for. Which of the two things that `self.rnn` returns has the states of all steps?"


@reference(
    Slip(
        "time-first",
        "the recurrent layer takes the rows of the batch for time steps",
        "Which axis is time for `nn.RNN`, unless it is told otherwise?",
    ),
    Slip("h-ignored", "the state that was handed in is not used", "Where does your `forward` pass `h` on?"),
    Slip("kept-on-self", "the state of an earlier call is used in place of the one handed in", "Does your model keep a state on `self`? Who should keep it?", once=True),
    Slip("right-to-left", "the recurrence runs from the last step to the first", "May the prediction of a step know of later tokens?"),
    Slip("all-states", "the states of all steps are returned in place of the last one", "`self.rnn` returns two things. Which one can be handed in again?"),
    Slip("old-state", "the state that was handed in is handed back unchanged", "Which of the two things that `self.rnn` returns is the new state?"),
    Slip("flat-state", "the state comes back without its first axis", "Which shape does `nn.RNN` take a state in?"),
    Slip("last-step-only", "only the last step is read out", READOUT),
    Slip("last-step-kept", "only the last step is read out, as a piece of one step", READOUT),
    Slip("last-state-read", "only the state after the last step is read out", READOUT),
    Slip("swapped", "the state comes first and the logits second", "In which order does the exercise ask for the two?"),
    Slip("classes-second", "the classes stand on axis 1", "Which shape does the exercise ask for?"),
    Slip("softmax", "the model ends in a softmax", "Does the loss take probabilities or logits?"),
    Slip("log-softmax", "the model ends in a log-softmax", "The loss does that itself. What is the last layer of the exercise?"),
    Slip("tanh-twice", "a second tanh follows the recurrent layer", "The states have been through a tanh already. What lies between them and the read-out?"),
    Slip("relu-between", "a ReLU lies between the states and the read-out", "What lies between the states and the read-out?"),
    Slip("relu", "the recurrent layer uses ReLU in place of tanh", "Which nonlinearity does `nn.RNN` use, unless it is told otherwise?"),
)  # fmt: skip
def sequence_model(
    slips: Set[str], weights: Mapping[str, Tensor], tokens: Tensor, h: Tensor | None, kept: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(logits (B, T, V), h (1, B, H)); `kept` is the state after the call before."""
    if "kept-on-self" in slips and kept is not None:
        h = kept
    given, rows_last = (None if "h-ignored" in slips else h), "time-first" in slips
    tokens = tokens.flip(1) if "right-to-left" in slips else tokens
    states = states_of(slips, weights, tokens.T if rows_last else tokens, given)
    last = states[:, -1].unsqueeze(0)
    states = states.flip(1) if "right-to-left" in slips else states
    states = states.transpose(0, 1) if rows_last else states
    read = states.tanh() if "tanh-twice" in slips else states.relu() if "relu-between" in slips else states
    logits = read @ weights["readout.weight"].T + weights["readout.bias"]
    if "last-step-only" in slips:
        logits = logits[:, -1]
    if "last-step-kept" in slips:
        logits = logits[:, -1:]
    if "last-state-read" in slips:
        logits = logits[:, -1].unsqueeze(0)
    if "classes-second" in slips:
        logits = logits.transpose(1, 2)
    if "softmax" in slips:
        logits = logits.softmax(-1)
    if "log-softmax" in slips:
        logits = logits.log_softmax(-1)
    if "all-states" in slips:
        last = states
    if "old-state" in slips and h is not None:
        last = h
    if "flat-state" in slips:
        last = last.squeeze(0)
    return (last, logits) if "swapped" in slips else (logits, last)


@reference(
    Slip("h-comes-detached", "the state that was handed in is cut off from its graph before it is used", "A loss behind this call has to reach the calls before it. Which line of `forward` takes `h` out of its graph?"),
    Slip("h-leaves-detached", "the state that is handed back is cut off from its graph", "A later loss has to reach this call through the state. Which line of `forward` takes the state out of its graph? Where a text is to be cut is the caller's choice."),
    Slip("cut-each-step", "the state is detached at every step: no gradient flows back through time", "How many steps back does the gradient of the last step's logits have to go?"),
    Slip("row-0-frozen", "row 0 of the table never gets a gradient, as if token 0 were padding", "Token 0 is a token like any other here. Which argument of the table says otherwise?"),
    Slip("table-frozen", "the table gets no gradient at all", "Between the table and the recurrence: is the graph cut somewhere?"),
    Slip("states-detached", "the read-out is given the states without their graph", "Between the states and the read-out: is the graph cut somewhere?"),
)  # fmt: skip
def gradients(
    slips: Set[str], weights: Mapping[str, Tensor], pieces: Sequence[Tensor], h: Tensor, toward: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The gradients of Σ toward · (logits of each piece, last state), the state handed on, by each parameter and by h."""
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    first = h.clone().requires_grad_()
    own = [*leaves.values(), first]
    used = dict(leaves)
    if "table-frozen" in slips:
        used["embedding.weight"] = used["embedding.weight"].detach()
    if "row-0-frozen" in slips:
        table = used["embedding.weight"]
        used["embedding.weight"] = torch.cat([table[:1].detach(), table[1:]])
    state, total = first, torch.zeros((), dtype=h.dtype, device=h.device)
    for tokens, weight in zip(pieces, toward, strict=False):
        states = states_of(slips, used, tokens, state.detach() if "h-comes-detached" in slips else state)
        state = states[:, -1].unsqueeze(0)
        read = states.detach() if "states-detached" in slips else states
        total = total + ((read @ used["readout.weight"].T + used["readout.bias"]) * weight).sum()
        state = state.detach() if "h-leaves-detached" in slips else state
    total = total + (state * toward[-1]).sum()
    return tuple(torch.autograd.grad(total, own, allow_unused=True, materialize_grads=True))


@reference(
    Slip("padding-moves-it", "the padded steps have moved the state", "After which step is each row's last real token read?"),
    Slip("one-too-late", "the state is taken one step too late", "With Python's count from 0, at which index stands the state after 3 tokens?"),
    Slip("one-too-early", "the state is taken one step too early", "With Python's count from 0, at which index stands the state after 3 tokens?"),
    Slip("one-length", "the length of the first row is used for all rows", "Which index does each row have of its own?"),
    Slip("shortest", "all rows are cut to the length of the shortest", "Which index does each row have of its own?"),
    Slip("embeddings-set-to-0", "the padded steps are read with embeddings of 0", "Does a step without an input leave a state as it is? What is still in the formula?"),
    Slip("lengths-from-tokens", "the number of tokens that are not 0 is taken for a row's length", "0 is a token like any other, and padding may be any token. What says how long a row is?"),
    Slip("set-to-zero", "a row's state is set to 0 once its tokens are used up", "Should the state vanish there, or stay as it is?"),
    Slip("first-state", "the state after the first token is taken", "After which token is the state asked for?"),
    Slip("mean-state", "the mean of the states over the real steps is taken", "Which one state is asked for?"),
    Slip("padding-set-to-0", "the padded tokens are set to 0 and then read", "0 is a token like any other. Does reading it leave a state as it is?"),
    Slip("flat-state", "the state comes back without its first axis", "The model is to take this state in. Which shape does `nn.RNN` take a state in, and what is its first axis?"),
    Slip("minus-length", "the state of step T − ℓ + 1 is taken: the index −ℓ counts from the end", "At which index is the state after ℓ tokens, counted from the beginning?"),
    Slip("sorted-twice", "rows that were sorted by length are put back with the order that sorted them", "If row 2 went to place 0: which index brings it back to place 2? Is that the same list of indices?"),
    Slip("sorted-rows", "the rows come back sorted by length", "If rows were sorted on the way in, where is that undone?"),
)  # fmt: skip
def final_state(slips: Set[str], weights: Mapping[str, Tensor], tokens: Tensor, lengths: Tensor) -> Tensor:
    """The state of each row after its own last token; (B, T), (B,) → (1, B, H)."""
    rows, steps = torch.arange(len(tokens), device=tokens.device), torch.arange(tokens.shape[1], device=tokens.device)
    if "padding-set-to-0" in slips:
        tokens = tokens * (steps < lengths.unsqueeze(1))
    if "embeddings-set-to-0" in slips:  # the token after the last stands for an embedding of 0
        table = weights["embedding.weight"]
        weights = {**weights, "embedding.weight": torch.cat([table, torch.zeros_like(table[:1])])}
        tokens = torch.where(steps < lengths.unsqueeze(1), tokens, len(table))
    states, last = states_of(slips, weights, tokens, None), lengths - 1
    if slips & {"padding-moves-it", "padding-set-to-0", "embeddings-set-to-0"}:
        last = torch.full_like(last, tokens.shape[1] - 1)
    if "one-too-late" in slips:
        last = (last + 1).clamp(max=tokens.shape[1] - 1)
    if "one-too-early" in slips:
        last = last - 1
    if "minus-length" in slips:
        last = tokens.shape[1] - lengths
    if "one-length" in slips:
        last = last[:1].expand_as(last)
    if "shortest" in slips:
        last = last.min().expand_as(last)
    if "lengths-from-tokens" in slips:
        last = (tokens != 0).sum(1) - 1
    if "first-state" in slips:
        last = torch.zeros_like(last)
    at = states[rows, last]
    if "set-to-zero" in slips:
        at = torch.where((lengths < tokens.shape[1]).unsqueeze(1), 0.0, at)
    if "mean-state" in slips:
        real = steps < lengths.unsqueeze(1)
        at = (states * real.unsqueeze(2)).sum(1) / lengths.unsqueeze(1)
    if slips & {"sorted-rows", "sorted-twice"}:
        order = lengths.argsort(descending=True)
        at = at[order[order] if "sorted-twice" in slips else order]
    return at if "flat-state" in slips else at.unsqueeze(0)


@reference(
    Slip("state-lost", "each step begins from no state at all", "What does the model know of the prompt when it reads its own last token?"),
    Slip("prompt-forgotten", "only the last token of the prompt is read", "Which tokens does the model have to read before its first own one?"),
    Slip("lost-after-prompt", "the prompt's state is lost before the first generated token is read", "What is handed to the model together with that token?"),
    Slip("not-carried", "the state is not carried on: each generated token is read without one", "What comes back from a call besides the logits, and what is handed in with the next token?"),
    Slip("state-frozen", "every token is read with the state that the prompt left", "Which variable holds the state, and where does it change?"),
    Slip("last-read-twice", "the last token of the prompt is read twice", "Which token comes next, once the prompt has been read?"),
    Slip("first-left-out", "the first generated token is missing", "Which logits choose the first token: are any needed besides those of the prompt?"),
    Slip("prompt-too", "the prompt stands before the generated tokens", "Which tokens are asked for?"),
    Slip("one-too-many", "one token too many is generated", "How often does your loop run, and which token comes from before it?"),
    Slip("one-too-few", "one token too few is generated", "How often does your loop run, and which token comes from before it?"),
    Slip("first-logits", "the first token is chosen by the logits of the first step", "After which step has the whole prompt been read?"),
    Slip("over-all-steps", "the largest of all the prompt's logits is looked for, over all steps at once", "Which step's logits choose the first token? And what does an index count that runs over all of them?"),
    Slip("least-likely", "the token with the smallest logit is taken", "Greedy means the most likely token."),
    Slip("same-token", "the first choice is repeated", "Where in the loop is a new token chosen?"),
    Slip("prompt-cut", "the last token of the prompt is not read", "Where does your slice of the prompt end?"),
)  # fmt: skip
def generate(slips: Set[str], weights: Mapping[str, Tensor], prompt: Tensor, n: int) -> Tensor:
    """The n most likely tokens, each read before the next; (P,) → (n,)."""

    def step(tokens: Tensor, h: Tensor | None) -> tuple[Tensor, Tensor]:
        states = states_of(frozenset(), weights, tokens.unsqueeze(0), h)
        return states[0] @ weights["readout.weight"].T + weights["readout.bias"], states[:, -1:]

    read = prompt[-1:] if "prompt-forgotten" in slips else prompt[:-1] if "prompt-cut" in slips else prompt
    h: Tensor | None
    logits, h = step(read, None)
    if "state-lost" in slips:
        logits, h = step(prompt[-1:], None)
    if "last-read-twice" in slips:
        logits, h = step(prompt[-1:], h)
    scores, after_prompt = logits[0 if "first-logits" in slips else -1], h
    tokens: list[Tensor] = []
    if "lost-after-prompt" in slips:
        h = None
    for _ in range(n + 1):
        token = scores.argmin() if "least-likely" in slips else scores.argmax()
        token = logits.argmax() % len(scores) if "over-all-steps" in slips else token
        tokens.append(tokens[0] if "same-token" in slips and tokens else token)
        before = None if slips & {"state-lost", "not-carried"} else after_prompt if "state-frozen" in slips else h
        logits, h = step(token.reshape(1), before)
        scores = logits[-1]
    made = torch.stack(tokens)
    made = made[1:] if "first-left-out" in slips else made[:n]
    if "one-too-many" in slips:
        made = torch.stack(tokens)
    if "one-too-few" in slips:
        made = made[:-1]
    return torch.cat([prompt, made]) if "prompt-too" in slips else made
