"""The learner's own copies of the lessons: made, brought up to date, and read for what is done."""
