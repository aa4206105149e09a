"""Check bodies and oracles, one module for each lesson."""
