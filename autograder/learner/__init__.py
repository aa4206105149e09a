"""The learner's own copies of the lessons: made, kept up to date, and read for progress."""
