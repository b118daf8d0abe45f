"""Service and Unit: all there is to know of one container, or of one cgroup such as a systemd unit."""

from __future__ import annotations

from grafana_foundation_sdk.builders.timeseries import Panel
from grafana_foundation_sdk.models.dashboard import Dashboard

from boards import frame
from boards.frame import Row, variable
from boards.kinds import SERVICE, Kind
from boards.parts import (
    BAD,
    WARN,
    Ask,
    Column,
    above,
    below,
    dashed,
    levels,
    picture,
    rows,
    tile,
)
from boards.promql import of, rate


def now(kind: Kind) -> Row:
    """Return the first row."""
    kills = f"round(sum(increase({kind.of('memory_oom_kills_total')}[24h])))"
    tiles = [
        tile(
            "Share of its limit",
            "Used memory that cannot be dropped, swap included, as a share of the limit. The colours are the usual "
            "levels.",
            Ask(f"max({kind.of('memory_used_ratio')})", "share"),
            unit="percentunit",
            steps=levels(),
            decimals=1,
        ),
        tile(
            "Diagnosis",
            "What is the matter with it; `brimline explain` says why.",
            Ask(f"max by (diagnosis) ({kind.of('diagnosis')} == 1)", "{{diagnosis}}"),
            names=True,
        ),
        tile(
            "Time to limit",
            "When it reaches its limit at the present rate of its leak. Empty while it does not leak.",
            Ask(f"min({kind.of('memory_time_to_limit_seconds')})", "left"),
            unit="dtdurations",
        ),
        tile(
            "Still available",
            "What it can still allocate, with what is around it heeded: the cgroups above it and the host.",
            Ask(f"min({kind.of('memory_available_bytes')})", "available"),
            unit="bytes",
        ),
        tile(
            "OOM kills, 24 h",
            "Its processes that the kernel killed for want of memory.",
            Ask(kills, "kills"),
            steps=above(1),
        ),
        tile(
            "Up for",
            "Since when it runs; of a cgroup, since when its oldest process does.",
            Ask(f"min(time() - {kind.of('start_time_seconds')})", "up"),
            unit="dtdurations",
        ),
    ]
    if kind is SERVICE:
        tiles += [
            tile(
                "Restarts, 24 h",
                "How often it was started again, by whomever.",
                Ask(f"round(sum(increase({kind.of('restarts_total')}[24h])))", "restarts"),
                steps=above(1, WARN),
            ),
            tile(
                "Restarts left",
                "What its budget, its service's and the host's still allow within this hour, once it is labelled "
                "brimline.restart=true.",
                Ask(f"min({of('brimline_restart_budget_remaining', scope=kind.chosen)})", "left"),
                steps=below(1),
            ),
        ]
    return Row("Now", [one.span(24 // len(tiles)) for one in tiles])


def memory(kind: Kind) -> Row:
    """Return what it holds."""
    limit = kind.of("memory_limit_bytes")
    used = picture(
        "Used, working set and limit",
        "Used is what cannot be dropped without swap, and what Brimline judges; the working set is what docker stats "
        "and cAdvisor show, usage what the kernel charges with all page cache. The dashed lines are the limit and the "
        "levels in force; where there is swap, the share beside this picture is the exact one.",
        Ask(kind.of("memory_used_bytes"), "used"),
        Ask(kind.of("memory_working_set_bytes"), "working set"),
        Ask(kind.of("memory_usage_bytes"), "usage"),
        Ask(limit, "limit"),
        Ask(f"{kind.level('alert')} * ignoring (level) {limit}", "alert level"),
        Ask(f"{kind.level('restart')} * ignoring (level) {limit}", "restart level"),
        unit="bytes",
    )
    share = picture(
        "Share of the limit",
        "Used memory and swap as a share of the limit and the room for swap: what the rules compare. At 100 % the "
        "kernel kills. The working set's share is what other tools would alert on.",
        Ask(kind.of("memory_used_ratio"), "used"),
        Ask(kind.of("memory_working_set_ratio"), "working set"),
        Ask(kind.level("alert"), "alert level"),
        Ask(kind.level("restart"), "restart level"),
        unit="percentunit",
        top=1,
    )
    return Row(
        "Memory",
        [
            _levels(used),
            _levels(share),
            picture(
                "What it holds",
                "Anonymous memory (heaps), shared memory and tmpfs, kernel memory, swap, and page cache without shared "
                "memory, which is the part that the kernel drops before it kills. Swap is empty without swap "
                "accounting.",
                Ask(kind.of("memory_anon_bytes"), "anon"),
                Ask(kind.of("memory_shmem_bytes"), "shmem"),
                Ask(kind.of("memory_kernel_bytes"), "kernel"),
                Ask(kind.of("memory_swap_bytes"), "swap"),
                Ask(f"{kind.of('memory_file_bytes')} - {kind.of('memory_shmem_bytes')}", "cache"),
                unit="bytes",
                stacked=True,
            ),
            picture(
                "Forecast",
                "When it reaches its limit at the present rate of its leak. Empty while it does not leak.",
                Ask(kind.of("memory_time_to_limit_seconds"), "time to limit"),
                unit="s",
            ),
        ],
    )


def _levels(panel: Panel) -> Panel:
    for name, colour in (("alert level", WARN), ("restart level", BAD), ("limit", "text")):
        panel = dashed(panel, name, colour)
    return panel


def strain(kind: Kind) -> Row:
    """Return how hard it is for it."""
    throttled = kind.of("cpu_throttled_seconds_total")
    return Row(
        "Pressure and processes",
        [
            picture(
                "Memory pressure",
                "Share of the last 10 s in which some of its tasks, or all of them, waited for memory. Empty where the "
                "kernel has no PSI.",
                Ask(kind.of("memory_pressure_some_ratio"), "some"),
                Ask(kind.of("memory_pressure_full_ratio"), "all"),
                unit="percentunit",
            ),
            picture(
                "Refaults and limit hits",
                "Pages read back soon after they were dropped, and times it hit its limit or memory.high, by the "
                "second: many of them are thrashing. Hits of memory.high are empty on cgroup v1, which has none.",
                Ask(rate(kind.of("memory_refaults_total")), "refaults"),
                Ask(rate(kind.of("memory_limit_hits_total")), "limit hits"),
                Ask(rate(kind.of("memory_high_hits_total")), "memory.high hits"),
                unit="cps",
            ),
            picture(
                "Processes",
                "Its processes, those of sub-cgroups included.",
                Ask(kind.of("processes"), "processes"),
                unit="none",
            ),
            picture(
                "Largest process",
                "RSS of its largest process: a worker that outgrows the others is the one to recycle.",
                Ask(kind.of("memory_largest_process_bytes"), "largest process"),
                unit="bytes",
            ),
            picture(
                "CPU",
                "Cores in use, its quota, and the share of time in which the quota was used up. The quota is empty "
                "where there is none.",
                Ask(rate(kind.of("cpu_seconds_total")), "used"),
                Ask(kind.of("cpu_limit_cores"), "quota"),
                Ask(rate(throttled), "throttled"),
                unit="none",
            ),
            picture(
                "Alerts",
                "Its alerts by state. Empty while none is pending or fires.",
                Ask(
                    f"max by (alertname, state) ({of('brimline_alerts', scope=kind.chosen)})", "{{alertname}} {{state}}"
                ),
                unit="none",
            ),
        ],
    )


def deeds() -> Row:
    """Return what was done about a container."""
    chosen = SERVICE.chosen
    freed = of("brimline_action_freed_bytes", scope=chosen)
    ended = of("brimline_action_timestamp_seconds", scope=chosen)
    used = SERVICE.of("memory_used_bytes")
    soon = f"((time() - max by (action) ({ended}) < bool 60) > 0)"
    table = rows(
        "The last action of each kind",
        "When the last action of each kind ended, how, and what it freed: used memory before less used memory "
        "afterwards, negative where more is used than before. Empty until the first action.",
        [
            Column(f"max by (instance, action, outcome) ({ended} * 1000)", "Ended", "dateTimeAsIso"),
            Column(f"max by (instance, action) ({freed})", "Freed", "bytes"),
        ],
        {"action": "Action", "outcome": "Outcome", "instance": "Instance"},
        order=["Action", "Ended", "Outcome", "Freed", "Instance"],
    )
    return Row(
        "What was done",
        [
            picture(
                "Before and after",
                "Used memory, and in the minute after each action the most that was used in the two minutes up to then "
                "beside what is used now. Those two are empty while no action has just ended.",
                Ask(f"max({used})", "used"),
                Ask(f"max(max_over_time({used}[2m])) * on () group_right () {soon}", "before the {{action}}"),
                Ask(f"max({used}) * on () group_right () {soon}", "after the {{action}}"),
                unit="bytes",
            ),
            picture(
                "Freed by each action",
                "What the last action of each kind freed. Empty until the first action.",
                Ask(f"max by (action) ({freed})", "{{action}}"),
                unit="bytes",
            ),
            table,
        ],
    )


def board(kind: Kind) -> Dashboard:
    """Return it."""
    metric = f"brimline_{kind.name}_memory_used_bytes"
    whose = variable(kind.name, f"label_values({metric}{{{kind.scope}}}, {kind.name})", several=False)
    content = [now(kind), memory(kind), strain(kind)]
    if kind is SERVICE:
        content.insert(2, deeds())
    return frame.board(kind.uid, kind.title, kind.text, content, more=[whose])
