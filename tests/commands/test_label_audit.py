"""`regraft audit`: what it finds, what it writes, and that what is written can be filled in and read back."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.core.errors import ArtefactError, DataError, InputError
from tests.commands.test_detect import write_coco
from tests.conftest import shape, write_shapes


def rows_of(folder: str | Path) -> list[dict[str, str]]:
    with open(Path(folder) / "audit.csv", newline="", encoding="utf-8-sig") as f:
        return list(csv.DictReader(f))


def of_kind(found: Any, kind: str) -> set[str]:
    return {f.item for f in found.findings if kind in f.kinds}


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """600 digits, of which 30 have another label; their names, with the true ones."""
    folder, rng = tmp_path_factory.mktemp("digits"), np.random.default_rng(0)
    digits = load_digits()
    labels = digits.target[:600].copy()
    wrong = np.sort(rng.permutation(600)[:30])
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, 30)) % 10
    images = (digits.images[:600] * 15.9).astype(np.uint8)
    np.savez(folder / "d.npz", images=images, labels=labels)
    return folder / "d.npz", {f"images[{i}]": str(digits.target[i]) for i in wrong}


@pytest.fixture(scope="module")
def audited(flipped: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return regraft.audit(str(flipped[0]), out=str(tmp_path_factory.mktemp("a") / "audit"))


def test_flipped_labels_are_found(flipped: tuple[Path, dict[str, str]], audited: Any) -> None:
    true, found = flipped[1], of_kind(audited, "label-error")
    right = found & true.keys()
    assert len(right) / len(found) >= 0.9 and len(right) / len(true) >= 0.8
    suggested = {f.item: f.suggested for f in audited.findings if f.item in right}
    assert np.mean([suggested[item] == true[item] for item in right]) > 0.9
    errors = [f for f in audited.findings if f.kinds[0] == "label-error"]
    assert [f.self_confidence for f in errors] == sorted(f.self_confidence for f in errors)
    assert audited.findings[: len(errors)] == errors
    assert sum(p["items"] for p in audited.pairs) == audited.counts["label-error"] == len(found)


def test_the_same_audit_finds_the_same(flipped: tuple[Path, dict[str, str]], audited: Any, tmp_path: Path) -> None:
    again = regraft.audit(str(flipped[0]), out=str(tmp_path / "again"))
    assert again.findings == audited.findings
    assert (tmp_path / "again/audit.csv").read_bytes() == (Path(audited.out) / "audit.csv").read_bytes()


def test_the_table_is_filled_in_and_read_back(
    flipped: tuple[Path, dict[str, str]], audited: Any, tmp_path: Path
) -> None:
    rows = rows_of(audited.out)
    assert {r["new_label"] for r in rows} == {""} and len({r["item"] for r in rows}) == len(rows)
    for row in rows:
        row["new_label"] = flipped[1].get(row["item"], "") if row["kinds"].startswith("label-error") else ""
    rows[-1]["new_label"] = "drop"
    # as a German spreadsheet saves it: no mark, semicolons
    with open(tmp_path / "c.csv", "w", newline="", encoding="cp1252") as f:
        writer = csv.DictWriter(f, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    result = regraft.fit(str(flipped[0]), corrections=tmp_path / "c.csv", out=str(tmp_path / "r"), controls="none")
    corrected = sum(r["new_label"] not in ("", "drop") for r in rows)
    assert corrected > 20
    assert (result.corrections[0]["relabelled"], result.corrections[0]["taken_out"]) == (corrected, 1)
    assert result.items["train"] + result.items["val"] == 599
    before = regraft.fit(str(flipped[0]), out=str(tmp_path / "r0"), controls="none")
    assert result.metrics["val"]["accuracy"] > before.metrics["val"]["accuracy"]


@pytest.mark.slow
def test_suggestions_can_be_accepted(flipped: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    found = regraft.audit(str(flipped[0]), out=str(tmp_path / "a"), accept=0.9)
    rows = rows_of(tmp_path / "a")
    filled = [r for r in rows if r["new_label"]]
    assert filled and all(r["new_label"] == r["suggested"] and float(r["probability"]) >= 0.9 for r in filled)
    assert all("label-error" in r["kinds"] for r in filled) and sum(f.accepted for f in found.findings) == len(filled)
    result = regraft.fit(str(flipped[0]), corrections=str(tmp_path / "a/audit.csv"), out=str(tmp_path / "r"))
    assert result.corrections[0]["relabelled"] == len(filled)


def test_the_page_stands_alone(audited: Any) -> None:
    page = (Path(audited.out) / "audit.html").read_text()
    assert "data:image/jpeg;base64," in page and "label-error" in page and "--corrections audit.csv" in page
    assert not re.search(r"https?://", page) and "prefers-color-scheme: dark" in page


def test_nothing_that_is_there_is_written_over(flipped: tuple[Path, dict[str, str]], audited: Any) -> None:
    before = (Path(audited.out) / "audit.csv").read_bytes()
    with pytest.raises(ArtefactError, match="may hold corrections that somebody has filled in"):
        regraft.audit(str(flipped[0]), out=audited.out)
    assert (Path(audited.out) / "audit.csv").read_bytes() == before


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large pictures in two classes, with a copy of each kind, one of them with another label."""
    root, rng = tmp_path_factory.mktemp("copies"), np.random.default_rng(3)
    for kind in ("disc", "square"):
        (root / kind).mkdir()
        for i in range(15):
            small = shape(kind, rng).resize((120, 120))
            noise = rng.integers(0, 60, (120, 120, 3)) + np.asarray(small) // 2
            Image.fromarray(noise.astype(np.uint8)).save(root / kind / f"{i:02d}.png")
    (root / "disc/copy.png").write_bytes((root / "disc/00.png").read_bytes())
    (root / "square/wrong.png").write_bytes((root / "disc/01.png").read_bytes())
    Image.open(root / "disc/02.png").resize((100, 100)).save(root / "disc/near.jpg", quality=60)
    return root


def test_copies_are_found_and_told_by_their_labels(copies: Path, tmp_path: Path) -> None:
    found = regraft.audit(str(copies), backbone="regraft_tiny", out=str(tmp_path / "a"), seed=1)
    assert of_kind(found, "duplicate") == {"disc/copy.png"}
    assert of_kind(found, "near-duplicate") in ({"disc/near.jpg"}, {"disc/02.png"})
    assert of_kind(found, "copy-two-labels") == {"disc/01.png", "square/wrong.png"}
    pair = {f.item: (f.near, f.near_label) for f in found.findings if "copy-two-labels" in f.kinds}
    assert pair["square/wrong.png"] == ("disc/01.png", "disc") and pair["disc/01.png"][1] == "square"
    page = (tmp_path / "a/audit.html").read_text()
    assert page.count('class="two"') >= 2


def test_texts_and_their_copies(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good, bad = ("wonderful", "great", "lovely", "charming"), ("awful", "boring", "dull", "terrible")
    rows = []
    for i in range(80):
        words = (good, bad)[i % 2]
        rows.append([f"=a {rng.choice(words)} and {rng.choice(words)} film number {i}", ("pos", "neg")[i % 2]])
    for i in (10, 31):
        rows[i][1] = "neg" if rows[i][1] == "pos" else "pos"
    with open(tmp_path / "t.csv", "w", newline="") as f:
        csv.writer(f).writerows([["text", "label"], *rows])
    found = regraft.audit(str(tmp_path / "t.csv"), backbone="tfidf", out=str(tmp_path / "a"))
    assert {"row 12", "row 33"} <= of_kind(found, "label-error")
    assert any(p.kind == "no-outliers" for p in found.problems)
    row = next(r for r in rows_of(tmp_path / "a") if r["item"] == "row 12")
    assert row["content"].startswith(" =a ")  # no spreadsheet takes it for a formula
    assert "<blockquote>" in (tmp_path / "a/audit.html").read_text()


def test_numbers_that_lie_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=120)
    y[[7, 60]] += [5.0, -4.0]
    with open(tmp_path / "t.csv", "w", newline="") as f:
        csv.writer(f).writerows([["a", "b", "c", "price"], *np.column_stack([x, y]).tolist()])
    found = regraft.audit(str(tmp_path / "t.csv"), label="price", out=str(tmp_path / "a"))
    first = found.findings[:2]
    assert [f.item for f in first] == ["row 9", "row 62"] and all("label-error" in f.kinds for f in first)
    assert first[0].z > 10 and first[1].z < -10
    assert float(first[0].suggested) == pytest.approx(y[7] - 5, abs=0.5)
    with pytest.raises(InputError, match="--accept is for classes"):
        regraft.audit(str(tmp_path / "t.csv"), label="price", accept=0.9, out=str(tmp_path / "b"))


def test_several_classes_an_item(tmp_path: Path) -> None:
    root, rng = tmp_path / "m", np.random.default_rng(0)
    root.mkdir()
    rows = []
    for i in range(120):
        red, bright = rng.integers(0, 2, 2)
        pixels = rng.integers(0, 40, (16, 16, 3)) + np.array([90 * red, 0, 0]) + 80 * bright
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"{i:03d}.png")
        rows.append([f"{i:03d}.png", [n for n, there in (("bright", bright), ("red", red)) if there] or ["dim"]])
    for i in (20, 50):
        rows[i][1] = sorted(set(rows[i][1]) ^ {"red"}) or ["dim"]
    with open(root / "t.csv", "w", newline="") as f:
        csv.writer(f).writerows([["image", "labels"], *([n, "|".join(c)] for n, c in rows)])
    found = regraft.audit(str(root), backbone="raw", out=str(tmp_path / "a"), task="multilabel")
    errors = {f.item: f.suggested for f in found.findings if "label-error" in f.kinds}
    assert {"020.png", "050.png"} <= errors.keys() and len(errors) <= 6
    assert ("red" in errors["020.png"]) != ("red" in rows[20][1])


def test_a_model_lends_its_network_and_what_it_learned_is_told(shapes: Path, tmp_path: Path) -> None:
    run = regraft.fit(str(shapes), method="finetune", epochs=1, backbone="regraft_tiny", out=str(tmp_path / "r"),
                      controls="none")  # fmt: skip
    found = regraft.audit(str(shapes), run.run, out=str(tmp_path / "a"))
    assert found.model == run.run and found.learned == {"exact": 32, "near": 0}
    assert any(p.kind == "trained-on-these-labels" and "vouches for them" in p.message for p in found.problems)
    probe = regraft.fit(str(shapes), backbone="regraft_tiny", out=str(tmp_path / "p"), controls="none")
    found = regraft.audit(str(shapes), probe.run, out=str(tmp_path / "b"))
    assert found.learned == {"exact": 40, "near": 0}  # its head did; its network has seen no label
    assert not any(p.kind == "trained-on-these-labels" for p in found.problems)
    with pytest.raises(InputError, match="brings its own network; leave out --backbone"):
        regraft.audit(str(shapes), probe.run, backbone="raw", out=str(tmp_path / "c"))


def test_what_cannot_be_audited_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--accept is 2; it must lie between 0 and 1"):
        regraft.audit("embedded:digits", accept=2)
    lonely = write_shapes(tmp_path / "few", 1)
    with pytest.raises(DataError, match="none can be judged by a model that had not seen it"):
        regraft.audit(str(lonely), out=str(tmp_path / "a"), backbone="raw")
    assert not (tmp_path / "a").exists()


def test_the_command_prints_json_and_teaches(shapes: Path, tmp_path: Path) -> None:
    runner, command = CliRunner(), ["-q", "audit", str(shapes), "--backbone", "raw", "--out"]
    record = json.loads(runner.invoke(app, [*command, str(tmp_path / "a"), "--json"]).stdout)
    assert record["items"] == 40 and record["out"] == str(tmp_path / "a") and "findings" in record
    done = runner.invoke(app, [*command, str(tmp_path / "b")])
    assert f"regraft fit {shapes} --corrections {tmp_path / 'b'}/audit.csv" in done.stdout
    told = runner.invoke(app, ["audit", "--help"]).stdout
    assert "new_label" in told and "--corrections audit.csv" in re.sub(r"\s+", " ", told)


def test_boxes_beside_a_detector(tmp_path: Path) -> None:
    data = write_coco(tmp_path / "squares")
    with pytest.raises(InputError, match="has boxes: name a MODEL"):
        regraft.audit(str(data), out=str(tmp_path / "a"))
    run = regraft.fit(str(data), out=str(tmp_path / "r"), size=64, epochs=1, batch=4, method="scratch")
    found = regraft.audit(str(data), run.run, out=str(tmp_path / "a"))
    assert found.task == "detection" and found.items == 10 and found.threshold == run.decision["threshold"]
    assert found.learned == {"exact": 8, "near": 0}
    assert any(p.kind == "trained-on-these-labels" for p in found.problems)
    assert sum(found.counts.values()) == len(found.findings) == len(rows_of(tmp_path / "a"))
    # one epoch from random weights finds no square: all nine are doubted in one way or another
    given = {(f.item, *f.box) for f in found.findings if f.kind != "missing"}
    assert len(given) == 9
    assert "data:image/jpeg;base64," in (tmp_path / "a/audit.html").read_text()
    with pytest.raises(InputError, match="--cv and --accept are for labels"):
        regraft.audit(str(data), run.run, cv=3, out=str(tmp_path / "b"))


def test_boxes_are_corrected_by_the_file_of_the_audit(tmp_path: Path) -> None:
    data = write_coco(tmp_path / "squares")
    how = {"size": 64, "epochs": 1, "batch": 4, "method": "scratch"}
    run = regraft.fit(str(data), out=str(tmp_path / "r"), **how)
    regraft.audit(str(data), run.run, out=str(tmp_path / "a"))
    rows = rows_of(tmp_path / "a")
    doubted = [r for r in rows if r["kind"] == "doubtful"]
    assert doubted and all(r["digest"].startswith("b2:") and not r["action"] for r in rows)
    doubted[0]["action"], rows[-1 if rows[-1] is not doubted[0] else 0]["action"] = "accept", "erase"
    with open(tmp_path / "filled.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    again = regraft.fit(str(data), corrections=str(tmp_path / "filled.csv"), out=str(tmp_path / "r2"), **how)
    (told,) = again.corrections
    assert told["boxes"] == {"added": 0, "dropped": 1, "changed": 0, "refused": 1} and told["relabelled"] == 1
    (refused,) = [p for p in again.problems if p["kind"] == "correction-refused"]
    assert "the action is 'erase'" in refused["message"]
    val = json.loads((tmp_path / "r2/detections.json").read_text())["pictures"]
    assert sum(again.boxes.values()) + sum(len(p["truth"]["labels"]) for p in val) == 8
