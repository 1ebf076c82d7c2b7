import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.images import decode
from budwood.data.sources.unlabelled import is_table, read_table_of_pictures


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        place = tmp_path / "photos" / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(place)
    return tmp_path


PATHS = ["photos/0.png", "photos/gone.png", "photos/2.png"]


def write(folder, ending, paths=PATHS, column="path") -> str:
    file = folder / f"t{ending}"
    if ending == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({column: paths, "note": ["n"] * len(paths)}), file)
    elif ending == ".jsonl":
        file.write_text("".join(json.dumps({column: path, "note": "n"}) + "\n" for path in paths))
    else:
        between = "\t" if ending == ".tsv" else ";"
        file.write_text("".join(f"{one}{between}n\n" for one in [column, *paths]).replace("n\n", "note\n", 1))
    return str(file)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_read_table_of_pictures__the_path_as_it_stands_there_and_what_is_gone(folder, ending):
    assert is_table(f"t{ending}")
    found = list(read_table_of_pictures(write(folder, ending)))
    assert [name for name, _ in found] == PATHS
    assert [int(decode(found[place][1]).max()) for place in (0, 2)] == [0, 2]
    assert found[1][1] == folder / "photos" / "gone.png"


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_read_table_of_pictures__of_another_place(folder, ending):
    table = write(folder, ending, ["elsewhere/0.png", "photos/0.png"])
    with pytest.raises(DataError, match="there is no 'elsewhere/0.png'"):
        list(read_table_of_pictures(table))
    table = write(folder, ending, ["0.png", "1.png"])
    (found, _) = read_table_of_pictures(table, Data(root="photos"))
    assert found == ("0.png", folder / "photos" / "0.png")


def test_read_table_of_pictures__columns(folder):
    table = write(folder, ".csv", column="where")
    with pytest.raises(DataError, match="--columns path=COLUMN"):
        list(read_table_of_pictures(table))
    assert len(list(read_table_of_pictures(table, Data(columns={"path": "where"})))) == 3


def test_read_table_of_pictures__a_column_of_paths_alone_and_an_empty_path(folder):
    (folder / "t.csv").write_text("path\nphotos/0.png\n")
    assert [name for name, _ in read_table_of_pictures(str(folder / "t.csv"))] == ["photos/0.png"]
    (folder / "t.jsonl").write_text('{"path": "photos/0.png"}\n{"path": ""}\n')
    with pytest.raises(DataError, match="line 2: the path is empty"):
        list(read_table_of_pictures(str(folder / "t.jsonl")))


def test_read_table_of_pictures__pictures_inside(folder, own_cache):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    contents = [Path(folder / "photos" / f"{number}.png").read_bytes() for number in range(3)]
    parquet.write_table(pyarrow.table({"image": contents}), folder / "t.parquet")
    found = list(read_table_of_pictures(str(folder / "t.parquet")))
    assert [name for name, _ in found] == ["t/000001", "t/000002", "t/000003"]
    assert [int(decode(picture).max()) for _, picture in found] == [0, 1, 2]
    parquet.write_table(pyarrow.table({"path": [1, 2]}), folder / "t.parquet")
    with pytest.raises(DataError, match="is of type int64. Expected paths as text"):
        list(read_table_of_pictures(str(folder / "t.parquet")))
