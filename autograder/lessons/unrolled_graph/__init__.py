"""Lesson 01: the unrolled graph."""
