"""Lesson 04: a loss at every step."""
