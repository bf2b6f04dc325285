"""Names of files and classes: composed, decoded, and never such that they cannot be written."""

import json
import os
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.data.names import short, shown
from regraft.data.open import open_data
from regraft.data.trees import Directory, open_tree


def picture(seed: int) -> bytes:
    import io

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def folder(root: Path, *names: bytes) -> Path:
    for i, name in enumerate(names):
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(picture(i))
    return root


def packed(path: Path, names: list[tuple[bytes, int]], extra: dict[int, bytes] | None = None) -> Path:
    """A zip whose names are these bytes, with these flags, as no Python tool writes them."""
    body, directory = b"", b""
    for i, (name, flags) in enumerate(names):
        data, field = picture(i), (extra or {}).get(i, b"")
        head = struct.pack(
            "<HHHHHIIIHH", 20, flags, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name), len(field)
        )
        directory += (
            b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name + field
        )
        body += b"PK\3\4" + head + name + field + data
    end = struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(directory), len(body), 0)
    path.write_bytes(body + directory + b"PK\5\6" + end)
    return path


def test_names_that_are_no_utf8_are_decoded_and_said(tmp_path: Path) -> None:
    root = folder(
        tmp_path / "d", b"vert\xe9/\xe0 l'\xe9cole.png", b"vert\xe9/2.png", b"rouge/\xeele.png", b"rouge/4.png"
    )
    found = open_data(str(root))
    assert found.classes == ("rouge", "verté")
    assert [found.items.name(i) for i in range(4)] == [
        "rouge/4.png",
        "rouge/île.png",
        "verté/2.png",
        "verté/à l'école.png",
    ]
    assert all(found.items.load(i).shape == (12, 12, 3) for i in range(4))
    (problem,) = found.problems
    assert problem.kind == "name-encoding" and "cp1252" in problem.message and "% sure" in problem.message


def test_nothing_downstream_meets_a_lonely_surrogate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [b"%s/%d.png" % (c, i) for c in (b"a", b"vert\xe9") for i in range(6)]
    root = folder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9t\xe9")), *names)
    assert open_data(str(root)).name == "été"
    result = regraft.fit(str(root), out="run", backbone="regraft_tiny", controls="none", outliers=False)
    written = [p for p in Path("run").rglob("*") if p.suffix in (".json", ".jsonl", ".html", ".csv", ".md")]
    assert written and "verté" in Path("run/report.html").read_text(encoding="utf-8")
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "udce9" not in text.replace(json.dumps(str(root))[1:-1], ""), path
    assert result.run


def test_one_form_of_unicode(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "café")
    root = folder(tmp_path / "d", f"{apart}/é1.png".encode(), f"{apart}/{apart}.png".encode(), b"tea/1.png")
    found = open_data(str(root))
    assert found.classes == ("café", "tea") and found.items.name(0) == "café/café.png" and not found.problems
    assert len({found.items.digest(i) for i in range(3)}) == 3
    tree = Directory(root)
    for listed in (False, True):
        assert all(tree.exists(f"{a}/{b}.png") for a in ("café", apart) for b in ("café", apart)), listed
        assert not tree.exists("café/none.png") and tree.read("café/café.png") == tree.read(f"{apart}/{apart}.png")
        assert tree.where("café/café.png").is_file()
        tree.files()


def test_two_folders_that_are_one_in_unicode_are_one_class_and_said(tmp_path: Path) -> None:
    both = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    names = [f"{name}/1.png".encode() for name in both]
    root = folder(tmp_path / "d", *names, b"tea/1.png")
    for path in (root, packed(tmp_path / "z.zip", [(n, 0x800) for n in (*names, b"tea/1.png")])):
        found = open_data(str(path))
        assert found.class_counts() == {"café": 2, "tea": 1}
        assert "same-name" in {p.kind for p in found.problems}
        assert len({found.items.name(i) for i in range(3)}) == 3 == len({found.items.digest(i) for i in range(3)})


CODE_PAGES = {
    "gb18030": ["照片/小猫/可爱的猫.png", "照片/小狗/黑色的狗.png"],
    "big5": ["照片/貓咪/可愛的貓.png", "照片/狗狗/黑色的狗.png"],
    "shift_jis": ["写真/ねこ/かわいい猫.png", "写真/いぬ/黒い犬.png"],
    "euc-kr": ["사진/고양이/예쁜.png", "사진/강아지/검은.png"],
    "cp866": ["фото/кошка/моя кошка.png", "фото/собака/большая.png"],
    "cp1251": ["фото/кошка/моя.png", "фото/собака/мой.png"],
    "cp437": ["Bilder/Bäume/größter.png", "Bilder/Häuser/schöne.png"],
    "cp850": ["photos/forêt/été.png", "photos/mer/plage à midi.png"],
    "cp1252": ["Bilder/Bäume/größter.png", "Bilder/Häuser/schöne.png"],
    "utf-8": ["照片/小猫/可爱.png", "照片/小狗/黑.png"],
}


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_zips_of_other_code_pages(encoding: str, tmp_path: Path) -> None:
    names = CODE_PAGES[encoding]
    path = packed(tmp_path / "z.zip", [(n.encode(encoding), 0) for n in names])
    tree = open_tree(path)
    assert tree is not None and sorted(tree.files()) == sorted(names)
    assert [p.kind for p in tree.problems] == ([] if encoding == "utf-8" else ["name-encoding"])
    assert {tree.read(n) for n in names} == {picture(0), picture(1)}
    assert open_data(str(path)).classes == tuple(sorted(n.split("/")[1] for n in names))


def test_a_backslash_within_a_character_is_none(tmp_path: Path) -> None:
    names = ["成功/許功蓋.png", "失敗/一二三.png"]
    assert any(b"\\" in n.encode("big5") for n in names)
    tree = open_tree(packed(tmp_path / "z.zip", [(n.encode("big5"), 0) for n in names]))
    assert tree is not None and set(tree.files()) == set(names)


def test_the_language_flag_and_the_unicode_path_field_hold(tmp_path: Path) -> None:
    plain, told = b"caf?/1.png", "café/1.png".encode()
    field = b"\1" + struct.pack("<I", zlib.crc32(plain)) + told
    stale = b"\1" + struct.pack("<I", 1) + b"other/2.png"
    extra = {0: struct.pack("<HH", 0x7075, len(field)) + field, 2: struct.pack("<HH", 0x7075, len(stale)) + stale}
    path = packed(tmp_path / "z.zip", [(plain, 0), ("thé/2.png".encode(), 0x800), (b"tea/3.png", 0)], extra)
    tree = open_tree(path)
    assert tree is not None and set(tree.files()) == {"café/1.png", "thé/2.png", "tea/3.png"} and not tree.problems


def test_what_archives_hold_beside_plain_files(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as z, pytest.warns(UserWarning, match="Duplicate"):
        z.writestr("a/1.png", picture(0))
        z.writestr("a/1.png", picture(1))
        z.writestr("a\\2.png", picture(2))
        z.writestr("B\\", b"")
        z.writestr("a/x.PNG", picture(3))
        z.writestr("a/X.png", picture(4))
        z.writestr("b/inner.zip", b"PK")
        z.writestr("b/1.png", picture(5))
        link = zipfile.ZipInfo("b/linked.png")
        link.external_attr = 0o120777 << 16
        z.writestr(link, "../a/1.png")
        link = zipfile.ZipInfo("b/gone.png")
        link.external_attr = 0o120777 << 16
        z.writestr(link, "nowhere.png")
    found = open_data(str(path))
    names = [found.items.name(i) for i in range(len(found))]
    assert names == ["a/1.png", "a/2.png", "a/X.png", "a/x.PNG", "b/1.png", "b/linked.png"]
    assert (found.items.load(0) == found.items.load(5)).all() and found.items.digest(0) == open_data(
        str(path)
    ).items.digest(0)
    assert {(p.kind, p.item) for p in found.problems} == {
        ("duplicate-name", "a/1.png"), ("not-a-picture", "b/inner.zip"), ("dangling-link", "b/gone.png"),
        ("empty-class", "B"),
    }  # fmt: skip
    tree = open_tree(path)
    assert tree is not None and tree.read("a/1.png") == picture(1), "the last, as unpacking would leave"


def test_locked_entries_are_unreadable_and_say_so(tmp_path: Path) -> None:
    path = packed(tmp_path / "z.zip", [(b"a/1.png", 1), (b"a/2.png", 0), (b"b/1.png", 0)])
    problems = regraft.inspect(str(path)).problems
    (locked,) = [p for p in problems if p.kind == "unreadable"]
    assert locked.item == "a/1.png" and "password" in locked.message


def test_shown_names_can_always_be_written() -> None:
    for name in ("a.png", "é.png", "e\u0301.png", "vert\udce9", "\ud800 from JSON", "猫\udcff"):
        shown(name).encode("utf-8")
    assert shown("e\u0301.png") == "é.png" and shown("vert\udce9") == "verté"


@pytest.mark.parametrize(("path", "name"), [
    ("外卖评论.csv", "外卖评论"), ("/data/Отзывы 2024/", "Отзывы-2024"), ("Stra\u00dfe & Caf\u00e9.zip", "Straße-Café"),
    (unicodedata.normalize("NFD", "Caf\u00e9.csv"), "Café"), (unicodedata.normalize("NFD", "한국어.csv"), "한국어"),
    ("हिन्दी समीक्षा.csv", "हिन्दी-समीक्षा"), ("รีวิวร้านน้ำ.csv", "รีวิวร้านน้ำ"), ("תגובות٢.csv", "תגובות٢"),
    ("a/b/photos/", "photos"), ("photos//", "photos"), ("embedded:reviews", "reviews"), ("x/usps.npz#train", "train"),
    ("a.b.tar.gz", "a"), (".hidden.csv", "hidden"), ("https://example.org/data/reviews.csv", "reviews"),
    ("https://example.org/", "example"), ("C:\\data\\photos", "photos"), ("my_data-2 (copy).csv", "my_data-2-copy"),
    ("\u2764\ufe0f", "data"), ("\u2764\ufe0f love.csv", "love"), ("/", "data"), ("", "data"), ("???", "data"),
    ("vert\udce9.csv", "verté"),
])  # fmt: skip
def test_short_names(path: str, name: str) -> None:
    assert short(path) == name


def test_a_short_name_is_that_of_the_folder_one_is_in(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "外卖" / "x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "外卖" / "x")
    assert [short(p) for p in (".", "./", "..", "../.", "../x/..")] == ["x", "x", "外卖", "外卖", "外卖"]


def test_a_short_name_ends_with_a_whole_letter() -> None:
    assert short("外" * 100) == "外" * 26 and short("a" * 100) == "a" * 79
    letter = "नि"  # a letter and its vowel, six bytes
    assert short(letter * 30) == letter * 13 and short("a" * 74 + letter) == "a" * 74
    assert short("a" + "\u0323" * 90, "none") == "none"
