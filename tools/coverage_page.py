"""Writes docs/coverage.md from the table of covered names: `python tools/coverage_page.py`."""

from pathlib import Path

from wengert.numpy_api.coverage import page

if __name__ == "__main__":
    (Path(__file__).resolve().parent.parent / "docs" / "coverage.md").write_text(
        page(), encoding="utf-8"
    )
