"""What the README shows runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

HOME = "https://github.com/tsseq/tsseq/blob/main/"
README = Path(__file__).parent.parent / "README.md"


def test_the_ten_lines_run(tmp_path):
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL).group(1)
    assert 10 <= len([line for line in code.splitlines() if line]) <= 12
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "close_q0.1" in done.stdout
    assert "2019-01-08" in done.stdout
    assert "last_value" in done.stdout
    assert os.listdir(tmp_path) == ["report.html"]


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    targets = [link.removeprefix(HOME) for link in links]
    assert links
    assert all(link.startswith(HOME) for link in links)  # relative ones would lead nowhere on a package page
    assert [target for target in targets if not (README.parent / target).exists()] == []
