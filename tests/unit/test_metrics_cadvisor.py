"""What `--compat.cadvisor` prints, held against what cAdvisor prints for the same cgroups."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families as parse_text

from brimline.metrics.cadvisor import METRICS, Cadvisor
from brimline.metrics.render import Renderer
from brimline.model import Column, Kind, Level, Metric, MetricKind, Now, Snapshot, SourceReport, Subject
from brimline.sources import cgroup
from fakes import described

WEB = Subject(Kind.CONTAINER, "shop-web-1", ("shop-web-1", "shop", "web"), "aa@1")
GONE = Subject(Kind.CONTAINER, "gone", ("gone", "", ""), "bb@1")
SSHD = Subject(Kind.CGROUP, "system.slice/ssh.service", ("system.slice/ssh.service",), "x")
SCOPE = Subject(Kind.CGROUP, "system.slice/docker-aa.scope", ("system.slice/docker-aa.scope",), "y")
ROOT = Subject(Kind.CGROUP, "/", ("/",), "z")
HOST = Subject(Kind.HOST, "host", (), "")
LABELS = ("container", "compose_project", "compose_service")
INFO = Metric("brimline_container_info", "x", MetricKind.GAUGE, (*LABELS, "id", "image"))
HOST_TOTAL = Metric("brimline_host_memory_total_bytes", "x", MetricKind.GAUGE, ())
FAMILIES = (
    (cgroup.MEMORY_USAGE_BYTES, 500),
    (cgroup.MEMORY_WORKING_SET_BYTES, 400),
    (cgroup.MEMORY_ANON_BYTES, 300),
    (cgroup.MEMORY_FILE_BYTES, 200),
    (cgroup.MEMORY_SWAP_BYTES, 7),
    (cgroup.MEMORY_MAPPED_FILE_BYTES, 50),
    (cgroup.MEMORY_PEAK_BYTES, 600),
    (cgroup.MEMORY_LIMIT_HITS, 4),
    (cgroup.MEMORY_OOM_KILLS, 2),
    (cgroup.START_TIME_SECONDS, 1000.5),
    (cgroup.CPU_SECONDS, 12.25),
    (cgroup.MEMORY_USED_BYTES, 1),  # cAdvisor has no such thing
)


def snapshot(*, limit: int | None = 1 << 20, version: str = "1.0") -> Snapshot:
    containers, cgroups = (WEB, GONE), (SSHD, SCOPE, ROOT)
    columns = [Column(f[Kind.CONTAINER], containers, [value] * 2) for f, value in FAMILIES]
    columns += [Column(f[Kind.CGROUP], cgroups, [value] * 3) for f, value in FAMILIES]
    chains = {
        WEB: (Level("/system.slice/docker-aa.scope", limit, 500, 1), Level("/", None, 9, 9)),
        SSHD: (Level("/system.slice/ssh.service", None, 500, 1),),
        SCOPE: (Level("/system.slice/docker-aa.scope", limit, 500, 1),),
        ROOT: (Level("/", None, 9, 9),),
    }
    info = Column(INFO, (WEB,), [1], (("aa", "shop/web:1"),))
    engine = {WEB: described(WEB, {"com.docker.compose.service": "web", "org.label-schema/version": version})}
    return Snapshot(
        Now(1234.9, 1.0),
        (
            SourceReport("docker", (info,), 0.0, containers=engine),
            SourceReport("cgroup", tuple(columns), 0.0, chains=chains),
            SourceReport("host", (Column(HOST_TOTAL, (HOST,), [8 << 30]),), 0.0),
        ),
    )


def page(of: Snapshot, compat: Cadvisor) -> str:
    only = Snapshot(of.at, (SourceReport("compat", compat(of), 0.0),))
    return Renderer(series=1000).render(only).body.decode()


def values(text: str, **labels: str) -> dict[str, float]:
    """Return by name every series with these labels; the parser's `_total` is off: it adds one to failcnt."""
    found = {}
    for family in parse_text(text):
        for sample in family.samples:
            if all(sample.labels.get(name) == value for name, value in labels.items()):
                found[sample.name.removesuffix("_total")] = sample.value
    return found


def test_a_container_reads_as_in_cadvisor() -> None:
    assert values(page(snapshot(), Cadvisor()), name="shop-web-1") == {
        "container_memory_usage_bytes": 500,
        "container_memory_working_set_bytes": 400,
        "container_memory_rss": 300,
        "container_memory_cache": 200,
        "container_memory_swap": 7,
        "container_memory_mapped_file": 50,
        "container_memory_max_usage_bytes": 600,
        "container_memory_failcnt": 4,
        "container_oom_events": 2,
        "container_start_time_seconds": 1000.5,
        "container_cpu_usage_seconds": 12.25,
        "container_spec_memory_limit_bytes": 1 << 20,
        "container_last_seen": 1234,
    }


def test_types_and_labels_are_cadvisors() -> None:
    families = {f.name: f for f in parse_text(page(snapshot(), Cadvisor()))}
    assert {f.name for f in families.values() if f.type == "counter"} == {
        "container_memory_failcnt",
        "container_oom_events",
        "container_cpu_usage_seconds",
    }
    cpu = families["container_cpu_usage_seconds"].samples[0].labels
    assert cpu == {
        "id": "/system.slice/docker-aa.scope",
        "name": "shop-web-1",
        "image": "shop/web:1",
        "cpu": "total",
        "container_label_com_docker_compose_service": "web",
        "container_label_org_label_schema_version": "1.0",
    }
    assert set(families["container_memory_rss"].samples[0].labels) == set(cpu) - {"cpu"}
    assert families["machine_memory_bytes"].samples[0].labels == {}
    assert families["machine_memory_bytes"].samples[0].value == 8 << 30


def test_name_and_image_are_empty_for_what_is_no_container() -> None:
    text = page(snapshot(), Cadvisor())
    assert values(text, id="/system.slice/ssh.service", name="", image="")["container_memory_rss"] == 300


def test_no_limit_is_zero_and_the_roots_limit_is_the_machine() -> None:
    text = page(snapshot(limit=None), Cadvisor())
    assert values(text, name="shop-web-1")["container_spec_memory_limit_bytes"] == 0
    assert values(text, id="/")["container_spec_memory_limit_bytes"] == 8 << 30


def test_a_container_hides_the_bare_cgroup_of_the_same_path() -> None:
    rows = [line for line in page(snapshot(), Cadvisor()).splitlines() if line.startswith("container_memory_rss{")]
    assert len(rows) == 3
    assert sum('id="/system.slice/docker-aa.scope"' in row for row in rows) == 1


def test_what_has_no_cgroup_has_no_row() -> None:
    assert values(page(snapshot(), Cadvisor()), name="gone") == {}


def test_identities_stay_until_the_topology_changes() -> None:
    compat = Cadvisor()
    first = compat(snapshot())
    again = compat(snapshot())
    assert [c.metric for c in first] == [c.metric for c in again]
    changed = compat(snapshot(version="2.0"))
    assert 'version="2.0"' in page(snapshot(version="2.0"), compat)
    assert changed[0].subjects is not first[0].subjects


def test_the_same_snapshot_keeps_its_tuples() -> None:
    compat, tick = Cadvisor(), snapshot()
    first, again = compat(tick), compat(tick)
    assert all(a.subjects is b.subjects and a.extra is b.extra for a, b in zip(first, again, strict=True))


def test_without_anything_there_is_nothing() -> None:
    assert Cadvisor()(Snapshot(Now(1, 1), ())) == ()


def test_every_name_of_the_list_is_printed() -> None:
    printed = {line.split("{")[0].split()[0] for line in page(snapshot(), Cadvisor()).splitlines() if line[0] != "#"}
    assert printed == {metric.name for metric in METRICS}
