import numpy as np

from engines import visemes
from engines.phones import BILABIALS, PHONES
from engines.visemes import ACCEPTED, CLOSED, GROUP_OF, GROUPS, JAW_OF_PHONE, VISEME_OF, VISEMES


def test_every_phone_may_be_shown_as_its_own_viseme() -> None:
    assert ACCEPTED[np.arange(len(PHONES)), VISEME_OF].all()


def test_only_bilabials_close_the_lips() -> None:
    closed = {phone for phone, viseme in zip(PHONES, VISEME_OF, strict=True) if viseme == CLOSED}
    assert closed == BILABIALS
    assert JAW_OF_PHONE[[PHONES.index(phone) for phone in BILABIALS]].max() == 0


def test_every_viseme_is_of_a_group_and_every_group_has_one() -> None:
    assert sorted(set(GROUP_OF.tolist())) == list(range(len(GROUPS)))
    assert len(GROUP_OF) == len(VISEMES) == 15


def test_probabilities_of_phones_are_given_to_their_visemes() -> None:
    posteriors = np.random.default_rng(0).dirichlet(np.ones(40), 7).astype(np.float32)
    shown = visemes.from_phones(posteriors)
    np.testing.assert_allclose(shown.sum(1), 1, atol=1e-5)
    closed = posteriors[:, [PHONES.index(phone) for phone in BILABIALS]].sum(1)
    np.testing.assert_allclose(shown[:, CLOSED], closed, atol=1e-6)
