"""Brimline itself: does it run, what does it cost, what did it decide."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards import frame
from boards.frame import Row
from boards.parts import BAD, GOOD, WARN, Ask, above, picture, tile
from boards.promql import first, increase, of, rate

YES = {"1": ("yes", GOOD), "0": ("no", BAD)}
NO = {"0": ("no", GOOD), "1": ("yes", WARN)}


def quantile(share: float, metric: str, by: str = "le") -> str:
    """Return a quantile of a histogram within each step."""
    buckets = of(f"{metric}_bucket")
    rises = rate(buckets) if by == "le" else first(buckets, "rate")
    return f"histogram_quantile({share}, sum by ({by}) ({rises}))"


def health() -> Row:
    """Return whether it runs as it should."""
    return Row(
        "Does it run?",
        [
            tile("Up", "Whether Prometheus can scrape every instance.", Ask(f"min({of('up')})"), meanings=YES),
            tile(
                "Version",
                "Which Brimline runs.",
                Ask(f"count by (version) ({of('brimline_build_info')})", "{{version}}"),
                names=True,
            ),
            tile(
                "Age of the data",
                "How long ago the data on the oldest page were read.",
                Ask(f"max(time() - {of('brimline_snapshot_timestamp_seconds')})"),
                unit="s",
                steps=above(60),
                decimals=0,
            ),
            tile(
                "Journal writable",
                "Whether the journal can be written; without it nothing is done.",
                Ask(f"min({of('brimline_journal_up')})"),
                meanings=YES,
            ),
            tile(
                "Configuration in force",
                "Whether the last attempt to read the configuration succeeded.",
                Ask(f"min({of('brimline_config_last_reload_successful')})"),
                meanings=YES,
            ),
            tile(
                "Paused",
                "Whether any pause is in force; `brimline resume` ends it.",
                Ask(f"max({of('brimline_paused')})"),
                meanings=NO,
            ),
            tile(
                "More rights than needed",
                "Whether the way to the engine for actions could also create containers, which is root on the host; a "
                "proxy takes that away. Empty while a local socket is the only way: it is root whatever it answers.",
                Ask(f"max({of('brimline_docker_overprivileged')})"),
                meanings=NO,
            ),
            tile(
                "Series left off, 1 h",
                "Series that limits.series left off the page.",
                Ask(f"round(sum(increase({of('brimline_dropped_series_total')}[1h])))"),
                steps=above(1, WARN),
            ),
        ],
    )


def cost() -> Row:
    """Return what it costs."""
    tick = "brimline_tick_duration_seconds"
    return Row(
        "What it costs",
        [
            picture(
                "Tick",
                "How long ticks took, reading and rendering: half of them, 99 of 100, and their mean.",
                Ask(quantile(0.5, tick), "median"),
                Ask(quantile(0.99, tick), "99 %"),
                Ask(f"sum({rate(of(f'{tick}_sum'))}) / sum({rate(of(f'{tick}_count'))})", "mean"),
                unit="s",
                width=8,
            ),
            picture(
                "Ticks by cause",
                "Ticks by the second: at the interval, or woken early.",
                Ask(f"sum by (cause) ({rate(of('brimline_ticks_total'))})", "{{cause}}"),
                unit="cps",
                width=8,
            ),
            picture(
                "CPU",
                "Cores that Brimline itself uses.",
                Ask(rate(of("process_cpu_seconds_total")), "{{instance}}"),
                unit="none",
                width=8,
            ),
            picture(
                "Memory",
                "Resident memory of Brimline itself.",
                Ask(of("process_resident_memory_bytes"), "{{instance}}"),
                unit="bytes",
                width=8,
            ),
            picture(
                "Descriptors",
                "Open files and sockets of Brimline itself.",
                Ask(of("process_open_fds"), "{{instance}}"),
                unit="none",
                width=8,
            ),
            picture(
                "Errors of its pages",
                "Requests answered with 500 because of a bug.",
                Ask(f"sum({increase(of('brimline_web_errors_total'))})", "errors"),
                unit="none",
                width=8,
                bars=True,
            ),
        ],
    )


def sources() -> Row:
    """Return how its sources fare."""
    return Row(
        "Sources",
        [
            picture(
                "Up",
                "1 where the source could be read in the last tick, else 0.",
                Ask(of("brimline_source_up"), "{{source}} {{instance}}"),
                unit="none",
                width=8,
                top=1,
            ),
            picture(
                "Time of a read",
                "How long each source's last read took.",
                Ask(of("brimline_source_read_duration_seconds"), "{{source}} {{instance}}"),
                unit="s",
                width=8,
            ),
            picture(
                "Failed reads",
                "Reads that failed, by source; the reason stands on Brimline's page.",
                Ask(f"sum by (source) ({increase(of('brimline_source_errors_total'))})", "{{source}}"),
                unit="none",
                width=8,
                bars=True,
            ),
        ],
    )


def decisions() -> Row:
    """Return what it decided and did."""
    return Row(
        "Decisions and actions",
        [
            picture(
                "Decisions by verdict",
                "Decisions by action and verdict, counted when one changes: run, or why it was not. Empty until the "
                "first decision.",
                Ask(f"sum by (action, verdict) ({first(of('brimline_decisions_total'))})", "{{action}}: {{verdict}}"),
                unit="none",
                bars=True,
            ),
            picture(
                "Actions",
                "Actions that were done, and those that were begun and did not succeed.",
                Ask(f"sum by (action) ({increase(of('brimline_actions_total'))})", "{{action}}"),
                Ask(f"sum by (action) ({increase(of('brimline_action_failures_total'))})", "{{action}} failed"),
                unit="none",
                bars=True,
            ),
            picture(
                "Duration of actions",
                "How long actions took until the world showed them: 95 of 100 of those within each step. Empty until "
                "the first action, and at times without any.",
                Ask(quantile(0.95, "brimline_action_duration_seconds", "le, action"), "{{action}}"),
                unit="s",
                width=8,
            ),
            picture(
                "Downtime of restarts",
                "How long restarted containers were away, until healthy or running: 95 of 100 of those within each "
                "step. Empty at times without a restart.",
                Ask(quantile(0.95, "brimline_restart_downtime_seconds"), "downtime"),
                unit="s",
                width=8,
            ),
            picture(
                "Alerts",
                "Alerts by state, as Brimline judges them. Empty while none is pending or fires.",
                Ask(f"sum by (state) ({of('brimline_alerts')})", "{{state}}"),
                unit="none",
                width=8,
            ),
        ],
    )


def books() -> Row:
    """Return what is written down and sent."""
    return Row(
        "Journal and outbox",
        [
            picture(
                "Outbox",
                "Messages by what became of them so far; dead ones were given up after a day.",
                Ask(f"sum by (state) ({of('brimline_outbox_messages')})", "{{state}}"),
                unit="none",
                width=8,
            ),
            picture(
                "Journal",
                "1 where the journal can be written, else 0: then nothing is done.",
                Ask(of("brimline_journal_up"), "{{instance}}"),
                unit="none",
                width=8,
                top=1,
            ),
            picture(
                "Pauses and the storm",
                "1 for every pause in force by what it pauses, and while more than half of the containers ask for a "
                "restart at once. The storm is empty without containers.",
                Ask(of("brimline_paused"), "paused {{glob}}"),
                Ask(of("brimline_host_restart_storm"), "storm {{instance}}"),
                unit="none",
                width=8,
                top=1,
            ),
        ],
    )


def board() -> Dashboard:
    """Return it."""
    return frame.board(
        "brimline-itself",
        "Brimline / Brimline itself",
        "Does Brimline run, what does it cost, what did it decide and do.",
        [health(), cost(), sources(), decisions(), books()],
    )
