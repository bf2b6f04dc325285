"""Which stored rows items have, which are missing, and what became of each item."""

from __future__ import annotations

from collections.abc import Generator

from regraft.core.errors import RegraftError, UnreadableItem
from regraft.core.row_table import Table
from regraft.data.items import Items


class Keys:
    """The digests of items, by position; ``failed`` maps the positions without one to the reason."""

    def __init__(self, items: Items) -> None:
        self.of: dict[int, bytes] = {}
        self.failed: dict[int, str] = {}
        for i in range(len(items)):
            try:
                self.of[i] = items.digest(i)
            except UnreadableItem as error:
                self.failed[i] = str(error)
            except RegraftError:
                raise
            except Exception as error:  # noqa: BLE001 an item is read here, whoever wrote its reader
                self.failed[i] = f"it cannot be read: {' '.join(str(error).split()) or type(error).__name__}"

    def missing(self, table: Table) -> list[int]:
        """Positions whose rows the table lacks, or holds damaged, equal items once."""
        table.check(self.of.values())
        first: dict[bytes, int] = {}
        for i, key in self.of.items():
            if key not in table:
                first.setdefault(key, i)
        return list(first.values())

    def shares(self, table: Table) -> Generator[list[int], None, None]:
        """What there is to compute, until the table has all that can be read: what other processes are at is waited for
        and computed only where they died. Each position comes once, and must be in the table before the next list; to
        be closed if that fails.
        """
        tried: set[int] = set()
        while missing := {self.of[i]: i for i in self.missing(table) if i not in tried}:
            with table.claim(missing.keys()) as mine:
                todo = [i for key, i in missing.items() if key in mine]
                tried.update(todo)
                if todo:
                    yield todo
            if not todo:
                table.wait(missing.keys())

    def stored(self, table: Table) -> list[int]:
        """Positions whose rows the table has now; all others are in ``failed``, copies by the reason of their first."""
        why = {self.of[i]: text for i, text in self.failed.items() if i in self.of}
        lost = {i: why.get(key, "its row could not be stored") for i, key in self.of.items() if key not in table}
        self.failed.update(lost)
        return [i for i in self.of if i not in lost]
