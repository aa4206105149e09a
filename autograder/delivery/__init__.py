"""Other places that hand out, take in or grade: Gradescope, learning management systems, GitHub."""
