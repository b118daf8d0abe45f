"""Who may be acted upon: leave is given by its owner, and some are never touched, whoever gives leave. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from brimline.deeds import CLEANUP, RESTART, Verdict
from brimline.labels import is_pod, names, protection, sanitise
from brimline.model import Kind, Subject
from brimline.policy.case import Case
from brimline.policy.terms import GRAVITY, Refusal, Terms

RESTART_LABEL: Final = "brimline.restart"
AUTOHEAL_LABEL: Final = "autoheal"
_POD: Final = "io.kubernetes.pod.name"
_NAMESPACE: Final = "io.kubernetes.pod.namespace"


def configured(case: Case) -> Refusal | None:
    """Refuse what does not exist, cannot be done to such a subject, or lacks its setting."""
    wish = case.wish
    if wish.action not in GRAVITY:
        return Verdict.NOT_CONFIGURED, f'there is no action "{wish.action}" here'
    if wish.action == RESTART and wish.subject.kind is not Kind.CONTAINER:
        return Verdict.NOT_CONFIGURED, f"only a container can be restarted, {case.name} is a {wish.subject.kind}"
    missing = case.scene.unconfigured.get((wish.action, wish.subject))
    return None if missing is None else (Verdict.NOT_CONFIGURED, f"{case.would()}, but {missing}")


def protected(case: Case) -> Refusal | None:
    """Refuse every action on what we depend on and on what its owner protects; nothing overrides it."""
    image = case.container.image if case.container is not None else ""
    why = protection(case.labels, image) or case.scene.protected.get(case.wish.subject)
    return None if why is None else (Verdict.PROTECTED, f"{why}; {case.would()}")


def orchestrated(case: Case) -> Refusal | None:
    """Refuse to restart what Kubernetes runs; a Swarm task passes, for the action stops it and Swarm replaces it."""
    labels = case.labels
    if case.wish.action != RESTART or not is_pod(labels):
        return None
    pod, namespace = labels.get(_POD, ""), labels.get(_NAMESPACE, "default")
    return Verdict.ORCHESTRATED, (
        f'{case.name} belongs to a Kubernetes pod{f" ({pod})" if pod else ""}; write "kubectl -n {namespace} rollout '
        f'restart deployment/NAME" for what owns it'
    )


def opted_in(case: Case) -> Refusal | None:
    """Refuse without its owner's leave; a cleanup needs none beyond being configured."""
    if case.wish.action == CLEANUP or leave(case.wish.subject, case.labels, case.tick.terms):
        return None
    if said := refusal(case.labels):
        return Verdict.NOT_OPTED_IN, f"{said}; with {RESTART_LABEL}=true {case.would()}"
    if case.wish.subject.kind is Kind.CONTAINER:
        return Verdict.NOT_OPTED_IN, f"with the label {RESTART_LABEL}=true {case.would()}"
    return Verdict.NOT_OPTED_IN, f'with "{case.name}" in actions.restart.allow {case.would()}'


def leave(subject: Subject, labels: Mapping[str, str], terms: Terms) -> str:
    """Say by what its owner gives leave; empty where nothing does.

    Its own label comes first, a false one too; then the globs, then autoheal=true where that is honoured.
    """
    own = labels.get(RESTART_LABEL)
    if own is not None:
        return f"its label says {RESTART_LABEL}={own}" if own.strip().lower() == "true" else ""
    called = names(subject)
    glob = next((glob for glob in terms.allow if any(fnmatchcase(name, glob) for name in called)), None)
    if glob is not None:
        return f'"{glob}" stands in actions.restart.allow'
    heals = terms.honor_autoheal and labels.get(AUTOHEAL_LABEL, "").strip().lower() == "true"
    return f"its label says {AUTOHEAL_LABEL}=true" if heals else ""


def refusal(labels: Mapping[str, str]) -> str:
    """Say that its owner's own label refuses a restart, whoever asks for it; empty where it does not."""
    own = labels.get(RESTART_LABEL)
    return "" if own is None or own.strip().lower() == "true" else f"its label says {RESTART_LABEL}={sanitise(own)}"


CHECKS: Final = (protected, orchestrated, opted_in)  # in the order of their weight
