"""What of this machine a sandbox shows: the interpreter and its packages, two folders of the course, a few variables."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from autograder.house import ROOT

PACKAGE = Path(__file__).resolve().parents[2]
BESIDE = PACKAGE / "beside"  # all that the sandbox shows of autograder
BPTT = PACKAGE.parent / "bptt"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")


def environment(home: str, device: str) -> dict[str, str]:
    """All variables that the process has."""
    path = ":".join(dict.fromkeys((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")))
    return {
        "PATH": path, "HOME": home, "USER": "learner", "LOGNAME": "learner", "LANG": "C.UTF-8", "TMPDIR": "/tmp",
        "BPTT_DEVICE": device, "MPLBACKEND": "Agg", "MPLCONFIGDIR": f"{home}/.matplotlib", "IPYTHONDIR": f"{home}/.ipython",
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
        "TORCHDYNAMO_DISABLE": "1",  # `torch.compile` leaves functions as they are: compiling takes longer than a check may
    }  # fmt: skip


@functools.cache
def roots() -> tuple[str, ...]:
    """The folders that the interpreter and its packages live in, beside /usr."""
    found = [sys.prefix, sys.base_prefix]
    link = Path(sys.executable)
    while link.is_symlink():  # pyenv, uv and conda reach the interpreter by way of links
        link = Path(os.path.normpath(link.parent / os.readlink(link)))
        found.append(str(link.parents[1]))
    found += extra_paths()
    kept: list[str] = []
    for folder in sorted(set(found), key=len):
        if folder not in ("/", "/usr") and os.path.isdir(folder) and not within(folder, ("/usr", "/bin", *kept)):
            kept.append(folder)
    return tuple(kept)


def font_lists() -> list[Path]:
    """What matplotlib has found out about this machine's fonts, where somebody here has used it before."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matplotlib"
    return sorted(Path(os.environ.get("MPLCONFIGDIR") or cache).glob("fontlist-*.json"))


def extra_paths() -> list[str]:
    """Folders of packages outside the interpreter's own, such as ~/.local/lib/python3.11/site-packages."""
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path)]
    return [path for path in packages if not within(path, (sys.prefix, sys.base_prefix))]


def course_hidden_in(folders: Sequence[str]) -> Path | None:
    """The folder of ours that lies in one of these, if one does: it must not be shown with it."""
    if (ROOT / "pyproject.toml").exists() and within(str(ROOT), folders):
        return ROOT
    return PACKAGE if within(str(PACKAGE), folders) else None


def copied_course(folder: Path) -> Path:
    """Copies of the two folders that are shown, below `folder`."""
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(BESIDE, folder / "autograder" / "beside", ignore=compiled)
    shutil.copyfile(BESIDE / "dummy.py", folder / "autograder" / "__init__.py")
    shutil.copytree(BPTT, folder / "bptt", ignore=compiled)
    return folder


def within(path: str, folders: Sequence[str]) -> bool:
    """Whether `path` is one of these folders or lies below one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
