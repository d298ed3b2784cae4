"""Benchmarks that anyone can run: ratios of two things measured in turn within one process, with the machine named.

Single absolute times on shared machines mean little; a ratio of neighbours means more. Nothing here is a test.
"""

from agglo.bench.bench import bench

__all__ = ["bench"]
