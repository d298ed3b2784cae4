"""Comparisons: the same student, data and labels under several arms, over labelled patients and seeds, on the same test patients.

A grid is a base recipe with arms. Its cells are independent and each ends as one small JSON file, from which all tables are made.
"""
