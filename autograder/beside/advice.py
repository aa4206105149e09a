"""What to ask about PyTorch's and Python's own errors: one table; runs beside the learner's code.

The texts were read from PyTorch 2.13.0 and Python 3.11.7. tests/beside/test_advice.py provokes each of them, so a version that
says something else is noticed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Raised:
    """An error by its own words, and the question that leads out of it.

    `says` is one text or several, each as it stands in the last line of a traceback (so it may begin with the type, "KeyError: "),
    with … for what varies; `where` has to be in it too. A lesson's row may have a `sign`: then the error is the mistake of that name,
    and if `brief` is set, its summary ends where the text does.
    """

    says: str | tuple[str, ...]
    asks: str
    sign: str = ""
    brief: bool = False
    where: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """All that it may say."""
        return (self.says,) if isinstance(self.says, str) else self.says

    def fits(self, said: str) -> bool:
        """Whether an error, or a summary that quotes it, says this."""
        return self.where in said and any(_found(text, said) for text in self.texts)

    def but(self, asks: str, sign: str = "", brief: bool = False, where: str = "") -> Raised:
        """The same error with the question, and perhaps the sign, that it has in one exercise, or only `where` these sizes meet."""
        return replace(self, asks=asks, sign=sign, brief=brief, where=where)

    def summary(self, said: str) -> str:
        """What is said of the error, up to the end of the text if it is to be brief."""
        ends = [found.end() for text in self.texts if self.brief and (found := _found(text, said))]
        return said[: ends[0]] if ends else said


def _found(text: str, said: str) -> re.Match[str] | None:
    return re.search(".*?".join(map(re.escape, text.split("…"))), said, re.DOTALL)


def on(error: Exception) -> tuple[str, ...]:
    """The question that leads out of an error, where it is one that learners of this subject meet; else nothing."""
    said = f"{type(error).__name__}: {error}"
    return next(((row.asks,) for row in TABLE if row.fits(said)), ())


def on_a_broken_gpu(error: Exception) -> tuple[str, ...]:
    """What to do when an index out of range has ended the work on the GPU; nothing for any other error."""
    return (BROKEN_GPU.asks,) if BROKEN_GPU.fits(str(error)) else ()


# The first row that fits is taken, so what is special stands before what is general.

# fmt: off
BROKEN_GPU = Raised("device-side assert",
    "On a GPU, an index that does not exist ends all further work: a token or class below 0, or not below their "
    "number. Restart the kernel; with `BPTT_DEVICE=cpu` the error names the line. Which index can be too large?")

# ---------------------------------------------------------------------------------------------------------- the graph
IN_PLACE = Raised("modified by an inplace operation",
    "A tensor that autograd needs for the backward pass was overwritten. Which line writes into a tensor that an "
    "earlier step still needs? Collect the steps in a list, and stack it at the end.")
GRAPH_FREED = Raised("Trying to backward through the graph a second time",
    "The graph of an earlier backward pass was reached again. Is a state handed on that still carries its history? "
    "If one graph is to serve several calls: ask for all leaves in one of them, or keep it with `retain_graph=True`.")
UNUSED = Raised("appears to not have been used in the graph",
    "The graph is cut between this tensor and the result (`detach`, `.data`, `torch.no_grad()`), or the tensor has "
    "no part in the result. Which of the two is it?")
NO_GRAPH = Raised("does not require grad",
    "Nothing here is connected to a tensor that requires a gradient. Was none made to require one, or was the graph "
    "cut?")
NOT_SCALAR = Raised("only for scalar outputs",
    "A gradient starts from one number. If there are many: which weights does each of them get (`grad_outputs`)?")
LEAF_CHANGED = Raised("a leaf Variable that requires grad",
    "Which tensor is changed in place here, and does it have to require a gradient?")
VIEW_CHANGED = Raised("is a view and is being modified inplace",
    "A loop over a tensor, `unbind` and `split` give views of it, and autograd forbids writing into one of several "
    "views. Which line does that, and what makes a new tensor instead?")
NO_LEAF = Raised((
    "can't optimize a non-leaf Tensor", "you can only change requires_grad flags of leaf variables",
    "Only Tensors created explicitly by the user"),
    "This works only with leaves: tensors that were made, and not computed from others that require a gradient. From "
    "what was this one computed?")
RECOMPUTED = Raised((
    "A different number of tensors was saved during the original forward and recomputation",
    "Recomputed values for the following tensors have different metadata than during the forward pass"),
    "`checkpoint` ran a function twice, and the two runs differ. What does the function read that has changed in "
    "between: a loop variable, a list?")

# ---------------------------------------------------------------------------------------------------- calls and types
PAIR = Raised((
    "'tuple' object has no attribute", "must be Tensor, not tuple", "can only concatenate tuple (not",
    "unsupported operand type(s) for …'tuple'", "bad operand type for unary -: 'tuple'", "can't assign a tuple to",
    "expected Tensor as element … but got tuple", "'torch.return_types."),
    "A tuple was taken for a tensor. Does a call on the way return a pair, as a recurrent layer and a model that "
    "hands its state back do? Or does a line end with a comma? `h = x,` makes a tuple of one item.")
PLACE = Raised("TypeError: …(position",
    "PyTorch names the place in the call where it was given something else than it takes there. What do you hand in "
    "at that place? Options such as `reduction` go by name: `name=value`.")
KINDS = Raised("received an invalid combination of arguments",
    "PyTorch shows what it was given, and below it the lists of arguments that it takes. Which of yours is of "
    "another kind, or has another name?")
NOT_STACKED = Raised("expected Tensor as element … in argument",
    "`stack` and `cat` join tensors, and something else is in the list. What was put there, and what makes a tensor "
    "of it?")
BUILT_IN = Raised("is an invalid keyword argument for",
    "This is Python's own function, and it does not know the option. What is its counterpart in torch called?")
SIGNATURE = Raised(("positional argument", "got an unexpected keyword argument", "got multiple values for argument"),
    "The arguments are those of the exercise, in its order. Does the signature still match?")
NONE = Raised("NoneType",
    "Something on this line is None. Where should its value come from? A function without `return` gives None, so "
    "does `append`, and `.grad` is None until `backward()` has run.")
NUMBER = Raised(("'float' object has no attribute", "'int' object has no attribute"),
    "A plain number has no graph, and none of a tensor's methods. Which call took it out of its tensor (`.item()`, "
    "`float(...)`), and did that come too early?")
LIST = Raised((
    "'list' object has no attribute", "can only concatenate list (not", "unsupported operand type(s) for …'list'",
    "can't multiply sequence by non-int"),
    "A list has no shape and does not calculate entry by entry. Which call makes one tensor of it?")
NOT_CALLED = Raised("object is not callable",
    "Round brackets call what stands before them, and here that is no function. Is an operator missing (`x * "
    "(...)`), were square brackets meant, or has a variable taken the name of a function?")
NOT_SET_UP = Raised("before Module.__init__() call",
    "An nn.Module has to be set up before it can hold parts. Which line of __init__ does that?")
NO_PARAMETERS = Raised("optimizer got an empty parameter list",
    "The optimizer was given nothing to train. Does `__init__` set the parts of the model as attributes? Or was a "
    "generator such as `parameters()` used up before?")

# ------------------------------------------------------------------------------------------------------------- shapes
VIEW = Raised("view size is not compatible",
    "This tensor lies in memory in another order than its axes say: a transposed one does, and `zeros_like` of it "
    "too, since it copies the layout. `view` cannot take that. What else gives a new shape?")
TARGET_SIZE = Raised("Expected target size",
    "Cross-entropy takes axis 1 for the classes. Which of your axes is that, and what is on it?")
TARGET_AXES = Raised(("Expected floating point type for target with class probabilities", "multi-target not supported"),
    "A target is one whole number where the logits have a row of scores, so targets have one axis fewer. Which "
    "shapes have yours?")
BATCH_SIZE = Raised("Expected input batch_size",
    "There are not as many targets as rows of logits. Which shape does each of them have, and was only one of them flattened?")
MASK = Raised("The shape of the mask",
    "A mask in square brackets has to have the shape of what it picks from. Which shape does each of the two have?")
FACTORS = Raised((
    "cannot be multiplied", "size mismatch", "inconsistent tensor size",
    "Expected size for first two dimensions of batch2", "which does not broadcast with previously seen size"),
    "Two shapes do not fit. Write the shape of each factor behind the line, and compare.")
AXES_OF_FACTORS = Raised((
    "the number of subscripts in the equation", "must be a matrix", "must be a 3D tensor",
    "arguments to matmul need to be at least 1D", "Expected 1-D argument"),
    "A factor has more or fewer axes than this product takes. Write the shape of each factor behind the line: which "
    "axis is too many, or is missing?")
SHAPES = Raised((
    "must match", "expects each tensor to be equal size", "must have same number of dimensions",
    "doesn't match the broadcast shape", "cannot be broadcast to indexing result", "Mismatch in shape: grad_output"),
    "Two shapes do not fit. Write the shape of each tensor behind the line, and compare them axis by axis.")
COUNT = Raised("is invalid for input of size",
    "A new shape has to hold exactly the numbers that are there. How many are there, and how many does the new shape "
    "hold?")
EMPTY = Raised(("expects a non-empty TensorList", "expected a non-empty list of Tensors"),
    "There is nothing in the list. Which loop should have filled it, and how often did that loop run?")
UNPACKED = Raised(("not enough values to unpack", "too many values to unpack"),
    "Values were unpacked into more names than there are values, or into fewer. How many are there? (A shape gives "
    "one number for each axis, a tensor one part for each entry of its first axis.)")
SQUARE = Raised("must be batches of square matrices",
    "Only square matrices have this. Which shape came in, and are its last two axes those of the matrix?")
LAYER_INPUT = Raised(("input.size(-1) must be equal to input_size", "has inconsistent input_size"),
    "The last axis of the input is not as long as the layer expects. Which of the sizes that it was made with is "
    "that of its input, and what stands on the last axis?")
LAYER_STATE = Raised(("Expected hidden…size", "hx should also be"),
    "A recurrent layer takes its state as (layers, B, H), with `batch_first=True` too. Which shape did you hand in?")
LENGTHS = Raised("Expected `len(lengths)` to be equal to batch_size",
    "There is one length for each row. Which axis does `pack_padded_sequence` take for the batch, unless it is told "
    "otherwise?")
SLICE = Raised("exceeds dimension size",
    "More entries are taken than this axis has. Which axis is it, and is it the one that the length belongs to?")
LENGTH_ZERO = Raised("Length of all samples has to be greater than 0",
    "`pack_padded_sequence` takes no row without a step. What should become of a row of length 0 here?")
LENGTHS_SORTED = Raised("`lengths` array must be sorted",
    "The rows need not be sorted by hand: the function that packs can do it, and undo it. Which of its arguments "
    "says so?")
LENGTHS_ON_CPU = Raised("'lengths' argument should be a 1D CPU int64 tensor",
    "`pack_padded_sequence` wants the lengths on the CPU, as one axis of whole numbers, wherever the sequences are. "
    "Which call brings them there?")

# --------------------------------------------------------------------------------------------------- kinds of numbers
COMPLEX = Raised(("not implemented for 'Complex", "not supported between instances of 'complex'"),
    "Complex numbers have no order, so there is no largest one. How long is each of them?")
YES_OR_NO = Raised(("truth value", "Boolean value of Tensor with more than one value"),
    "Each entry has a yes or no of its own, and `if` takes one. Which function chooses entry by entry?")
TARGET = Raised("Target … is out of bounds",
    "This target is no class. If it marks padding, how is the loss told to leave it out? If it is a label, how many "
    "classes do the logits have?")
TOKEN = Raised("index out of range in self",  # an embedding's table
    "A token below 0, or not below the number of tokens, is not in the table. Which token is that, and where does it "
    "come from?")
LIST_INDEX = Raised("IndexError: list index out of range",
    "The list has fewer items than the index asks for; it may have none. Which line fills it, and how many items has it "
    "put in by then?")
AXES = Raised((
    "tuple index out of range", "Dimension out of range", "of a 0-d tensor", "over a 0-d tensor", "a 0-dim tensor",
    "tensor has no dimensions"),
    "A tensor has fewer axes here than the line counts on. Write its shape behind the line: which axes are there?")
INDICES = Raised("too many indices for tensor", AXES.asks)
ONE_NUMBER = Raised(("cannot be converted to Scalar", "only one element tensors can be converted"),
    "Only a tensor of one entry becomes a plain number. How many has this one, and is a number what is asked for?")
POWER = Raised("bitwise_xor",
    "In Python `^` works on bits. Which sign stands for a power?")
NUMPY = Raised("numpy() on Tensor that requires grad",
    "A function of numpy was given a tensor with a graph. Detaching, as PyTorch proposes, would cut the graph. Which "
    "function of torch does the same?")
NOTHING_THERE = Raised("index 0 is out of bounds for dimension … with size 0",
    "This axis has no entries at all, not even one at index 0. Which slice, mask or loop has left nothing over?")
INDEX = Raised(("IndexError: …out of range", "IndexError: …out of bounds"),
    "Step t stands at index t - 1, and an axis of size n has the indices 0 to n - 1. Which axis is counted here?")
PICKED = Raised("RuntimeError: index … is out of bounds for dimension",
    "An axis of size n has the indices 0 to n - 1, and one that is asked for is not among them. Which one is it, and "
    "is it meant for this axis?")
KEY = Raised("KeyError: ",
    "The names of the parameters stand in the exercise. Which names does the dict have?")
CLASSES = Raised(("expected target dtype to be Long", "is only applicable to index tensor", "scalar types: Long, Int"),
    "Classes and tokens are whole numbers of dtype `torch.int64`. Which line gave these another dtype, or have two "
    "arguments changed places?")
WHOLE = Raised((
    "tensors used as indices must be", "are valid indices (got", "indices must be integers or slices",
    "can be converted to an index", "cannot be interpreted as an integer", "Expected dtype int32/int64 for index"),
    "An index or a count has to be a whole number, and something else came here. What should it be? (`/` gives a "
    "fraction also where it comes out even.)")
NOT_WHOLE = Raised((
    "not implemented for 'Long'", "could not infer output dtype",
    "only Tensors of floating point dtype can require gradients"),
    "This works on floating-point numbers, and the tensor holds whole ones. Which line should have made them, or "
    "which tensor was meant?")
DTYPES = Raised((
    "same dtype", "expected scalar type", "does not match weight dtype", "source and destination dtypes match"),
    "Two precisions meet. Which line makes a tensor without `dtype=` or `_like`, or with a dtype of its own?")
DEVICES = Raised(("Expected all tensors to be on the same device", "expected device"),
    "A tensor was made on another device than the inputs. Make it with `device=x.device`.")
DIVIDED = Raised("division by zero",
    "Which number can be 0 here: a count, a length, a difference? And what is asked for in that case?")
LOGARITHM = Raised("math domain error",
    "A logarithm takes numbers above 0, a square root none below 0. Which number came in?")

NOT_DATA = Raised("Weights only load failed",
    "`torch.load` reads tensors, numbers, strings, and lists, tuples and dicts of them; something else was saved. "
    "`weights_only=False`, which PyTorch mentions, runs whatever code is in the bytes: never do that with bytes from "
    "elsewhere. Save plain data instead. Which part of it is none?")

# -------------------------------------------------------------------------------------------------------------- names
UNBOUND = Raised("cannot access local variable",
    "The function gives this name a value, but no such line has run yet. Does it stand in a loop or an `if` that was "
    "left out, or was a variable from outside meant?")
NAME = Raised("NameError: name … is not defined",
    "Nothing has this name here. Is it spelt as where it was made, and has the cell that makes it been run?")
RECURSION = Raised("maximum recursion depth exceeded",
    "A function calls itself without end. In which case should it answer without calling itself, and does each call "
    "come nearer to it?")
# fmt: on

TABLE = tuple(row for row in list(globals().values()) if isinstance(row, Raised))
