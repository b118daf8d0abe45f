"""What a scrape costs a peer: prometheus-process-exporter over N processes in one group, and our tick over the same.

CPU is what the scheduler counted for all threads of the peer (schedstat), in turn with ours, in one run.
Usage: python benchmarks/bench_peers.py [--processes N] [--rounds N] [--quick]
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager

from bench_processes import children_of, ours, processes
from bench_weight import cpu_seconds, resident
from measuring import Line, Way, all_descriptors, compiled, heading, interleaved

PEER = "prometheus-process-exporter"
CONFIG = "process_names:\n  - name: bench\n    cmdline: ['ref_statm spawn']\n"


@contextmanager
def process_exporter() -> Iterator[tuple[int, str]]:
    """Run the peer over one group; yield its pid and its page's address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as config:
        config.write(CONFIG)
        config.flush()
        command = [PEER, "-config.path", config.name, "-web.listen-address", address]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(2)
                yield process.pid, f"http://{address}/metrics"
            finally:
                process.terminate()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    args = parser.parse_args()
    if shutil.which(PEER) is None:
        raise SystemExit(f"no {PEER}: apt-get install {PEER}")
    all_descriptors()
    with (
        compiled("ref_statm.c") as binary,
        processes(binary, args.processes) as parent,
        process_exporter() as (pid, url),
    ):
        source, tick = ours(parent, {str(p) for p in children_of(parent)})

        def scrape() -> float:
            began = cpu_seconds(pid)
            with urllib.request.urlopen(url) as answer:  # noqa: S310 - loopback
                answer.read()
            return (cpu_seconds(pid) - began) * 1000

        with closing(source):
            ways: dict[str, Way] = {"ours": lambda: tick()[0], "peer": scrape}
            taken = interleaved(ways, rounds=3 if args.quick else args.rounds, pause=0.25)
        weight = resident(pid)
    ratio = taken["peer"] / taken["ours"]
    print(heading())
    against = f"peer {taken['peer']:.0f} ms: 1/{ratio:.0f}"
    name = f"tick, {args.processes} processes, and process-exporter's scrape"
    print(Line(name, f"{taken['ours']:.2f} ms", against, "<= 1/40", ratio >= 40))
    print(f"\nThe peer holds {weight:.0f} MB.")


if __name__ == "__main__":
    main()
