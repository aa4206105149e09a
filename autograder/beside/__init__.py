"""All that the sandbox sees of autograder, bound there as this folder; it knows neither checks nor expected values."""
