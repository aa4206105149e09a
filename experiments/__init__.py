"""The runs over seeds behind the figures: `python -m experiments [lesson ...]` writes results/<lesson>.json."""
