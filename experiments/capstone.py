"""Lesson 09 over seeds: the best predictor on open texts, and what a budget buys with one decision changed at a time.

``python -m experiments.capstone`` writes the weights that the tests hand in.
"""

from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file
from torch import nn

from autograder.house import ROOT
from autograder.lessons.capstone.oracles import best_log_probs
from experiments.notebook import solved

SEEDS = range(3)
TESTS = ROOT / "tests" / "answers" / "capstone"
HANDED_IN = {"tanh": "tanh.safetensors", "short_windows": "short_windows.safetensors", "reference": "beside/09_weights.safetensors"}  # fmt: skip


def open_text(seed: int) -> dict:
    """ln p of every token of an open text by the best predictor there can be: the values that occur, and a digit for each token."""
    lesson = solved("capstone")
    best = best_log_probs(lesson.language, lesson.open_text(seed))
    levels, digits = best.unique(return_inverse=True)
    return {"levels": levels.tolist(), "rows": ["".join(map(str, row)) for row in digits.tolist()]}


def reference(seed: int) -> dict:
    """The solution: an LSTM whose forget gates begin open, windows of 24."""
    return trained("reference", seed)[0]


def closed_gates(seed: int) -> dict:
    """The same with the biases that PyTorch gives."""
    return trained("closed_gates", seed)[0]


def half_windows(seed: int) -> dict:
    """The same in windows of 12 steps."""
    return trained("half_windows", seed)[0]


def short_windows(seed: int) -> dict:
    """The same in windows of 6 steps."""
    return trained("short_windows", seed)[0]


def tanh(seed: int) -> dict:
    """A tanh network in windows of 24 steps."""
    return trained("tanh", seed)[0]


def as_found(seed: int) -> dict:
    """The solution with the windows of section 3 as they are handed out."""
    return trained("as_found", seed)[0]


def trained(which: str, seed: int) -> tuple[dict, nn.Module]:
    """The learning curve of one decision with its losses by kind, and the network."""
    lesson = solved("capstone", released=("capstone-bug",) if which == "as_found" else ())
    torch.manual_seed(seed)
    model = lesson.Baseline() if which == "tanh" else lesson.Network()
    if which == "closed_gates":
        model.rnn.reset_parameters()
    k = {"half_windows": 12, "short_windows": 6}.get(which, 24)
    curve = lesson.spend(model, k, seed)
    return {**curve, "by_kind": by_kind(lesson, model)}, model


def by_kind(lesson: SimpleNamespace, model: nn.Module) -> list[float]:
    """Nats lost above the best predictor for each kind of token on the open text."""
    with torch.no_grad():
        return lesson.lost_by_kind(model(lesson.OPEN[:, :-1])[0].log_softmax(2).double())


def main() -> None:
    """Write the weights that the tests hand in."""
    torch.set_num_threads(1)
    for which, name in HANDED_IN.items():
        file = TESTS / name
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        save_file(trained(which, 0)[1].state_dict(), file)
        print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
