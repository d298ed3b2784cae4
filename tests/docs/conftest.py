"""What the tests of docs/phantom share: one rendered frame."""

import pytest

from agglo.phantom import PhantomFrame, render_study, sample_study


@pytest.fixture(scope="package")
def frame() -> PhantomFrame:
    """One frame of the standard preset."""
    return next(iter(render_study(sample_study(1, 0), frames=1, size_px=256)))
