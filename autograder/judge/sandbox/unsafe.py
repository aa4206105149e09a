"""No sandbox: a plain process with the rights of whoever grades, for one's own work."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

from autograder.judge.sandbox.level import Inside, Started
from autograder.judge.sandbox.machine import copied_course, environment, extra_paths, font_lists
from autograder.judge.sandbox.process import Fresh, popen, python
from autograder.judge.sandbox.server import copied


class Unsafe:
    """A fresh Python in a folder of its own, which goes afterwards."""

    level: ClassVar[str] = "none"
    lacks: tuple[str, ...] = ("everything",)

    def start(self, inside: Inside, reads: int, writes: int) -> Started:
        """A process that serves on these two descriptors."""
        place = Path(tempfile.mkdtemp(prefix="bptt-judge-"))
        try:
            home = place / "home"
            (home / ".matplotlib").mkdir(parents=True)
            for file in font_lists():
                shutil.copyfile(file, home / ".matplotlib" / file.name)
            copied(inside.files, place / "submission")
            options = {
                "limits": inside.limits.plain(),
                "files": str(place / "submission"),
                "alone": False,
                "mapped": not inside.device.startswith("cuda"),
            }
            course = str(copied_course(place / "course"))
            child = python((course, *extra_paths()), "child", str(reads), str(writes), json.dumps(options))
            return Fresh(popen(child, (reads, writes), home, environment(str(home), inside.device)), place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
