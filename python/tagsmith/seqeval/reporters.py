"""What a report is written into: a dictionary or a table."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Reporter(ABC):
    """Takes the rows of a report one by one."""

    @abstractmethod
    def write(self, row_name: str, precision: float, recall: float, f1: float, support: int) -> None:
        """Adds a row."""

    @abstractmethod
    def write_blank(self) -> None:
        """Sets the rows before apart from those after."""


class DictReporter(Reporter):
    """Collects rows in a dictionary: a row's name, then its figures by name."""

    def __init__(self) -> None:
        self.report_dict: dict[str, dict[str, float]] = {}

    def write(self, row_name: str, precision: float, recall: float, f1: float, support: int) -> None:
        """Adds a row, in the place of one with the same name."""
        self.report_dict[row_name] = {"precision": precision, "recall": recall, "f1-score": f1, "support": support}

    def write_blank(self) -> None:
        """Does nothing: a dictionary has no empty rows."""

    def report(self) -> dict[str, dict[str, float]]:
        """Returns the dictionary."""
        return self.report_dict


class StringReporter(Reporter):
    """Collects rows as lines of a table, with names in `width` columns and `digits` after the point."""

    def __init__(self, width: int = 10, digits: int = 4) -> None:
        self.width = width
        self.digits = digits
        self.buffer: list[str] = []

    def write(self, row_name: str, precision: float, recall: float, f1: float, support: int) -> None:
        """Adds a line."""
        figures = [f"{value:.{self.digits}f}" for value in (precision, recall, f1)]
        self.buffer.append(self._line(row_name, [*figures, str(support)]))

    def write_blank(self) -> None:
        """Adds an empty line."""
        self.buffer.append("")

    def write_header(self) -> str:
        """Returns the line of headings and the empty line below it."""
        return self._line("", ["precision", "recall", "f1-score", "support"]) + "\n\n"

    def report(self) -> str:
        """Returns the table."""
        return self.write_header() + "\n".join(self.buffer)

    def _line(self, name: str, columns: list[str]) -> str:
        return f"{name:>{self.width}} " + "".join(f" {column:>9}" for column in columns)
