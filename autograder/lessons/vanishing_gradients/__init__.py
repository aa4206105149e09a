"""Lesson 07, vanishing gradients, LSTM and GRU: its checks, oracles and named mistakes."""
