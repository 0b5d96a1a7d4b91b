"""What rounding the weights shifts in the mean of a layer's output; a bias can take it back.

    E[W̃ x] - E[W x] = (W̃ - W) E[x]

Nagel et al. 2019 (DFQ), arXiv 1906.04721, eq. 16 and 17; Nagel et al. 2021, arXiv 2106.08295, section 3.3.
"""

from __future__ import annotations

import numpy as np

__all__ = ["shift"]


def shift(E: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """The shift of each output channel.

    Exact for Gemm and for a Conv without padding whose input has the same mean everywhere. At a padded border the
    input is 0 and the shift is smaller: there the correction is too large by the taps that fall outside.

    Args:
        E: W̃ - W as (groups, rows, channels * taps): channels of one group, the taps of each together.
        mu: Mean of each input channel, shape (groups * channels,).

    Returns:
        The shift, shape (groups * rows,).
    """
    groups, rows, columns = E.shape
    channels = mu.size // groups
    by_channel = E.reshape(groups, rows, channels, columns // channels).sum(axis=-1)
    shifted: np.ndarray = np.einsum("grc,gc->gr", by_channel, mu.reshape(groups, channels))
    return shifted.reshape(-1)
