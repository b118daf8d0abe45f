"""What else can be made of a rendered page: the OpenMetrics form and a selection of its families. Pure, over bytes.

A line that begins with `# HELP` opens a family: a label value cannot hold a raw newline.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def openmetrics(page: bytes) -> bytes:
    """Return the page as OpenMetrics 1.0, without the closing `# EOF`.

    Only the headers differ: a counter's family lacks the suffix of its samples. A counter whose name has no `_total`
    (cAdvisor's container_memory_failcnt) has no OpenMetrics type but `unknown`.
    """
    return b"".join(_openmetrics_family(name, family) for name, family in _families(page))


def select(page: bytes, names: Collection[str]) -> bytes:
    """Return the families of these names, as `?name[]=` asks."""
    wanted = {name.encode(errors="replace") for name in names}
    return b"".join(family for name, family in _families(page) if name in wanted)


def _families(page: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start < len(page):
        end = page.find(b"\n# HELP ", start) + 1 or len(page)
        yield page[start + len(b"# HELP ") : start + 400].split(b" ", 1)[0], page[start:end]
        start = end


def _openmetrics_family(name: bytes, family: bytes) -> bytes:
    kind = b"# TYPE " + name + b" counter\n"
    head, found, samples = family.partition(kind)
    if not found:
        return family
    if not name.endswith(b"_total"):
        return head + b"# TYPE " + name + b" unknown\n" + samples
    base = name.removesuffix(b"_total")
    return head.replace(name, base, 1) + b"# TYPE " + base + b" counter\n" + samples
