"""nbgrader's settings for this class. `course class` made this file once; it is yours to change.

nbgrader reads it when it is started in this folder: `nbgrader autograde`, and formgrader in a Jupyter that was
started here. `course grade` reads it too.
"""

from pathlib import Path

c = get_config()  # noqa: F821  (nbgrader defines it)

c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "bptt"

# --- Grading -------------------------------------------------------------------------------------------
# A submission passes through these lists from top to bottom. Ours are the ones that begin with autograder.

# Reads a broken, empty or foreign file as a notebook that says so, instead of stopping the class.
c.Autograde.exporter_class = "autograder.nbgrader.Reader"

c.Autograde.sanitize_preprocessors = [
    # Puts back what was copied, deleted, moved or retyped, by id, against the version that was handed out. It
    # stands in the place of ClearOutput and OverwriteCells: pictures and printed text stay, scripts do not.
    "autograder.nbgrader.Repair",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.CheckCellMetadata",
]

c.Autograde.autograde_preprocessors = [
    # Judges in a sandbox, or looks the verdict up, and writes points and card into each check's cell. It stands
    # in the place of Execute: no kernel is started, and nothing of the learner's runs in this process.
    "autograder.nbgrader.JudgedExecute",
    "nbgrader.preprocessors.LimitOutput",
    # nbgrader's SaveAutoGrades; a check that a person should look at is left for manual grading.
    "autograder.nbgrader.SaveJudged",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]

# What a submission may use (seconds and bytes; the names are those in autograder/judge/limits.py), and the device.
# c.JudgedExecute.limits = {"cell": 30.0, "submission": 600.0}
# c.JudgedExecute.device = "cuda"

# --- Releasing -----------------------------------------------------------------------------------------
# `course class` has put the lessons into source/ and release/ and told the gradebook. If you change a notebook in
# source/ yourself, `nbgrader generate_assignment` takes the answers out again; this list is nbgrader's own,
# with one step of ours.
c.GenerateAssignment.preprocessors = [
    "nbgrader.preprocessors.IncludeHeaderFooter",
    "nbgrader.preprocessors.InstantiateTests",
    "nbgrader.preprocessors.LockCells",
    "nbgrader.preprocessors.ClearSolutions",
    # Puts in what an answer starts from, where that is something else than `raise NotImplementedError()`.
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
# Set due dates in formgrader. Points off for late work: nbgrader's documentation, "Late submission plugin".
# c.AssignLatePenalties.plugin_class = "late.Penalty"
