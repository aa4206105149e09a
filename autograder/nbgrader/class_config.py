"""nbgrader's settings for this class. `course class` wrote this file once; it is yours to change.

nbgrader reads it when started in this folder: `nbgrader autograde`, and formgrader in a Jupyter that was started here.
`course grade` reads it too.
"""

from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (nbgrader defines it)

c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "bptt"
# Where the gradebook is, and how many seconds to wait while another program writes to it.
c.CourseDirectory.db_url = f"sqlite:///{Path(__file__).resolve().parent / 'gradebook.db'}?timeout=60"

# --- Grading -------------------------------------------------------------------------------------------
# A submission passes through these lists from top to bottom. The steps that begin with "autograder" are the course's.

# Reads a broken, empty or foreign file as a notebook that says so, so that it does not stop the class.
c.Autograde.exporter_class = "autograder.nbgrader.Reader"

c.Autograde.sanitize_preprocessors = [
    # Undoes copies, deletions, moves and changes of type, by cell id, against the version that was handed out. It
    # replaces ClearOutput and OverwriteCells: pictures and printed text stay, scripts do not.
    "autograder.nbgrader.Repair",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
]

c.Autograde.autograde_preprocessors = [
    # Judges in a sandbox, or looks the verdict up, and writes points and a card into each check's cell. It replaces
    # Execute: no kernel is started, and none of the learner's code runs in this process.
    "autograder.nbgrader.JudgedExecute",
    "nbgrader.preprocessors.LimitOutput",
    # nbgrader's SaveAutoGrades, except that a check that a person should look at is left for manual grading, and that
    # what a person has decided stays decided while the answer stays the same.
    "autograder.nbgrader.SaveJudged",
    "nbgrader.preprocessors.AssignLatePenalties",
]

# What a submission may use (seconds and bytes, under the names in autograder/judge/limits.py), and the device.
# c.JudgedExecute.limits = {"cell": 30.0, "submission": 600.0}
# c.JudgedExecute.device = "cuda"

# --- Releasing -----------------------------------------------------------------------------------------
# `course class` has put the lessons into source/, release/ and the gradebook. If you change a notebook in source/
# yourself, `nbgrader generate_assignment` removes the answers again. This list is nbgrader's own, with one added step.
c.GenerateAssignment.preprocessors = [
    "nbgrader.preprocessors.IncludeHeaderFooter",
    "nbgrader.preprocessors.InstantiateTests",
    "nbgrader.preprocessors.LockCells",
    "nbgrader.preprocessors.ClearSolutions",
    # Puts in what an answer starts from where that is not `raise NotImplementedError()`.
    "autograder.authoring.release.ReleasedAs",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
]

# --- Dates and penalties -------------------------------------------------------------------------------
# Set due dates in formgrader. To take points off for late work, see nbgrader's documentation, "Late submission plugin".
# c.AssignLatePenalties.plugin_class = "late.Penalty"
