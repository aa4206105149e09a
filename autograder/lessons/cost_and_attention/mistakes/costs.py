"""Named mistakes of lesson 08 in what is counted before anything runs: products and bytes."""

from __future__ import annotations

from collections.abc import Set

import torch

from autograder.checking.spec import Slip, reference


@reference(
    Slip("one-each", "a multiplication and the addition behind it are counted as one",
         "How many operations does one entry of a matrix product take, and how many of them are additions?"),
    Slip("first-addition-free", "of each sum of products the first addition, to 0, is left out",
         "By custom a multiplication and the addition behind it go together, in the first product too. How many such pairs does one entry take?"),
    Slip("no-input", "the product with W_ih is left out", "Which two products does a step have?"),
    Slip("no-recurrent", "the product with W_hh is left out", "Which two products does a step have?"),
    Slip("one-step", "one step is counted and not T of them", "How often is a step computed?"),
    Slip("one-row", "one row is counted and not B of them", "How many rows does the batch have?"),
    Slip("one-row-one-step", "one row at one step is counted", "How many rows are there, and how many steps?"),
    Slip("hidden-once", "the product with W_hh is counted as H multiply-adds for a row",
         "W_hh maps H numbers to H numbers. How many products does each of the new numbers add up?"),
    Slip("input-squared", "the product with W_ih is counted with D² multiply-adds for a row",
         "How many numbers go into W_ih x, and how many come out?"),
    Slip("sizes-added", "the sizes D and H are added, and not multiplied by the H numbers that come out",
         "How many numbers come out of a step, and how many products does each of them add up?"),
    Slip("first-state-free", "the first step's product with W_hh is left out",
         "h_0 is a state like any other, even if it is zero. Does PyTorch leave its product out?"),
    Slip("with-bias", "adding the bias is counted too", "Only matrix products are asked. Is adding a bias one?"),
    Slip("with-tanh", "the tanh and the bias are counted too", "Only matrix products are asked. What else did you count?"),
    Slip("with-backward", "the backward pass is counted too", "Which of the two passes is asked?"),
    Slip("four-gates", "four gates are counted, as of an LSTM", "How many gates does a simple RNN have?"),
    Slip("time-squared", "the steps are counted twice, as T²", "Does a step look at all the other steps, or at one state?"),
)  # fmt: skip
def rnn_flops(slips: Set[str], B: int, T: int, D: int, H: int) -> int:
    """Multiplications and additions in the matrix products of T steps."""
    ways = {"no-input": 0, "input-squared": D * D, "sizes-added": D}
    into = next((count for id, count in ways.items() if id in slips), D * H)
    ways = {"no-recurrent": 0, "hidden-once": H, "sizes-added": H}
    across = next((count for id, count in ways.items() if id in slips), H * H)
    steps = 1 if slips & {"one-step", "one-row-one-step"} else T * T if "time-squared" in slips else T
    rows = 1 if slips & {"one-row", "one-row-one-step"} else B
    each = 1 if "one-each" in slips else 2
    total = each * rows * (steps * into + (steps - ("first-state-free" in slips)) * across)
    total -= 2 * rows * steps * H * ("first-addition-free" in slips)
    total += rows * steps * H * (2 if "with-tanh" in slips else "with-bias" in slips)
    return total * (3 if "with-backward" in slips else 1) * (4 if "four-gates" in slips else 1)


@reference(
    Slip("numbers", "the numbers are counted and not their bytes", "How many bytes does one number of this dtype take?"),
    Slip("bits", "the bits are counted and not the bytes", "How many bits make a byte?"),
    Slip("always-4", "every number takes 4 bytes, whatever the dtype is", "Where does your function look at `dtype`?"),
    Slip("always-8", "every number takes 8 bytes, whatever the dtype is", "Where does your function look at `dtype`?"),
    Slip("with-h0", "h_0 is counted too", "The states h_1 … h_T are asked: how many is that?"),
    Slip("one-fewer", "one state too few is counted", "The states h_1 … h_T are asked: how many is that?"),
    Slip("last-state", "only one state is counted", "Which states does the way back need?"),
    Slip("one-row", "one row is counted and not B of them", "How many rows does the batch have?"),
    Slip("squared", "H² numbers are counted for each state", "How many numbers does a state have?"),
    Slip("doubled", "twice as many numbers are counted", "The states are asked, and nothing that belongs to them. What did you count besides?"),
    Slip("time-squared", "T² states are counted for each row", "How many states does a row have?"),
)  # fmt: skip
def bptt_bytes(slips: Set[str], B: int, T: int, H: int, dtype: torch.dtype) -> int:
    """Bytes of the states h_1 … h_T."""
    rows = 1 if "one-row" in slips else B
    steps = 1 if "last-state" in slips else T * T if "time-squared" in slips else T
    steps += ("with-h0" in slips) - ("one-fewer" in slips)
    width = H * H if "squared" in slips else 2 * H if "doubled" in slips else H
    size = {"numbers": 1, "bits": 8 * dtype.itemsize, "always-4": 4, "always-8": 8}
    return rows * steps * width * next((count for id, count in size.items() if id in slips), dtype.itemsize)
