"""nbgrader stays the gradebook: the steps that a class folder's nbgrader_config.py names."""

from autograder.nbgrader.steps import JudgedExecute, Reader, Repair, SaveJudged

__all__ = ["JudgedExecute", "Reader", "Repair", "SaveJudged"]
