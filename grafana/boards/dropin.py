"""Drop-in: panels and alert expressions written for cAdvisor, on what `--compat.cadvisor` serves."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards import frame
from boards.frame import Row
from boards.parts import Ask, Column, above, picture, rows, tile
from boards.promql import SCOPE, increase, of, rate

LABELS = "container_label_com_docker_compose_{}"
CHOSEN = f'{SCOPE},{LABELS.format("project")}=~"$project",{LABELS.format("service")}=~"$service"'
NEEDS = " Empty without --compat.cadvisor."


def container(metric: str) -> str:
    """Return a selector as cAdvisor's dashboards have it: what has an image is a container."""
    return of(f"container_{metric}", 'image!=""', scope=CHOSEN)


def by_name(expr: str) -> str:
    """Return the sum by container."""
    return f"sum by (instance, name) ({expr})"


def tiles() -> Row:
    """Return the first row of such dashboards."""
    return Row(
        "Containers as in dockprom",
        [
            tile(
                "Running containers",
                "Containers with a row of their own." + NEEDS,
                Ask(f"scalar(count({container('memory_usage_bytes')}) > 0)"),
                width=6,
            ),
            tile(
                "Used memory",
                "What the kernel charges all of them, page cache included." + NEEDS,
                Ask(f"sum({container('memory_usage_bytes')})"),
                unit="bytes",
                width=6,
            ),
            tile(
                "The machine's memory",
                "All there is." + NEEDS,
                Ask(f"sum({of('machine_memory_bytes')})"),
                unit="bytes",
                width=6,
            ),
            tile(
                "OOM events, 24 h",
                "Kills for want of memory within them." + NEEDS,
                Ask(f"round(sum(increase({container('oom_events_total')}[24h])))"),
                steps=above(1),
                width=6,
            ),
        ],
    )


def pictures() -> Row:
    """Return the pictures that nearly all of them have."""
    cpu = rate(container("cpu_usage_seconds_total"))
    return Row(
        "Over time",
        [
            picture("CPU usage", "Cores in use." + NEEDS, Ask(by_name(cpu), "{{name}}"), unit="none", stacked=True),
            *(
                picture(title, text + NEEDS, Ask(by_name(container(metric)), "{{name}}"), unit="bytes", stacked=True)
                for title, text, metric in (
                    ("Memory usage", "What the kernel charges, page cache included.", "memory_usage_bytes"),
                    ("Working set", "Usage less inactive page cache.", "memory_working_set_bytes"),
                    ("RSS", "Anonymous memory.", "memory_rss"),
                    ("Cached memory", "Page cache, shared memory included.", "memory_cache"),
                )
            ),
            picture(
                "Swap",
                "Swap in use. Empty where the kernel does not account swap, and without --compat.cadvisor.",
                Ask(by_name(container("memory_swap")), "{{name}}"),
                unit="bytes",
                stacked=True,
            ),
            picture(
                "Highest usage and limit",
                "The most that was charged since the start, and the container's own limit." + NEEDS,
                Ask(by_name(container("memory_max_usage_bytes")), "{{name}} highest"),
                Ask(by_name(f"{container('spec_memory_limit_bytes')} > 0"), "{{name}} limit"),
                unit="bytes",
            ),
            picture(
                "Limit hits and OOM events",
                "Times a limit was hit, and kills." + NEEDS,
                Ask(by_name(increase(container("memory_failcnt"))), "{{name}} limit hits"),
                Ask(by_name(increase(container("oom_events_total"))), "{{name}} OOM"),
                unit="none",
                bars=True,
            ),
        ],
    )


def alerts() -> Row:
    """Return the left sides of alert expressions that many have, a column each."""
    limit = by_name(f"{container('spec_memory_limit_bytes')} > 0")
    share = f"{by_name(container('memory_working_set_bytes'))} / {limit}"
    cpu = by_name(f"rate({container('cpu_usage_seconds_total')}[$__rate_interval])")
    percent = {"decimals": 1}
    columns = [
        Column(share, "Working set of limit (alert: > 80 %)", "percentunit", percent),
        Column(f"max by (instance, name) (time() - {container('last_seen')})", "Not seen for (alert: > 60 s)", "s"),
        Column(cpu, "CPU (alert: > 0.8 cores)", "none", {"decimals": 2}),
        Column(by_name(f"increase({container('oom_events_total')}[1h])"), "OOM, 1 h (alert: > 0)"),
        Column(by_name(f"changes({container('start_time_seconds')}[1h])"), "Starts, 1 h (alert: > 2)"),
    ]
    table = rows(
        "What well-known alerts compare",
        "The left sides of alert expressions in wide use for cAdvisor (container killed, high memory, high CPU, OOM, "
        "restarts). Brimline's own rules judge by memory_used_ratio instead: the working set counts mapped weights "
        "that the kernel would drop." + NEEDS,
        columns,
        {"name": "Container", "instance": "Instance"},
        order=["Container", *(column.title for column in columns), "Instance"],
    )
    return Row("Alert expressions", [table])


def board() -> Dashboard:
    """Return it."""
    return frame.board(
        "brimline-drop-in",
        "Brimline / Drop-in for cAdvisor",
        "Panels and alert expressions that were written for cAdvisor, on what Brimline serves with --compat.cadvisor.",
        [tiles(), pictures(), alerts()],
        metric="container_last_seen",
        labels=LABELS,
    )
