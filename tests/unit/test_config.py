"""One configuration out of flags, variables, the file and defaults: precedence, origins, and every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline import yamlfile
from brimline.config import Config, Loaded, split_address
from brimline.errors import ConfigError
from brimline.leaves import Form, leaves
from brimline.loading import DEFAULT_FILE, Value, load, read_text

LEAVES = {leaf.name: leaf for leaf in leaves(Config)}


def loaded(
    text: str = "", flags: Mapping[str, Value] | None = None, environ: Mapping[str, str] | None = None
) -> Loaded:
    return load({"config.file": "brimline.yml", **(flags or {})}, environ or {}, lambda _: text)


def refused(
    text: str = "", flags: Mapping[str, Value] | None = None, environ: Mapping[str, str] | None = None
) -> list[str]:
    with pytest.raises(ConfigError) as error:
        loaded(text, flags, environ)
    return [str(problem) for problem in error.value.problems]


def missing(_: str) -> str:
    raise FileNotFoundError


def test_nothing_at_all_is_a_configuration() -> None:
    found = load({}, {}, missing)
    assert found.config == Config()
    assert found.file is None
    assert set(found.origins.values()) == {"default"}
    assert set(found.origins) == set(LEAVES)


def test_the_default_file_is_read_where_it_exists() -> None:
    asked: list[str] = []

    def read(name: str) -> str:
        asked.append(name)
        return "interval: 7s"

    found = load({}, {}, read)
    assert (asked, found.config.interval, found.file) == ([DEFAULT_FILE], 7.0, DEFAULT_FILE)


def test_flag_over_variable_over_file_over_default() -> None:
    text, environ = "interval: 1s\n", {"BRIMLINE_INTERVAL": "2s"}
    assert loaded("").config.interval == 5.0
    assert loaded(text).config.interval == 1.0
    assert loaded(text, environ=environ).config.interval == 2.0
    found = loaded(text, {"interval": "3s"}, environ)
    assert found.config.interval == 3.0
    assert found.origins["interval"] == "--interval"


def test_origins_name_line_and_column() -> None:
    found = loaded("web:\n  telemetry_path: /m\n", {"compat.cadvisor": True}, {"BRIMLINE_LOG_LEVEL": "debug"})
    said = {name: origin for name, origin in found.origins.items() if origin != "default"}
    assert said == {
        "web.telemetry_path": "brimline.yml:2:19",
        "compat.cadvisor": "--compat.cadvisor",
        "log.level": "BRIMLINE_LOG_LEVEL",
    }


def test_lists_replace_and_never_add_up() -> None:
    text = "sources: {cgroups: [a, b]}"
    assert loaded(text).config.sources.cgroups == ("a", "b")
    assert loaded(text, environ={"BRIMLINE_SOURCES_CGROUPS": "c, d"}).config.sources.cgroups == ("c", "d")
    assert loaded(text, {"sources.cgroups": ("e,f", "g")}).config.sources.cgroups == ("e,f", "g")
    assert loaded(text, {"sources.cgroups": ("",)}).config.sources.cgroups == ()
    assert loaded(text, environ={"BRIMLINE_SOURCES_CGROUPS": ""}).config.sources.cgroups == ()


def test_a_flag_switches_off_what_the_file_switched_on() -> None:
    assert not loaded("compat: {cadvisor: true}", {"compat.cadvisor": False}).config.compat.cadvisor


def test_a_section_that_holds_only_comments_keeps_its_defaults() -> None:
    assert loaded("web:\n  # listen_address: [x]\nsources:\n  docker:\n").config == Config()


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file() -> None:
    text = "intervall: 5s\nlog: {level: warning}\nlimits:\n  fds: 4k\n  series: 0\n"
    environ = {"BRIMLINE_INTERVALL": "2s", "BRIMLINE_WEB_TELEMETRY_PATH": "metrics"}
    assert refused(text, {"sources.docker.timeout": "10"}, environ) == [
        'BRIMLINE_INTERVALL: unknown variable; did you mean "BRIMLINE_INTERVAL"?',
        '--sources.docker.timeout: "10" is no duration; write "10s"',
        'BRIMLINE_WEB_TELEMETRY_PATH: "metrics" is no path; write it with a leading "/", such as "/metrics"',
        'brimline.yml:1:1: unknown key "intervall"; did you mean "interval"?',
        'brimline.yml:2:14: log.level: found "warning"; write one of debug, info, warn, error; did you mean "warn"?',
        'brimline.yml:4:8: limits.fds: found "4k"; write a whole number',
        'brimline.yml:5:11: limits.series: found "0"; write at least 1',
    ]


def test_a_broken_file_does_not_hide_a_wrong_variable() -> None:
    assert refused("a: [", environ={"BRIMLINE_INTERVAL": "5"}) == [
        'brimline.yml:2:1: a value is missing here, or a "[" or "{" above is not closed',
        'BRIMLINE_INTERVAL: "5" is no duration; write "5s"',
    ]


def test_a_flag_below_what_is_no_section_reports_the_file() -> None:
    assert refused("web: 5", {"web.telemetry_path": "/m"}) == [
        'brimline.yml:1:6: web: found "5"; write "key: value" lines, indented below "web:"'
    ]


def test_service_links_of_kubernetes_and_docker_are_no_mistakes() -> None:
    links = {
        "BRIMLINE_SERVICE_HOST": "10.0.0.1",
        "BRIMLINE_SERVICE_PORT": "12746",
        "BRIMLINE_SERVICE_PORT_HTTP": "12746",
        "BRIMLINE_PORT": "tcp://10.0.0.1:12746",
        "BRIMLINE_PORT_12746_TCP": "tcp://10.0.0.1:12746",
        "BRIMLINE_PORT_12746_TCP_ADDR": "10.0.0.1",
        "BRIMLINE_METRICS_SERVICE_HOST": "10.0.0.2",
    }
    assert loaded(environ=links).config == Config()


def test_a_timeout_that_no_answer_keeps_is_refused() -> None:
    assert refused("sources: {docker: {timeout: 0s}}") == [
        "brimline.yml:1:29: sources.docker.timeout: 0s is too short for any answer; write at least 100ms, such as 10s"
    ]
    assert loaded("sources: {docker: {timeout: 100ms}}").config.sources.docker.timeout == 0.1


def test_secrets_are_not_repeated_in_a_mistake() -> None:
    (said,) = refused("sources: {docker: {timeout: 'tcp://user:secret@host:2375'}}")
    assert "secret" not in said
    assert "tcp://***@host:2375" in said


def test_a_mistake_stays_on_one_line() -> None:
    (said,) = refused('interval: "5\\n\\e[31ms"')
    assert said.isprintable()


def test_the_process_source_judges_its_own_options() -> None:
    groups = "[{group: a, comm: x}, {group: a, comm: y}]"
    assert refused(f"sources: {{processes: {groups}, presets: [gunicron], pss_budget: 200%}}") == [
        'brimline.yml:1:22: sources.processes: group "a" is there twice; give each its own name',
        'brimline.yml:1:75: sources.presets: unknown preset "gunicron"; did you mean "gunicorn"?',
        'brimline.yml:1:99: sources.pss_budget: "200%" is out of range; write a share of one core, such as "1%"',
    ]


def test_the_process_source_gets_its_options() -> None:
    process = loaded("sources: {processes: [{group: a, comm: x, limit: 2GiB}], presets: []}").config.sources.process
    assert [(group.group, group.limit) for group in process.groups] == [("a", 2 << 30)]
    assert process.presets == ()


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("127.0.0.1:12746", ("127.0.0.1", 12746)),
        (":80", ("", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses(text: str, pair: tuple[str, int]) -> None:
    assert split_address(text) == pair
    assert loaded(f"web: {{listen_address: ['{text}']}}").config.web.addresses == (pair,)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("12746", 'write ":12746" for every address of this machine, "127.0.0.1:12746" for this machine only'),
        ("localhost", 'write "localhost:12746"'),
        ("::1", 'write "[::1]:12746"'),
        ("x:99999", 'write "127.0.0.1:12746", "[::1]:12746" or ":12746"'),
        ("http://x:80/", 'write "127.0.0.1:12746", "[::1]:12746" or ":12746"'),
    ],
)
def test_addresses_refused(text: str, advice: str) -> None:
    (said,) = refused(flags={"web.listen_address": (text,)})
    assert said.startswith("--web.listen-address: ")
    assert said.endswith(advice)


def test_flags_and_variables_are_unique() -> None:
    assert len({leaf.flag for leaf in LEAVES.values()}) == len(LEAVES)
    assert len({leaf.variable for leaf in LEAVES.values()}) == len(LEAVES)


def test_every_leaf_says_what_it_is() -> None:
    assert [name for name, leaf in LEAVES.items() if not leaf.text.endswith(".")] == []


def test_only_mappings_and_lists_of_them_have_no_flag() -> None:
    assert [name for name, leaf in LEAVES.items() if leaf.form is Form.BLOCK] == [
        "sources.processes",
        "thresholds",
        "actions.restart.drain",
        "actions.cleanup",
        "notify.webhooks",
        "notify.labels",
    ]


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    name = str(tmp_path / "none.yml")
    with pytest.raises(ConfigError, match=r"^BRIMLINE_CONFIG_FILE: no file "):
        load({}, {"BRIMLINE_CONFIG_FILE": name})
    with pytest.raises(ConfigError, match=r"^--config\.file: no file "):
        load({"config.file": name}, {"BRIMLINE_CONFIG_FILE": "x"})


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load({"config.file": str(tmp_path)}, {})
    latin = tmp_path / "latin.yml"
    latin.write_bytes(b"log: \xe9")
    with pytest.raises(ConfigError, match=r"latin\.yml: no UTF-8; save the file as UTF-8"):
        load({"config.file": str(latin)}, {})


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match="longer than 1048576 characters"):
        load({"config.file": "/dev/zero"}, {})
    assert len(read_text("/dev/zero")) == yamlfile.LONGEST + 1


@given(st.dictionaries(st.sampled_from([*LEAVES, "x", "web"]), st.text(max_size=12), max_size=5))
def test_any_value_anywhere_is_a_configuration_or_problems(values: dict[str, str]) -> None:
    try:
        said = str(load({}, {LEAVES[n].variable: v for n, v in values.items() if n in LEAVES}, missing).config)
    except ConfigError as error:
        said = "".join(str(problem) for problem in error.problems)
    assert said
    assert "\n" not in said
