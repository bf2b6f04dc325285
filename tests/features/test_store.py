"""Rows are computed once, survive damage and interruption, and keep the quota."""

import json
from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.data.items import PictureArray
from regraft.data.open import open_data
from regraft.features.engines.base import make_engine
from regraft.features.extract import extract
from regraft.features.network import network_for


def keys(n: int, start: int = 0) -> list[bytes]:
    return [i.to_bytes(16, "little") for i in range(start, start + n)]


def test_rows_come_back_in_any_order(tmp_path: Path) -> None:
    table = RowStore(tmp_path).table({"network": "x"})
    a, b = np.random.rand(5, 3).astype(np.float32), np.random.rand(4, 3).astype(np.float32)
    table.append(keys(5), {"pooled": a})
    table.append(keys(4, 5), {"pooled": b})
    again = RowStore(tmp_path).table({"network": "x"})
    order = [8, 0, 5, 5, 2]
    assert (again.rows([keys(9)[i] for i in order]) == np.concatenate([a, b])[order]).all()
    assert len(RowStore(tmp_path).table({"network": "y"})) == 0, "another recipe has rows of its own"


def test_a_damaged_shard_is_put_aside(tmp_path: Path) -> None:
    table = RowStore(tmp_path).table({"network": "x"})
    table.append(keys(3), {"pooled": np.zeros((3, 2))})
    table.append(keys(3, 3), {"pooled": np.ones((3, 2))})
    shard = next(table.folder.glob("shard-*"))
    data = bytearray((shard / "pooled.npy").read_bytes())
    data[-1] ^= 1
    (shard / "pooled.npy").write_bytes(data)
    again = RowStore(tmp_path).table({"network": "x"})
    assert again.check(keys(6)) == 1 and len(again) == 3 and not shard.exists()


def test_nothing_half_written_counts(tmp_path: Path, monkeypatch) -> None:
    table = RowStore(tmp_path).table({"network": "x"})
    save = np.save

    def interrupted(file, array, **more):
        save(file, array[:1], **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        table.append(keys(3), {"pooled": np.zeros((3, 2))})
    assert len(RowStore(tmp_path).table({"network": "x"})) == 0
    assert not [f for f in table.folder.iterdir() if f.is_dir()]


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    table = RowStore(tmp_path).table({"network": "x"})
    said: list[str] = []
    monkeypatch.setattr("regraft.core.row_table.say", said.append)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    for start in (0, 3):
        table.append(keys(3, start), {"pooled": np.full((3, 2), start)})
    assert len(said) == 1 and "disk is full while writing" in said[0] and "not stored" in said[0]
    assert table.rows(keys(6)[::-1]).tolist() == [[3, 3]] * 3 + [[0, 0]] * 3, "they stay in memory"
    assert len(RowStore(tmp_path).table({"network": "x"})) == 0


def test_quota_drops_what_was_used_longest_ago(tmp_path: Path) -> None:
    import os

    store = RowStore(tmp_path, quota=20_000)
    folders = []
    for age, name in enumerate(["new", "middle", "old"]):
        table = store.table({"network": name})
        table.append(keys(100), {"pooled": np.zeros((100, 10))})
        os.utime(table.folder, (1e9 - age, 1e9 - age))
        folders.append(table.folder)
    assert store.clean() > 0
    assert [f.exists() for f in folders] == [True, True, False] or [f.exists() for f in folders] == [
        True,
        False,
        False,
    ]
    assert sum(t["bytes"] for t in store.tables()) <= 20_000
    assert store.clear() > 0 and not store.tables()


def test_quota_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("REGRAFT_QUOTA_GB", "3")
    assert RowStore().quota == 3e9
    monkeypatch.setenv("REGRAFT_QUOTA_GB", "much")
    with pytest.raises(InputError, match="number of gigabytes"):
        RowStore()


@pytest.fixture
def tiny():
    items = PictureArray(np.random.default_rng(0).integers(0, 255, (30, 12, 12), dtype=np.uint8), "x")
    network = network_for(items, "regraft_tiny")
    return network, make_engine(network), items


def test_only_what_is_new_is_computed(tiny, tmp_path: Path) -> None:
    network, engine, items = tiny
    store = RowStore(tmp_path)
    first = extract(network, items.take(np.arange(20)), engine, store)
    assert first.computed == 20 and first.rows.shape == (20, 320)
    second = extract(network, items.take(np.arange(20)), engine, store)
    assert second.computed == 0 and (second.rows == first.rows).all()
    more = extract(network, items.take(np.arange(21)), engine, store)
    assert more.computed == 1 and (more.rows[:20] == first.rows).all()
    turned = extract(network, items.take(np.arange(20)[::-1]), engine, store)
    assert turned.computed == 0 and (turned.rows == first.rows[::-1]).all()


def test_no_forward_pass_where_all_is_stored(tiny, tmp_path: Path, monkeypatch) -> None:
    network, engine, items = tiny
    extract(network, items, engine, RowStore(tmp_path))
    monkeypatch.setattr(engine, "run", lambda data: pytest.fail("a forward pass"))
    assert extract(network, items, engine, RowStore(tmp_path)).computed == 0


def test_equal_items_are_computed_once(tiny, tmp_path: Path) -> None:
    network, engine, items = tiny
    twice = extract(network, items.take(np.array([3, 3, 4])), engine, RowStore(tmp_path))
    assert twice.computed == 2 and (twice.rows[0] == twice.rows[1]).all()


def test_the_order_and_company_of_items_do_not_change_a_row(tiny, tmp_path: Path) -> None:
    network, engine, items = tiny
    alone = [extract(network, items.take(np.array([i])), engine, RowStore(tmp_path / str(i))).rows[0] for i in range(4)]
    together = extract(network, items, engine, RowStore(tmp_path / "all")).rows
    assert (np.stack(alone) == together[:4]).all()


def test_unreadable_items_are_set_aside(tmp_path: Path, own_shapes: Path) -> None:
    (own_shapes / "disc" / "000.png").write_bytes(b"")
    (own_shapes / "disc" / "001.png").write_bytes(b"text")
    data = open_data(str(own_shapes))
    network = network_for(data.items, "regraft_tiny")
    found = extract(network, data.items, make_engine(network), RowStore(tmp_path / "s"))
    assert sorted(found.failed) == [0, 1] and found.positions.tolist() == list(range(2, 16))
    assert "empty" in found.failed[0] and "no picture" in found.failed[1]


def test_killed_extraction_keeps_whole_shards(tiny, tmp_path: Path, monkeypatch) -> None:
    network, engine, items = tiny
    engine.batch = 8
    monkeypatch.setattr("regraft.core.row_table.SHARD_BYTES", 8 * 320 * 4)
    run, calls = engine.run, []

    def third_time_killed(data):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(data)

    monkeypatch.setattr(engine, "run", third_time_killed)
    with pytest.raises(KeyboardInterrupt):
        extract(network, items, engine, RowStore(tmp_path))
    monkeypatch.setattr(engine, "run", run)
    assert extract(network, items, engine, RowStore(tmp_path)).computed == 14, "16 of 30 were kept"


def test_the_recipe_is_readable(tiny, tmp_path: Path) -> None:
    network, engine, items = tiny
    extract(network, items.take(np.arange(2)), engine, RowStore(tmp_path))
    recipe = json.loads(next(tmp_path.glob("*/recipe.json")).read_text())
    assert recipe["network"] == "regraft_tiny" and recipe["engine"]["precision"] == "float32"
