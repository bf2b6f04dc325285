"""The log-odds against numbers worked by hand, and the terms that are counted."""

import math

import numpy as np
import pytest

from regraft.text import phrases as module
from regraft.text.log_odds import informative_prior, log_odds
from regraft.text.phrases import phrases, spans
from regraft.text_mining.terms import Wording


def test_log_odds_by_hand() -> None:
    """Terms a, b, c; ours 8 1 1, theirs 2 1 7, prior 1 each.

    a: (8 + 1) / (13 - 9) = 9/4 against 3/10: log 7.5; variance 1/9 + 1/3 = 4/9; z = 1.5 log 7.5.
    b: 2/11 on both sides: 0.
    c: 2/11 against 8/5: log (10/88); variance 1/2 + 1/8.
    """
    delta, z = log_odds(np.array([8, 1, 1]), np.array([2, 1, 7]), np.ones(3))
    assert delta == pytest.approx([math.log(7.5), 0, math.log(10 / 88)])
    assert z == pytest.approx([1.5 * math.log(7.5), 0, math.log(10 / 88) / math.sqrt(0.625)])


def test_the_prior_shrinks_rare_terms_and_swapping_turns_the_sign() -> None:
    ours, theirs = np.array([40, 2, 100]), np.array([10, 0, 120])
    prior = informative_prior(ours + theirs)
    assert prior == pytest.approx([5, 0.2, 22])
    delta, z = log_odds(ours, theirs, prior)
    assert delta[1] > delta[0] > 0 and z[0] > 1.96 > z[1], "seen twice only: a large ratio, but not sure"
    back = log_odds(theirs, ours, prior)
    assert back[0] == pytest.approx(-delta) and back[1] == pytest.approx(-z)


def test_phrases_stay_inside_clauses() -> None:
    assert phrases("Not good, THE Soup! 24 hours") == ["not", "good", "not good", "the", "soup", "the soup", "hours",
                                                       "24 hours"]  # fmt: skip
    assert phrases("it’s well-made") == ["it’s", "well-made", "it’s well-made"]
    assert phrases("... 😀") == []


def test_chinese_with_jieba_and_without(monkeypatch) -> None:
    pytest.importorskip("jieba", reason="jieba is in the extra text")
    assert phrases("味道不错，服务态度") == ["味道", "不错", "味道不错", "服务态度"]
    monkeypatch.setattr(module, "has_words_of_chinese", lambda: False)
    assert phrases("味道不错，好") == ["味道", "道不", "不错", "好"]
    assert [("很好吃ok")[a:b] for a, b in spans("很好吃ok")] == ["很", "好", "吃", "ok"]


def test_spans_are_the_words() -> None:
    text = "A good film, isn't it? 😀 10/10"
    assert [text[a:b] for a, b in spans(text)] == ["A", "good", "film", "isn't", "it", "😀", "10", "10"]


def test_telling_terms_name_a_thing_once() -> None:
    texts = ["cold soup again"] * 12 + ["fine tea today"] * 12 + ["cold tea"] * 3
    found = Wording(texts).telling(np.arange(len(texts)) < 12, 10)
    assert found[0].term in ("cold soup", "soup again") and (found[0].items, found[0].others) == (12, 0)
    assert len(found) == 1 + sum(t.term == "cold" for t in found), "soup, again, cold soup: the same twelve texts"
    assert Wording(texts).telling(np.ones(len(texts), bool), 10) == []
    assert Wording(["...", "!"]).telling(np.array([True, False]), 10) == []
