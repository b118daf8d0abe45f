"""The snapshot under cAdvisor's names, labels, types and meanings, so that its dashboards and alerts work unchanged.

Held against google/cadvisor's metrics/prometheus.go and container/libcontainer/handler.go (setMemoryStats).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import compress
from typing import Final

from brimline.labels import sanitise
from brimline.model import Column, Kind, Metric, MetricKind, Snapshot, Subject
from brimline.sources import cgroup
from brimline.sources.cgroup import Family

BASE: Final = ("id", "image", "name")


def _gauge(name: str, text: str) -> Metric:
    return Metric(name, text, MetricKind.GAUGE, BASE)


def _counter(name: str, text: str, *extra: str) -> Metric:
    return Metric(name, text, MetricKind.COUNTER, (*BASE, *extra))


LAST_SEEN: Final = _gauge("container_last_seen", "Last time a container was seen by the exporter")
SPEC_LIMIT: Final = _gauge("container_spec_memory_limit_bytes", "Memory limit for the container.")
MACHINE_MEMORY: Final = Metric(
    "machine_memory_bytes", "Amount of memory installed on the machine.", MetricKind.GAUGE, ()
)
CPU: Final = _counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", "cpu")
RENAMED: Final[tuple[tuple[Family, Metric], ...]] = (
    (cgroup.CPU_SECONDS, CPU),
    # cAdvisor: v1 total_cache, v2 file; shared memory included
    (cgroup.MEMORY_FILE_BYTES, _gauge("container_memory_cache", "Total page cache memory.")),
    (cgroup.MEMORY_LIMIT_HITS, _counter("container_memory_failcnt", "Number of memory usage hits limits")),
    (cgroup.MEMORY_MAPPED_FILE_BYTES, _gauge("container_memory_mapped_file", "Size of memory mapped files in bytes.")),
    (
        cgroup.MEMORY_PEAK_BYTES,
        _gauge("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes"),
    ),
    # cAdvisor: v1 total_rss, v2 anon; no sum over processes, and no shared memory
    (cgroup.MEMORY_ANON_BYTES, _gauge("container_memory_rss", "Size of RSS in bytes.")),
    (cgroup.MEMORY_SWAP_BYTES, _gauge("container_memory_swap", "Container swap usage in bytes.")),
    (
        cgroup.MEMORY_USAGE_BYTES,
        _gauge(
            "container_memory_usage_bytes",
            "Current memory usage in bytes, including all memory regardless of when it was accessed",
        ),
    ),
    (
        cgroup.MEMORY_WORKING_SET_BYTES,
        _gauge("container_memory_working_set_bytes", "Current working set in bytes."),
    ),
    (
        cgroup.MEMORY_OOM_KILLS,
        _counter("container_oom_events_total", "Count of out of memory events observed for the container"),
    ),
    (
        cgroup.START_TIME_SECONDS,
        _gauge("container_start_time_seconds", "Start time of the container since unix epoch in seconds."),
    ),
)
METRICS: Final[tuple[Metric, ...]] = (LAST_SEEN, SPEC_LIMIT, MACHINE_MEMORY, *(metric for _, metric in RENAMED))

_INFO: Final = "brimline_container_info"
_HOST_TOTAL: Final = "brimline_host_memory_total_bytes"
_NO_LABEL_CHARACTER: Final = re.compile(r"[^a-zA-Z0-9_]")  # sanitizeLabelName in metrics/prometheus.go


class Cadvisor:
    """Makes cAdvisor's columns of each snapshot; keeps identities until the topology changes, as a source does."""

    def __init__(self) -> None:
        self._renamed = {ours: theirs for family, theirs in RENAMED for ours in family.values()}
        self._topology = _Topology({}, {}, {})
        self._labelled: Mapping[Metric, Metric] = {}
        self._rows: dict[int, _Rows] = {}

    def __call__(self, snapshot: Snapshot) -> tuple[Column, ...]:
        """Return the columns to print beside Brimline's own."""
        topology = _Topology.of(snapshot)
        if topology != self._topology or not self._labelled:
            names = topology.label_names()
            self._topology, self._rows = topology, {}
            self._labelled = {m: replace(m, labels=(*names, *m.labels)) for m in METRICS if m is not MACHINE_MEMORY}
        columns = [column for report in snapshot.reports for column in report.columns]
        ours = [column for column in columns if column.metric in self._renamed]
        self._rows = {id(column.subjects): self._rows_of(column.subjects) for column in ours}
        machine = next((c for c in columns if c.metric.name == _HOST_TOTAL), None)
        if machine is not None:
            machine = Column(MACHINE_MEMORY, machine.subjects, machine.values)
        return (*self._columns(snapshot, ours, machine), *([machine] if machine is not None else ()))

    def _rows_of(self, subjects: tuple[Subject, ...]) -> _Rows:
        rows = self._rows.get(id(subjects))
        return rows if rows is not None and rows.source is subjects else _Rows(subjects, self._topology)

    def _columns(self, snapshot: Snapshot, ours: Sequence[Column], machine: Column | None) -> Iterator[Column]:
        limits = {s: chain[0].limit or 0 for report in snapshot.reports for s, chain in report.chains.items() if chain}
        for column in ours:
            rows, base = self._rows[id(column.subjects)], self._renamed[column.metric]
            values = list(compress(column.values, rows.shown))
            yield Column(self._labelled[base], rows.subjects, values, rows.cpu if base is CPU else None)
            if column.metric in cgroup.MEMORY_USAGE_BYTES.values():
                own = [limits[subject] for subject in compress(column.subjects, rows.shown)]
                if machine is not None and rows.root is not None:
                    own[rows.root] = int(
                        machine.values[0]
                    )  # the root's limit is the machine (container/raw/handler.go)
                yield Column(self._labelled[SPEC_LIMIT], rows.subjects, own)
                yield Column(self._labelled[LAST_SEEN], rows.subjects, [int(snapshot.at.wall)] * len(own))


@dataclass(frozen=True, slots=True)
class _Topology:
    """What the label sets are made of, by subject."""

    paths: Mapping[Subject, str]
    images: Mapping[Subject, str]
    docker_labels: Mapping[Subject, Mapping[str, str]]

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Topology:
        paths = {s: chain[0].path for report in snapshot.reports for s, chain in report.chains.items() if chain}
        labels = {s: c.labels for s, c in (snapshot.containers or {}).items()}
        return cls(paths, dict(_images(snapshot)), labels)

    def label_names(self) -> tuple[str, ...]:
        return tuple(sorted({_label_name(key) for found in self.docker_labels.values() for key in found}))

    def shows(self, subject: Subject, containers: AbstractSet[str]) -> bool:
        """Tell whether it gets a row: it has a cgroup, and no container is shown for the same one."""
        path = self.paths.get(subject)
        return path is not None and (subject.kind is Kind.CONTAINER or path not in containers)

    def label_values(self, subject: Subject, names: tuple[str, ...]) -> tuple[str, ...]:
        own = {_label_name(key): sanitise(value) for key, value in self.docker_labels.get(subject, {}).items()}
        name = subject.name if subject.kind is Kind.CONTAINER else ""
        return (*(own.get(n, "") for n in names), self.paths[subject], self.images.get(subject, ""), name)


class _Rows:
    """One tuple of subjects as cAdvisor labels them."""

    __slots__ = ("cpu", "root", "shown", "source", "subjects")

    def __init__(self, source: tuple[Subject, ...], topology: _Topology) -> None:
        names = topology.label_names()
        containers = {path for subject, path in topology.paths.items() if subject.kind is Kind.CONTAINER}
        self.source = source
        self.shown = [topology.shows(subject, containers) for subject in source]
        self.subjects = tuple(
            replace(subject, labels=topology.label_values(subject, names)) for subject in compress(source, self.shown)
        )
        self.cpu = (("total",),) * len(self.subjects)
        ids = [subject.labels[len(names)] for subject in self.subjects]
        self.root = ids.index("/") if "/" in ids else None


def _label_name(key: str) -> str:
    return "container_label_" + _NO_LABEL_CHARACTER.sub("_", key)


def _images(snapshot: Snapshot) -> Iterator[tuple[Subject, str]]:
    for report in snapshot.reports:
        for column in report.columns:
            if column.metric.name == _INFO and column.extra:
                image = column.metric.labels[-len(column.extra[0]) :].index("image")
                yield from ((s, row[image]) for s, row in zip(column.subjects, column.extra, strict=True))
