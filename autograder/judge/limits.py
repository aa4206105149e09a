"""What a submission may use: time, memory, processes, files, output. The one place for all of it, and where it is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from autograder.errors import OperatorError

MB = 2**20


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes for one submission; a check has its own deadline, too."""

    start: float = 90.0  # until the child answers, PyTorch imported
    cell: float = 60.0  # one cell
    check: float = 120.0  # one check, whatever its own deadline
    submission: float = 900.0  # everything, also what is begun again after a crash
    cpu: int = 900  # processor seconds of one process
    memory: int = 3072 * MB  # of all processes together, and of each one
    processes: int = 64  # threads included
    open: int = 4096  # files, pipes and sockets of all processes together: the kernel holds memory for each
    file: int = 64 * MB  # one written file
    disk: int = 256 * MB  # all files written, in each of the places for them
    output: int = 32 * MB  # printed in all; more ends the child
    files: int = 64 * MB  # handed in beside the notebook, all together
    number: int = 500  # of these files
    notebook: int = 32 * MB  # the notebook itself

    @classmethod
    def chosen(cls, values: Mapping[str, object]) -> Limits:
        """The limits with these in place of the usual ones; OperatorError for a name or a value that there is not."""
        usual = cls().plain()
        made: dict[str, float] = {}
        for name, value in values.items():
            if name not in usual:
                raise OperatorError(f"There is no limit {name!r}. There are: {', '.join(usual)}.")
            try:
                number = float(str(value))
            except ValueError:
                number = math.nan
            if not 0 < number < math.inf:
                raise OperatorError(f"The limit {name} has to be a number above 0, and not {value!r}.")
            made[name] = type(usual[name])(number)
        return cls(**made)  # type: ignore[arg-type]  # each is of the type of the usual one

    def plain(self) -> dict[str, float]:
        """As a dict, for the provenance of a verdict."""
        return asdict(self)
