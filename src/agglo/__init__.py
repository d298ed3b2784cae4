"""Agglo: several large vision encoders distilled into one small student that segments in real time."""

__version__ = "0.1.0"
