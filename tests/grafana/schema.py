"""Grafana's own types and the compiler that holds JSON against them: fetched once by npm, held to their digests."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from grafana.boards import Board
from real.places import CACHE, MissingPartError

# The version of docker-compose.yml's Grafana.
SCHEMA = "@grafana/schema@12.0.2"
PACKAGES = {
    SCHEMA: "pkYfen6Kc8BWlzaFz2JhhzE+nwBBi1ZYcFbdWsSU3jCphiTeG8eGRIXw6qX26J1DTwzgstirB2iMVCxWo+qZjg==",
    "typescript@5.9.3": "jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw==",
}
OPTIONS = (
    *("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"),
    *("--module", "esnext", "--moduleResolution", "bundler"),
)
# Enumerations become the words they stand for. The texts of a mark are Prometheus' own, which the schema leaves out.
HEAD = """
import type { AnnotationQuery, Dashboard, DataQuery } from "@grafana/schema";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts";
import type * as timeseries from
  "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Texts = { titleFormat?: string; textFormat?: string; tagKeys?: string; useValueForTime?: boolean };
type Mark = AnnotationQuery<DataQuery & { expr: string }> & Texts;
type Board = Plain<Omit<Dashboard, "annotations"> & { annotations: { list: Mark[] } }>;
"""


def _fetch(package: str, digest: str) -> Path:
    """Return the folder of a package."""
    name, _, version = package.rpartition("@")
    kept = CACHE / "npm" / f"{name.strip('@').replace('/', '-')}-{version}"
    if kept.exists():
        return kept
    if shutil.which("npm") is None:
        raise MissingPartError(f"no {name}: apt-get install npm")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", package]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise MissingPartError(f"no {name}: npm cannot fetch it: {done.stderr.strip()[-200:]}")
        (archive,) = Path(folder).glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert found == digest, f"{archive.name} is not what it was: {found}"
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(folder, "package"), kept)
    return kept


def _text(board: Board) -> str:
    """Return a dashboard and its panels' own options as constants of Grafana's types."""
    lines = [HEAD, f"export const board = {_json(board.model)} satisfies Board;"]
    for panel in board.panels:
        kind, at = panel["type"], panel["id"]
        own = panel["fieldConfig"]["defaults"].get("custom")
        lines.append(f"export const o{at} = {_json(panel['options'])} satisfies Plain<Partial<{kind}.Options>>;")
        if own is not None:
            lines.append(f"export const c{at} = {_json(own)} satisfies Plain<Partial<{kind}.FieldConfig>>;")
    return "\n".join(lines)


def _json(model: Mapping[str, Any]) -> str:
    return json.dumps(model, indent=1)


def mistakes(boards: Iterable[Board], folder: Path) -> list[str]:
    """Return what the compiler says of the dashboards."""
    schema, compiler = (_fetch(package, digest) for package, digest in PACKAGES.items())
    (folder / "node_modules" / "@grafana").mkdir(parents=True)
    (folder / "node_modules" / "@grafana" / "schema").symlink_to(schema)
    for board in boards:
        (folder / f"{board.name}.ts").write_text(_text(board), encoding="utf-8")
    files = sorted(str(file) for file in folder.glob("*.ts"))
    command = ["node", str(compiler / "lib" / "tsc.js"), *OPTIONS, *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    found = done.stdout.splitlines()
    return found or ([f"tsc ended with {done.returncode}"] if done.returncode else [])
