"""Brimline's metrics about itself, through prometheus_client in a registry of its own.

The families are built at each scrape from plain numbers, so there is no `_created` series and no package state.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from brimline import __version__
from brimline.metrics.acted import Acted
from brimline.model import Metric, MetricKind, SourceStatus
from brimline.view import View


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, text, MetricKind.GAUGE, labels)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, text, MetricKind.COUNTER, labels)


SOURCE_UP: Final = _gauge("brimline_source_up", "1 where the source could be read in the last tick, else 0.", "source")
SOURCE_SECONDS: Final = _gauge(
    "brimline_source_read_duration_seconds", "How long the source's last read took.", "source"
)
SOURCE_ERRORS: Final = _counter("brimline_source_errors_total", "Reads of the source that failed.", "source")
SOURCE_INFO: Final = _gauge(
    "brimline_source_info", "1; how the source reads: a version, how it learns of events, its mode.", "source"
)
TICK_SECONDS: Final = Metric(
    "brimline_tick_duration_seconds", "How long whole ticks took, reading and rendering.", MetricKind.HISTOGRAM, ()
)
TICKS: Final = _counter("brimline_ticks_total", "Ticks by what caused them: the interval or an early wake.", "cause")
SNAPSHOT_AT: Final = _gauge(
    "brimline_snapshot_timestamp_seconds", "When the data on this page was read, since the epoch."
)
BUILD_INFO: Final = _gauge("brimline_build_info", "1; which Brimline runs on which Python.", "version", "python")
RELOAD_OK: Final = _gauge(
    "brimline_config_last_reload_successful", "1 where the last attempt to read the configuration succeeded, else 0."
)
RELOAD_AT: Final = _gauge(
    "brimline_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, since the epoch.",
)
DROPPED: Final = _counter(
    "brimline_dropped_series_total", "Series left off the page by limits.series, added up over the ticks."
)
WEB_ERRORS: Final = _counter("brimline_web_errors_total", "Requests answered with 500 because of a bug.")
METRICS: Final[tuple[Metric, ...]] = (
    SOURCE_UP,
    SOURCE_SECONDS,
    SOURCE_ERRORS,
    SOURCE_INFO,
    TICK_SECONDS,
    TICKS,
    SNAPSHOT_AT,
    BUILD_INFO,
    RELOAD_OK,
    RELOAD_AT,
    DROPPED,
    WEB_ERRORS,
    # prometheus_client's ProcessCollector prints these
    _gauge("process_virtual_memory_bytes", "Virtual memory size in bytes."),
    _gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
    _gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds."),
    _counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds."),
    _gauge("process_open_fds", "Number of open file descriptors."),
    _gauge("process_max_fds", "Maximum number of open file descriptors."),
)

# Several ticks lie between two scrapes and a gauge would show the last one only. From a tick of ten containers to one
# that eats a whole interval of 5 s.
_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class SelfMetrics:
    """What Brimline counts about itself, and its page."""

    def __init__(self) -> None:
        self.acted = Acted()
        self._sources: tuple[SourceStatus, ...] = ()
        self._snapshot_at: float | None = None
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._tick_seconds = 0.0
        self._ticks: Counter[str] = Counter()
        self._dropped = 0
        self._web_errors = 0
        self._reload_ok: bool | None = None
        self._reload_at: float | None = None
        self._registry = CollectorRegistry(auto_describe=True)  # else `names` finds no process_*: it has no describe
        self._registry.register(_Families(self))
        self._registry.register(self.acted)
        ProcessCollector(registry=self._registry)

    def ticked(self, view: View, *, cause: str, dropped: int) -> None:
        """Count a tick and remember what it says of the sources."""
        self._sources = view.sources
        self._snapshot_at = view.snapshot.at.wall
        self._buckets[bisect_left(_BOUNDS, view.tick_seconds)] += 1
        self._tick_seconds += view.tick_seconds
        self._ticks[cause] += 1
        self._dropped += dropped

    def reloaded(self, *, ok: bool, at: float) -> None:
        """Note an attempt to read the configuration; the first reading at start is one too."""
        self._reload_ok = ok
        if ok:
            self._reload_at = at

    def web_failed(self) -> None:
        """Count a request that ended in a bug of ours."""
        self._web_errors += 1

    def render(self, *, openmetrics: bool, names: Collection[str] = ()) -> bytes:
        """Return the page, or of it what `names` selects; the OpenMetrics form ends with `# EOF`."""
        registry = self._registry.restricted_registry(names) if names else self._registry
        if openmetrics:
            page: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call] # it has no annotations
            return page
        return generate_latest(registry)

    def families(self) -> Iterator[Family]:
        """Yield everything but the process's own metrics; what is not known yet is absent."""
        sources = self._sources
        yield _family(SOURCE_UP, (((s.source,), float(s.up)) for s in sources))
        yield _family(SOURCE_SECONDS, (((s.source,), s.seconds) for s in sources))
        yield _family(SOURCE_ERRORS, (((s.source,), s.errors_total) for s in sources))
        keys = sorted({key for s in sources for key in s.info})
        rows = (((s.source, *(s.info.get(key, "") for key in keys)), 1) for s in sources)
        yield _family(SOURCE_INFO, rows, *keys)
        yield self._tick_histogram()
        yield _family(TICKS, (((cause,), count) for cause, count in sorted(self._ticks.items())))
        yield _family(SNAPSHOT_AT, _known(self._snapshot_at))
        yield _family(BUILD_INFO, [((__version__, platform.python_version()), 1)])
        yield _family(RELOAD_OK, _known(self._reload_ok))
        yield _family(RELOAD_AT, _known(self._reload_at))
        yield _family(DROPPED, [((), self._dropped)])
        yield _family(WEB_ERRORS, [((), self._web_errors)])

    def _tick_histogram(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(TICK_SECONDS.name, TICK_SECONDS.help)
        seen = 0
        buckets = []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._buckets, strict=True):
            seen += count
            buckets.append((bound, float(seen)))
        family.add_metric([], buckets, self._tick_seconds)
        return family


class _Families(Collector):
    """The registry's view of SelfMetrics."""

    def __init__(self, metrics: SelfMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        return self._metrics.families()


def _known(value: float | None) -> list[tuple[tuple[str, ...], float]]:
    return [] if value is None else [((), value)]


def _family(metric: Metric, rows: Iterable[tuple[tuple[str, ...], float]], *more_labels: str) -> Family:
    shape = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = shape(metric.name, metric.help, labels=(*metric.labels, *more_labels))
    for values, value in rows:
        family.add_metric(values, value)
    return family
