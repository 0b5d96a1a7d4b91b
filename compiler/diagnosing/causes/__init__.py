"""The causes of quantization error edgec tells apart, the most specific first.

Where two explain an error equally well, the more specific one is named: a clash of operands at a Concat *is* also a
spread over channels, but only the former says what to change.
"""

from __future__ import annotations

from .base import Cause
from .bias_overflow import BiasOverflow
from .calibration_mismatch import CalibrationMismatch
from .dead_range import DeadRange
from .outlier import Outlier
from .saturation import Saturation
from .scale_clash import ScaleClash
from .tied_weights import TiedWeights
from .weight_spread import WeightSpread

__all__ = ["CAUSES", "Cause"]

CAUSES: tuple[Cause, ...] = (
    CalibrationMismatch(),
    Saturation(),
    BiasOverflow(),
    DeadRange(),
    ScaleClash(),
    TiedWeights(),
    WeightSpread(),
    Outlier(),
)
