"""What is read from an answer besides its value."""
