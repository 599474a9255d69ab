"""The conformance suite for drivers: inherit `DriverTests`, give a factory, run pytest."""

import json
import threading
import time
from contextlib import suppress

import pytest

from xbar.bench.bench import Bench
from xbar.bench.driver import Unsafe
from xbar.errors import InputError, XbarError
from xbar.testing.checks import check_capabilities
from xbar.testing.operations import OperationTests
from xbar.testing.resuming import ResumeTests
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder

PATIENCE = 1.0
"""How late a stopped wait may return [s]; drivers look at `stop` every 0.1 s."""


class DriverTests(OperationTests, ResumeTests):
    """Tests that every driver must pass. Inherit in a class `Test...`, override `make_driver`, set what differs.

    Tests of `mvm`, `program` and `pulse` are skipped where `Capabilities.native` does not name them; that such a verb
    raises `Unsupported` is then tested instead. What could change the cells of real hardware is skipped unless
    `writes_hardware` is True.
    """

    # ---- who it is

    def test_opens_and_says_who_it_is(self) -> None:
        """Driver and model have names; a bench without charge says so at the front of its model."""
        driver = self.make_driver()
        driver.stop = threading.Event()
        who = driver.open()
        driver.close()
        assert all(isinstance(text, str) for text in (who.driver, who.model, who.serial, who.firmware))
        assert who.driver, "Identity.driver must not be empty"
        assert who.model, "Identity.model must not be empty"
        said = who.model.startswith(("sim:", "replay:", "emulated:"))
        assert said != driver.hardware, "a model begins with sim:, replay: or emulated: where it is not hardware"

    def test_capabilities_are_sane(self) -> None:
        """Counts and ranges are positive, verbs and line modes are known ones."""
        with self.opened() as driver:
            check_capabilities(driver.capabilities)
            assert driver.capabilities.hardware == driver.hardware, "Capabilities.hardware must be that of the class"

    def test_settings_are_json_values(self) -> None:
        """What stands in the log comes back from JSON unchanged."""
        with self.opened() as driver:
            settings = driver.settings()
        assert json.loads(json.dumps(settings, allow_nan=False)) == settings

    def test_refuses_an_option_it_does_not_know(self) -> None:
        """A misspelled option in a bench file is an `InputError`, not ignored."""
        with pytest.raises(InputError):
            type(self.make_driver()).from_address("", {"an_option_that_does_not_exist": 1})

    def test_errors_drain(self) -> None:
        """A second look finds the error queues empty."""
        with self.opened() as driver:
            first, second = driver.errors(), driver.errors()
        assert isinstance(first, list)
        assert all(isinstance(text, str) for text in first)
        assert second == []

    # ---- safe at every exit

    def test_close_and_safe_off_are_idempotent(self) -> None:
        """Both may be called at any time: before open, twice, after close. Neither raises."""
        driver = self.make_driver()
        driver.stop = threading.Event()
        assert isinstance(driver.safe_off(), tuple), "safe_off before open"
        driver.close()
        driver.open()
        for _ in range(2):
            assert driver.safe_off() == (), "safe_off of an open driver"
        for _ in range(2):
            driver.close()
            assert isinstance(driver.safe_off(), tuple), "safe_off after close"

    def test_opens_again_after_close(self) -> None:
        """The bench connects once more where an output could not be switched off."""
        with self.opened() as driver:
            driver.close()
            driver.open()
            assert driver.safe_off() == ()

    @pytest.mark.parametrize("status", ["ok", "failed"])
    def test_is_off_and_closed_at_every_exit(self, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """At the end of a block and at an exception outputs are off, then the driver is closed, the trace valid."""
        driver, calls, path = self.make_driver(), list[str](), self.folder / "exit.h5"
        switch_off, close = driver.safe_off, driver.close

        def noted_safe_off() -> Unsafe:
            calls.append("safe_off")
            return switch_off()

        def noted_close() -> None:
            calls.append("close")
            close()

        recorder = TraceRecorder(path, provenance={})
        bench = Bench(driver, address=self.address, recorder=recorder, limits=self.limits)
        monkeypatch.setattr(driver, "safe_off", noted_safe_off)
        monkeypatch.setattr(driver, "close", noted_close)
        if status == "ok":
            with bench:
                pass
        else:
            with pytest.raises(KeyError, match="what the user did"), bench:
                raise KeyError("what the user did")
        assert calls == ["safe_off", "close"]
        with open_trace(path) as trace:
            assert trace.status == status

    def test_wait_gives_up_when_stopped(self) -> None:
        """Ctrl-C ends a wait at once, by a return or an error of xbar."""
        with self.opened() as driver:
            driver.stop.set()
            began = time.monotonic()
            with suppress(XbarError):
                driver.wait(1.5 * PATIENCE)
            assert time.monotonic() - began < PATIENCE, "wait must look at stop every 0.1 s"
