"""Views of a text, and the dictionary that gives glosses."""

import gzip
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from regraft.core.errors import InputError, UnknownName
from regraft.text import words as words_module
from regraft.text.cedict import Glosses
from regraft.text.views import VIEWS, dictionary_of, steps, view
from regraft.text.words import words

PREFIXES = ("query", "passage")
ENTRIES = """# CC-CEDICT
#! version=1

味道 味道 [wei4 dao5] /flavor/smell/CL:股[gu3]/
好 好 [hao3] /surname Hao/
好 好 [hao3] /(of food) good [see also]/appropriate; proper/
店 店 [dian4] /shop; inn/
說明 说明 [[shuo1ming2]] /to explain/
阿 阿 [a1] /surname A/
"""


def apply(chain: str, text: str) -> str:
    return view(steps(chain))(text)


@pytest.mark.parametrize(("chain", "text", "wanted"), [
    ("plain", " a\u200bb\u00a0 c\n\td\x00e\u0301 ", "ab c d\u00e9"),
    ("halfwidth", "Ｇｏｏｄ！１２", "Good!12"),
    ("join", "味道 非常\u3000 好 ， good 好 ok 1 2 好 。", "味道非常好， good 好 ok 1 2 好。"),
    ("segment", "味道非常好, ok", "味道 非常 好 , ok"),
    ("lemma", "The houses were bought; кошки 好吃!", "the house be buy; кошка 好吃!"),
    ("pinyin", "好吃的店 is ok!", "hao chi de dian is ok!"),
    ("pinyin-tones", "好吃", "hao3 chi1"),
    ("pinyin", "重庆 重要", "chong qing zhong yao"),
    ("join+query", "好 吃", "query: 好吃"),
    ("passage", "", "passage: "),
    ("halfwidth+pinyin+plain", "好Ａ\u200b！", "hao A!"),
])  # fmt: skip
def test_views(chain: str, text: str, wanted: str) -> None:
    assert apply(chain, text).lower() == wanted.lower()


@pytest.mark.parametrize("name", [n for n in VIEWS if n not in ("gloss", *PREFIXES)])
def test_every_view_takes_any_text(name: str) -> None:
    for text in ("", " ", "\n"):
        assert apply(name, text).strip() == ""
    for text in ("x" * 5000, "ع ב ñ 한국 カナ 1.5%"):
        assert apply(name, text).split() == text.split(), "what a view is not about stays"
    found = apply(name, "😀 好\ud7ff")
    assert found.startswith("😀 ") and found.endswith("\ud7ff") and len(found) >= 4


def test_chains_in_their_parts() -> None:
    assert steps("halfwidth + pinyin-tones") == ("halfwidth", "pinyin-tones")
    assert steps("plain+gloss:/a/x+y.u8+plain") == ("plain", "gloss:/a/x+y.u8", "plain")
    with pytest.raises(UnknownName, match="did you mean 'pinyin'"):
        steps("plain+pinyim")
    with pytest.raises(InputError, match="gloss:PATH"):
        steps("gloss")
    with pytest.raises(InputError, match="nothing behind a colon"):
        steps("plain:x")


def test_glosses(tmp_path: Path) -> None:
    path = tmp_path / "d.u8"
    path.write_text(ENTRIES, encoding="utf-8")
    text = "味道好，說明 说明 xyz 𠀀"
    wanted = "flavor good ， to explain to explain xyz 𠀀"
    assert apply(f"gloss:{path}", text) == wanted
    packed = tmp_path / "d.u8.gz"
    packed.write_bytes(gzip.compress(ENTRIES.replace("\n", "\r\n").encode("utf-8-sig")))
    assert apply(f"gloss:{packed}", text) == wanted
    assert dictionary_of(["plain", f"gloss:{path}"]) == path and dictionary_of(["plain"]) is None


def test_words_that_are_not_listed_fall_to_their_longest_parts() -> None:
    made = Glosses({"味": "taste", "味道": "flavor", "道": "way"})
    assert made._longest("味道味x道y") == ["", "flavor", "", "taste", "x", "way", "y"]
    assert made("味道") == "flavor" and made("猫") == "猫"
    assert Glosses.read(ENTRIES.encode(), "d").meanings["阿"] == "surname A", "a pointer where there is nothing better"


@pytest.mark.parametrize(("data", "message"), [
    (b"# x\nhello world\n", "line 2 is 'hello world'"),
    ("好 好 [hao3] /good/\n好 好 hao3 good\n".encode(), "line 2"),
    ("好 好 [hao3] //\n".encode(), "line 1|no entry"),
    (b"\xff\xfe\x00x", "no text in UTF-8"), (b"# nothing\n", "no entry"), (b"\x1f\x8bxx", "no text in UTF-8"),
])  # fmt: skip
def test_what_is_no_dictionary(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "d.u8"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        view(steps(f"gloss:{path}"))
    assert "d.u8" in str(error.value) and "\n" not in str(error.value)


def test_a_dictionary_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no dictionary"):
        view(steps(f"gloss:{tmp_path}/none.u8"))
    with pytest.raises(InputError, match="one gloss step"):
        dictionary_of(["gloss:a", "gloss:b"])


@pytest.mark.parametrize(("chain", "library"), [("lemma", "simplemma"), ("pinyin", "pypinyin"), ("segment", "jieba")])
def test_a_library_that_is_not_installed(chain: str, library: str, monkeypatch) -> None:
    def refuse(name: str):
        raise ImportError(name)

    monkeypatch.setattr(words_module, "import_module", refuse)
    words_module.segmenter.cache_clear()
    with pytest.raises(InputError, match=rf"{library}, which is not installed: pip install 'regraft\[text\]'"):
        apply(chain, "好吃 films")
    assert apply("plain+halfwidth", "好") == "好", "what needs no library works without"


def test_words() -> None:
    assert words("It's 3 films, 味道非常好!") == ["It's", "3", "films", "味道", "非常", "好"]
    assert words("…") == []


def test_jieba_is_silent_and_keeps_to_the_cache(fresh_cache: Path, capfd) -> None:
    words_module.segmenter.cache_clear()
    common = Path(tempfile.gettempdir()) / "jieba.cache"
    before = common.stat().st_mtime if common.exists() else None
    apply("segment", "味道")
    out = capfd.readouterr()
    assert out.out == out.err == "" and list((fresh_cache / "jieba").iterdir())
    assert before == (common.stat().st_mtime if common.exists() else None)
    words_module.segmenter.cache_clear()


def test_the_module_needs_no_library_to_be_imported() -> None:
    code = ("import sys; sys.modules.update(dict.fromkeys(['jieba', 'pypinyin', 'simplemma']))\n"
            "from regraft.text.views import VIEWS, steps, view\n"
            "assert len(list(VIEWS)) > 5 and view(steps('halfwidth'))('Ａ') == 'A'\n"
            "try: view(steps('pinyin'))('好')\n"
            "except Exception as error: print(type(error).__name__)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "InputError", "only what needs a library asks for it"
