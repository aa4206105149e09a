"""What cells and requests use first takes long the first time: it is imported and used once before any of them is there."""

from __future__ import annotations

import gc
import importlib
import pkgutil

from autograder.beside.cells import Shell


def warmed() -> Shell:
    """A shell for a learner's cells, in a process in which nothing is used for the first time any more."""
    import bptt
    from autograder.beside import probes

    for package in (probes, bptt):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    _train()
    _draw()
    shell = Shell()
    shell.run("import math, time\n%matplotlib inline\n1 + 1")
    shell.reset()
    gc.collect()
    gc.freeze()  # a fork that collects garbage then copies none of this
    return shell


def _train() -> None:
    import torch
    import torch._dynamo
    import torch.testing
    from torch.utils.checkpoint import checkpoint
    from torch.utils.flop_counter import FlopCounterMode

    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh())
    for optimizer in (torch.optim.SGD(model.parameters(), 0.1), torch.optim.Adam(model.parameters())):
        with FlopCounterMode(display=False):
            loss = torch.as_tensor(checkpoint(model, torch.ones(4, 2), use_reentrant=False)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    torch.func.vmap(torch.func.grad(torch.sin))(torch.ones(2))
    torch.func.jvp(torch.sin, (torch.ones(2),), (torch.ones(2),))
    torch.linalg.eigvals(torch.eye(2))
    torch.linalg.svdvals(torch.eye(2))
    torch.testing.assert_close(torch.ones(1), torch.ones(1))
    for cell in (torch.nn.RNN(2, 3), torch.nn.LSTM(2, 3), torch.nn.GRU(2, 3)):
        cell(torch.ones(4, 1, 2))


def _draw() -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2], [3, 4], label="$x^2$")
    axes.set_yscale("log")
    axes.legend()
    figure.canvas.draw()
    plt.close("all")
