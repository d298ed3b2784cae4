"""Recipes: every knob with its default and unit (`schema`), and how a YAML file becomes one (`load`). Nothing is built here."""
