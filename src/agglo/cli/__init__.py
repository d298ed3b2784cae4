"""The command line: the verbs, one file for each kind of job, joined by `console`.

Heavy imports happen inside the verbs, so `--help` is quick.
"""
