"""Label states and the words for them."""

import pytest

from agglo.data.states import STATE_OF_WORD, State


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_word_that_leads_back(state: State) -> None:
    assert STATE_OF_WORD[state.word] is state


def test_a_blank_cell_is_unlabelled_and_unlabelled_is_not_absent() -> None:
    assert STATE_OF_WORD[""] is State.UNLABELLED
    assert [state for state in State if state.is_judged] == [State.PRESENT, State.ABSENT]
    assert (State.UNLABELLED, State.PRESENT, State.ABSENT, State.NOT_ASSESSABLE) == (0, 1, 2, 3)
