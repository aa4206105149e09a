"""Do the errors that learners meet get the question that leads out of them?"""

import pytest
import torch

from autograder.beside import advice

ROWS = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
ERRORS = {
    "a power": (lambda: ROWS ^ 2, "a power"),
    "numpy on a graph": (lambda: __import__("numpy").tanh(ROWS), "Which function of torch"),
    "a token outside the table": (lambda: torch.nn.Embedding(3, 2)(torch.tensor([3])), "not in the table"),
    "an axis that is not there": (lambda: ROWS.shape[2], "which axes are there"),
    "a dimension that is not there": (lambda: ROWS.sum(2), "which axes are there"),
    "a step that is not there": (lambda: ROWS[:, 3], "Step t stands at index t - 1"),
    "a list that is too short": (lambda: [1][1], "Step t stands at index t - 1"),
    "two shapes": (lambda: ROWS @ ROWS, "shape of each factor"),
    "no graph": (lambda: torch.ones(1).sum().backward(), "was the graph cut"),
    "many numbers": (lambda: (ROWS * 2).backward(), "starts from one number"),
    "a leaf changed in place": (lambda: ROWS.add_(1), "changed in place"),
    "an if of many": (lambda: bool(ROWS > 0), "chooses entry by entry"),
}


@pytest.mark.parametrize(("run", "says"), ERRORS.values(), ids=ERRORS)
def test_an_error_gets_its_question(run, says):
    """PyTorch's own words of today are recognised."""
    with pytest.raises(Exception) as caught:
        run()
    assert says in " ".join(advice.on(caught.value))


def test_an_unknown_error_gets_none():
    """The twin: what is not known is left without a guess."""
    assert advice.on(RuntimeError("something else")) == ()
