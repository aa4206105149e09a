"""Named mistakes, one module for each lesson: switches on one reference computation."""
