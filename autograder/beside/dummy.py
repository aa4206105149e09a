"""What `autograder` is in the sandbox: notebooks import it as usual, and nothing is judged there."""


class CheckFailed(AssertionError):
    """A check did not pass; never raised in the sandbox."""


def check(id: str, seed: int | None = None) -> None:
    """Do nothing: the check runs outside."""


def progress() -> None:
    """Do nothing."""


__all__ = ["CheckFailed", "check", "progress"]
