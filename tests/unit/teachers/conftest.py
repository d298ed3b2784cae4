"""Tiny entries: the architectures of the catalogue's teachers in sizes that build in milliseconds."""

import pytest

from tiny_teachers import MAKERS, tiny_entry


@pytest.fixture(params=sorted(MAKERS))
def tiny(request):
    return tiny_entry(request.param)


@pytest.fixture
def make_tiny():
    return tiny_entry
