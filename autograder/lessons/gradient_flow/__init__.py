"""Lesson 03: gradient flow."""
