"""Figure of a run: the numbers behind it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xbar.errors import InputError
from xbar.execution.accuracy import Accuracy
from xbar.execution.error_budget import BudgetRow, ErrorBudget
from xbar.execution.layer_error import LayerError
from xbar.execution.results import RunResult
from xbar.figures.run_figure import accuracy_text, run_figure
from xbar.figures.saving import save

Run = tuple[RunResult, Path]


def _panel(figure: Figure, title: str) -> Axes:
    (panel,) = (a for a in figure.axes if a.get_title().startswith(title))
    return panel


def _widths(panel: Axes, name: str) -> list[float]:
    (bars,) = (c for c in panel.containers if c.get_label() == name)
    return [float(bar.get_width()) for bar in bars]


def _budget(result: RunResult) -> ErrorBudget:
    alone = replace(result, accuracy=Accuracy(0.9, 0.85, -0.05, (-0.07, -0.03), 100))
    without = replace(result, accuracy=Accuracy(0.9, 0.88, -0.02, (-0.03, -0.01), 100))
    return ErrorBudget(result, alone, (BudgetRow("read_noise", alone, without), BudgetRow("adc", without, alone)))


def test_layer_bars_are_the_ratios(run: Run) -> None:
    result, _ = run
    panel = _panel(run_figure(result), "error of the layers")
    assert _widths(panel, "of the layer alone") == [layer.snr_db for layer in result.layers]
    assert _widths(panel, "with the layers before") == [layer.cumulative_snr_db for layer in result.layers]
    assert panel.get_xlabel() == "signal-to-error ratio [dB]"


def test_a_layer_without_error_says_so(run: Run) -> None:
    """An infinite ratio gets a finite bar with words beside it."""
    layers = (LayerError("a", float("inf"), 20.0), LayerError("b", float("nan"), 10.0))
    panel = _panel(run_figure(replace(run[0], layers=layers)), "error of the layers")
    assert np.isfinite(_widths(panel, "of the layer alone")[0])
    assert [text.get_text().strip() for text in panel.texts] == ["no error"]


def test_outputs_stand_against_the_digital_ones(run: Run) -> None:
    result, _ = run
    panel = _panel(run_figure(result), f"{40 * 10} outputs")
    (name,) = result.outputs
    np.testing.assert_array_equal(panel.lines[0].get_xdata(), result.digital_outputs[name].ravel())
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), result.outputs[name].ravel())
    assert panel.lines[1].get_label() == "equal"


def test_many_outputs_become_a_histogram(run: Run) -> None:
    """Every output is counted once."""
    many = {"y": np.random.default_rng(0).normal(size=(500, 10))}
    result = replace(run[0], outputs=many, digital_outputs=many)
    panel = _panel(run_figure(result), "5000 outputs, root mean square error 0")
    assert np.asarray(panel.collections[0].get_array()).sum() == 5000


def test_headline_tells_the_accuracy_with_its_interval(run: Run) -> None:
    accuracy = Accuracy(0.929, 0.917, -0.012, (-0.021, -0.003), 1000)
    text = accuracy_text(accuracy)
    assert text == (
        "accuracy: digital 92.90%, analog 91.70%, difference -1.20 points (95 % interval -2.10 to -0.30, n = 1000)"
    )
    assert text in run_figure(replace(run[0], accuracy=accuracy)).get_suptitle()
    assert "accuracy" not in run_figure(replace(run[0], accuracy=None)).get_suptitle()


def test_budget_bars_are_points_of_accuracy(run: Run) -> None:
    panel = _panel(run_figure(run[0], _budget(run[0])), "error budget")
    assert _widths(panel, "alone") == pytest.approx([-5, -2])
    assert _widths(panel, "all but this") == pytest.approx([-2, -5])
    assert [label.get_text() for label in panel.get_yticklabels()] == ["read noise", "adc"]
    assert panel.get_xlabel() == "accuracy, analog − digital [points]"
    # The whiskers of the first bar are its confidence interval.
    whisker = np.asarray(panel.collections[0].get_paths()[0].vertices)
    assert whisker[:, 0] == pytest.approx([-7, -3])


def test_budget_without_labels_shows_layer_errors(run: Run) -> None:
    bare = replace(run[0], accuracy=None, layers=(LayerError("a", 20.0, 18.0), LayerError("b", 30.0, 12.0)))
    panel = _panel(run_figure(bare, ErrorBudget(bare, bare, (BudgetRow("adc", bare, bare),))), "error budget")
    assert _widths(panel, "alone") == [25.0]
    assert panel.get_xlabel() == "mean signal-to-error ratio of the layers [dB]"


def test_programmed_map(run: Run, tmp_path: Path) -> None:
    """All panels together can be saved."""
    figure = run_figure(run[0], _budget(run[0]), np.array([[1e-6, 2e-6]]))
    image = _panel(figure, "programmed array").images[0]
    np.testing.assert_allclose(np.asarray(image.get_array()), [[1, 2]])
    assert save(figure, tmp_path / "run.png").stat().st_size > 10_000


def test_what_cannot_be_drawn_is_an_error(run: Run) -> None:
    result, _ = run
    with pytest.raises(InputError, match="no digital counterpart"):
        run_figure(replace(result, digital_outputs={}))
    with pytest.raises(InputError, match="no finite numeric output"):
        run_figure(replace(result, outputs={}, digital_outputs={}))
    with pytest.raises(InputError, match="no effect"):
        run_figure(result, ErrorBudget(result, result, ()))
