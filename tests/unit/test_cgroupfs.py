from pathlib import Path

import pytest

from brimline.sources import cgroupfs
from brimline.sources.cgroup_mounts import (
    Mount,
    below,
    choose,
    join,
    parse_membership,
    parse_mountinfo,
    trim_to_container,
)
from brimline.sources.cgroupfs import Cgroupfs, walk
from fakes import V1Tree, V2Tree

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
ID = "f" * 64


def test_mountinfo_names_versions_and_controllers() -> None:
    mounts = parse_mountinfo(HYBRID)
    assert [(m.point.rpartition("/")[2], m.version, sorted(m.controllers)) for m in mounts] == [
        ("cpu,cpuacct", 1, ["cpu", "cpuacct"]),
        ("memory", 1, ["memory"]),
        ("unified", 2, []),
    ]


def test_mountinfo_unescapes_octal() -> None:
    (mount,) = parse_mountinfo(r"1 2 0:3 /a\040b /mnt\134c rw - cgroup2 cgroup2 rw")
    assert (mount.root, mount.point) == ("/a b", r"/mnt\c")


def test_membership_splits_controllers_and_keeps_colons_in_paths() -> None:
    text = "4:memory:/docker/x\n2:cpu,cpuacct:/a:b\n0::/unified\n"
    assert parse_membership(text) == {"memory": "/docker/x", "cpu": "/a:b", "cpuacct": "/a:b", "": "/unified"}


def test_hybrid_takes_memory_from_v1_and_pressure_from_v2() -> None:
    trees = choose(parse_mountinfo(HYBRID), {"memory": "/", "cpu": "/", "cpuacct": "/"}, frozenset())
    assert trees is not None
    assert trees.version == 1
    assert trees.mounts["memory"].version == 1
    assert trees.mounts["pressure"].point.endswith("unified")


def test_hybrid_whose_memory_moved_to_v2_reads_it_there() -> None:
    trees = choose(parse_mountinfo(HYBRID), {"cpu": "/", "cpuacct": "/"}, frozenset({"memory"}))
    assert trees is not None
    assert trees.version == 2
    assert trees.mounts["cpu"].version == 1


def test_no_memory_controller_is_no_tree() -> None:
    assert choose(parse_mountinfo(HYBRID), {}, frozenset({"cpu"})) is None


def test_mounts_elsewhere_are_those_under_the_prefix() -> None:
    host = "50 1 0:32 / /host/cgroup/memory ro - cgroup cgroup rw,memory\n"
    assert [m.point for m in below(parse_mountinfo(HYBRID + host), "/host/cgroup")] == ["/host/cgroup/memory"]
    assert {m.point for m in below(parse_mountinfo(HYBRID), "/fixture")} == {
        "/fixture/cpu,cpuacct",
        "/fixture/memory",
        "/fixture/unified",
    }


@pytest.mark.parametrize(
    ("root", "path", "directory"),
    [
        ("/", "/docker/a", "/m/docker/a"),
        ("/docker/a", "/docker/a", "/m"),
        ("/docker/a", "/docker/a/b", "/m/b"),
        ("/docker/a", "/docker/b", None),
        ("/", "/../other", None),
        ("/../..", "/x", None),
    ],
)
def test_join(root: str, path: str, directory: str | None) -> None:
    assert join(Mount(root, "/m", 2, frozenset()), path) == directory


def test_a_main_process_below_its_container_counts_for_the_container() -> None:
    assert (
        trim_to_container(f"/m/system.slice/docker-{ID}.scope/init.scope", ID) == f"/m/system.slice/docker-{ID}.scope"
    )
    assert trim_to_container("/m/user.slice/session-1.scope", ID) is None


def test_locate_by_pid(tmp_path: Path) -> None:
    tree = V1Tree(tmp_path)
    directory = tree.add(f"docker/{ID}")
    (tree.procfs / "77").mkdir()
    (tree.procfs / "77" / "cgroup").write_text(f"4:memory:/docker/{ID}\n")
    fs = Cgroupfs(str(tree.procfs), str(tree.cgroupfs))
    assert fs.locate({ID: 77}) == {ID: {"memory": str(directory)}}


def test_locate_by_name_where_a_name_space_hides_the_path(tmp_path: Path) -> None:
    tree = V2Tree(tmp_path)
    directory = tree.add(f"system.slice/docker-{ID}.scope")
    (directory / "cgroup.procs").write_text("77\n")
    (tree.procfs / "77").mkdir()
    (tree.procfs / "77" / "cgroup").write_text(f"0::/../docker-{ID}.scope\n")
    found = Cgroupfs(str(tree.procfs), str(tree.cgroupfs)).locate({ID: 77})[ID]
    assert found["memory"] == found["pressure"] == str(directory)


def test_any_number_of_lost_containers_costs_one_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = V2Tree(tmp_path)
    here = {f"{i:064x}": str(tree.add(f"kubepods/pod{i}/cri-containerd-{i:064x}.scope")) for i in range(20)}
    fs = Cgroupfs(str(tree.procfs), str(tree.cgroupfs))
    walked: list[str] = []
    monkeypatch.setattr(cgroupfs, "walk", lambda top: walked.append(top) or walk(top))
    found = fs.locate(dict.fromkeys([*here, *(f"{i:x}" * 64 for i in range(10, 16))], 0))
    assert {container_id: places["memory"] for container_id, places in found.items()} == here
    assert walked == [str(tree.cgroupfs)] * 4  # once for each of memory, cpu, cpuacct and pressure


def test_a_name_whose_cgroup_does_not_hold_the_pid_is_not_believed(tmp_path: Path) -> None:
    tree = V2Tree(tmp_path)
    tree.add(f"docker/{ID}")
    assert Cgroupfs(str(tree.procfs), str(tree.cgroupfs)).locate({ID: 77}) == {}


def test_a_path_that_does_not_name_the_container_is_not_believed(tmp_path: Path) -> None:
    """Rootless Docker without a cgroup driver leaves its containers in the user's session scope."""
    tree = V2Tree(tmp_path)
    tree.add("user.slice/session-1.scope")
    (tree.procfs / "77").mkdir()
    (tree.procfs / "77" / "cgroup").write_text("0::/user.slice/session-1.scope\n")
    assert Cgroupfs(str(tree.procfs), str(tree.cgroupfs)).locate({ID: 77}) == {}


def test_globs_and_exclusions(tmp_path: Path) -> None:
    tree = V2Tree(tmp_path)
    for path in ("system.slice/a.service", "system.slice/b.service", "system.slice/c.scope", "kubepods/pod1/x"):
        tree.add(path)
    fs = Cgroupfs(str(tree.procfs), str(tree.cgroupfs))
    assert list(fs.expand(["system.slice/*.service"])) == ["system.slice/a.service", "system.slice/b.service"]
    assert list(fs.expand(["system.slice/*.service", "!system.slice/a.*"])) == ["system.slice/b.service"]
    assert list(fs.expand(["kubepods/**/x"])) == ["kubepods/pod1/x"]
    assert list(fs.expand(["nothing/*"])) == []
    assert fs.expand(["/"])[""]["memory"] == str(tree.cgroupfs)


def test_chain_stops_below_the_hosts_root_and_includes_a_guests(tmp_path: Path) -> None:
    tree = V2Tree(tmp_path)
    directory = str(tree.add("a.slice/b.service"))
    fs = Cgroupfs(str(tree.procfs), str(tree.cgroupfs))
    assert [Path(d).name for d in fs.chain(directory)] == ["b.service", "a.slice"]
    (tree.cgroupfs / "memory.max").write_text("max\n")  # only the root of all lacks it
    guest = Cgroupfs(str(tree.procfs), str(tree.cgroupfs))
    assert not guest.is_whole()
    assert guest.chain(directory)[-1] == str(tree.cgroupfs)
    assert guest.path_of(str(tree.cgroupfs)) == "/"


def test_without_proc_there_are_no_trees(tmp_path: Path) -> None:
    fs = Cgroupfs(str(tmp_path), str(tmp_path))
    assert fs.trees is None
    assert fs.own() == {}
    assert fs.expand(["*"]) == {}
    assert fs.locate({ID: 1}) == {}
