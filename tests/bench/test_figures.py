"""Tables in the docs are those that a section of the benchmarks printed."""

from __future__ import annotations

from benchmarks.__main__ import SECTIONS, command, parsed
from benchmarks.figures import DOCUMENTS, filled, sections

PAGE = "a\n<!-- figures: load -->\nold\n<!-- end of figures -->\nb\n"


def test_only_what_lies_between_is_replaced() -> None:
    new = filled(PAGE, {"load": "new\n\n| 1 |\n"})
    assert new == PAGE.replace("old", "new\n\n| 1 |")
    assert filled(new, {"save": "other"}) == new


def test_the_documents_have_sections_that_there_are() -> None:
    found = [name for path in DOCUMENTS for name in sections(path.read_text())]
    assert set(found) <= set(SECTIONS)
    assert {"inference", "load", "growth"} <= set(found)


def test_options_reach_the_sections_that_take_them() -> None:
    words = ["--quick", "--nets", "lenet", "--batch", "1", "--engines", "torch", "--peer", "a=b"]
    args = parsed([*words, "--rounds", "2"])
    line = command(SECTIONS["inference"], args, args.out / "x.json")
    end = ["--rounds", "2", "--nets", "lenet", "--batch", "1", "--ways", "torch", "--peer", "a=b"]
    assert line[-len(end) - 2 : -2] == end
    assert command(SECTIONS["growth"], args, args.out / "x.json")[3] == "--quick"
