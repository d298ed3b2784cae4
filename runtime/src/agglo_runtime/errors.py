"""The root of every error that Agglo raises on purpose.

It lives in the runtime because everything else may import the runtime. The command line prints an `AggloError` as one message,
without a traceback, and exits with code 2; any other exception is our own bug and exits with code 1.
"""


class AggloError(Exception):
    """Abstract: something outside of Agglo must change. The message says what must hold, what was found, where, and what to do."""


class ImageError(AggloError, ValueError):
    """An image file cannot be used as it is."""
