"""Keeps ActionKit and Strive in step: look, decide, apply."""
