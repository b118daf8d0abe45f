"""A page of N series: ours, prometheus_client's generate_latest over a Collector, and gauges set and printed.

Every value differs from one page to the next. Handing out is a scrape of a page that a tick made, up to the response as
it will be sent, less a scrape of no page: the self metrics, which are made at each scrape, cost both the same.
Usage: python benchmarks/bench_render.py [--series N] [--rounds N] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Iterator

from aiohttp.test_utils import make_mocked_request
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from brimline.config import Config
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import SUBJECT_LABELS, Column, Kind, Metric, MetricKind, Now, Snapshot, SourceReport, Subject
from brimline.rules.terms import Levels, RuleSet
from brimline.view import View
from brimline.web.exposition import Exposition
from brimline.web.once import Once
from measuring import Line, Way, heading, interleaved, timed

FAMILIES = 25
LABELS = SUBJECT_LABELS[Kind.CONTAINER]
METRICS = tuple(Metric(f"bench_{number:02}_bytes", "A family.", MetricKind.GAUGE, LABELS) for number in range(FAMILIES))


class Pages:
    """Snapshots of as many series as asked for, each with other values."""

    def __init__(self, series: int) -> None:
        count = series // FAMILIES
        names = ((f"service-{n}", f"project-{n % 40}", f"web-{n}") for n in range(count))
        self.subjects = tuple(Subject(Kind.CONTAINER, labels[0], labels, f"{labels}") for labels in names)
        self._numbers = itertools.count(2**30)

    def next(self) -> Snapshot:
        """Return the next one: byte counts, as nearly all of our values are."""
        base = next(self._numbers)
        columns = tuple(
            Column(metric, self.subjects, tuple(range(base + i, base + i + len(self.subjects))))
            for i, metric in enumerate(METRICS)
        )
        return Snapshot(Now(1e9, 1e3), (SourceReport("bench", columns),))


class Library(Collector):
    """The library's way: families built at each scrape."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the snapshot's families."""
        for report in self.snapshot.reports if self.snapshot else ():
            for column in report.columns:
                family = GaugeMetricFamily(column.metric.name, column.metric.help, labels=LABELS)
                for subject, value in zip(column.subjects, column.values, strict=True):
                    family.add_metric(subject.labels, value)
                yield family


class Gauges:
    """The way of most exporters: a gauge a family, set for every subject."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._gauges = [Gauge(metric.name, metric.help, LABELS, registry=self.registry) for metric in METRICS]

    def page(self, snapshot: Snapshot) -> bytes:
        """Set and print."""
        for gauge, column in zip(self._gauges, snapshot.reports[0].columns, strict=True):
            for subject, value in zip(column.subjects, column.values, strict=True):
                gauge.labels(*subject.labels).set(value)
        return generate_latest(self.registry)


class Cached:
    """The page of a tick as the web answers with it."""

    config = Config()
    rules = RuleSet((), Levels())
    past = None

    def __init__(self, body: bytes) -> None:
        self.self_metrics = SelfMetrics()
        self.next_tick = asyncio.Event()
        self.view = View(Snapshot(Now(1e9, 1e3), ()), (), 1, 0.01, body)
        self.ready = True

    def fresh(self) -> bool:
        """Say that the loop ticks."""
        return True

    async def reload(self) -> list[str]:
        """Reload nothing."""
        return []


def scrape(body: bytes) -> Way:
    """Return a scrape in CPU time, from the request as it was parsed to the response as it will be sent."""
    loop = asyncio.new_event_loop()
    exposition = Exposition(Cached(body), Once())
    request = make_mocked_request("GET", "/metrics", headers={"Accept": "text/plain"}, loop=loop)
    return timed(lambda: loop.run_until_complete(exposition.get(request)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    args = parser.parse_args()
    pages, renderer, library, gauges = Pages(args.series), Renderer(series=args.series), Library(), Gauges()
    registry = CollectorRegistry()
    registry.register(library)
    shown = [pages.next()]
    body = renderer.render(shown[0]).body

    def another() -> None:
        library.snapshot = shown[0] = pages.next()

    ways: dict[str, Way] = {
        "ours": timed(lambda: renderer.render(shown[0])),
        "library": timed(lambda: generate_latest(registry)),
        "gauges": timed(lambda: gauges.page(shown[0])),
        "scrape": scrape(body),
        "empty": scrape(b""),
    }
    taken = interleaved(ways, rounds=3 if args.quick else args.rounds, pause=0.25, before=another)
    ours, library_ms, cached = taken["ours"], taken["library"], taken["scrape"] - taken["empty"]
    print(heading())
    name = f"render {args.series} series"
    print(Line(name, f"{ours:.2f} ms", "", "<= 5 ms", ours <= 5))
    against = f"{library_ms:.0f} ms: 1/{library_ms / ours:.0f}"
    print(Line("  against generate_latest", f"{ours:.2f} ms", against, "<= 1/50", library_ms >= 50 * ours))
    print(Line("  handing out the tick's page", f"{cached:.2f} ms", "", "<= 0.1 ms", cached <= 0.1))
    print(f"\nGauges set and printed: {taken['gauges']:.0f} ms. The page has {len(body) / 1e6:.1f} MB.")
    print(f"A scrape makes the self metrics anew through the library: {taken['empty']:.2f} ms.")


if __name__ == "__main__":
    main()
