"""What a submission may use: time, memory, processes, files, output."""

from __future__ import annotations

from dataclasses import asdict, dataclass

MB = 2**20


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes for one submission; each check's own deadline stands in the check."""

    start: float = 90.0  # until the child answers, PyTorch imported
    cell: float = 60.0  # one cell
    submission: float = 900.0  # everything, also what is begun again after a crash
    cpu: int = 900  # processor seconds of one process
    memory: int = 3072 * MB  # of all processes together, and of each one
    processes: int = 64  # threads included
    open: int = 4096  # files, pipes and sockets of all processes together: the kernel holds memory for each
    file: int = 64 * MB  # one written file
    disk: int = 256 * MB  # all files written, in each of the places for them
    output: int = 32 * MB  # printed in all; more ends the child
    files: int = 64 * MB  # handed in beside the notebook
    notebook: int = 32 * MB  # the notebook itself

    def plain(self) -> dict[str, float]:
        """As a dict, for the provenance of a verdict."""
        return asdict(self)
