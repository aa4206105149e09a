"""Is mixing devices seen without a GPU, and are right answers left alone?"""

import pytest
import torch
import torch.nn.functional as F

from autograder.beside.hygiene import DeviceMixed, Pretend, stranded, tag


def into_buffer(x, targets, W, **options):
    states = torch.zeros(2, 5, 4, **options)
    for t in range(5):
        states[:, t] = x[:, t] @ W.T
    return states


RIGHT = {
    "product": lambda x, targets, W: x @ W.T,
    "stack": lambda x, targets, W: torch.stack([x[:, t] for t in range(5)], 1),
    "one_hot": lambda x, targets, W: F.one_hot(targets, 3).to(x.dtype) * x,
    "index by a CPU tensor": lambda x, targets, W: x[torch.arange(2)],
    "new_zeros": lambda x, targets, W: x.new_zeros(2, 4) + x[:, 0] @ W.T,
    "device named": lambda x, targets, W: into_buffer(x, targets, W, device=x.device),
    "eye moved": lambda x, targets, W: torch.eye(3).to(x) + x[0, :3],
    "CPU scalar": lambda x, targets, W: x * torch.tensor(2.0),
    "looks at values": lambda x, targets, W: torch.linalg.eigvals(W[:3, :3]).abs().max().item(),
    "jacrev": lambda x, targets, W: torch.func.jacrev(lambda h: torch.tanh(h @ W.T))(x[0, 0]),
    "iteration": lambda x, targets, W: list(x)[0] + x[0],
    "numpy by way of the CPU": lambda x, targets, W: float(x.cpu().numpy().sum()),
    "an input of which a copy was on the CPU before": lambda x, targets, W: (x.cpu().numpy(), W.to("cpu"), x @ W.T)[2],
    "all moved to the CPU": lambda x, targets, W: (x.to("cpu") @ W.to(device="cpu").T).sum().item(),
    "the text of the device": lambda x, targets, W: torch.zeros(2, 5, 3, device=str(x.device)) + x,
    "loss": lambda x, targets, W: F.cross_entropy(x.reshape(-1, 3), targets.reshape(-1)),
}
WRONG = {
    "zeros": lambda x, targets, W: torch.zeros(2, 4) + x[:, 0] @ W.T,
    "eye": lambda x, targets, W: torch.eye(3) @ x[0].T,
    "cat": lambda x, targets, W: torch.cat([x[:, :1], torch.zeros(2, 1, 3)], 1),
    "where": lambda x, targets, W: torch.where(torch.arange(5)[None, :, None] < 3, x, 0.0),
    "numpy": lambda x, targets, W: torch.from_numpy(x.numpy()),
    "buffer": into_buffer,
}


def fails(run):
    inputs = torch.randn(2, 5, 3), torch.randint(0, 3, (2, 5)), torch.randn(4, 3)
    for tensor in inputs:
        tag(tensor, "away")
    try:
        with Pretend():
            return stranded(run(*inputs))
    except DeviceMixed:
        return True


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_pass(name):
    """What runs on a GPU runs on the pretend device."""
    assert not fails(RIGHT[name])


@pytest.mark.parametrize("name", WRONG)
def test_mixed_devices_are_seen(name):
    """What would fail on a GPU, or come back on the CPU, is seen."""
    assert fails(WRONG[name])


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*RIGHT, *WRONG])
def test_the_pretended_device_agrees_with_a_real_one(name):
    """On a real GPU the same functions fail, and no others."""
    inputs = torch.randn(2, 5, 3).cuda(), torch.randint(0, 3, (2, 5)).cuda(), torch.randn(4, 3).cuda()
    try:
        out = {**RIGHT, **WRONG}[name](*inputs)
        failed = isinstance(out, torch.Tensor) and not out.is_cuda
    except (RuntimeError, TypeError):
        failed = True
    assert failed == (name in WRONG)
