"""The best buys go back to float, a run decides each, and what proves superfluous returns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.searching.choose import Suspect, choose


class Model:
    """Noise by node; the excess is what the nodes that stay in integers contribute."""

    def __init__(self, noise: dict[str, float]) -> None:
        self.noise = noise
        self.tried: list[frozenset[str]] = []

    def excess(self, names: frozenset[str]) -> float:
        self.tried.append(names)
        return sum(amount for name, amount in self.noise.items() if name not in names)

    @property
    def whole(self) -> float:
        return sum(self.noise.values())


def suspect(gain: float, *names: str) -> Suspect:
    return Suspect(names=frozenset(names), gain=gain)


def test_of_two_that_suffice_the_one_with_fewer_macs_is_taken() -> None:
    model = Model({"cheap": 5.0, "dear": 5.5, "rest": 0.5})
    model.noise["cheap"] = 5.5
    model.noise["dear"] = 0.4
    chosen, left = choose(
        model.excess,
        [suspect(0.8, "dear"), suspect(0.8, "cheap")],
        {"dear": 0.3, "cheap": 0.02},
        whole=model.whole,
        cap=1.0,
        runs=10,
    )
    assert chosen == {"cheap"}
    assert left == 0.9
    assert model.tried == [frozenset({"cheap"})]


def test_a_suspect_that_buys_less_than_it_costs_is_refused() -> None:
    model = Model({"a": 9.0, "b": 1.0})
    chosen, left = choose(
        model.excess, [suspect(0.9, "b"), suspect(0.1, "a")], {"a": 0.1, "b": 0.3}, whole=10.0, cap=1.0, runs=10
    )
    assert chosen == {"a"}  # b lowers the excess by 10 % for 30 % of the MACs
    assert left == 1.0


def test_with_less_thrift_it_is_bought_all_the_same() -> None:
    model = Model({"a": 9.0, "b": 2.0})
    chosen, left = choose(
        model.excess,
        [suspect(1.0, "b")],
        {"a": 0.1, "b": 0.3},
        whole=11.0,
        cap=1.0,
        runs=10,
        chosen=frozenset(),
        thrift=0.25,
    )
    assert chosen == {"b"}  # 18 % of the excess for 30 % of the MACs
    assert left == 9.0


def test_what_is_in_float_already_counts_towards_the_cap() -> None:
    model = Model({"a": 5.0, "b": 5.0})
    chosen, left = choose(
        model.excess,
        [suspect(1.0, "b")],
        {"a": 0.15, "b": 0.15},
        whole=5.0,
        cap=0.2,
        runs=10,
        chosen=frozenset({"a"}),
    )
    assert chosen == {"a"}
    assert left == 5.0


def test_the_cap_is_kept() -> None:
    model = Model({"a": 5.0, "b": 5.0})
    chosen, left = choose(
        model.excess, [suspect(0.5, "a"), suspect(0.5, "b")], {"a": 0.15, "b": 0.15}, whole=10.0, cap=0.2, runs=10
    )
    assert len(chosen) == 1
    assert left == 5.0


def test_what_proves_superfluous_returns_to_integers() -> None:
    model = Model({"guilty": 9.5, "neighbour": 0.01, "rest": 0.2})
    chosen, _ = choose(
        model.excess,
        [suspect(1.0, "guilty", "neighbour")],
        {"guilty": 0.01, "neighbour": 0.2},
        whole=model.whole,
        cap=1.0,
        runs=10,
    )
    assert chosen == {"guilty"}


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 5), min_size=1),
    st.floats(0.05, 1),
    st.integers(0, 12),
)
def test_runs_and_cap_hold_and_the_choice_is_repeatable(noise: dict[str, float], cap: float, runs: int) -> None:
    macs = dict.fromkeys(noise, 0.1)
    suspects = [suspect(amount, name) for name, amount in noise.items()]

    def once() -> tuple[Model, frozenset[str], float]:
        model = Model(noise)
        chosen, left = choose(model.excess, suspects, macs, whole=model.whole, cap=cap, runs=runs)
        return model, chosen, left

    model, chosen, left = once()
    assert len(model.tried) <= runs
    assert 0.1 * len(chosen) <= cap + 1e-9
    assert left <= max(model.whole, 1.0) + 1e-9
    assert once()[1:] == (chosen, left)


def test_under_the_cap_a_better_buy_takes_the_place_of_the_dearest() -> None:
    model = Model({"dear": 3.0, "small": 2.0, "better": 4.0})
    macs = {"dear": 0.15, "small": 0.02, "better": 0.1}
    suspects = [suspect(0.9, "dear"), suspect(0.5, "small"), suspect(0.1, "better")]
    chosen, left = choose(model.excess, suspects, macs, whole=model.whole, cap=0.2, runs=10)
    assert chosen == {"small", "better"}
    assert left == 3.0


def test_under_the_cap_a_worse_buy_takes_no_place() -> None:
    model = Model({"dear": 5.0, "worse": 4.0, "rest": 1.0})
    macs = {"dear": 0.15, "worse": 0.1}
    suspects = [suspect(0.9, "dear"), suspect(0.1, "worse")]
    chosen, left = choose(model.excess, suspects, macs, whole=model.whole, cap=0.2, runs=10)
    assert chosen == {"dear"}
    assert left == 5.0
    assert model.tried == [frozenset({"dear"}), frozenset({"worse"})]


def test_what_was_worth_its_place_is_not_tried_again() -> None:
    model = Model({"dear": 9.0, "one": 1.0, "two": 1.0, "rest": 2.0})
    macs = {"dear": 0.15, "one": 0.1, "two": 0.1}
    suspects = [suspect(0.9, "dear"), suspect(0.1, "one"), suspect(0.1, "two")]
    chosen, _ = choose(model.excess, suspects, macs, whole=model.whole, cap=0.2, runs=10)
    assert chosen == {"dear"}
    assert model.tried == [frozenset({"dear"}), frozenset({"one"})]


def test_a_frugal_choice_leaves_room_for_what_is_found_later() -> None:
    model = Model({"dear": 1.0, "cheap": 5.0, "rest": 4.0})
    macs = {"dear": 0.15, "cheap": 0.02}
    suspects = [suspect(0.9, "dear"), suspect(0.01, "cheap")]
    chosen, _ = choose(model.excess, suspects, macs, whole=model.whole, cap=0.2, runs=10, thrift=0.5, frugal=True)
    assert chosen == {"cheap"}  # dear: 10 % of the excess, where 0.15 / 0.2 of the room ask for 1 - 10 ** -0.375
    chosen, _ = choose(model.excess, suspects, macs, whole=model.whole, cap=0.2, runs=10, thrift=0.5)
    assert chosen == {"dear", "cheap"}
