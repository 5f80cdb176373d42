"""The page in a real browser, at three widths in the light and in the dark: axe-core, errors, overflow, and sorting."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parents[4] / ".venv/node_modules/axe-core/axe.min.js"
LOOKS = [(width, scheme) for width in (375, 800, 1400) for scheme in ("light", "dark")]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: npm install --prefix .venv axe-core"),
]

# Beside the page's own script, as a visitor would: sort a table by its BLEU, pick a technique, and have axe look.
_VISIT = """
const errors = [];
window.addEventListener("error", (event) => errors.push(event.message));
document.addEventListener("securitypolicyviolation", (event) => errors.push("wanted " + event.blockedURI));
window.addEventListener("load", async () => {
  const found = { violations: (await axe.run()).violations.map((one) => one.id + ": " + one.nodes[0].html) };
  found.overflow = document.documentElement.scrollWidth - innerWidth;
  found.background = getComputedStyle(document.body).backgroundColor;
  const table = [...document.querySelectorAll("table")].at(-1);
  table.querySelectorAll("thead th")[3].querySelector("button").click();
  found.sorted = [...table.tBodies[0].rows].map((row) => parseFloat(row.cells[3].textContent));
  document.querySelector('[data-pick="slt"]').click();
  const drawn = [...document.querySelectorAll(".drawing [data-technique]")];
  found.dimmed = drawn.map((one) => [one.dataset.technique, getComputedStyle(one).opacity]);
  found.after = (await axe.run({ runOnly: ["aria-valid-attr-value", "button-name"] })).violations.length;
  parent.postMessage([name, { ...found, errors }], "*");
});
"""

_FRAMES = """<!DOCTYPE html><title>frames</title><pre id="found"></pre>{frames}<script>
const found = {{}};
window.addEventListener("message", (event) => {{
  found[event.data[0]] = event.data[1];
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""


@pytest.fixture(scope="module")
def found(page, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("browser")
    text = page.path.read_text(encoding="utf-8")
    visit = f"<script>{AXE.read_text(encoding='utf-8')}</script><script>{_VISIT}</script>"
    (folder / "page.html").write_text(text.replace("<style>", f"{visit}<style>", 1), encoding="utf-8")
    frames = "".join(
        f'<iframe name="{width}-{scheme}" src="page.html"'
        f' style="width: {width}px; height: 900px; color-scheme: {scheme}"></iframe>'
        for width, scheme in LOOKS
    )
    (folder / "frames.html").write_text(_FRAMES.format(frames=frames), encoding="utf-8")
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=600000",
        "--dump-dom",
    ]
    command += [f"--user-data-dir={folder / 'profile'}", (folder / "frames.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True).stdout
    written = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert written
    return dict(json.loads(html.unescape(written[1])))


@pytest.mark.parametrize("look", [f"{width}-{scheme}" for width, scheme in LOOKS])
def test_axe_finds_nothing_and_nothing_fails(found, look):
    one = found[look]
    assert (one["violations"], one["errors"], one["after"]) == ([], [], 0)
    assert one["overflow"] <= 0
    assert one["background"] == ("rgb(255, 255, 255)" if look.endswith("light") else "rgb(21, 23, 26)")


def test_tables_sort_and_techniques_are_picked(found):
    one = found["800-light"]
    assert one["sorted"] == sorted(one["sorted"])
    assert {opacity for technique, opacity in one["dimmed"] if technique in ("slt", "dense")} == {"1"}
    assert {opacity for technique, opacity in one["dimmed"] if technique not in ("slt", "dense")} == {"0.35"}
