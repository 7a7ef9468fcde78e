"""Shares of modalities, against sums by hand."""

import numpy as np

from xai_core.modalities import shares


def test_shares_count_magnitudes_of_either_sign():
    relevance = np.zeros((3, 2, 2, 2))
    relevance[0, 0], relevance[1, 1] = -1.0, 3.0
    np.testing.assert_allclose(shares(relevance), [0.25, 0.75, 0.0])


def test_a_map_of_zeros_gives_no_shares():
    assert np.isnan(shares(np.zeros((2, 3, 3, 3)))).all()
