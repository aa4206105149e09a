"""Lesson 08: what backpropagation through time costs, and recurrence against attention."""
