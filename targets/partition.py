"""How ONNX Runtime groups the nodes a provider supports into partitions.

Source: onnxruntime/core/providers/partitioning_utils.cc, CreateSupportedPartitionNodeGroups
(microsoft/onnxruntime 04c2cf4): greedy waves over the graph, a variant of Kahn's topological sort.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from .units import Unit

__all__ = ["Block", "Step", "partition"]

# What is moved as a whole: one unit, or a partition of a provider that was asked before.
Block = tuple[Unit, ...]
# Blocks in the order they run, and whether they are a group of supported ones.
Step = tuple[tuple[Block, ...], bool]


def partition(blocks: Sequence[Block], supported: Callable[[Block], bool]) -> tuple[Step, ...]:
    """Group supported blocks into partitions that no unsupported one interrupts, each as large as can be.

    A wave takes every block that is ready: a supported one joins the wave's group, an unsupported one runs before the
    group unless it reads of it. Those that do begin the next wave, so no group waits for what waits for it. Members
    of a group need not be connected.

    Args:
        blocks: In topological order.
        supported: Whether the provider takes a block.

    Returns:
        The blocks in an order that runs, a group as one step, each other block as a step of its own.
    """
    consumers = _consumers(blocks)
    waiting = dict.fromkeys(blocks, 0)
    for readers in consumers.values():
        for reader in readers:
            waiting[reader] += 1
    ready = deque(block for block in blocks if waiting[block] == 0)
    steps: list[Step] = []
    while ready:
        group: list[Block] = []
        alone: list[Block] = []
        border: set[Block] = set()
        later: deque[Block] = deque()
        while ready:
            block = ready.popleft()
            taken = supported(block)
            if not taken and block in border:
                later.append(block)
                continue
            (group if taken else alone).append(block)
            border.update(consumers[block] if taken else ())
            for reader in consumers[block]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    ready.append(reader)
        steps += [((block,), False) for block in alone]
        if group:
            steps.append((tuple(group), True))
        ready = later
    return tuple(steps)


def _consumers(blocks: Sequence[Block]) -> dict[Block, tuple[Block, ...]]:
    """Who reads what a block writes, each once."""
    writer = {value: block for block in blocks for unit in block for value in unit.writes}
    found: dict[Block, dict[Block, None]] = {block: {} for block in blocks}
    for block in blocks:
        for value in (value for unit in block for value in unit.reads):
            if value in writer and writer[value] is not block:
                found[writer[value]][block] = None
    return {block: tuple(readers) for block, readers in found.items()}
