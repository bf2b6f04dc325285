"""The templates of the pages; all share the styles in ``style.css.j2``."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2


def rendered(template: str, **facts: Any) -> str:
    """A page as text; what stands in ``facts`` is escaped."""
    return _environment().get_template(template).render(**facts)


@cache
def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("regraft", "reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    found.filters["percent"] = lambda v: f"{100 * v:.1f} %"
    return found
