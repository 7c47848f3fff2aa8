"""Numbers of a report as text: in cells of tables, in sentences and in plots."""

from __future__ import annotations

from mmtrans.report.compare import Estimate

NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def number_text(value: float | None, digits: int = 3) -> str:
    """A number without a leading zero: `.961`; undefined is a dash."""
    if value is None:
        return NONE
    # Adding 0 turns what rounds to -0 into 0.
    text = f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)
    return text.replace("0.", ".", 1) if text.lstrip(MINUS).startswith("0.") else text


def spread_text(figure: Estimate, digits: int = 3) -> str:
    """Mean ± standard deviation over seeds."""
    if figure.std is None:
        return number_text(figure.mean, digits)
    return f"{number_text(figure.mean, digits)} ± {number_text(figure.std, digits)}"


def interval_text(low: float | None, high: float | None, digits: int = 2) -> str:
    """`[low, high]`, or nothing where there is none."""
    return "" if low is None else f"[{number_text(low, digits)}, {number_text(high, digits)}]"


def p_value_text(value: float | None) -> str:
    """A p-value with three digits; smaller ones as `<.001`."""
    return NONE if value is None else "<.001" if value < 0.001 else number_text(value)
