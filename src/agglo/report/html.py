"""HTML that cannot be forgotten to be escaped: every plain string becomes text, only `Html` is markup. No report here."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

Attribute = str | int | float | bool


class Html(str):
    """Markup that is safe to put on a page as it is."""

    __slots__ = ()


Content = str | Html | None

VOID = frozenset({"img", "meta", "br", "hr", "link"})


def element(name: str, /, *children: Content, **attributes: Attribute) -> Html:
    """Return `<name>` around `children`: plain strings are escaped, `Html` is kept, None is left out.

    Attributes are escaped; `class_` stands for `class`, a True stands for a bare attribute, a False is left out.
    """
    written = "".join(
        _attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Content]) -> Html:
    """Return `children` one after the other, plain strings escaped."""
    return Html(
        "".join(
            child if isinstance(child, Html) else escape(child) for child in children if child is not None
        )
    )


def table(
    headings: Sequence[Content],
    rows: Iterable[Sequence[Content]],
    *,
    class_: str = "",
    caption: str | None = None,
) -> Html:
    """Return a table; the first cell of each row is its heading. It scrolls sideways on its own on narrow screens."""
    head = element("thead", element("tr", *(element("th", heading, scope="col") for heading in headings)))
    body = element("tbody", *(_row(cells) for cells in rows))
    title = element("caption", caption) if caption else None
    return element("div", element("table", title, head, body, class_=class_), class_="scroll")


def facts(pairs: Mapping[str, Content]) -> Html:
    """Return a two-column list of facts."""
    return element(
        "dl", *(join((element("dt", name), element("dd", value))) for name, value in pairs.items())
    )


def _row(cells: Sequence[Content]) -> Html:
    first, *others = cells
    return element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in others))


def _attribute(name: str, value: Attribute) -> str:
    if value is False or value == "":
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
