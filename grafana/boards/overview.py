"""Overview: is it well, who holds most, and what was done about it."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards import frame
from boards.frame import Row
from boards.parts import (
    BAD,
    DIAGNOSES,
    WARN,
    Ask,
    Column,
    above,
    below,
    dashed,
    levels,
    override,
    picture,
    rows,
    tile,
    words,
)
from boards.promql import day, increase, named, of, placed, subjects

RATIO = subjects("memory_used_ratio", kinds="container|cgroup|process")
ONE = "{{container}}{{cgroup}}{{group}}"
FIRING = 'state="firing"'


def over(level: str) -> str:
    """Return how many stand above a level of theirs; 0 is none, nothing is nobody measured."""
    return f"sum({subjects('memory_used_ratio')} > bool ignoring (level) {at(level)})"


def at(level: str) -> str:
    """Return the level in force of every container and cgroup."""
    return subjects("memory_threshold_ratio", f'level="{level}"')


def well() -> Row:
    """Return the row that answers whether it is well."""
    return Row(
        "Is it well?",
        [
            tile(
                "Worst share of its limit",
                "Used memory that cannot be dropped, as a share of the limit, of whoever is nearest to it: container, "
                "cgroup or group of processes. At 100 % the kernel kills. The colours are the usual levels.",
                Ask(f"max({RATIO})", "worst"),
                unit="percentunit",
                steps=levels(),
                decimals=1,
            ),
            tile(
                "Above their levels",
                "Containers and cgroups above their alert level (80 % unless they say otherwise) and above their "
                "restart level (85 %).",
                Ask(over("alert"), "alert"),
                Ask(over("restart"), "restart"),
                steps=above(1, WARN),
            ),
            tile(
                "OOM kills, 24 h",
                "Processes that the kernel killed for want of memory: within the chosen containers, and on the whole "
                "host, whatever the reason.",
                Ask(day(placed("brimline_container_memory_oom_kills_total")), "containers"),
                Ask(day(of("brimline_host_memory_oom_kills_total")), "host"),
                steps=above(1),
            ),
            tile(
                "Restarts, 24 h",
                "Containers that were started again, by whomever, and what Brimline restarted.",
                Ask(day(placed("brimline_container_restarts_total")), "all"),
                Ask(day(of("brimline_actions_total", 'action="restart"')), "by Brimline"),
                steps=above(1, WARN),
            ),
            tile(
                "Restarts left",
                "The smallest budget: what the container, its service and the host still allow within this hour. "
                "Empty without containers.",
                Ask(f"min({placed('brimline_restart_budget_remaining')})", "left"),
                steps=below(1),
            ),
            tile(
                "Memory pressure",
                "Share of the last 10 s in which some task waited for memory: of the worst container, and of the host. "
                "Empty where the kernel has no PSI.",
                Ask(f"max({subjects('memory_pressure_some_ratio')})", "worst"),
                Ask(f"max({of('brimline_host_memory_pressure_some_ratio')})", "host"),
                unit="percentunit",
                steps=above(0.1, WARN),
                decimals=1,
            ),
            tile(
                "Sources up",
                "Share of Brimline's sources that could be read in the last tick; see the dashboard Brimline itself.",
                Ask(f"avg({of('brimline_source_up')})", "up"),
                unit="percentunit",
                steps=below(1),
                decimals=0,
            ),
            tile(
                "Age of the oldest sample",
                "How long ago the oldest data of the chosen instances were read. Above a minute Brimline is no longer "
                "measuring, and what else stands here is old.",
                Ask(f"max(time() - {of('brimline_snapshot_timestamp_seconds')})", "age"),
                unit="s",
                steps=above(60),
                decimals=0,
            ),
        ],
    )


def who() -> Row:
    """Return the table of all subjects."""
    bar = {"min": 0, "max": 1, "decimals": 1, "custom.cellOptions": {"type": "gauge", "mode": "basic"}}
    colours = [{"value": value, "color": colour} for value, colour in levels()]
    bar["thresholds"] = {"mode": "absolute", "steps": colours}
    columns = [
        Column(named(RATIO), "Share of limit", "percentunit", bar),
        Column(named(subjects("diagnosis") + " == 1", "diagnosis"), ""),
        Column(named(subjects("memory_time_to_limit_seconds")), "Time to limit", "dtdurations"),
        Column(
            named(placed("brimline_(container_memory_used|cgroup_memory_used|process_memory_rss)_bytes")),
            "Used",
            "bytes",
        ),
        Column(named(subjects("memory_limit_bytes", kinds="container|cgroup|process")), "Limit", "bytes"),
        Column(named(at("restart")), "Restart level", "percentunit"),
        Column(named(placed("brimline_restart_budget_remaining")), "Restarts left"),
    ]
    labels = {
        "subject": "Subject",
        "compose_project": "Project",
        "compose_service": "Service",
        "diagnosis": "Diagnosis",
        "instance": "Instance",
    }
    table = rows(
        "Who holds most",
        "Every container, cgroup and group of processes, the one nearest to its limit first. Time to limit is empty "
        "while nothing leaks; a group of processes has no diagnosis, and its use here is the RSS of all its processes.",
        columns,
        labels,
        order=[
            *("Subject", "Share of limit", "Diagnosis", "Time to limit", "Used", "Limit", "Restart level"),
            *("Restarts left", "Project", "Service", "Instance"),
        ],
    )
    kept = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "job", "instance"))
    detail = f"${{__value.raw:percentencode}}&{kept}&${{__url_time_range}}"
    links = [
        {"title": f"{title} ${{__value.raw}}", "url": f"/d/{uid}?var-{kind}={detail}"}
        for title, uid, kind in (
            ("Container", "brimline-service", "container"),
            ("Cgroup", "brimline-unit", "cgroup"),
        )
    ]
    table = override(table, "Subject", {"links": links, "custom.width": 260})
    coloured = {"mappings": words(DIAGNOSES), "custom.cellOptions": {"type": "color-text"}}
    return Row("One by one", [override(table, "Diagnosis", coloured)])


def time() -> Row:
    """Return what became of it over time."""
    share = picture(
        "Share of the limit",
        "Used memory of every container, cgroup and group of processes as a share of its limit. The dashed lines are "
        "the lowest alert and restart levels in force.",
        Ask(RATIO, ONE),
        Ask(f"min({at('alert')})", "alert level"),
        Ask(f"min({at('restart')})", "restart level"),
        unit="percentunit",
        top=1,
    )
    share = dashed(dashed(share, "alert level", WARN), "restart level", BAD)
    kills = placed("brimline_container_memory_oom_kills_by_cause_total")
    return Row(
        "Over time",
        [
            share,
            picture(
                "Time to limit",
                "When a leak reaches the limit at its present rate. Empty while nothing leaks.",
                Ask(subjects("memory_time_to_limit_seconds"), ONE),
                unit="s",
            ),
            picture(
                "What was done",
                "Actions of Brimline by what they were, and those that failed.",
                Ask(f"sum by (action) ({increase(of('brimline_actions_total'))})", "{{action}}"),
                Ask(f"sum by (action) ({increase(of('brimline_action_failures_total'))})", "{{action}} failed"),
                unit="none",
                bars=True,
            ),
            picture(
                "OOM kills by cause",
                "Kills within the chosen containers: whose limit was hit (the container's own, that of a cgroup around "
                "it, or the host's memory), and whether its main process died or a worker.",
                Ask(f"sum by (cause, victim) ({increase(kills)})", "{{cause}}, {{victim}}"),
                unit="none",
                bars=True,
            ),
            picture(
                "Alerts that fire",
                "Alerts of the chosen projects and services by rule, as Brimline judges them. Empty while none fires.",
                Ask(
                    f"sum by (alertname, severity) ({placed('brimline_alerts', FIRING)})",
                    "{{alertname}} ({{severity}})",
                ),
                unit="none",
            ),
            picture(
                "Memory pressure",
                "Share of the last 10 s in which some task waited for memory, of every container and cgroup and of the "
                "host. Empty where the kernel has no PSI.",
                Ask(subjects("memory_pressure_some_ratio"), ONE),
                Ask(of("brimline_host_memory_pressure_some_ratio"), "host {{instance}}"),
                unit="percentunit",
            ),
            picture(
                "The host's memory",
                "What can be had without swapping, and all there is.",
                Ask(of("brimline_host_memory_available_bytes"), "available {{instance}}"),
                Ask(of("brimline_host_memory_total_bytes"), "total {{instance}}"),
                unit="bytes",
            ),
            picture(
                "Who is above the alert level",
                "How far each container and cgroup stands above its own alert level, as a share of its limit. Empty "
                "while none does.",
                Ask(f"{subjects('memory_used_ratio')} - ignoring (level) {at('alert')} > 0", ONE),
                unit="percentunit",
            ),
        ],
    )


def board() -> Dashboard:
    """Return it."""
    return frame.board(
        "brimline-overview",
        "Brimline / Overview",
        "Is it well, who holds most of its memory limit, and what was done about it.",
        [well(), who(), time()],
    )
