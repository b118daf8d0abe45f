from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.actions.base import Job
from brimline.actions.drain import Drain, allowed, chosen, reading
from brimline.actions.options import DrainOptions
from brimline.errors import UnreachableError
from brimline.httpclient import HttpAnswer, HttpClient
from fakes import FakeClock, container, described
from unit.acting import decided, standing

PAGE = b"""# HELP in_flight Requests under way.
# TYPE in_flight gauge
in_flight{worker="1"} 2
in_flight{worker="2"} 3.5
in_flight_other 9
"""


class Service(HttpClient):
    """Answers from a list; the last answer holds."""

    def __init__(self, *answers: HttpAnswer | str, post: int = 200) -> None:
        super().__init__()
        self.answers = list(answers)
        self.post = post
        self.asked: list[tuple[str, str]] = []

    async def send(self, method: str, url: str, **_: object) -> HttpAnswer:  # type: ignore[override]
        self.asked.append((method, url))
        if method == "POST":
            return HttpAnswer(self.post)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, str):
            raise UnreachableError(answer)
        return answer


def count(value: float) -> HttpAnswer:
    return HttpAnswer(200, body=f"in_flight {value}\n".encode())


def drained(service: Service, seconds: float = 30.0, address: str = "172.18.0.3", **options: str) -> tuple[str, float]:
    clock = FakeClock()

    async def sleep(seconds: float) -> None:
        clock.pass_(seconds)

    found = described(container("web"), addresses=(address,) if address else ())
    urls = {"post": "http://{host}:8000/drain", "gauge": "http://{host}:8000/metrics", **options}
    text = asyncio.run(Drain(service, clock, sleep).empty(DrainOptions.model_validate(urls), found, seconds))
    return text, clock.mono - 1000.0


@pytest.mark.parametrize(
    ("body", "metric", "value"),
    [
        (PAGE, "in_flight", 5.5),
        (PAGE, "absent", None),
        (b"requests_total 4\n", "requests_total", 4.0),
        (b'{"in_flight": 3}', "in_flight", 3.0),
        (b' {"pool": {"busy": 0}}', "pool.busy", 0.0),
        (b'{"pool": {"busy": "0"}}', "pool.busy", None),
        (b'{"pool": {"busy": true}}', "pool.busy", None),
        (b'{"pool": 1}', "pool.busy", None),
        (b"[1]", "in_flight", None),
        (b"{", "in_flight", None),
        (b"in_flight NaN\n", "in_flight", None),
        (b"in_flight +Inf\n", "in_flight", None),
        (b"in_flight{ 3\n", "in_flight", None),
        (b"<html>", "in_flight", None),
        (b"", "in_flight", None),
        (b"[" * 100_000, "in_flight", None),
    ],
)
def test_a_gauge_is_read_from_a_page_or_json(body: bytes, metric: str, value: float | None) -> None:
    assert reading(body, metric) == value


@given(st.binary() | st.recursive(st.none() | st.integers(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_no_answer_breaks_the_reading(body: bytes) -> None:
    reading(body, "in_flight")


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_several_series_are_added_up(values: list[int]) -> None:
    page = "".join(f'in_flight{{pid="{i}"}} {v}\n' for i, v in enumerate(values))
    assert reading(page.encode(), "in_flight") == sum(values)


def test_it_is_told_once_and_waited_for() -> None:
    service = Service(count(4), count(1), count(0))
    text, took = drained(service)
    assert text == "drained in 1 s"
    assert took == 1.0
    assert service.asked[0] == ("POST", "http://172.18.0.3:8000/drain")
    assert service.asked[1:] == [("GET", "http://172.18.0.3:8000/metrics")] * 3


def test_time_runs_out() -> None:
    text, took = drained(Service(count(4)), seconds=3.0)
    assert text == "not drained within 3 s: in_flight says 4"
    assert took == 3.0


def test_one_failure_is_forgiven_and_three_are_not() -> None:
    text, _ = drained(Service("no answer", "no answer", count(0)))
    assert text == "drained in 1 s"
    text, took = drained(Service("connection refused"))
    assert text == "not drained: connection refused"
    assert took == 1.0


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (Service(count(0), post=503), "POST http://172.18.0.3:8000/drain answered 503"),
        (Service(HttpAnswer(302)), "GET http://172.18.0.3:8000/metrics answered 302"),
        (Service(HttpAnswer(200, body=b"up 1\n")), 'no number "in_flight" in the answer'),
    ],
)
def test_what_fails_is_told(service: Service, words: str) -> None:
    text, _ = drained(service)
    assert text.startswith("not drained: ")
    assert words in text


def test_a_container_without_an_address_is_asked_on_this_host_and_ipv6_has_brackets() -> None:
    for address, host in (("", "127.0.0.1"), ("fd00::2", "[fd00::2]")):
        service = Service(count(0))
        drained(service, address=address)
        assert service.asked[0][1] == f"http://{host}:8000/drain"


def test_without_a_gauge_nothing_is_waited_for() -> None:
    service = Service(count(4))

    async def body() -> str:
        options = DrainOptions(post="http://web:8000/drain")
        return await Drain(service, FakeClock(), asyncio.sleep).empty(options, described(container("web")), 5.0)

    assert asyncio.run(body()) == "told to take no more work"
    assert service.asked == [("POST", "http://web:8000/drain")]


@pytest.mark.parametrize(("left", "seconds"), [(None, 30.0), (1000.0, 30.0), (20.0, 10.0), (0.0, 0.0), (-5.0, 0.0)])
def test_the_forecast_shortens_it(left: float | None, seconds: float) -> None:
    subject = container("web")
    job = Job(decided(subject, FakeClock().now()), standing(subject, seconds_left=left))
    assert allowed(DrainOptions(), job) == seconds


@pytest.mark.parametrize(
    ("glob", "found"), [("web", True), ("w*", True), ("shop/api", True), ("shop/web", True), ("api", False)]
)
def test_a_drain_is_chosen_by_name_or_service(glob: str, found: bool) -> None:  # noqa: FBT001 - a table
    drains: Mapping[str, DrainOptions] = {glob: DrainOptions()}
    one = described(container("web", labels=("shop", "api")))
    assert (chosen(dict(drains), one) is not None) is found
