"""Named mistakes: switches on one reference computation."""
