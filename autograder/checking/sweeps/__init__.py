"""Backward sweeps of a simple RNN as they are written by hand, with a switch for each mistake that is made in them.

A lesson takes the slips from here that fit its exercise, adds those of its own, and computes in its references:

    run = forward(slips, x, h0, params)                                  # sweep.py: a full sweep,
    losses = read_out(slips, run.states, params, targets)                # readout.py: with a loss at every step,
    swept = sweep(slips, run, losses.own[None], params)                  #   or one on h_T: `own` zeros, begin=dh_T
    gradients(slips, swept, x)
    Case(x, h0, params, targets).truncated(slips, windows)               # truncated.py: which losses go back where,
    Case(x, h0, params, targets).weighted(weights, own, slips)           #   or any weight between a loss and a step

Without slips each of them is right. A switch whose words depend on the exercise has no slip here; the docstrings of the
modules name it.
"""
