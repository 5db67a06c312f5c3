"""docs/howto/http.md, run as it stands."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.edge_agent.support import images
from tests.edge_agent.web.served import Served

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "http.md"
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(script: str, folder: Path) -> str:
    """What it prints."""
    done = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_is_answered(served: Served, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(images(1)[0]).save(tmp_path / "picture.png")
    (address,) = [line for line in COMMANDS if line.startswith("GODWIT=")]
    assert len(COMMANDS) > 5
    for script in COMMANDS:
        told = run(f"{address.replace('8000', str(served.port))}{script}", tmp_path)
        assert '"error"' not in told
        assert told or "curl" not in script


def test_both_inferences_give_three_classes(served: Served, tmp_path: Path) -> None:
    scripts = [script for script in COMMANDS if "/infer" in script]
    assert len(scripts) == 2
    for script in scripts:
        told = json.loads(run(f"GODWIT=http://localhost:{served.port}\n{script}", tmp_path))
        assert len(told["outputs"][0]["data"]) == 3
