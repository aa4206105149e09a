"""nbgrader stays the gradebook: the steps that a class folder's nbgrader_config.py names, and `course grade` of a class."""

from autograder.nbgrader.command import grade_class
from autograder.nbgrader.steps import JudgedExecute, Reader, Repair, SaveJudged

__all__ = ["JudgedExecute", "Reader", "Repair", "SaveJudged", "grade_class"]
