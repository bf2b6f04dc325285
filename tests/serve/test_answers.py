"""What the service answers is what `regraft predict` answers."""

from __future__ import annotations

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.inference.load import load_any
from tests.serve.conftest import blank, png


def told(client: Any, name: str, **how: Any) -> list[dict[str, Any]]:
    response = client.post("/predict", params={"model": name}, **how)
    assert response.status_code == 200, response.text
    found = response.json()
    assert found["model"] == name and found["seconds"] > 0
    return found["answers"]


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{i}.png", data)) for i, data in enumerate(contents)]


def predicted(run: str, paths: list[Path]) -> list[dict[str, Any]]:
    return [json.loads(json.dumps({**row, "input": Path(row["input"]).name}))
            for row in regraft.predict(run, [str(p) for p in paths], engine="torch").predictions]  # fmt: skip


@pytest.mark.parametrize("name", ["shapes", "boxes"])
def test_pictures_are_answered_as_by_predict(client: Any, runs: dict[str, str], tmp_path: Path, name: str) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        path.write_bytes(png(i, ("disc", "square")[i % 2]))
    one = predicted(runs[name], paths[:1])
    assert told(client, name, files=files(paths[0].read_bytes())) == one
    assert told(client, name, json={"pictures": [base64.b64encode(paths[0].read_bytes()).decode()]}) == [
        {**one[0], "input": "pictures[0]"}
    ]
    many = told(client, name, files=files(*(p.read_bytes() for p in paths)))
    assert [r["input"] for r in many] == ["0.png", "1.png", "2.png"]
    key = {"shapes": "probabilities", "boxes": "boxes"}[name]
    assert many[0][key] != many[1][key]
    for own, other in zip(many, predicted(runs[name], paths), strict=True):
        if name == "shapes":
            assert own["label"] == other["label"]
            assert list(own[key].values()) == pytest.approx(list(other[key].values()), abs=1e-5)
            assert own["unlike"] == other["unlike"]
        else:
            assert len(own[key]) == len(other[key]) > 0
            assert own[key][0]["xyxy"] == pytest.approx(other[key][0]["xyxy"], abs=0.05)


def test_texts_are_answered_as_by_predict(client: Any, runs: dict[str, str]) -> None:
    texts = ["good lovely", "dull poor poor", "nothing known"]
    expected = load_any(runs["words"]).predict_proba(texts)
    found = told(client, "words", json={"texts": texts})
    assert np.array_equal([list(r["probabilities"].values()) for r in found], expected)
    assert [r["input"] for r in found] == ["texts[0]", "texts[1]", "texts[2]"]
    [file] = told(client, "words", files=[("files", ("ä.txt", "good lovely\n".encode("utf-16")))])
    assert file["input"] == "ä.txt" and file["probabilities"] == found[0]["probabilities"]


def test_rows_are_answered_as_by_predict(client: Any, runs: dict[str, str], tmp_path: Path) -> None:
    rows = [{"place": "sea", "size": 3}, {"size": "7", "place": "hill", "other": True}, {"place": None, "size": None}]
    (tmp_path / "t.csv").write_text("place,size\nsea,3\nhill,7\n,\n")
    expected = regraft.predict(runs["houses"], [str(tmp_path / "t.csv")]).predictions
    found = told(client, "houses", json={"rows": rows})
    assert [{**r, "input": ""} for r in found] == [{**r, "input": ""} for r in expected]
    assert found[0]["label"] != found[1]["label"] and found[2]["empty"]
    some = [rows[0], {"size": 1}, {"place": "sea", "size": [2]}, {"place": "sea", "size": "many"}]
    [good, lacks, odd, words] = told(client, "houses", json={"rows": some})
    assert good["label"] == found[0]["label"] and good["probabilities"] == found[0]["probabilities"]
    assert "no column 'place'" in lacks["error"] and "list" in odd["error"] and "many" in words["error"]


def test_the_models_say_what_they_are(client: Any) -> None:
    found = {m["name"]: m for m in client.get("/models").json()["models"]}
    assert [m["default"] for m in found.values()] == [True, False, False, False]
    assert found["shapes"] == {"name": "shapes", "modality": "image", "kind": "classes", "classes": ["disc", "square"],
                               "explains": True, "default": True}  # fmt: skip
    assert found["houses"]["columns"] == [{"name": "place", "type": "category", "values": ["hill", "sea"]},
                                          {"name": "size", "type": "number"}]  # fmt: skip
    assert (found["words"]["modality"], found["boxes"]["kind"], found["houses"]["explains"]) == ("text", "boxes", False)


def test_what_cannot_be_read_is_named_and_the_rest_is_answered(client: Any) -> None:
    cut = png(1)[:-40]
    answers = told(client, "shapes", files=files(png(0), b"", cut, blank(1, 1), blank(30_000, 30_000), b"GIF8nonsense"))
    assert [sorted(r)[:2] == ["error", "input"] for r in answers] == [False, True, True, False, True, True]
    assert [r["input"] for r in answers] == [f"{i}.png" for i in range(6)]
    assert "too large" in answers[4]["error"] and "900000000 pixels" in answers[4]["error"]
    response = client.post("/predict", files=files(b"no picture", cut))
    assert response.status_code == 422 and len(response.json()["answers"]) == 2
    assert all("error" in r for r in response.json()["answers"]) and "0.png" in response.json()["detail"]


def test_a_picture_of_more_pixels_than_allowed_is_not_decoded(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from regraft.core.errors import UnreadableItem
    from regraft.serve import lanes
    from regraft.serve.inputs import Given

    monkeypatch.setattr(lanes, "load_item", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(UnreadableItem, match=r"9,000 x 9,000 pixels; .* 64,000,000"):
        models.find("shapes").lane.prepare(Given("x", blank(9000, 9000)))


def test_everybody_gets_an_own_answer(client: Any) -> None:
    """Distinct pictures asked about by many threads at once: each answer is that of its picture alone."""
    pictures = [png(i, ("disc", "square")[i % 2]) for i in range(48)]
    alone = [told(client, "shapes", files=files(p))[0] for p in pictures]
    assert len({json.dumps(a["probabilities"]) for a in alone}) == 48
    with ThreadPoolExecutor(16) as pool:
        for _ in range(3):
            found = list(pool.map(lambda p: told(client, "shapes", files=files(p))[0], pictures))
            for own, other in zip(found, alone, strict=True):
                assert own["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_why_of_a_picture_and_of_a_box(client: Any) -> None:
    found = client.post("/explain", params={"model": "shapes", "label": "square"}, files=files(png(1))).json()
    assert found["label"] == "square" and found["method"] == "grad-cam"
    kind, _, data = found["map"].partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/png;base64" and max(image.size) == 480
    assert np.ptp(np.asarray(image).astype(int), axis=2).max() > 50, "no colour of a map"
    boxes = client.post("/explain", params={"model": "boxes", "box": 1}, files=files(png(1))).json()
    assert boxes["method"] == "occlusion" and boxes["label"] in ("a", "b")


def test_why_of_a_text(client: Any) -> None:
    found = client.post("/explain", params={"model": "words"}, json={"texts": ["superb but unheard of"]}).json()
    effects = {w["word"]: w["effect"] for w in found["words"]}
    assert found["label"] == "up" and max(effects, key=lambda w: effects[w]) == "superb"


@pytest.mark.parametrize(("where", "how", "said"), [
    ({"model": "houses"}, {"json": {"rows": [{"place": "sea", "size": 1}]}}, "not explained"),
    ({"model": "shapes", "label": "cube"}, {"files": files(png(1))}, "'cube'"),
    ({"model": "shapes", "box": 1}, {"files": files(png(1))}, "box is for detectors"),
    ({"model": "boxes", "box": 9000}, {"files": files(png(1))}, "no box 9000"),
    ({"model": "words"}, {"json": {"texts": ["one"]}}, "two are needed"),
    ({"model": "words", "label": "sideways"}, {"json": {"texts": ["good one"]}}, "'sideways'"),
    ({"model": "shapes"}, {"files": files(png(1), png(2))}, "one is explained at a time"),
    ({"model": "shapes"}, {"files": files(b"nothing")}, "no picture"),
    ({"model": "shapes", "box": 0}, {"files": files(png(1))}, "box cannot be used"),
])  # fmt: skip
def test_what_cannot_be_explained_is_said(client: Any, where: dict[str, Any], how: dict[str, Any], said: str) -> None:
    response = client.post("/explain", params=where, **how)
    assert response.status_code == 422 and said in response.json()["detail"]
