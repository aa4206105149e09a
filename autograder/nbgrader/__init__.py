"""What a class folder's nbgrader_config.py names: our reader and our steps for `nbgrader autograde`."""

from autograder.nbgrader.steps import JudgedExecute, Reader, Repair, SaveJudged

__all__ = ["JudgedExecute", "Reader", "Repair", "SaveJudged"]
