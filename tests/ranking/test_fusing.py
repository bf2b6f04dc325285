"""Networks side by side at the end of ``--backbone auto``: taken where they help, rarely where they do not."""

import json
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.row_store import RowStore
from regraft.core.types import LabelSpec
from regraft.data.splits import make_split
from regraft.metrics.intervals import difference
from regraft.selection import fusing
from regraft.selection import halving as search
from regraft.selection.candidates import Candidate
from regraft.selection.fusing import joined, partners_of, told
from regraft.selection.scores import probe
from regraft.selection.scores.base import Given

SPEC = LabelSpec("classification", ("a", "b"))


def candidate(name: str, right: np.ndarray) -> Candidate:
    figure = float(right.mean()) if len(right) else 0.0
    return Candidate(name, {"probe": figure}, {}, 1, 0, 0.0, None, 0.0, {}, None, dict(enumerate(right.tolist())))


def probed(parts: dict[str, np.ndarray], y: np.ndarray):
    """`measure` on features by the name of a part: the cross-validated probe of those side by side."""

    def measure(name: str) -> Candidate:
        chosen = [parts[p] for p in name.split("+")]
        widths = tuple(x.shape[1] for x in chosen)
        given = Given(np.concatenate(chosen, 1), y, SPEC, blocks=widths if len(widths) > 1 else None)
        rows, logits = probe.out_of_fold(given)
        assert len(rows) == len(y)
        return candidate(name, logits.argmax(1) == y)

    return measure


def draw(seed: int, n: int = 150) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features ``own`` that know the class; ``noise`` that knows nothing; ``drawn``, a random network on ``own``, which
    adds nothing, since classes of one covariance are told apart best by a line; ``other``, that knows something else.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    own, other = (rng.normal(size=(n, 6)) + 0.5 * (2 * y[:, None] - 1) * np.array([1, 1, 0.5, 0, 0, 0])
                  for _ in range(2))  # fmt: skip
    drawn = np.maximum(own @ rng.normal(size=(6, 12)), 0)
    return {"own": own, "noise": rng.normal(size=(n, 12)), "drawn": drawn, "other": other}, y


def test_useless_partners_are_rarely_taken() -> None:
    """Promised are at most 2.5 % of searches; of 30 with that share five or more would be found once in 900."""
    taken = 0
    for seed in range(30):
        parts, y = draw(seed)
        measure = probed(parts, y)
        whole, steps = joined(measure("own"), ["noise", "drawn"], measure)
        taken += whole.backbone != "own"
        assert set(steps[0]["tried"]) == {"own+noise", "own+drawn"}
    assert taken <= 4


def test_a_partner_that_knows_something_else_is_taken_alone() -> None:
    parts, y = draw(0, 600)
    measure = probed(parts, y)
    whole, steps = joined(measure("own"), ["noise", "other"], measure)
    assert whole.backbone == "own+other" and [s["beside"] for s in steps] == ["own", "own+other"]
    assert [s["level"] for s in steps] == [pytest.approx(0.975), pytest.approx(0.95)]
    assert set(steps[1]["tried"]) == {"own+other+noise"}


def rights(*hits: tuple[str, int, int], n: int = 200) -> dict[str, Candidate]:
    """By name: right on the first ``a`` items and on the last ``b``."""
    found = {}
    for name, a, b in hits:
        right = np.zeros(n, bool)
        right[:a], right[n - b :] = True, b > 0
        found[name] = candidate(name, right)
    return found


def test_the_more_partners_the_wider_the_interval() -> None:
    """9 items won and 2 lost: at 95 % the interval lies above 0, with three partners it reaches 0."""
    known = rights(("a", 152, 0), ("a+b", 150, 9), ("a+c", 100, 0), ("a+d", 100, 0))
    ours, theirs = (np.array([*known[k].right.values()], float) for k in ("a+b", "a"))
    assert difference(ours, theirs)[0] > 0 > difference(ours, theirs, level=1 - 0.05 / 3)[0]
    assert joined(known["a"], ["b"], known.get)[0].backbone == "a+b"
    whole, steps = joined(known["a"], ["b", "c", "d"], known.get)
    assert whole.backbone == "a" and steps[0]["level"] == pytest.approx(1 - 0.05 / 3)
    assert told(steps, "a") == ["a stays as it is: not better beyond its interval, on the training items, is a+b or "
                                "a+c or a+d"]  # fmt: skip


def test_it_grows_by_the_best_to_three_parts() -> None:
    known = rights(("a", 120, 0), ("a+b", 150, 0), ("a+c", 140, 0), ("a+d", 145, 0), ("a+b+c", 150, 10),
                   ("a+b+d", 150, 20), ("a+b+d+c", 150, 50))  # fmt: skip
    seen = []
    whole, steps = joined(known["a"], ["b", "c", "d"], lambda name: seen.append(name) or known[name])
    assert whole.backbone == "a+b+d" and seen == ["a+b", "a+c", "a+d", "a+b+c", "a+b+d"]
    first, second = told(steps, whole.backbone)
    assert first.startswith("a+b is better by 15.0 points (") and first.endswith("the training items: both are taken")
    assert second.startswith("a+b+d is better by 10.0 points (") and second.endswith("all 3 are taken")


def test_what_could_not_be_measured_is_passed_over() -> None:
    known = rights(("a", 120, 0), ("a+c", 150, 0))
    whole, steps = joined(known["a"], ["b", "c"], known.get)
    assert whole.backbone == "a+c" and set(steps[0]["tried"]) == {"a+c"} and told(steps[1:], "a+c") == []
    nothing = candidate("a", np.zeros(0, bool))  # no probe could leave items out
    assert joined(nothing, ["b"], lambda name: candidate(name, np.zeros(0, bool)))[0] is nothing


def test_which_may_stand_beside() -> None:
    others = ["b", "a+b", "c", "tfidf", "d", "e"]
    assert partners_of("a", others, counted=False) == ["b", "c", "d"]
    assert partners_of("a+b", ["b", "b+c", "c", "d"], counted=True) == ["c", "d", "tfidf"]
    assert partners_of("a+tfidf", ["b"], counted=True) == ["b"]
    assert fusing.PARTNERS == 3


def test_groups_are_units() -> None:
    """The ten items won are one patient's: they are not ten."""
    known = rights(("a", 150, 0), ("a+b", 150, 10))
    groups = np.arange(200) // 10
    assert joined(known["a"], ["b"], known.get)[0].backbone == "a+b"
    assert joined(known["a"], ["b"], known.get, groups)[0].backbone == "a"


WORDS = ("qzxv", "vxqk", "jqxz"), ("zvkq", "kxjv", "xqvj")
FILLER = ("this", "is", "a", "plain", "note", "of", "some", "length", "about", "one", "thing", "that", "we", "saw")


@pytest.fixture
def texts(tmp_path: Path, monkeypatch) -> str:
    """The class is by which of two lists a word is from that nobody knows: counts see it, the embedded network not."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, count in (("t.csv", 90), ("v.csv", 30)):
        lines = ["text,label"]
        for i in range(count):
            words = [*rng.permutation(FILLER)[:8], str(rng.choice(WORDS[i % 2]))]
            lines.append(f"{' '.join(rng.permutation(words))},{'odd' if i % 2 else 'even'}")
        Path(name).write_text("\n".join(lines) + "\n")
    return "t.csv"


LISTED = "auto:regraft_tiny_text,random:regraft_tiny_text,tfidf"


def test_auto_joins_what_helps_says_so_and_repeats_it(texts: str, capsys) -> None:
    result = regraft.fit(texts, backbone=LISTED, controls="none", val="v.csv", out="r")
    found = result.choice["search"]
    assert "+tfidf" in result.backbone and found["chosen"] == result.backbone
    step = found["fusion"]["steps"][0]
    assert step["beside"] in found["rounds"][0]["candidates"] and "tfidf" not in found["rounds"][0]["candidates"]
    assert step["tried"][f"{step['beside']}+tfidf"]["interval"][0] > 0
    assert found["fusion"]["items"] == result.items["train"] and "are taken" in found["fusion"]["told"][0]
    page = Path("r/report.html").read_text()
    assert found["fusion"]["told"][0] in page.replace("&#43;", "+")
    settings = json.loads(Path("r/run.json").read_text())["settings"]
    again = regraft.fit(**{**settings, "out": "s"})
    assert again.metrics == result.metrics and again.backbone == result.backbone
    from regraft.cli.printing import print_search

    print_search(found)
    assert found["fusion"]["told"][0] in capsys.readouterr().out


@pytest.mark.slow
def test_every_fold_joins_anew(texts: str, monkeypatch) -> None:
    names, choose = [], search.choose
    monkeypatch.setattr(search, "choose", lambda *a, **k: (r := choose(*a, **k), names.append(r[0]))[0])
    result = regraft.fit(texts, backbone=LISTED, controls="none", cv=3, out="r")
    assert len(names) == 4 and all("+tfidf" in n for n in names[1:])
    assert result.metrics["val"]["accuracy"] > 0.9


def test_methods_that_train_take_one_network(texts: str, tmp_path: Path) -> None:
    split, store = make_split(texts), RowStore(tmp_path / "rows")
    how = {"seed": 0, "left": 60.0, "store": store, "device": "cpu"}
    name, found = search.choose(split, LISTED, trains=True, **how)
    assert "+" not in name and "fusion" not in found
    name, found = search.choose(split, LISTED, **how | {"left": 0.0})
    assert "+" not in name and found["fusion"]["steps"][0]["tried"] == {} and found["fusion"]["told"] == []
    assert f"{name}+tfidf" in {c["backbone"] for c in found["left_out"]}
