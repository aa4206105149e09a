"""All of autograder that the sandbox sees: this folder, which knows neither checks nor expected values."""
