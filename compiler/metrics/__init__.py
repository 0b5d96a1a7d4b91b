"""Task metrics: what a metric is, those built in, and how sure one can be of a value."""

from .metric import Metric
from .named import metric_named

__all__ = ["Metric", "metric_named"]
