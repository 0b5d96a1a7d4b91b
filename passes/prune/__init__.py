"""Make models smaller by leaving parts out: single weights (masks), channels, heads, layers."""
