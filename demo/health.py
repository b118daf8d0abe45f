"""The demonstration's health checks: `health.py` asks this container's page, `health.py FILE` how old a file is."""

import sys
import time
import urllib.request
from pathlib import Path

if len(sys.argv) > 1:
    sys.exit(0 if time.time() - Path(sys.argv[1]).stat().st_mtime < 60 else 1)  # noqa: PLR2004 - seconds
urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=3).close()
