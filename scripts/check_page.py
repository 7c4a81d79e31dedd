#!/usr/bin/env python3
"""Looks at pages that dscompress writes (report.html, sweep.html, comparisons, a loop's report.html) in headless Chromium.

Each page is opened light and dark, at 400, 800 and 1600 px with details closed and open, and as it prints on A4. Reported are errors on
the console, requests that leave the file, what axe-core finds, texts that overlap, that a drawing cuts off or that make the page wider than the
screen, and files above 3 MB. Exits with 1 if there is anything.

  scripts/setup page                                    # playwright and axe-core; Chromium is the machine's: apt-get install chromium
  .venv/bin/python scripts/check_page.py runs/quickstart/report.html
  .venv/bin/python scripts/check_page.py --pictures /tmp/pictures runs/*/report.html
"""
import argparse
import pathlib
import shutil
import sys

import axe_playwright_python
from playwright.sync_api import sync_playwright

MOST_BYTES = 3_000_000
A4_WIDTH = 703  # px between the margins of 12 mm
AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

# Boxes of all texts that can be seen: what a scrolling box hides is cut off, what a drawing hides is a fault.
FIND_FAULTS = r"""() => {
  const faults = [], boxes = [];
  const short = text => '"' + text.trim().replace(/\s+/g, ' ').slice(0, 40) + '"';
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest('script,style,title') || !parent.checkVisibility({visibilityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const drawing = parent.closest('svg');
    for (const rect of drawing ? [parent.getBoundingClientRect()] : range.getClientRects()) {
      let {left, right, top, bottom} = rect;
      if (drawing) {
        const frame = drawing.getBoundingClientRect();
        if (left < frame.left - 1 || right > frame.right + 1 || top < frame.top - 1 || bottom > frame.bottom + 1) faults.push('cut off by its drawing: ' + short(node.data));
      }
      for (let box = parent; box; box = box.parentElement) {
        if (drawing && drawing.contains(box) || getComputedStyle(box).overflowX === 'visible') continue;
        const frame = box.getBoundingClientRect();
        left = Math.max(left, frame.left); right = Math.min(right, frame.right);
      }
      if (right - left > 1 && bottom - top > 1) boxes.push({left, right, top, bottom, node});
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  for (let i = 0; i < boxes.length; ++i) {
    for (let j = i + 1; j < boxes.length && boxes[j].top < boxes[i].bottom - 2; ++j) {
      const a = boxes[i], b = boxes[j];
      if (a.node === b.node || Math.min(a.right, b.right) - Math.max(a.left, b.left) < 2) continue;
      faults.push('overlapping: ' + short(a.node.data) + ' and ' + short(b.node.data));
    }
  }
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width + 1) faults.push('the page is ' + document.documentElement.scrollWidth + ' px wide on a screen of ' + width);
  return [...new Set(faults)];
}"""


def violations(page):
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"axe {rule['id']} ({rule['impact']}): {rule['help']}: {len(rule['nodes'])} times, first {rule['nodes'][0]['html'][:120]}" for rule in found]


def look(page, name, pictures):
    if pictures:
        page.screenshot(path=str(pictures / f"{name}.png"), full_page=True)
    return page.evaluate(FIND_FAULTS)


def watch(page, faults):
    page.on("console", lambda message: faults.append(f"console: {message.text}") if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(f"console: {error}"))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else faults.append(f"request: {request.url}"))


# Widths and details do not change what axe-core finds.
def check(browser, path, pictures):
    faults = []
    if path.stat().st_size > MOST_BYTES:
        faults.append(f"{path.stat().st_size} bytes, {MOST_BYTES} allowed")
    stem = f"{path.parent.name}-{path.stem}"
    page = browser.new_page()
    watch(page, faults)
    page.goto(path.resolve().as_uri())
    for width, scheme in ((400, "light"), (1600, "light"), (800, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        faults += [f"{width} px: {fault}" for fault in look(page, f"{stem}-{width}", pictures)]
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for width in (1600, 800, 400):
        page.set_viewport_size({"width": width, "height": 900})
        faults += [f"{width} px, all open: {fault}" for fault in look(page, f"{stem}-{width}-open", pictures if width == 800 else None)]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        faults += [f"{scheme}: {fault}" for fault in violations(page)]
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    page.set_viewport_size({"width": A4_WIDTH, "height": 1050})
    page.emulate_media(media="print", color_scheme="light")
    faults += [f"print: {fault}" for fault in look(page, f"{stem}-print", pictures)]
    if pictures:
        page.pdf(path=str(pictures / f"{stem}.pdf"), prefer_css_page_size=True)
    page.close()
    return list(dict.fromkeys(faults))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--pictures", type=pathlib.Path, metavar="DIR", help="also save what the pages look like")
    arguments = parser.parse_args()
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    failed = False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for path in arguments.pages:
            faults = check(browser, path, arguments.pictures)
            failed |= bool(faults)
            print(f"{path}: {'clean' if not faults else str(len(faults)) + ' faults'}, {path.stat().st_size / 1000:.0f} kB")
            for fault in faults:
                print("  " + fault)
        browser.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
