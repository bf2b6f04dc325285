"""Figures of a detector."""
