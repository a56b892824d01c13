"""Figures of one run on one machine; `python -m tests.bench` prints one JSON object a line."""
