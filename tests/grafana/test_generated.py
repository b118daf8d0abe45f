"""The committed JSON is what the code writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grafana.boards import FILES, FOLDER, ROOT


def test_the_dashboards_are_what_the_code_writes(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="no grafana-foundation-sdk: pip install it")
    into = FOLDER if request.config.getoption("--regenerate-goldens") else tmp_path
    paths = os.pathsep.join(filter(None, [str(ROOT / "exporter"), os.environ.get("PYTHONPATH", "")]))
    subprocess.run(
        [sys.executable, "-B", "-m", "boards", str(into)],
        cwd=ROOT / "grafana",
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
        timeout=60,
    )
    written = {file.name: file.read_text(encoding="utf-8") for file in into.glob("*.json")}
    assert written.keys() == {file.name for file in FILES}
    different = [file.name for file in FILES if written[file.name] != file.read_text(encoding="utf-8")]
    assert different == [], "if the code is right: make golden ARGS=tests/grafana/test_generated.py"
