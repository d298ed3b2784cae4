"""Scores of masks against references, and pictures of feature maps: arrays in, numbers out; no model is ever seen here."""
