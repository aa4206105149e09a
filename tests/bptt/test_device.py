"""Is there one rule for where tensors live?"""

import pytest
import torch

from bptt.device import pick_device, pick_dtype


def test_the_cpu_is_the_default(monkeypatch):
    """Without BPTT_DEVICE, lessons run on the CPU, whatever else the machine has."""
    monkeypatch.delenv("BPTT_DEVICE", raising=False)
    assert pick_device() == torch.device("cpu")


def test_a_device_that_is_not_there_is_refused_in_one_line(monkeypatch):
    """The error names the variable and says how to go on."""
    monkeypatch.setenv("BPTT_DEVICE", "abacus")
    with pytest.raises(RuntimeError, match="BPTT_DEVICE=abacus cannot be used here.*Unset it") as caught:
        pick_device()
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
def test_a_gpu_is_used_when_it_is_asked_for(monkeypatch):
    """BPTT_DEVICE=cuda moves the lessons to the GPU."""
    monkeypatch.setenv("BPTT_DEVICE", "cuda")
    assert pick_device().type == "cuda"


@pytest.mark.parametrize(("device", "dtype"), [("cpu", torch.float64), ("cuda", torch.float64), ("mps", torch.float32)])
def test_precision_is_double_where_the_device_has_it(device, dtype):
    """float64 hides no mistake; MPS has none, so float32 it is."""
    assert pick_dtype(torch.device(device)) == dtype
