"""Data and ImageData: the order of records, their batches, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bigdl_caffe.data import key_ranges, records
from bigdl_caffe.errors import CaffeError
from tests.data.databases import KINDS, datum, picture, write, write_pictures
from tests.data.nets import read
from tests.image.pictures import encode, photo

SIX = [picture(i, 3, 4, 5) for i in range(6)]


def db(batch_size: int, backend: str = "LMDB", rest: str = "") -> str:
    return f"data_param {{ source: 'db' batch_size: {batch_size} backend: {backend} }} {rest}"


def labels(kind: str, options: str, n: int, **how: Any) -> list[list[float]]:
    return [batch["label"].tolist() for batch in islice(read(kind, options, **how), n)]


@pytest.mark.parametrize("backend", KINDS)
def test_batches_go_on_at_the_start_after_the_end(tmp_path: Path, backend: str) -> None:
    write_pictures(tmp_path / "db", backend, SIX)
    found = list(islice(read("Data", db(4, backend), root=tmp_path), 3))
    assert [batch["label"].tolist() for batch in found] == [
        [0, 1, 2, 3],
        [4, 5, 0, 1],
        [2, 3, 4, 5],
    ]
    np.testing.assert_array_equal(found[1]["data"], np.stack([SIX[i] for i in (4, 5, 0, 1)]))


def test_parts_of_a_database_are_read_by_keys(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "db", "LMDB", SIX)
    parts = [list(records(path, None, *ends)) for ends in key_ranges(path, 2)]
    assert [[record.label for record in part] for part in parts] == [[0, 1, 2], [3, 4, 5]]
    assert np.array_equal(parts[1][0].image, SIX[3])
    assert parts[1][0].where == f"{path}, key '00000003'"


def test_a_missing_label_is_0_as_in_caffe(tmp_path: Path) -> None:
    message = datum(SIX[0])
    message.ClearField("label")
    write(tmp_path / "db", "LMDB", {b"0": message.SerializeToString()})
    assert labels("Data", db(2), 1, root=tmp_path) == [[0, 0]]


def test_sizes_may_change_between_batches_but_not_in_one(tmp_path: Path) -> None:
    sizes = [(3, 4, 5), (3, 4, 5), (3, 6, 5), (3, 6, 5)]
    write_pictures(tmp_path / "db", "LMDB", [picture(i, *size) for i, size in enumerate(sizes)])
    found = islice(read("Data", db(2), root=tmp_path), 2)
    assert [batch["data"].shape for batch in found] == [(2, 3, 4, 5), (2, 3, 6, 5)]
    crop = "transform_param { crop_size: 4 }"
    assert next(read("Data", db(4, rest=crop), root=tmp_path))["data"].shape == (4, 3, 4, 4)
    with pytest.raises(CaffeError, match=r"'l' \(Data\): .*db, key '00000002': .*\(3, 6, 5\)"):
        next(read("Data", db(4), root=tmp_path))


def test_a_record_cut_short_is_named(tmp_path: Path) -> None:
    good = datum(SIX[0]).SerializeToString()
    write(tmp_path / "db", "LMDB", {b"a": good, b"b\xff": good[:-7]})
    found = read("Data", db(1), root=tmp_path)
    next(found)
    with pytest.raises(CaffeError, match=r"key 'bÿ': its \d+ bytes are no Datum"):
        next(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (db(0), "batch_size is 0"),
        ("data_param { batch_size: 1 }", "no source is given"),
        (db(1, "LEVELDB"), "set backend: LMDB"),
        (db(1, rest="transform_param { crop_size: 9 }"), "smaller than the crop"),
        (db(1, rest="transform_param { force_color: true force_gray: true }"), "both set"),
        (db(1).replace("'db'", "'none'"), "there is no database .*none"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, options: str, words: str) -> None:
    write_pictures(tmp_path / "db", "LMDB", SIX)
    with pytest.raises(CaffeError, match=rf"layer 'l' \(Data\): .*{words}"):
        next(read("Data", options, root=tmp_path))


def test_an_empty_database_is_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    write(tmp_path / "db", "LMDB", {})
    with pytest.raises(CaffeError, match="is empty"):
        next(read("Data", db(1), root=tmp_path))


def listed(folder: Path, n: int, **sizes: Any) -> str:
    """Write ``n`` pictures and their list, and return image_data_param's source."""
    (folder / "pictures").mkdir()
    for i in range(n):
        pixels = np.moveaxis(picture(i, 3, 6, 8), 0, 2)
        (folder / "pictures" / f"a {i}.png").write_bytes(encode(Image.fromarray(pixels)))
    (folder / "list.txt").write_text("".join(f"a {i}.png {i}\n" for i in range(n)))
    return "source: 'list.txt' root_folder: 'pictures/'"


def image_data(options: str, rest: str = "") -> str:
    return f"image_data_param {{ {options} }} {rest}"


def test_a_list_is_read_in_order_and_names_may_have_spaces(tmp_path: Path) -> None:
    options = image_data(listed(tmp_path, 3) + " batch_size: 2")
    found = list(islice(read("ImageData", options, root=tmp_path), 2))
    assert [batch["label"].tolist() for batch in found] == [[0, 1], [2, 0]]
    np.testing.assert_array_equal(found[1]["data"][0], picture(2, 3, 6, 8)[::-1])


def test_pictures_are_resized_as_opencv_does(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="is what resizing is compared to")
    size = "new_height: 11 new_width: 5"
    options = image_data(f"{listed(tmp_path, 1)} {size} is_color: false")
    (found,) = next(read("ImageData", options, root=tmp_path))["data"]
    file = str(tmp_path / "pictures" / "a 0.png")
    expected = cv2.resize(cv2.imread(file, cv2.IMREAD_GRAYSCALE), (5, 11))
    np.testing.assert_array_equal(found, expected[None])


def test_shuffling_shows_every_line_once_an_epoch_in_ever_new_orders(tmp_path: Path) -> None:
    options = image_data(listed(tmp_path, 5) + " batch_size: 5 shuffle: true")
    epochs = labels("ImageData", options, 40, root=tmp_path, seed=1)
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 25
    first = Counter(epoch[0] for epoch in epochs)
    assert set(first) == {0, 1, 2, 3, 4}


def test_shuffled_epochs_go_on_across_batches(tmp_path: Path) -> None:
    options = image_data(listed(tmp_path, 5) + " batch_size: 3 shuffle: true")
    flat = np.ravel(labels("ImageData", options, 10, root=tmp_path, seed=1)).tolist()
    assert all(sorted(flat[i : i + 5]) == [0, 1, 2, 3, 4] for i in range(0, 30, 5))


def test_rand_skip_leaves_out_lines_of_the_first_epoch_only(tmp_path: Path) -> None:
    options = image_data(listed(tmp_path, 5) + " batch_size: 5 rand_skip: 4")
    starts = {labels("ImageData", options, 1, root=tmp_path, seed=s)[0][0] for s in range(30)}
    assert starts == {0, 1, 2, 3}
    first, second = labels("ImageData", options, 2, root=tmp_path, seed=3)
    assert [*first, *second] == [(first[0] + i) % 5 for i in range(10)]
    beyond = options.replace("rand_skip: 4", "rand_skip: 1000")
    with pytest.raises(CaffeError, match="rand_skip goes beyond its 5 lines"):
        next(read("ImageData", beyond, root=tmp_path, seed=0))


def test_a_seed_gives_the_same_again(tmp_path: Path) -> None:
    rest = "transform_param { crop_size: 3 mirror: true }"
    options = image_data(listed(tmp_path, 5) + " batch_size: 4 shuffle: true", rest)

    def run(seed: int) -> Any:
        how = {"phase": "TRAIN", "root": tmp_path, "seed": seed}
        return np.stack([b["data"] for b in islice(read("ImageData", options, **how), 3)])

    np.testing.assert_array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


def test_names_are_relative_to_the_working_directory_without_a_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = image_data(listed(tmp_path, 2) + " batch_size: 2")
    monkeypatch.chdir(tmp_path)
    assert labels("ImageData", options, 1) == [[0, 1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "list of pictures is empty"),
        ("a.png 0\nb.png\n", r"list.txt, line 2: .* has no label: 'b.png'"),
        ("a.png 3.7\n", r"line 1: .* the label '3.7'"),
        ("a.png 0\n\nb.png 1\n", "line 2: .* no label"),
        ("a.png 0\nnone.png 1\n", "line 2: no such file: .*none.png"),
        ("a.png 0\nbad.png 1\n", "line 2: not a picture"),
        ("a.png 0\nlarge.png 1\n", r"line 2: it becomes \(3, 37, 53\)"),
    ],
)
def test_lists_and_pictures_that_are_wrong_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.png").write_bytes(encode(photo(height=4, width=5)))
    (tmp_path / "large.png").write_bytes(encode(photo()))
    (tmp_path / "bad.png").write_bytes(b"rubbish")
    (tmp_path / "list.txt").write_text(text)
    options = image_data("source: 'list.txt' batch_size: 2")
    with pytest.raises(CaffeError, match=rf"layer 'l' \(ImageData\): .*{words}"):
        next(read("ImageData", options, root=tmp_path))


def test_windows_line_ends_are_no_part_of_the_label(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(photo()))
    (tmp_path / "list.txt").write_bytes(b"a.png 7\r\na.png -1\r\n")
    options = image_data("source: 'list.txt' batch_size: 2")
    assert labels("ImageData", options, 1, root=tmp_path) == [[7, -1]]


def test_both_new_sizes_have_to_be_given(tmp_path: Path) -> None:
    options = image_data(listed(tmp_path, 1) + " new_height: 4")
    with pytest.raises(CaffeError, match="given together"):
        next(read("ImageData", options, root=tmp_path))
