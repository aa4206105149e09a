"""Lesson 06: exploding gradients and clipping."""
