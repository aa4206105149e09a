"""Where a child runs: in bubblewrap, or, for one's own work, nowhere special. A real probe decides, not a binary's presence."""

from __future__ import annotations

import contextlib
import functools
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autograder.errors import OperatorError
from autograder.house import ROOT
from autograder.judge.limits import Limits

PACKAGE = Path(__file__).resolve().parents[1]


BESIDE = PACKAGE / "beside"  # all that the child sees of autograder
BPTT = PACKAGE.parent / "bptt"
NOBODY = 65533  # whose rights a sandbox has that root starts; nobody else should have this uid
_START = "import sys; sys.path[:0] = {paths!r}; from autograder.beside.child import main; main()"


class NoSandbox(OperatorError):
    """No sandbox can be made here; the message says what to do."""


@dataclass(frozen=True)
class Inside:
    """What one child is given."""

    limits: Limits
    files: tuple[tuple[str, Path], ...] = ()  # handed in beside the notebook: name there, file here
    device: str = "cpu"


@dataclass(frozen=True)
class Started:
    """A child's process, and the folder that goes when it has ended, if it has one of its own."""

    process: subprocess.Popen[bytes]
    place: Path | None = None

    def end(self) -> None:
        """End the process, and all that it started; what it left is taken away."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # bubblewrap's namespace ends with it
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        if self.place is not None:
            shutil.rmtree(self.place, ignore_errors=True)


class Sandbox(Protocol):
    """A way to start a child; `level` is recorded in every result."""

    level: str

    def start(self, inside: Inside, reads: int, writes: int) -> Started:
        """A child that serves on these two descriptors; its output comes from the process's `stdout`."""
        ...


class Bubblewrap:
    """Namespaces of its own, nothing writable but its own memory, no network, no environment, no home."""

    level = "bubblewrap"

    def start(self, inside: Inside, reads: int, writes: int) -> Started:
        options = _options(inside, "/submission" if inside.files else "", alone=True)
        python = [
            sys.executable,
            "-I",
            "-c",
            _START.format(paths=["/course", *_extra_paths()]),
            str(reads),
            str(writes),
        ]
        place = Path(tempfile.mkdtemp(prefix="bptt-judge-")) if inside.files else None
        try:
            if place is not None:
                copied(inside.files, place)
            return Started(_popen([*self.command(inside, place), *python, options], (reads, writes)), place)
        except BaseException:
            if place is not None:
                shutil.rmtree(place, ignore_errors=True)
            raise

    def command(self, inside: Inside, brought: Path | None = None) -> list[str]:
        """bubblewrap and its options, up to the program that it starts; `brought` is the folder of what was handed in."""
        line = [
            shutil.which("bwrap") or "bwrap",
            "--unshare-user",
            "--unshare-all",
            "--disable-userns",
            "--uid",
            "1000",
            "--gid",
            "1000",
        ]
        line += ["--hostname", "judge", "--die-with-parent", "--new-session", "--clearenv"]
        for name, value in _environment("/home/learner", inside.device).items():
            line += ["--setenv", name, value]
        for folder in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"):
            if os.path.islink(folder):
                line += ["--symlink", os.readlink(folder), folder]
            elif os.path.isdir(folder):
                line += ["--ro-bind", folder, folder]
        for path in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"):
            line += ["--ro-bind-try", path, path]
        size = ["--size", str(inside.limits.disk)]
        line += [*size, "--tmpfs", "/tmp"]  # before the folders that are shown: one of them may lie in it
        roots = _roots()
        for root in roots:
            line += ["--ro-bind", root, root]
        line += _masks(roots)
        line += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
        if inside.device.startswith("cuda"):
            for device in sorted(glob.glob("/dev/nvidia*")):
                line += ["--dev-bind", device, device]
            line += ["--ro-bind-try", "/sys", "/sys"]
        line += [*size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
        line += [*size, "--tmpfs", "/home/learner"]
        for file in _font_lists():  # else matplotlib looks through all fonts, two seconds for each child
            line += ["--ro-bind", str(file), f"/home/learner/.matplotlib/{file.name}"]
        line += ["--ro-bind", str(BESIDE), "/course/autograder/beside"]
        line += ["--ro-bind", str(BESIDE / "dummy.py"), "/course/autograder/__init__.py"]
        line += ["--ro-bind", str(BPTT), "/course/bptt"]
        if brought is not None:
            line += ["--ro-bind", str(brought), "/submission"]
        line += ["--remount-ro", "/", "--chdir", "/home/learner", "--"]
        return descended(line) if os.geteuid() == 0 else line


def copied(files: Sequence[tuple[str, Path]], folder: Path) -> None:
    """Put copies of what was handed in into `folder`, for anybody to read; a link is not followed. OSError if one cannot be."""
    for name, file in files:
        there = folder / name
        there.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source, there.open("xb") as target:
            shutil.copyfileobj(source, target)
    for path in (folder, *folder.rglob("*")):  # whatever the umask of whoever grades
        path.chmod(0o755 if path.is_dir() else 0o644)


def descended(line: list[str]) -> list[str]:
    """The same command for root, who gives up all rights first; what is bound may lie where only root can look."""
    shown: list[str] = []
    for at, word in enumerate(line):
        if word == "--ro-bind" and not _inside(line[at + 1], ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")):
            shown.append(line[at + 1])
            line = [*line[: at + 1], f"/mnt/{len(shown) - 1}", *line[at + 2 :]]
    launcher = [sys.executable, "-I", "-S", str(PACKAGE / "judge" / "descend.py")]
    return [*launcher, str(NOBODY), json.dumps(shown), *line]


class Unsafe:
    """A plain process with the rights of whoever grades: for one's own work."""

    level = "none"

    def start(self, inside: Inside, reads: int, writes: int) -> Started:
        place = Path(tempfile.mkdtemp(prefix="bptt-judge-"))
        course, compiled = place / "course", shutil.ignore_patterns("__pycache__")
        shutil.copytree(BESIDE, course / "autograder" / "beside", ignore=compiled)
        shutil.copyfile(BESIDE / "dummy.py", course / "autograder" / "__init__.py")
        shutil.copytree(BPTT, course / "bptt", ignore=compiled)
        home = place / "home"
        (home / ".matplotlib").mkdir(parents=True)
        for file in _font_lists():
            shutil.copyfile(file, home / ".matplotlib" / file.name)
        (place / "submission").mkdir()
        copied(inside.files, place / "submission")
        options = _options(inside, str(place / "submission"), alone=False)
        start = _START.format(paths=[str(course), *_extra_paths()])
        command = [sys.executable, "-I", "-c", start, str(reads), str(writes), options]
        return Started(_popen(command, (reads, writes), cwd=home, env=_environment(str(home), inside.device)), place)


def choose(unsafe: bool = False) -> Sandbox:
    """The sandbox of this machine; NoSandbox, with what to do, where there is none."""
    if unsafe:
        return Unsafe()
    if refusal := _refusal():
        raise NoSandbox(refusal)
    return Bubblewrap()


_ALIVE = "import sys; sys.path.insert(0, '/course'); import autograder; print('alive')"


@functools.cache
def _refusal() -> str:
    """Why bubblewrap cannot make its namespaces here, and what to do; "" if it can."""
    own = "Or, for your own work only, add --unsafe-no-sandbox."
    if sys.platform != "linux":
        return f"Grading needs Linux for its sandbox (bubblewrap); run it there, or in a Linux virtual machine. {own}"
    if shutil.which("bwrap") is None:
        return f"Grading needs bubblewrap for its sandbox: sudo apt install bubblewrap. {own}"
    command = [*Bubblewrap().command(Inside(Limits())), sys.executable, "-I", "-c", _ALIVE]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap cannot be started: {error}. {own}"
    if tried.returncode == 0 and tried.stdout.strip() == "alive":
        return ""
    said = (tried.stderr.strip().splitlines() or ["no message"])[-1]
    remedy = "bubblewrap 0.8 or newer is needed" if "nknown option" in said else (
        "namespaces are denied here: on Ubuntu, sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; "
        "in Docker, start the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
    )  # fmt: skip
    return f"bubblewrap cannot make a sandbox ({said}); {remedy}. {own}"


# ---------------------------------------------------------------------------------------------- details


def _popen(command: list[str], fds: tuple[int, int], **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=fds,
        start_new_session=True,
        **options,  # type: ignore[call-overload]
    )


def _options(inside: Inside, files: str, alone: bool) -> str:
    return json.dumps({"limits": inside.limits.plain(), "device": inside.device, "files": files, "alone": alone})


def _environment(home: str, device: str) -> dict[str, str]:
    path = ":".join(dict.fromkeys((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")))
    return {
        "PATH": path, "HOME": home, "USER": "learner", "LOGNAME": "learner", "LANG": "C.UTF-8", "TMPDIR": "/tmp",
        "BPTT_DEVICE": device, "MPLBACKEND": "Agg", "MPLCONFIGDIR": f"{home}/.matplotlib", "IPYTHONDIR": f"{home}/.ipython",
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


@functools.cache
def _roots() -> tuple[str, ...]:
    """The folders that the interpreter and its packages live in, beside /usr."""
    found = [sys.prefix, sys.base_prefix]
    link = Path(sys.executable)
    while link.is_symlink():  # pyenv, uv and conda reach the interpreter by way of links
        link = Path(os.path.normpath(link.parent / os.readlink(link)))
        found.append(str(link.parents[1]))
    found += _extra_paths()
    kept: list[str] = []
    for folder in sorted(set(found), key=len):
        if folder not in ("/", "/usr") and os.path.isdir(folder) and not _inside(folder, ("/usr", "/bin", *kept)):
            kept.append(folder)
    return tuple(kept)


def _font_lists() -> list[Path]:
    """What matplotlib has found out about this machine's fonts, where somebody here has used it before."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matplotlib"
    return sorted(Path(os.environ.get("MPLCONFIGDIR") or cache).glob("fontlist-*.json"))


def _extra_paths() -> list[str]:
    """Folders of packages outside the interpreter's own, such as ~/.local/lib/python3.11/site-packages."""
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path)]
    return [path for path in packages if not _inside(path, (sys.prefix, sys.base_prefix))]


def _masks(roots: tuple[str, ...]) -> list[str]:
    """Hide the course where a bound folder contains it."""
    source, package = str(ROOT), str(PACKAGE)
    line: list[str] = []
    if (ROOT / "pyproject.toml").exists() and _inside(source, ("/usr", *roots)):
        line += ["--tmpfs", source]
        for root in roots:
            if root != source and _inside(root, (source,)):
                line += ["--ro-bind", root, root]
        line += ["--remount-ro", source]
    elif _inside(package, ("/usr", *roots)):
        line += ["--tmpfs", package, "--remount-ro", package]
    return line


def _inside(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
