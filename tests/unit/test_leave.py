"""Who may be restarted, as it is shown before anything fires: the same as policy decides when something does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.actions.options import ActionsOptions
from brimline.deeds import Verdict
from brimline.leave import LABEL, Answer, Leave, terms_of
from brimline.model import Container, Kind, Subject
from brimline.policy.guarded import Endpoint, Guarded
from brimline.policy.terms import Terms, Window
from unit.policy_scenes import container, only, scene, wish

POD = {"io.kubernetes.pod.name": "web-1"}
GUARDED = Guarded(frozenset({"brimline"}), (Endpoint("Alertmanager", "am", 9093),))
VALUES = st.sampled_from(["true", "True ", "false", "", "0"])
LABELS = st.fixed_dictionaries(
    {},
    optional={
        "brimline.restart": VALUES,
        "brimline.protect": VALUES,
        "autoheal": VALUES,
        "io.kubernetes.pod.name": VALUES,
        "com.docker.swarm.service.name": VALUES,
    },
)
TERMS = st.builds(
    Terms,
    dry_run=st.booleans(),
    allow=st.lists(st.sampled_from(["*", "whisper", "shop/*", "other"]), max_size=2).map(tuple),
    honor_autoheal=st.booleans(),
)


@given(
    labels=LABELS,
    terms=TERMS,
    name=st.sampled_from(["whisper", "am", "brimline"]),
    service=st.sampled_from(["", "shop/api"]),
    image=st.sampled_from(["shop/whisper:1", "prom/prometheus:v3"]),
)
def test_what_is_shown_is_what_is_decided(
    labels: Mapping[str, str], terms: Terms, name: str, service: str, image: str
) -> None:
    of = container(name, service, labels=dict(labels), image=image)
    shown = Leave(terms, GUARDED).of(of.subject, of).verdict
    there = scene([of], [wish(of)], protected=GUARDED.reasons({of.subject: of}))
    decided = only(there, terms=terms).verdict
    if decided in {Verdict.RUN, Verdict.DRY_RUN}:
        assert shown is Verdict.RUN
    else:
        assert shown is decided


def answer(of: Container, **terms: object) -> Answer:
    return Leave(Terms(**terms), GUARDED).of(of.subject, of)  # type: ignore[arg-type] # by keyword


@pytest.mark.parametrize(
    ("of", "terms", "expected"),
    [
        (container(), {}, Answer(Verdict.RUN, f"its label says {LABEL}")),
        (container(labels={}), {"allow": ("w*",)}, Answer(Verdict.RUN, '"w*" stands in actions.restart.allow')),
        (container(labels={}), {}, Answer(Verdict.NOT_OPTED_IN, LABEL)),
        (container("brimline"), {}, Answer(Verdict.PROTECTED, "this is Brimline itself")),
        (container("am"), {}, Answer(Verdict.PROTECTED, "it is Alertmanager (am)")),
        (
            container(labels={"brimline.protect": "yes"}),
            {},
            Answer(Verdict.PROTECTED, "its label says brimline.protect=yes"),
        ),
    ],
)
def test_an_answer_says_why_or_what_to_write(of: Container, terms: dict[str, object], expected: Answer) -> None:
    assert answer(of, **terms) == expected


def test_a_pod_is_told_what_to_write_instead() -> None:
    said = answer(container(labels=POD), allow=("*",))
    assert said.verdict is Verdict.ORCHESTRATED
    assert "kubectl -n default rollout restart" in said.why


def test_what_is_no_container_is_opted_in_by_its_name_alone() -> None:
    bot = Subject(Kind.PROCESS, "bot", ("bot",), "1@1")
    closed = Leave(Terms(), Guarded()).of(bot, None)
    assert closed == Answer(Verdict.NOT_OPTED_IN, '"bot" in actions.restart.allow')
    assert Leave(Terms(allow=("bot",)), Guarded()).of(bot, None).verdict is Verdict.RUN


@pytest.mark.parametrize(
    ("found", "terms", "said"),
    [
        (
            [container("a"), container("b", labels={}), container("c", labels={})],
            Terms(),
            "1 of 3 containers may be restarted, 2 more with the label brimline.restart=true",
        ),
        ([container("a")], Terms(dry_run=True), "1 of 1 containers may be restarted; dry run: nothing is done"),
        ([container("brimline")], Terms(), "0 of 1 containers may be restarted"),
    ],
)
def test_the_summary_counts_and_names_the_label(found: list[Container], terms: Terms, said: str) -> None:
    assert Leave(terms, GUARDED).summary({each.subject: each for each in found}) == said


def test_terms_are_those_of_the_configuration() -> None:
    options = ActionsOptions.model_validate(
        {
            "dry_run": "true",
            "quiet": ["sat-sun 02:00-04:30"],
            "restart": {
                "allow": ["a"],
                "honor_autoheal": "true",
                "per_hour": {"subject": "1", "service": "2", "host": "4"},
            },
        }
    )
    assert terms_of(options) == Terms(
        dry_run=True,
        allow=("a",),
        honor_autoheal=True,
        per_subject=1,
        per_service=2,
        per_host=4,
        quiet=(Window(120, 270, frozenset({5, 6})),),
    )
