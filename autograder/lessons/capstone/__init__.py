"""Lesson 09, the capstone: a streaming predictor."""
