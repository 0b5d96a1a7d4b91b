"""Judges of clauses, by kind: what of the proof each looks at, in the unit of its limit."""
