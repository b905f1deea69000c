"""The commands in the documents print what stands there."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.cli import main
from bigdl_caffe.cli.program import COMMANDS
from tests.meta.test_docs_code import NAMED, blocks, stand_in
from tests.nets import DIGITS, digits
from tests.paths import REPO

PAGE = REPO / "docs" / "commands.md"
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
ANY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with the files that the page speaks of."""
    shutil.copytree(DIGITS, tmp_path, dirs_exist_ok=True)
    model = digits()
    model.write_bundle(tmp_path / "lenet.arrow")
    feed = {"data": np.ones(model.inputs["data"], np.float32)}
    np.savez(tmp_path / "io.npz", **feed, **model.run(feed, ["conv2", "prob"]))
    for info, _, text in blocks(PAGE):
        if info == "prototxt" and (named := NAMED.match(text)):
            (tmp_path / named[1]).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def steps(kind: str) -> Iterator[tuple[list[str], str]]:
    """Yield the words of each command of the page's blocks of a kind, and what it prints."""
    for info, _, text in blocks(PAGE):
        if info == kind:
            yield from ((shlex.split(command), told) for command, told in STEP.findall(text))


def run(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = 0
    for words, expected in steps(kind):
        if words[0] == "bigdl-caffe":
            status = main(words[1:])
            captured = capsys.readouterr()
            told = captured.out + captured.err
        else:
            assert words[0] in ("cat", "echo")
            told = Path(words[1]).read_text() if words[0] == "cat" else f"{status}\n"
        same = doctest.OutputChecker().check_output(expected, told, ANY)
        assert same, f"{shlex.join(words)} prints\n{told}\nand the page says\n{expected}"


def test_the_commands_print_what_the_page_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("console", capsys)
    assert (folder / "half.svg").exists()


@pytest.mark.spark
def test_the_commands_that_start_spark(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    spark = request.getfixturevalue("spark")
    stand_in(spark, folder)
    session = "bigdl_caffe.spark.session.command_session"
    monkeypatch.setattr(session, lambda *_: nullcontext(spark))
    run("console spark", capsys)


def test_every_command_is_on_the_page_and_has_an_example() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"| [`{command.name}`](#{command.name}) | {command.does} |" in page
        assert f"$ bigdl-caffe {command.name}" in page
        assert f"  bigdl-caffe {command.name}" in command.teaches
