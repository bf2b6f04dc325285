"""Dates as people and programs write them, and the column that holds them."""

import numpy as np
import pytest

from regraft.text.dates import date_column, days


@pytest.mark.parametrize(
    "cell",
    ["2024-03-05", "2024-03-05T23:59:00+01:00", "2024/3/5 10:22", "2024.3.5", "2024年3月5日", "20240305",
     "20240305101010", "5 March 2024", "March 5th, 2024", "Mar 5, 2024 10:11 PM", "Tue Mar  5 13:08:45 2024",
     "Tue, 05 Mar 2024 13:08:45 GMT",
     "Tue Mar 05 13:08:45 +0000 2024", "1709600000", "1709600000123", "05-Mar-2024"],
)  # fmt: skip
def test_a_day_in_many_ways(cell: str) -> None:
    assert days([cell])[0][0] == np.datetime64("2024-03-05")


@pytest.mark.parametrize("cell", ["", "soon", "2024-13-05", "31.2.2024", "12", "marching on 2024", "99999999999"])
def test_what_is_no_date(cell: str) -> None:
    assert np.isnat(days([cell])[0][0])


def test_day_or_month_first_is_told_by_the_others() -> None:
    assert days(["03/05/2024", "03/25/2024"])[0].astype(str).tolist() == ["2024-03-05", "2024-03-25"]
    assert days(["03/05/2024", "25/03/2024"])[0].astype(str).tolist() == ["2024-05-03", "2024-03-25"]
    assert days(["03/05/2024"])[1] and not days(["03/05/2024", "25/03/2024"])[1]


def test_the_column_is_found_by_looking() -> None:
    many = [f"2024-01-{d:02d}" for d in range(1, 11)]
    assert date_column({"id": ["1709600000"] * 10, "when it was": many, "x": ["a"] * 10}) == "when it was"
    assert date_column({"x": many, "posted_at": ["1709600000"] * 10}) == "posted_at"
    assert date_column({"x": ["soon"] * 5 + many[:5]}) is None
