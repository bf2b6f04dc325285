"""Texts in the encodings that people still keep them in: short ones, among ASCII, in folders, and named by the user."""

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import DataError, InputError, UnreadableItem
from regraft.core.types import Hints
from regraft.data.formats import polarity, text_folder
from regraft.data.text.encoding import check_encoding, decode_text, decode_texts, encoding_problems

SENTENCES = {
    "big5": ["這部電影非常好看，我很喜歡演員的表現", "很好吃", "服務態度太差了，再也不會來", "房間乾淨舒適"],
    "gb18030": ["味道很好，送餐也很快", "不推荐", "剧情紧凑，值得一看", "电池很快就没电了"],
    "shift_jis": ["この映画はとても面白かった", "まずい", "二度と行きません。", "部屋がきれいで駅から近い"],
    "euc-jp": ["この映画はとても面白かった", "まずい", "二度と行きません。", "スタッフの対応が最悪でした"],
    "euc-kr": ["이 영화는 정말 재미있다", "맛없어요", "다시는 안 갑니다", "배송이 빠르고 좋네요"],
    "cp1251": ["очень понравилось, советую", "Плохо", "Никогда больше не приду", "Дуже гарний фільм, раджу"],
    "koi8-r": ["очень понравилось, советую", "Плохо", "Никогда больше не приду", "отлично!"],
    "cp1250": ["piękna muzyka żywa", "Vynikající jídlo, příjemná obsluha", "nagyon jó, őszintén", "pes běží"],
    "iso-8859-2": ["piękna muzyka żywa", "Vynikající jídlo, příjemná obsluha", "świetny film", "żółw"],
    "cp1252": ["größer und schöner", "très bon film, à voir absolument", "It’s “great” – really", "price: £5", "10 °C"],
    "latin-1": ["não gostei da atuação", "città bellissima", "Maten var jättegod", "señor"],
    "mac-roman": ["größer und schöner", "très bon film, à voir absolument", "¡Qué película más aburrida!"],
    "cp1253": ["Η ταινία ήταν πολύ ωραία", "κακό", "Δεν το συνιστώ"],
    "cp1254": ["çok güzel bir film, tavsiye ederim", "Berbat, hiç beğenmedim", "İstanbul'da kaldık"],
    "cp1255": ["הסרט היה מצוין"], "cp1256": ["الفيلم رائع جدا"], "cp874": ["หนังสนุกมาก"],
    "cp866": ["очень понравилось, советую"], "cp1257": ["Labai geras filmas, rekomenduoju visiems žiūrėti"],
    "utf-16-le": ["这部电影很好看\n", "a plain line"], "utf-16-be": ["очень понравилось\n"], "utf-32-le": ["fine film"],
    "iso2022_jp": ["この映画はとても面白かった"], "hz": ["味道很好"],
}  # fmt: skip
AROUND = ["{}", "text,label\n{},1\n", "id;text\n1;{}\n2;{}\n", "A plain English line.\nAnother, 12345.\n{}\n"]


@pytest.mark.parametrize("encoding", SENTENCES)
def test_short_texts_in_every_encoding(encoding: str) -> None:
    for sentence in [*SENTENCES[encoding], "\n".join(SENTENCES[encoding])]:
        for around in AROUND:
            text = around.replace("{}", sentence)
            found = decode_text(text.encode(encoding))
            assert found.text == text, f"read as {found.encoding}"
            assert found.damaged == 0 and [p.kind for p in encoding_problems(found, "x")] == ["encoding"]


def test_real_reviews_in_other_encodings(shared: Path) -> None:
    with gzip.open(shared / "data/reviews_zh_train.csv.gz", "rt", encoding="utf-8") as file:
        texts = [max(row.values(), key=len) for row in csv.DictReader(file)][:400:4]
    for encoding in ("gb18030", "utf-16-le"):
        for text in texts:
            assert decode_text((text + "\n").encode(encoding)).text == text + "\n"
    whole = "\n".join(texts)
    found = decode_text(whole.encode("gb18030"))
    assert found.text == whole and found.encoding == "gb18030"


def test_how_sure_it_is_and_the_way_out_are_said() -> None:
    sure = encoding_problems(decode_text(SENTENCES["big5"][0].encode("big5")), "t.csv")[0].message
    assert "big5 (99% sure)" in sure and "--encoding NAME" in sure
    doubtful = decode_text("odličan film".encode("cp1250"))
    assert doubtful.confidence < 0.9 and doubtful.second
    assert f"{doubtful.second} is likely too" in encoding_problems(doubtful, "t.csv")[0].message


def test_the_users_word_holds() -> None:
    data = "kočka".encode("cp1250")
    for told, text in (("cp1250", "kočka"), ("windows-1250", "kočka"), ("cp1252", "koèka")):
        assert decode_text(data, told).text == text and not encoding_problems(decode_text(data, told), "x")
    assert decode_text("“x” €".encode("cp1252"), "latin-1").text == "“x” €", "as browsers take the name"
    assert decode_text("喆煊 碁".encode("big5hkscs"), "big5").text == "喆煊 碁"
    damaged = decode_text(b"fine\n\xff\xff\n", "gb18030")
    assert damaged.damaged == 1 and "mean nothing in gb18030" in encoding_problems(damaged, "x")[0].message
    assert decode_text("é".encode("utf-8-sig"), "cp1252").text == "é", "a byte order mark is no guess"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("utf8x", "'utf8"), ("big-6", "'big5"), ("hex", "no such encoding"), ("", "some are"), ("\0", "some are")],
)
def test_unknown_encodings_are_refused_with_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(InputError, match="--encoding") as caught:
        decode_text(b"x", name)
    assert hint in str(caught.value)
    check_encoding("shift_jis")


def test_utf8_that_is_damaged_or_cut_stays_utf8() -> None:
    line = "味道很好，送餐也很快，非常满意\n".encode()
    found = decode_text(line * 3 + line[:-2] + b"\n")
    assert found.encoding == "utf-8" and found.damaged == 1 and found.text.startswith("味道很好")
    found = decode_text(line[:20] + b"\xff" + line[21:])
    assert found.encoding == "utf-8" and found.damaged == 1


def test_what_a_short_text_does_not_say_the_others_beside_it_do() -> None:
    texts = ["odličan film, preporučujem", "vrlo loša hrana, žao mi je", "prekrasan smještaj, čisto i uredno", "kočka"]
    assert decode_text(texts[0].encode("cp1250")).text != texts[0]
    found = decode_texts(
        [t.encode("cp1250") for t in texts * 3] + ["好吃，还会再来".encode(), "很好吃，推荐".encode("gb18030")]
    )
    assert [d.text for d in found] == texts * 3 + ["好吃，还会再来", "很好吃，推荐"]


def test_folders_and_lines_in_an_encoding_that_is_told(tmp_path: Path) -> None:
    for kind in ("pos", "neg"):
        (tmp_path / "d" / kind).mkdir(parents=True)
        (tmp_path / "d" / kind / "1.txt").write_bytes(f"kočka {kind}".encode("cp1250"))
    found = text_folder.read(tmp_path / "d", Hints(encoding="cp1250"))
    assert found.items.load(0) == "kočka neg" and not found.problems
    with pytest.raises(InputError, match="no such encoding"):
        text_folder.read(tmp_path / "d", Hints(encoding="nonsense"))
    for kind in ("pos", "neg"):
        (tmp_path / f"r.{kind}").write_bytes(f"kočka {kind}\n".encode("cp1250"))
    lines = polarity.read(tmp_path / "r.pos", Hints(encoding="cp1250"))
    assert lines.items.load(0) == "kočka neg" and not lines.problems
    items, problems = text_folder.text_files(tmp_path / "d", "cp1250")  # type: ignore[misc]
    assert items.load(1) == "kočka pos" and not problems


def test_a_picture_called_txt_is_no_text(tmp_path: Path) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(buffer, "PNG")
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "1.txt").write_text("a fine film")
        (tmp_path / kind / "2.txt").write_bytes(buffer.getvalue())
    (tmp_path / "a" / "3.txt").write_bytes(b"")
    found = text_folder.read(tmp_path)
    assert len(found) == 3 and [p.item for p in found.problems if p.kind == "unreadable"] == ["a/2.txt", "b/2.txt"]
    (tmp_path / "a" / "more.md").write_text("x")
    items, problems = text_folder.text_files(tmp_path)  # type: ignore[misc]
    assert len(items) == 5 and [(p.kind, p.item) for p in problems] == [("not-a-text", "a/more.md")]
    whys = []
    for i in (1, 2, 4):
        with pytest.raises(UnreadableItem) as caught:
            items.take(np.arange(5)).load(i)
        whys.append(str(caught.value))
    assert "no text in any encoding" in whys[0] and "empty" in whys[1] and "no text" in whys[2]
    (tmp_path / "only.txt").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="no text in any encoding"):
        text_folder.text_files(tmp_path / "only.txt")
