"""The parts of `prove`: run, compare, time, score, judge."""
