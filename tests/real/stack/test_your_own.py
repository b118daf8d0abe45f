"""The README's lines for somebody else's stack, started by compose; and how much the image adds to its base."""

from __future__ import annotations

import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.blocks import blocks_of
from docs.pages import page
from real.places import wait_until
from real.stack import standins
from real.stack.walled import Compose, Walled

pytestmark = pytest.mark.timeout(400)

PORT = 12747  # the stack beside it has the other one
LARGEST = 80_000_000  # bytes that are fetched beside the base
FASTEST = 1  # of gzip; a registry's copy is smaller


@pytest.fixture
def pasted(walled: Walled, stack: Compose, tmp_path: Path) -> Iterator[Compose]:
    """What the README shows, as a stack of its own beside ours, whose image it takes."""
    assert stack
    blocks = (block.text for block in blocks_of(page("README.md")) if block.language == "yaml")
    (text,) = (block for block in blocks if "image: brimline:local" in block)
    file = tmp_path / "docker-compose.yml"
    moved = text.replace("- /var/run/docker.sock:", f"- {walled.socket}:").replace(":12746:", f":{PORT}:")
    assert moved.count(str(walled.socket)) == moved.count(str(PORT)) == 1
    file.write_text(moved)
    compose = Compose(walled, file, "yours")
    try:
        compose.run("up", "--detach")
        yield compose
    finally:
        compose.run("down", "--volumes", "--timeout", "2")


def test_the_lines_to_paste_show_every_container_from_its_cgroup(walled: Walled, pasted: Compose) -> None:
    def shown() -> set[str]:
        found = walled.fetch(f"http://127.0.0.1:{PORT}/metrics")
        if not re.search(r'^brimline_source_info\{.*mode="cgroupfs".*source="docker"', found, re.MULTILINE):
            return set()
        pattern = r'^brimline_container_memory_used_ratio\{.*compose_service="([\w-]+)"'
        return set(re.findall(pattern, found, re.MULTILINE))

    wait_until(lambda: {"brimline", "translator", "redis", "socket-proxy"} <= shown(), "all are on the page", 60)

    def health() -> str:
        return str(walled.inspect(pasted.container("brimline"))["State"]["Health"]["Status"])

    wait_until(lambda: health() == "healthy", "the image's own health check is content", 60)


def layers(walled: Walled, image: str) -> list[str]:
    """Return the layers of an image, each by its digest."""
    found: list[str] = json.loads(walled.cli("image", "inspect", "--format", "{{json .RootFS.Layers}}", image))
    return found


def test_the_image_adds_little_to_its_base(walled: Walled, stack: Compose, tmp_path: Path) -> None:
    assert stack
    (base,) = standins.bases()
    ours, theirs = layers(walled, "brimline:local"), layers(walled, base)
    assert ours[: len(theirs)] == theirs
    saved = tmp_path / "image.tar"
    walled.cli("save", "--output", saved, "brimline:local")
    added = 0
    with tarfile.open(saved) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest"))
        for name in manifest["Layers"][len(theirs) :]:
            layer = archive.extractfile(name)
            assert layer is not None
            packer = zlib.compressobj(FASTEST)
            while chunk := layer.read(1 << 20):
                added += len(packer.compress(chunk))
            added += len(packer.flush())
    assert 1_000_000 < added < LARGEST
