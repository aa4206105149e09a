"""All of autograder that the sandbox sees: this folder, which knows neither checks nor expected values."""

HOME = "/home/learner"  # where cells run, in namespaces of their own
PLACES = (HOME, "/tmp", "/dev/shm")  # all that can be written to there
