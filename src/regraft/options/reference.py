"""The options of a fit to read: for Python's help, and as a page of the documentation."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from regraft.options.base import SCENARIO_WORDS, TASK_WORDS, Declared
from regraft.options.data import ONE_ANSWER
from regraft.options.fit import OPTIONS
from regraft.options.training import KIND_WORDS


def signature() -> inspect.Signature:
    """``fit(data, *, ...)`` with every option, its type and its default, and ``spec``, which Python alone has."""
    first = inspect.Parameter("data", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    last = inspect.Parameter("spec", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Any)
    return inspect.Signature([first, *(inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type)
        for one in OPTIONS.values()), last])  # fmt: skip


def parameters() -> str:
    """The options in the manner of numpydoc, panel by panel."""
    found: list[str] = []
    for title, options in _panels():
        found += [title, "-" * len(title)]
        for one in options:
            found += [f"{one.name} : {_typed(one)}", textwrap.indent(textwrap.fill(one.option.help, 112), "    ")]
        found.append("")
    return "\n".join(found)


def page() -> str:
    """A page in Markdown: a table for each panel."""
    found = ["# Options of `regraft fit`", "", "Written by `python tools/options_page.py` from `src/regraft/options/`: "
             "the same as `regraft fit --help`, and for what each means something. In Python they are the arguments of "
             "`regraft.fit`, with `_` for `-`.", ""]  # fmt: skip
    for title, options in _panels():
        found += [f"## {title}", "", "| option | what it is | default | for |", "| --- | --- | --- | --- |"]
        found += [f"| `{one.long_name}` | {one.option.help.replace('|', '/')} | {_default(one)} | {_for(one)} |"
                  for one in options]  # fmt: skip
        found.append("")
    return "\n".join(found)


def _panels() -> Iterator[tuple[str, list[Declared]]]:
    titles = dict.fromkeys(one.panel for one in OPTIONS.values())
    return ((title, [one for one in OPTIONS.values() if one.panel == title]) for title in titles)


def _typed(one: Declared) -> str:
    """The type, and the default where the help does not tell it."""
    kind = getattr(one.type, "__name__", None) or str(one.type).replace("typing.", "").replace("collections.abc.", "")
    return kind if one.default is None else f"{kind}, {one.default} by default"


def _default(one: Declared) -> str:
    return "" if one.default is None else str(one.default)


def _for(one: Declared) -> str:
    """For what an option means something; empty for everything."""
    told, words = one.option, []
    if told.tasks is not None:
        words.append(
            "all but boxes" if told.tasks == ONE_ANSWER else ", ".join(map(TASK_WORDS.__getitem__, told.tasks))
        )
    if told.kinds is not None:
        words.append(KIND_WORDS.get(told.kinds, "methods on features"))
    if told.scenarios is not None and told.scenarios != ("single",):
        words.append(", ".join(map(SCENARIO_WORDS.__getitem__, told.scenarios)))
    return "; ".join(words)
