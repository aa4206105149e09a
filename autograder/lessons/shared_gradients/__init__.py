"""Lesson 02: gradients of shared weights."""
