"""Pages of the report: each holds what it shows, and needs no other file."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from sensorium.evaluation.pages import write_page


@pytest.mark.parametrize(("suffix", "tag", "kind"), [(".mp4", "video", "video/mp4"), (".wav", "audio", "audio/wav")])
def test_a_page_holds_its_film_or_sound(tmp_path: Path, suffix: str, tag: str, kind: str) -> None:
    source = tmp_path / f"x{suffix}"
    source.write_bytes(bytes(range(256)))
    write_page(tmp_path / "x.html", source)
    page = (tmp_path / "x.html").read_text()
    assert f"<{tag} controls" in page
    assert b64decode(page.split(f"data:{kind};base64,")[1].split('"')[0]) == bytes(range(256))


def test_a_table_is_shown_as_a_table(tmp_path: Path) -> None:
    """A name with a sign of HTML in it stays a name."""
    (tmp_path / "x.tsv").write_text("metric\tvalue\na <b>\t0.5\n")
    write_page(tmp_path / "x.html", tmp_path / "x.tsv")
    page = (tmp_path / "x.html").read_text()
    assert "<tr><th>metric</th><th>value</th></tr><tr><td>a &lt;b&gt;</td><td>0.5</td></tr>" in page
