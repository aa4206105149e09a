"""Lesson 05: truncated backpropagation through time."""
