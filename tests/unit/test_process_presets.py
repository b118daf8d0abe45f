from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.sources.presets import PRESETS, in_container, recognise, unit_of

ID = "0123456789abcdef" * 4
ALL = tuple(PRESETS)


@pytest.mark.parametrize(
    ("command", "name", "port"),
    [
        ("gunicorn app:app", "gunicorn:app", ""),
        (
            "/srv/venv/bin/python3.11 /srv/venv/bin/gunicorn -w 4 -b 0.0.0.0:8000 shop.wsgi:application",
            "gunicorn:shop.wsgi",
            "8000",
        ),
        ("python -u -X dev -m gunicorn --preload --bind=:9000 main:make()", "gunicorn:main", "9000"),
        ("gunicorn --name shop -k uvicorn.workers.UvicornWorker app:app", "gunicorn:shop", ""),
        ("gunicorn -nshop app:app", "gunicorn:shop", ""),
        ("gunicorn -c gunicorn.conf.py", "gunicorn", ""),
        ("gunicorn -b unix:/run/shop.sock -w4 -D shop", "gunicorn:shop", "unix:/run/shop.sock"),
        ("uvicorn main:app --workers 4 --port 8001", "uvicorn:main", "8001"),
        ("python -m uvicorn --factory --host 0.0.0.0 api.main:make_app", "uvicorn:api.main", ""),
        ("celery -A proj worker -c 4", "celery:proj", ""),
        ("celery -A proj.app:celery worker -n gpu@%h -Q gpu", "celery:proj.app:gpu", ""),
        ("python3 -m celery --app=proj worker -B -l info", "celery:proj", ""),
        ("celery worker", "celery", ""),
        ("ollama serve", "ollama", ""),
        ("/usr/local/bin/ollama serve", "ollama", ""),
        ("vllm serve meta-llama/Llama-3-8B --port 8000", "vllm:meta-llama/Llama-3-8B", "8000"),
        ("python /opt/bin/vllm serve /models/llama/", "vllm:llama", ""),
        ("vllm serve --model x/y --served-model-name chat", "vllm:chat", ""),
        ("python -m vllm.entrypoints.openai.api_server --model x/y", "vllm:x/y", ""),
    ],
)
def test_a_master_is_recognised_and_named(command: str, name: str, port: str) -> None:
    master = recognise(command.split(), ALL)
    assert master is not None
    assert (master.name, master.port) == (name, port)
    assert name.startswith(master.preset)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("gunicorn: master [shop.wsgi:application]",), "gunicorn:shop.wsgi"),
        (("[celeryd: gpu@vm:MainProcess] -active- (-A proj worker -c 2 -n gpu@%h)",), "celery:proj:gpu"),
    ],
)
def test_a_master_that_wrote_a_title_over_its_arguments(argv: tuple[str, ...], name: str) -> None:
    master = recognise(argv, ALL)
    assert master is not None
    assert master.name == name


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("",),
        ("python",),
        ("python", "-m"),
        ("python", "-c", "import gunicorn"),
        ("sh", "-c", "gunicorn app:app"),
        ("gunicorn: worker [app:app]",),
        ("[celeryd: gpu@vm:ForkPoolWorker-1]",),
        ("celery", "-A", "proj", "beat"),
        ("celery", "-A", "worker", "flower"),
        ("ollama", "run", "llama3"),
        ("ollama", "runner", "--model", "x"),
        ("vllm", "bench"),
        ("vim", "gunicorn"),
    ],
)
def test_anything_else_is_no_master(argv: tuple[str, ...]) -> None:
    assert recognise(argv, ALL) is None


def test_a_preset_that_is_off_recognises_nothing() -> None:
    assert recognise(("ollama", "serve"), ("gunicorn",)) is None


@given(
    st.lists(
        st.text(max_size=8) | st.sampled_from(["-m", "-c", "-n", "--app", "serve", "worker", "python"]), max_size=6
    )
)
def test_no_command_line_is_too_strange(rest: list[str]) -> None:
    for program in ("gunicorn", "uvicorn", "celery", "ollama", "vllm", "python"):
        recognise([program, *rest], ALL)


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        (f"/docker/{ID}", True),
        (f"/system.slice/docker-{ID}.scope", True),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container", True),
        (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{ID}.scope", True),
        ("/kubepods/besteffort/pod12/x", True),
        (f"/../{ID}", True),
        (f"/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:{ID}", True),
        ("/system.slice/docker.service", False),
        ("/system.slice/shop.service", False),
        ("/user.slice/user-0.slice/session-1.scope", False),
        ("/", False),
        (f"/system.slice/{ID[:12]}.service", False),
    ],
)
def test_whose_cgroup_is_a_containers(path: str, inside: bool) -> None:  # noqa: FBT001 - a table's column
    assert in_container(("/", path)) is inside


def test_the_innermost_service_is_the_unit() -> None:
    assert unit_of(("/system.slice/shop.service",)) == "shop"
    assert unit_of(("/user.slice/user@1000.service/app.slice/bot.service/sub",)) == "bot"
    assert unit_of(("/user.slice/session-1.scope",)) == ""
