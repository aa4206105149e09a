"""What a check is and how it judges; it knows no lesson, and nothing of submissions."""
