"""Means that an exercise rules out: read from the learner's cells."""
