"""Selectors that heed the variables; nothing else names a job, an instance or a project."""

from __future__ import annotations

SCOPE = 'job=~"$job",instance=~"$instance"'
COMPOSE = 'compose_project=~"$project",compose_service=~"$service"'
PLACE = f"{SCOPE},{COMPOSE}"  # a cgroup and a group have no project: chosen while every project is


def of(metric: str, *more: str, scope: str = SCOPE) -> str:
    """Return the selector of one metric; an expression in its place is a pattern of names."""
    labels = ",".join((scope, *more))
    return f'{{__name__=~"{metric}",{labels}}}' if "(" in metric else f"{metric}{{{labels}}}"


def placed(metric: str, *more: str) -> str:
    """Return the selector of a metric of containers, of the chosen projects and services."""
    return of(metric, *more, scope=PLACE)


def subjects(measure: str, *more: str, kinds: str = "container|cgroup") -> str:
    """Return the selector of a measure of several kinds."""
    return placed(f"brimline_({kinds})_{measure}", *more)


def named(vector: str, *more: str) -> str:
    """Return the vector by what it is about: the label `subject` is its container, cgroup or group."""
    by = ", ".join(("instance", "compose_project", "compose_service", "subject", *more))
    return f'max by ({by}) (label_join({vector}, "subject", "", "container", "cgroup", "group"))'


def increase(counter: str) -> str:
    """Return what a counter rose by within one step of the picture."""
    return f"increase({counter}[$__rate_interval])"


def first(counter: str, rises: str = "increase") -> str:
    """Return a counter's rise where it is not preset to 0: the first rise is the whole of a series that was not there.

    It counts only if Brimline itself was there already; else Prometheus has just come back.
    """
    before, there = f"{counter} offset $__rate_interval", f"{of('brimline_build_info')} offset $__rate_interval"
    newborn = f"(({counter} unless {before}) and on (job, instance) {there})"
    return f"({rises}({counter}[$__rate_interval]) and {before}) or {newborn}"


def rate(counter: str) -> str:
    """Return a counter's rise by the second."""
    return f"rate({counter}[$__rate_interval])"


def day(counter: str) -> str:
    """Return what a counter rose by in a day, as the whole number it is."""
    return f"round(sum(increase({counter}[24h])))"
