"""Tables of numbers and categories: what is recognised, what is listed, what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regraft.core.errors import DataError, InputError
from regraft.core.types import Hints
from regraft.data.formats.table import read_items
from regraft.data.items import TableRows
from regraft.data.open import open_data, open_items
from regraft.data.tabular.cells import Cells
from regraft.export import table_inputs
from regraft.features.encoders.table import TableMap
from regraft.text.numbers import is_missing, kind_of, number


def houses(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    area, rooms = rng.uniform(40, 200, n).round(1), rng.integers(1, 7, n)
    district = rng.choice(["north", "south", "harbour"], n, p=[0.2, 0.5, 0.3])
    price = (3.1 * area + 20 * (district == "north") + rng.normal(0, 8, n)).round(2)
    return pd.DataFrame({"area": area, "rooms": rooms, "district": district, "price": price})


def written(folder: Path, frame: pd.DataFrame, name: str = "houses.csv") -> str:
    frame.to_csv(folder / name, index=False)
    return str(folder / name)


def test_cells() -> None:
    assert [number(t) for t in ("1.5", "-3", "1e3", "abc", "1_000", "12 m2")] == [1.5, -3, 1000, None, None, None]
    assert all(map(is_missing, ("", "NA", "n/a", "NaN", "null", "?", "-"))) and not is_missing("0")
    assert kind_of(["1", "2", "", "?"]) == "number" and kind_of(["", "NA"]) == "empty"
    assert kind_of(["a", "b", "1"]) == "category"
    assert kind_of(["2024-03-05", "2024-03-06"]) == "date" and kind_of(["120 m2", "90 m2"]) == "unit"
    assert kind_of(["3 cats", "2 dogs", "4 mice"]) == "category", "as many words as cells are no unit"


def test_a_table_of_numbers_is_recognised(tmp_path: Path) -> None:
    data = open_data(written(tmp_path, houses()))
    assert data.modality == "table" and data.target_name == "price" and data.target.task == "regression"
    assert "3 columns, labels from 'price'" in data.evidence
    assert [p.kind for p in data.problems] == ["label-guessed"]
    assert data.y == pytest.approx(houses()["price"].to_numpy())
    named = open_data(written(tmp_path, houses()), hints=Hints(label="district"))
    assert named.target.task == "classification" and named.classes == ("harbour", "north", "south")
    assert isinstance(named.items, Cells) and list(named.items.columns) == ["area", "rooms", "price"]
    assert open_data(houses()).y == pytest.approx(data.y), "a DataFrame reads the same"


def test_two_short_columns_are_a_regression(tmp_path: Path) -> None:
    data = open_data(written(tmp_path, houses(8)[["area", "price"]]))
    assert data.target.task == "regression" and len(data) == 8


def test_missing_values_and_useless_columns_are_said(tmp_path: Path) -> None:
    frame = houses()
    frame.loc[[3, 4], "area"] = np.nan
    frame.loc[5, "district"] = "?"
    frame["nothing"], frame["same"], frame["day"] = np.nan, 7, pd.date_range("2024-01-01", periods=len(frame))
    frame["id"] = [f"house {i}" for i in range(len(frame))]
    frame = pd.concat([frame] * 2, ignore_index=True)
    frame["id"] = [f"house {i}" for i in range(len(frame))]
    frame.loc[9, "price"] = np.nan
    data = open_data(written(tmp_path, frame), hints=Hints(label="price"))
    said = {p.item: (p.kind, p.message) for p in data.problems}
    assert said["area"] == ("missing-values", "4 of 80 values are missing: the median of the training rows stands in")
    assert said["district"][1].endswith("a category of its own")
    kinds = {"nothing": "empty-column", "same": "constant-column", "day": "date-column", "id": "id-column"}
    assert {k: said[k][0] for k in kinds} == kinds
    assert said["row 11"] == ("missing-label", "has no price; left out") and len(data) == 79
    assert isinstance(data.items, Cells) and list(data.items.columns) == ["area", "rooms", "district"]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("abc", r"row 13: 'price' is 'abc', which is no number; mend the cell"),
        ("120 m2", r"row 13: 'price' is '120 m2', a number with a unit: write 120 in its place"),
        ("$95", r"a number with a unit: write 95 in its place"),
        ("inf", r"row 13: 'price' is 'inf', which is infinite"),
        ("2024-03-05", r"a date; numbers are wanted"),
        ("1.200,50", r"write 1234.5, with a point and without separators"),
        ("120,5", r"write 1234.5, with a point and without separators"),
    ],
)
@pytest.mark.parametrize("column", ["price", "area"])
def test_what_is_no_number_is_named_with_its_row(tmp_path: Path, cell: str, words: str, column: str) -> None:
    frame = houses().astype({column: object})
    frame.loc[11, column] = cell
    with pytest.raises(DataError, match=words.replace("price", column)):
        open_data(written(tmp_path, frame))


def test_rows_far_down_are_found(tmp_path: Path) -> None:
    n = 8000
    lines = ["area,price", *(f"{i},{2.5 * i}" for i in range(n))]
    lines[7112] = "7111,about 20"
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"row 7,113: 'price' is 'about 20', which is no number"):
        open_data(str(tmp_path / "t.csv"))


def test_a_unit_or_a_date_in_every_row(tmp_path: Path) -> None:
    frame = houses()
    with pytest.raises(DataError, match=r"row 2: 'price' is '[\d.]+ EUR', a number with a unit"):
        open_data(written(tmp_path, frame.assign(price=frame["price"].astype(str) + " EUR")))
    with pytest.raises(DataError, match=r"row 2: 'price' is '2024-01-01', a date; numbers are wanted"):
        open_data(written(tmp_path, frame.assign(price=pd.date_range("2024-01-01", periods=40).astype(str))))


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column to learn from beside the label \(area holds no value at all"):
        open_data(written(tmp_path, houses().assign(area="")[["area", "price"]]))


def test_the_map_is_learned_from_training_rows_alone(tmp_path: Path) -> None:
    frame = houses()
    frame.loc[0, "area"] = np.nan
    data = open_data(written(tmp_path, frame))
    some = data.items.take(np.arange(1, 20))
    learned = TableMap.from_bytes(TableMap.fitted(some).to_bytes())
    assert learned.numbers["area"] == pytest.approx(frame["area"][1:20].median())
    assert learned.base == {"district": frame["district"][1:20].mode()[0]}
    assert learned.names == ["area", "rooms", "district=harbour", "district=north"]
    rows = learned(data.items).rows
    assert rows.shape == (40, 4) and rows[0, 0] == learned.numbers["area"]
    assert (rows[:, 3] == (frame["district"] == "north")).all()


def test_the_map_finds_its_columns_by_name(tmp_path: Path) -> None:
    learned = TableMap.fitted(open_data(houses()).items)  # type: ignore[arg-type]
    path = written(tmp_path, houses()[["price", "district", "rooms", "area"]].assign(district="nowhere"), "new.csv")
    found = learned(open_items(path, modality="table")).rows
    assert found[:, 0] == pytest.approx(houses()["area"].to_numpy()) and (found[:, 2:] == 0).all()
    with pytest.raises(DataError, match=r"no column 'area': did you mean 'aera'"):
        learned(open_items(written(tmp_path, houses().rename(columns={"area": "aera"})), modality="table"))
    numbers_only = TableMap.fitted(open_data(houses().drop(columns="district")).items)  # type: ignore[arg-type]
    assert numbers_only(TableRows(np.ones((2, 2)), "X")).rows.shape == (2, 2)
    with pytest.raises(InputError, match="takes 2 columns"):
        numbers_only(TableRows(np.ones((2, 3)), "X"))


def test_numbers_are_not_read_as_they_are_written_in_texts(tmp_path: Path) -> None:
    """A model of decimal commas: 100.125 in a text may be 100125, as a number it is what it is."""
    rows = [(f"{i},{i % 7}5", f"{i}.{i % 10}00,5") for i in range(1, 41)]
    pd.DataFrame(rows, columns=["area", "price"]).to_csv(tmp_path / "t.csv", sep=";", index=False)
    learned = open_data(str(tmp_path / "t.csv"), hints=Hints(label="price", task="regression"))
    assert learned.roles is not None and learned.roles.decimals == {"area": "comma", "price": "comma"}
    kept = Hints(kept=learned.roles, task="regression")
    asked = pd.DataFrame({"area": [100.125, 7.250], "price": [1.125, 2.250]})
    asked.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    asked.to_parquet(tmp_path / "t.parquet")
    for data in (asked, str(tmp_path / "t.jsonl"), str(tmp_path / "t.parquet")):
        found = open_data(data, hints=kept)
        assert found.items.columns["area"] == ["100.125", "7.25"] and found.y.tolist() == [1.125, 2.25]
        one = read_items(data if isinstance(data, pd.DataFrame) else Path(data), kept, "table").items
        assert one.columns["area"] == ["100.125", "7.25"]
    mixed = ["7,5", 100.125, 7.25]
    both = open_data(pd.DataFrame({"area": mixed, "price": mixed}), hints=kept)
    assert both.items.columns["area"] == ["7.5", "100.125", "7.25"] and both.y.tolist() == [7.5, 100.125, 7.25]
    words = open_data(asked.map(lambda v: f"{v:.3f}"), hints=kept)
    assert words.items.columns["area"] == ["100125", "7250"], "in a text 100.125 is written as the thousands were"
    assert table_inputs.written(["100.125", "7,5"], "comma", {0}) == ["100.125", "7.5"]
