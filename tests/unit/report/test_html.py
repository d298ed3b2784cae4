"""Plain text is escaped wherever it stands; markup is not escaped twice."""

import pytest

from agglo.report.html import Html, element, facts, join, table

ELEMENT_CASES = {  # name: (made, expected)
    "text": (element("p", "a < b & c"), "<p>a &lt; b &amp; c</p>"),
    "nested": (element("p", element("b", "<i>")), "<p><b>&lt;i&gt;</b></p>"),
    "none is left out": (element("p", None, "x"), "<p>x</p>"),
    "void": (element("img", src="data:x", alt='"'), '<img src="data:x" alt="&quot;">'),
    "attributes": (
        element("i", class_="a", aria_label="b", hidden=True, open=False),
        '<i class="a" aria-label="b" hidden></i>',
    ),
    "an element may have a name attribute": (element("meta", name="viewport"), '<meta name="viewport">'),
    "join": (join(["<", Html("<br>"), None]), "&lt;<br>"),
    "facts": (facts({"a<": "b>"}), "<dl><dt>a&lt;</dt><dd>b&gt;</dd></dl>"),
}


@pytest.mark.parametrize(("made", "expected"), ELEMENT_CASES.values(), ids=ELEMENT_CASES)
def test_elements(made, expected):
    assert made == expected
    assert isinstance(made, Html)


def test_a_table_heads_its_rows():
    made = table(["a", "b"], [["x", "<y>"]])
    assert '<th scope="row">x</th><td>&lt;y&gt;</td>' in made
    assert '<th scope="col">a</th>' in made
