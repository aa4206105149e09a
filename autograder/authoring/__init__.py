"""From a lesson's script to its notebooks, and proof that its checks work."""
