"""Lesson 00: how checks are read."""
