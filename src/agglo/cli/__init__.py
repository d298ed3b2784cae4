"""The command line: one verb per file, `console` joins them. Heavy imports happen inside the verbs, so `--help` is quick."""
