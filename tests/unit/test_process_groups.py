from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from brimline.sources.groups import GroupOptions, ProcessOptions, configured_group, everything, user_number
from brimline.sources.process_census import Identity


def who(**facts: object) -> Identity:
    known: dict[str, Any] = {
        "pid": 5,
        "start": 1,
        "ppid": 1,
        "comm": "python3",
        "image": (b"", b""),
        "kernel": False,
        "dead": False,
        "cpu_ticks": 0,
        "owner": 1000,
        "argv": ("python3", "main.py", "--fast"),
    }
    return Identity(**known | facts)


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({"cmdline": r"main\.py"}, True),
        ({"cmdline": r"^python3 main\.py --fast$"}, True),
        ({"cmdline": "other"}, False),
        ({"comm": "python*"}, True),
        ({"comm": "python"}, False),
        ({"user": "1000"}, True),
        ({"user": "root"}, False),
        ({"cmdline": "main", "comm": "python3", "user": "1000"}, True),
        ({"cmdline": "main", "user": "0"}, False),
    ],
)
def test_every_condition_given_must_hold(conditions: dict[str, str], fits: bool) -> None:  # noqa: FBT001 - a column
    group = configured_group(GroupOptions.model_validate({"group": "g", **conditions}))
    assert group.matches(who()) is fits


def test_a_process_without_arguments_has_no_command_line_to_fit() -> None:
    anything = configured_group(GroupOptions.model_validate({"group": "g", "cmdline": ""}))
    assert not anything.matches(who(argv=()))


def test_a_name_of_any_bytes_is_found() -> None:
    group = configured_group(GroupOptions.model_validate({"group": "g", "comm": '?[\n]"'}))
    assert group.matches(who(comm='\udcff\n"'))


def test_kernel_threads_belong_to_nobody() -> None:
    assert not everything("all", None).matches(who(kernel=True, argv=()))
    assert everything("all", None).matches(who(argv=()))


def test_a_user_that_does_not_exist_is_a_flaw_and_not_everybody() -> None:
    group = configured_group(GroupOptions.model_validate({"group": "g", "user": "nobody-such"}))
    assert not group.matches(who())
    assert group.flaw == 'user "nobody-such" does not exist here; write the user\'s number, as `id -u` prints it'
    assert user_number("root") == 0


def mistakes(make: Callable[[], object]) -> str:
    with pytest.raises(ValidationError) as caught:
        make()
    return " | ".join(error["msg"] for error in caught.value.errors())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "g"}, "write at least one of cmdline, comm and user"),
        ({"group": "g", "comm": "a-very-long-program"}, 'write "a-very-long-pro"'),
        ({"group": "", "comm": "x"}, "at least 1 character"),
        ({"group": "g", "cmdline": "("}, "no regular expression"),
        ({"group": "g", "comm": "x", "limit": "2G"}, '"2GiB"'),
        ({"group": "g", "comm": "x", "colour": "red"}, "not permitted"),
    ],
)
def test_a_mistake_in_a_group_says_what_to_write(options: dict[str, object], message: str) -> None:
    assert message in mistakes(lambda: GroupOptions.model_validate(options))


def test_a_long_name_with_a_wildcard_is_fine() -> None:
    assert GroupOptions.model_validate({"group": "g", "comm": "a-very-long-program*"}).comm


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"presets": ["gunicron"]}, 'did you mean "gunicorn"?'),
        ({"presets": ["xyz"]}, "write one of gunicorn, uvicorn, celery, ollama, vllm"),
        ({"groups": [{"group": "a", "comm": "x"}, {"group": "a", "comm": "y"}]}, 'group "a" is there twice'),
        ({"pss_budget": "0%"}, "greater than 0"),
    ],
)
def test_a_mistake_in_the_options_says_what_to_write(options: dict[str, object], message: str) -> None:
    assert message in mistakes(lambda: ProcessOptions.model_validate(options))


def test_the_defaults() -> None:
    options = ProcessOptions.model_validate({"groups": [{"group": "a", "cmdline": "x", "limit": "2GiB"}]})
    assert options.presets == ("gunicorn", "uvicorn", "celery", "ollama", "vllm")
    assert options.pss_budget == 0.01
    group = options.groups[0]
    assert (group.children, group.pss, group.limit, group.cmdline) == (True, False, 2 << 30, re.compile("x"))
