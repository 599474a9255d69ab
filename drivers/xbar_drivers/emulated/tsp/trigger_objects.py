"""The trigger model of a 2600B as scripts see it: `smua.trigger`, `trigger.blender`, and what starts a sweep."""

from collections.abc import Callable
from typing import Any

from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.smu import SmuReading
from xbar_drivers.emulated.sweep import Sweep, SweepPlan
from xbar_drivers.emulated.tsp.attributes import ignored, stored, switch
from xbar_drivers.emulated.tsp.node_tree import TspError, TspObject, number
from xbar_drivers.emulated.tsp.smu_object import QUANTITIES, SmuChannel, reading_buffer, status_bits

MOST_POINTS = 60_000
"""Points of the longest sweep."""

COMMAND_EVENT = 1
"""Event of *TRG: `trigger.EVENT_ID`."""

BLENDER_EVENTS = 16
"""Event of blender 1; blender n has the n-1-th after it."""


class ChannelTrigger:
    """The trigger model of one channel.

    Args:
        channel: what it drives.
        schedule: of the bench.
        first_event: number of its first event; six follow each other.

    """

    def __init__(self, channel: SmuChannel, schedule: Schedule, first_event: int) -> None:
        self.channel, self.first_event = channel, first_event
        self.sweep = Sweep(channel.smu, schedule)
        self.reset()
        self.object = self._object()

    def reset(self) -> None:
        """Return to the state after switching on."""
        self.levels: tuple[float, ...] = ()
        self.voltages = True
        self.source_action, self.measure_action = 0, 0
        self.endpulse_action, self.endsweep_action = 1, 0
        self.count, self.arm_count, self.arm_stimulus = 1.0, 1.0, 0
        self.armed = False
        self.targets: tuple[tuple[str, Any], ...] = ()
        self.sweep.abort()

    def _object(self) -> TspObject:
        part, e = TspObject(), float(self.first_event)
        part.constants = {
            "SWEEPING_EVENT_ID": e, "SOURCE_COMPLETE_EVENT_ID": e + 1, "ARMED_EVENT_ID": e + 2,
            "PULSE_COMPLETE_EVENT_ID": e + 3, "MEASURE_COMPLETE_EVENT_ID": e + 4, "SWEEP_COMPLETE_EVENT_ID": e + 5,
            "IDLE_EVENT_ID": e + 6,
        }  # fmt: skip
        _count(part, self, "count")
        stored(part, autoclear=0.0)
        part.functions["initiate"] = self.initiate
        for name in ("arm", "source", "measure", "endpulse"):
            part.objects[name] = TspObject()
            ignored(part.objects[name], "set")
        switch(part.objects["source"], "action", self, "source_action", (0, 1))
        switch(part.objects["measure"], "action", self, "measure_action", (0, 1, 2))
        switch(part.objects["endpulse"], "action", self, "endpulse_action", (0, 1))
        part.objects["endsweep"] = TspObject()
        switch(part.objects["endsweep"], "action", self, "endsweep_action", (0, 1))
        for name in ("source", "measure", "endpulse"):
            stored(part.objects[name], stimulus=0.0)
        part.objects["arm"].attribute("stimulus", lambda: float(self.arm_stimulus), self._set_arm)
        _count(part.objects["arm"], self, "arm_count")
        stored(part.objects["source"], limiti=0.0, limitv=0.0)
        self._levels(part.objects["source"])
        for name in (*QUANTITIES, "iv"):
            part.objects["measure"].functions[name] = self._target(name)
        return part

    def _set_arm(self, value: Any) -> None:
        self.arm_stimulus = int(number(value, 0, 1000))

    def _levels(self, source: TspObject) -> None:
        def listed(voltages: bool) -> Callable[..., None]:
            def take(values: Any) -> None:
                if not isinstance(values, list) or not 1 <= len(values) <= MOST_POINTS:
                    raise TspError(-286, "expected a table of levels")
                self._take(voltages, [float(value) for value in values])

            return take

        def linear(voltages: bool) -> Callable[..., None]:
            def take(start: Any, stop: Any, points: Any) -> None:
                n = int(number(points, 2, MOST_POINTS))
                a, b = number(start, -1e3, 1e3), number(stop, -1e3, 1e3)
                self._take(voltages, [a + (b - a) * k / (n - 1) for k in range(n)])

            return take

        def logarithmic(voltages: bool) -> Callable[..., None]:
            def take(start: Any, stop: Any, points: Any, asymptote: Any = 0.0) -> None:
                n, zero = int(number(points, 2, MOST_POINTS)), number(asymptote, -1e3, 1e3)
                a, b = number(start, -1e3, 1e3) - zero, number(stop, -1e3, 1e3) - zero
                if a * b <= 0:
                    raise TspError(1110, "Parameter is not one of those allowed")
                self._take(voltages, [zero + a * (b / a) ** (k / (n - 1)) for k in range(n)])

            return take

        for letter, voltages in (("v", True), ("i", False)):
            source.functions[f"list{letter}"] = listed(voltages)
            source.functions[f"linear{letter}"] = linear(voltages)
            source.functions[f"log{letter}"] = logarithmic(voltages)

    def _take(self, voltages: bool, levels: list[float]) -> None:
        ranges = self.channel.smu.ranges
        top = ranges.full_scale((ranges.voltage if voltages else ranges.current)[-1])
        for level in levels:
            number(level, -top, top)
        self.voltages, self.levels = voltages, tuple(levels)

    def _target(self, name: str) -> Callable[..., None]:
        names = ("i", "v") if name == "iv" else (name,)

        def take(*buffers: Any) -> None:
            self.targets = tuple(zip(names, (reading_buffer(buffer) for buffer in buffers), strict=False))

        return take

    def plan(self) -> SweepPlan:
        """Return what the sweep would do now."""
        smu = self.channel.smu
        count = int(self.count) if self.count else len(self.levels)
        if self.source_action and self.levels:
            levels = tuple(self.levels[k % len(self.levels)] for k in range(count))
        else:
            levels = (smu.level,) * count
        levels *= max(1, int(self.arm_count))
        delay = max(0.0, smu.source_delay) + max(0.0, smu.measure_delay)
        return SweepPlan(
            voltages=self.voltages if self.source_action else smu.sources_voltage,
            levels=levels[:MOST_POINTS],
            delay=delay,
            pulsed=self.endpulse_action == 0,
            hold=self.endsweep_action == 1,
            store=self._store if self.measure_action else None,
        )

    def _store(self, reading: SmuReading) -> None:
        for name, buffer in self.targets:
            if buffer is not None:
                buffer.store(reading, QUANTITIES[name], status_bits(reading))

    def initiate(self) -> None:
        """Begin, or wait for the arm event."""
        for _, buffer in self.targets:
            if buffer is not None:
                buffer.begin()
        self.armed = self.arm_stimulus != 0
        if not self.armed:
            self.begin()

    def begin(self) -> None:
        """Start the sweep."""
        self.armed = False
        self.sweep.start(self.plan())

    @property
    def running(self) -> bool:
        """Whether the sweep runs or waits for its event."""
        return self.armed or self.sweep.end is not None


class TriggerSystem:
    """Events of one instrument: who waits for what."""

    def __init__(self, channels: list[ChannelTrigger], blenders: int = 6) -> None:
        self._channels = channels
        self._inputs = [[0, 0, 0, 0] for _ in range(blenders)]
        self.object = self._object()

    def reset(self) -> None:
        """Forget all stimuli."""
        for inputs in self._inputs:
            inputs[:] = [0, 0, 0, 0]

    def _object(self) -> TspObject:
        part = TspObject("trigger")
        part.constants["EVENT_ID"] = float(COMMAND_EVENT)
        part.functions["clear"] = lambda: None
        part.functions["wait"] = lambda timeout: True
        part.objects["blender"] = TspObject()
        for k, inputs in enumerate(self._inputs):
            part.objects["blender"].elements.append(self._blender(BLENDER_EVENTS + k, inputs))
        part.objects["timer"] = TspObject()
        for k in range(8):
            timer = TspObject()
            timer.constants["EVENT_ID"] = float(40 + k)
            stored(timer, count=1.0, delay=1e-5, stimulus=0.0, passthrough=False)
            ignored(timer, "clear", "reset")
            part.objects["timer"].elements.append(timer)
        return part

    def _blender(self, event: int, inputs: list[int]) -> TspObject:
        part = TspObject()
        part.constants["EVENT_ID"] = float(event)
        stored(part, orenable=False)
        ignored(part, "clear", "reset")
        stimulus = TspObject()

        def put(index: int, value: Any) -> None:
            if not 1 <= index <= len(inputs):
                raise TspError(-286, "a blender has 4 inputs")
            inputs[index - 1] = int(number(value, 0, 1000))

        stimulus.item = lambda index: float(inputs[index - 1]) if 1 <= index <= len(inputs) else None
        stimulus.put = put
        part.objects["stimulus"] = stimulus
        return part

    def event(self, number_: int) -> None:
        """Let an event happen: channels armed by it, directly or through a blender, start, and their event follows."""
        waiting, events = True, {number_}
        while waiting:
            for k, inputs in enumerate(self._inputs):
                if events & set(inputs):
                    events.add(BLENDER_EVENTS + k)
            ready = [channel for channel in self._channels if channel.armed and channel.arm_stimulus in events]
            for channel in ready:
                channel.begin()
                events.add(channel.first_event + 2)
            waiting = bool(ready)


def _count(part: TspObject, owner: Any, field: str) -> None:
    def put(value: Any) -> None:
        setattr(owner, field, number(value, 0, MOST_POINTS))

    part.attribute("count", lambda: float(getattr(owner, field)), put)
