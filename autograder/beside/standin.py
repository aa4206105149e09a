"""What `autograder` is in the sandbox: notebooks import it as always, and nothing is judged there."""


class CheckFailed(AssertionError):
    """A check that is not right; never raised in the sandbox."""


def check(id, seed=None):
    """Do nothing: the check is asked from outside."""


def progress():
    """Do nothing."""


__all__ = ["CheckFailed", "check", "progress"]
