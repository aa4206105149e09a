"""What to ask about PyTorch's and Python's own errors; runs beside the learner's code."""

from __future__ import annotations


def on(error: Exception) -> tuple[str, ...]:
    """The question that leads out of an error, where it is one that learners of this subject meet; else nothing."""
    text = str(error)
    if clues := on_a_broken_gpu(error):
        return clues
    if "modified by an inplace operation" in text:
        return ("A tensor that autograd needs for the backward pass was overwritten. Which line writes into a tensor"
                " that an earlier step still needs? Collect the steps in a list, and stack it at the end.",)  # fmt: skip
    if "backward through the graph a second time" in text:
        return (
            "The graph of an earlier backward pass was reached again. Is a state handed on that still carries its history? If one graph is"
            " to serve several calls: ask for all leaves in one of them, or keep it with `retain_graph=True`.",
        )
    if "appears to not have been used in the graph" in text:
        return ("The graph is cut between this tensor and the result (`detach`, `.data`, `torch.no_grad()`), or the"
                " tensor has no part in the result. Which of the two is it?",)  # fmt: skip
    if "view size is not compatible" in text:
        return ("This tensor lies in memory in another order than its axes say: a transposed one does, and `zeros_like`"
                " of it too, since it copies the layout. `view` cannot take that. What else gives a new shape?",)  # fmt: skip
    if "does not require grad" in text:
        return (
            "Nothing here is connected to a tensor that requires a gradient. Was none made to require one, or was the graph cut?",
        )
    if "only for scalar outputs" in text:
        return (
            "A gradient starts from one number. If there are many: which weights does each of them get (`grad_outputs`)?",
        )
    if "a leaf Variable that requires grad" in text:
        return ("Which tensor is changed in place here, and does it have to require a gradient?",)
    if "'tuple' object has no attribute" in text or "must be Tensor, not tuple" in text:
        return ("Several values were taken for one tensor. Which call returns a pair, as a recurrent layer and a model"
                " that hands its state back do, and which of the two is wanted here?",)  # fmt: skip
    if isinstance(error, TypeError) and "(position" in text:
        return ("PyTorch names the place in the call where it was given something else than it takes there. What do you"
                " hand in at that place? Options such as `reduction` go by name: `name=value`.",)  # fmt: skip
    if isinstance(error, TypeError) and "argument" in text:
        return ("The arguments are those of the exercise, in its order. Does the signature still match?",)
    if "not implemented for 'Complex" in text:
        return ("Complex numbers have no order, so there is no largest one. How long is each of them?",)
    if "Expected target size" in text:
        return ("Cross-entropy takes axis 1 for the classes. Which of your axes is that, and what is on it?",)
    if "before Module.__init__() call" in text:
        return ("An nn.Module has to be set up before it can hold parts. Which line of __init__ does that?",)
    if "cannot be multiplied" in text or "size mismatch" in text:
        return ("Two shapes do not fit. Write the shape of each factor behind the line, and compare.",)
    if "must match" in text or "not broadcastable" in text:
        return (
            "Two shapes do not fit. Write the shape of each tensor behind the line, and compare them axis by axis.",
        )
    if "truth value" in text or "Boolean value of Tensor" in text:
        return ("Each entry has a yes or no of its own, and `if` takes one. Which function chooses entry by entry?",)
    if "Target" in text and "is out of bounds" in text:
        return ("This target is no class. If it marks padding, how is the loss told to leave it out? If it is a label,"
                " how many classes do the logits have?",)  # fmt: skip
    if "index out of range in self" in text:  # an embedding's table
        return ("A token below 0, or not below the number of tokens, is not in the table. Which token is that, and where does"
                " it come from?",)  # fmt: skip
    if "tuple index out of range" in text or "Dimension out of range" in text:
        return (
            "A tensor has fewer axes here than the line counts on. Write its shape behind the line: which axes are there?",
        )
    if "cannot be converted to Scalar" in text:
        return (
            "Only a tensor of one entry becomes a plain number. How many has this one, and is a number what is asked for?",
        )
    if "bitwise_xor" in text:
        return ("In Python `^` works on bits. Which sign stands for a power?",)
    if "numpy() on Tensor that requires grad" in text:
        return ("A function of numpy was given a tensor with a graph. Detaching, as PyTorch proposes, would cut the graph."
                " Which function of torch does the same?",)  # fmt: skip
    if isinstance(error, IndexError) and ("out of range" in text or "out of bounds" in text):
        return (
            "Step t stands at index t - 1, and an axis of size n has the indices 0 to n - 1. Which axis is counted here?",
        )
    if isinstance(error, KeyError):
        return ("The names of the parameters stand in the exercise. Which names does the dict have?",)
    if "same dtype" in text or "expected scalar type" in text:
        return (
            "Two precisions meet. Which line makes a tensor without `dtype=` or `_like`, or with a dtype of its own?",
        )
    if "Expected all tensors to be on the same device" in text or "expected device" in text:
        return ("A tensor was made on another device than the inputs. Make it with `device=x.device`.",)
    return ()


def on_a_broken_gpu(error: Exception) -> tuple[str, ...]:
    """What to do when an index out of range has ended the work on the GPU; nothing for any other error."""
    if "device-side assert" not in str(error):
        return ()
    return (
        "On a GPU, an index that does not exist ends all further work: a token or class below 0, or not below their "
        "number. Restart the kernel; with `BPTT_DEVICE=cpu` the error names the line. Which index can be too large?",
    )
