"""A small lesson with one exercise of each kind that the course has, to prove that a check can carry it."""
