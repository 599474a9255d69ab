"""A characterisation: its plan by what the bench can do, within the limits, and the trace that it leaves."""

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.bench.bench import Bench
from xbar.bench.limits import Limits
from xbar.bench.settings import Unselected
from xbar.errors import FormatError, InputError, Interrupted, LimitError
from xbar.programming.characterise import Characterisation, characterise, plan_steps
from xbar.programming.characterise_acts import Pulses, Read, Sweep, Write
from xbar.programming.characterise_plan import parse_plan

SHORT = """
schema = "xbar-characterise/1"
retention.visits = 3
noise.readings = 8
noise.cells = 4
sweeps.cells = 3
sweeps.points = 5
pulses.cells = 4
pulses.readings = 4
pulses.trains = 2
"""


def opened(card: str = "reram_array_hfo2", record: Path | None = None, rows: int = 8, cols: int = 6) -> Bench:
    return xbar.open_bench("sim", card=card, rows=rows, cols=cols, seed=1, record=record, level="full")


def planned(bench: Bench, text: str = SHORT, card: str | None = "reram_array_hfo2") -> Characterisation:
    known = None if card is None else xbar.load_card(card)
    return plan_steps(parse_plan(text), bench[0].capabilities, bench[0].limits, known, simulated=True)


def test_the_plan_tells_exactly_what_is_done(tmp_path: Path) -> None:
    """Operations, readings, written cells, pulses, vectors and bench time of the plan are those of the trace."""
    with opened(record=tmp_path / "t.h5") as bench:
        found = planned(bench)
        characterise(bench[0], found)
        assert bench.clock == pytest.approx(found.total.seconds, rel=1e-9)
    total = found.total
    with xbar.open_trace(tmp_path / "t.h5") as trace:
        kinds = trace.operations["kind"]
        assert len(kinds) == total.operations
        assert int(np.asarray(trace.operations["batch"])[kinds == 2].sum()) == total.vectors
        assert sum(len(part["row"]) for part in trace.reads().chunks(columns=["row"])) == total.readings
        assert sum(len(part["row"]) for part in trace.targets().chunks(columns=["row"])) == total.written
        pulsed = [trace[int(k)].request for k in np.flatnonzero(kinds == 5)]
        assert sum(len(r.cells) * (r.count or 0) for r in pulsed if r.cells is not None) == total.pulses
    assert [step.name for step in found.steps] == [
        "wires", "levels", "retention", "products", "noise", "sweeps", "pulses",
    ]  # fmt: skip
    assert found.cells == 48
    assert found.pulses_per_cell == total.pulses / 4
    last = found.marks()["steps"][-1]
    assert last["first"] + last["count"] == total.operations


def test_the_same_plan_replays_bit_for_bit(tmp_path: Path) -> None:
    """A plan depends on nothing that is measured: on replay it asks the same, and every reading is equal."""
    with opened(record=tmp_path / "t.h5") as bench:
        characterise(bench[0], planned(bench))
    with xbar.open_bench(f"replay:{tmp_path / 't.h5'}", record=tmp_path / "again.h5", level="full") as bench:
        characterise(bench[0], planned(bench))
        assert bench.settings["remaining"] == 0
    with xbar.open_trace(tmp_path / "t.h5") as one, xbar.open_trace(tmp_path / "again.h5") as two:
        for a, b in zip(one.reads().chunks(), two.reads().chunks(), strict=True):
            np.testing.assert_array_equal(a["current"], b["current"])


def test_steps_that_the_bench_cannot_do_are_left_out_and_said() -> None:
    """PCM takes no pulses; a bench without one-shot write has no levels, but pulses and readings of what stands."""
    with opened("pcm") as bench:
        assert dict(planned(bench, card="pcm").left_out) == {"pulses": "this bench does not take pulses"}
    with opened() as bench:
        has = replace(bench[0].capabilities, native=frozenset({"read", "pulse"}), conductance_range=None)
        found = plan_steps(parse_plan(SHORT), has, bench.limits, xbar.load_card("reram_array_hfo2"))
    assert [step.name for step in found.steps] == ["pulses", "visit", "noise", "sweeps"]
    left = dict(found.left_out)
    assert set(left) == {"wires", "levels", "retention", "products"}
    assert "no one-shot write" in left["levels"]
    # A last train leaves the cells at different states.
    counts = {act.count for act in found.steps[0].acts if isinstance(act, Pulses)}
    assert len(counts) > 2


def test_pulses_need_a_card_or_the_plan() -> None:
    """Without a card the nominal pulses are asked for; with them in the plan they are given."""
    told = '\n[pulses]\nset_voltage = "1.1 V"\nreset_voltage = "-0.9 V"\nwidth = "2 us"\ncells = 4\n'
    with opened() as bench:
        found = planned(bench, 'schema = "xbar-characterise/1"', card=None)
        assert "give set_voltage" in dict(found.left_out)["pulses"]
        found = planned(bench, 'schema = "xbar-characterise/1"' + told, card=None)
    pulses = [act.pulse for act in found.steps[-1].acts if isinstance(act, Pulses)]
    assert {(p.voltage, p.width) for p in pulses} == {(1.1, 2e-6), (-0.9, 2e-6)}
    assert {p.unselected for p in pulses} == {Unselected.HALF}


def test_where_other_lines_hold_nothing_back_no_two_pulsed_cells_share_one() -> None:
    """With the other lines at 0 V every cell of a driven line sees the whole pulse."""
    with opened() as bench:
        has = replace(bench[0].capabilities, unselected=frozenset({Unselected.GROUND}))
        found = plan_steps(parse_plan(SHORT), has, bench.limits, xbar.load_card("reram_array_hfo2"))
    cells = next(act.cells for act in found.steps[-1].acts if isinstance(act, Pulses))
    assert len(cells) == 4
    assert all(len(np.unique(cells[:, k])) == 4 for k in (0, 1))


def test_the_plan_stays_within_the_limits_and_the_card() -> None:
    """Voltages stay below the limit and below what moves cells; visits end while the card's laws hold."""
    with xbar.open_bench("sim", card="reram_array_hfo2", rows=4, cols=4, limits=Limits(1.2, 1e-3)) as bench:
        found = planned(bench)
        swept = max(np.abs(act.voltages).max() for s in found.steps for act in s.acts if isinstance(act, Sweep))
        assert swept == pytest.approx(0.8 * 0.6)  # the card's thresholds are 0.6 V
        found.check(bench.limits)
    with xbar.open_bench("sim", card="reram_array_hfo2", rows=4, cols=4, limits=Limits(0.3, 1e-3)) as bench:
        found = planned(bench)
        swept = max(np.abs(act.voltages).max() for s in found.steps for act in s.acts if isinstance(act, Sweep))
        assert swept == pytest.approx(0.3)
        with pytest.raises(LimitError, match="1 V across a cell is above the limit of the bench"):
            characterise(bench[0], found)
        assert bench.clock == 0  # nothing was sent
    few = Limits(2.0, 1e-3, pulses_per_cell=10)
    with xbar.open_bench("sim", card="reram_array_hfo2", rows=4, cols=4, limits=few) as bench:
        assert planned(bench).pulses_per_cell <= 10
        characterise(bench[0], planned(bench))
    with xbar.open_bench("sim", card="reram_cmo", rows=4, cols=4) as bench:
        text = 'schema = "xbar-characterise/1"'
        found = planned(bench, text, card="reram_cmo")  # its relaxation holds from 1 s to 1 h
        characterise(bench[0], found)
        assert 1000 < bench.clock < 3600


def test_hardware_is_read_in_short_operations() -> None:
    """What an interruption loses is 64 cells at most, and retention ends after minutes."""
    with opened("pcm", rows=16, cols=16) as bench:
        found = plan_steps(parse_plan(SHORT), bench[0].capabilities, bench.limits, None, simulated=False)
    assert max(len(act.cells) for step in found.steps for act in step.acts if isinstance(act, Read)) == 64
    assert found.total.seconds < 1100


def test_levels_and_seeds_are_what_the_plan_says() -> None:
    """Levels lie where they should; another seed gives other targets; steps do not change each other's numbers."""
    text = 'schema = "xbar-characterise/1"\nlevels = { count = 3, low = "60 uS", spacing = "linear" }\n'
    with opened() as bench:
        one = planned(bench, text)
        other = planned(bench, "seed = 5\n" + text)
        short = planned(bench, text + "wires.skip = true\n")
    written = [act.targets for act in one.steps[1].acts if isinstance(act, Write)]
    assert set(np.unique(written)) == {60e-6, 105e-6, 150e-6}
    assert len(written) == 2
    np.testing.assert_array_equal(written[0], next(a.targets for a in short.steps[0].acts if isinstance(a, Write)))
    others = [act.targets for act in other.steps[1].acts if isinstance(act, Write)]
    assert (np.array(others) != np.array(written)).any()
    assert dict(short.left_out)["wires"] == "the plan skips it"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ('levels.low = "200 uS"', InputError, "levels from 200 uS to 150 uS"),
        ('levels.high = "1 mS"', InputError, "inside the range of the array"),
        ('wires.level = "1 nS"', InputError, "outside 50 uS to 150 uS"),
        ("levels.count = 0", FormatError, "levels.count"),
        ("levels.colour = 1", FormatError, "levels.colour: is not a key"),
        ("sweeps.voltage = 0.5", FormatError, "sweeps.voltage: a number without unit"),
        ('retention.first = "1 uS"', FormatError, "retention.first"),
        ('schema = "xbar-characterise/9"', FormatError, "this version of xbar reads"),
        ("read.repeat = 1", FormatError, "read.repeat"),
    ],
)
def test_bad_plans_name_what_is_wrong(text: str, kind: type[Exception], message: str) -> None:
    """Key, value and limit stand in the message, before anything is measured."""
    with opened() as bench, pytest.raises(kind, match=message):
        planned(bench, text)


def test_an_interrupted_trace_is_valid(tmp_path: Path) -> None:
    """A signal in the middle ends at the next operation; the trace says "aborted" and holds what was done."""
    path, seen = tmp_path / "t.h5", list[str]()

    def tell(step: str, done: int, total: int) -> None:
        seen.append(step)
        if len(seen) == 10:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted), opened(record=path) as bench:
        characterise(bench[0], planned(bench), tell)
    with xbar.open_trace(path) as trace:
        assert trace.status == "aborted"
        assert len(trace.operations) == 10
    assert seen[-1] == "retention"


def test_a_plan_stays_where_the_laws_of_the_card_hold(tmp_path: Path) -> None:
    """The error of writes of reram_milo is known for a second after them: what takes longer is left out, and said."""
    with opened("reram_milo", tmp_path / "milo.h5") as bench:
        found = planned(bench, 'schema = "xbar-characterise/1"', "reram_milo")
        left_out = dict(found.left_out)
        assert "laws of the card hold until 1 s" in left_out["noise"]
        assert {"wires", "levels", "products", "sweeps"} <= {step.name for step in found.steps}
        characterise(bench[0], found)


def test_half_of_a_pulse_is_taken_where_it_moves_no_other_cell() -> None:
    """Half of a SET pulse of yflash, -4 V, moves nothing: a third would RESET the others with +2.7 V."""
    with opened("yflash") as bench:
        found = planned(bench, SHORT, "yflash")
        pulses = [act for step in found.steps for act in step.acts if isinstance(act, Pulses)]
        assert {act.pulse.unselected for act in pulses} == {Unselected.HALF}
