"""Pictures of graphs: layers follow the links, nothing overlaps, names are escaped."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from dfc.runtime.drawing import Box, Link, Picture, draw, place

SVG = "{http://www.w3.org/2000/svg}"
DIAMOND = [Link("a", "b"), Link("a", "c"), Link("b", "d"), Link("c", "d")]


def boxes(names: str) -> list[Box]:
    return [Box(name) for name in names]


def test_a_box_stands_one_layer_behind_the_last_it_follows():
    placed = place(boxes("abcd"), [*DIAMOND, Link("a", "d")]).boxes
    assert {name: layer for name, (layer, _) in placed.items()} == {
        "a": 0,
        "b": 1,
        "c": 1,
        "d": 2,
    }


def test_a_link_past_a_layer_bends_there_beside_the_boxes():
    placement = place(boxes("abd"), [Link("a", "b"), Link("b", "d"), Link("a", "d")])
    ((bend,),) = (bends for bends in placement.bends if bends)
    assert bend[0] == 1
    assert abs(bend[1] - placement.boxes["b"][1]) >= 1


def test_places_of_a_layer_are_apart():
    links = [Link("s", name) for name in "abcdef"]
    placed = place(boxes("sabcdef"), links).boxes
    places = sorted(at for layer, at in placed.values() if layer == 1)
    assert all(below - above == 1 for above, below in pairwise(places))


def test_order_takes_the_crossing_out():
    crossed = [Link("a", "d"), Link("b", "c")]
    placed = place(boxes("abcd"), crossed).boxes
    assert (placed["a"][1] < placed["b"][1]) == (placed["d"][1] < placed["c"][1])


def test_a_cycle_is_drawn_with_a_link_back():
    placement = place(boxes("abc"), [Link("a", "b"), Link("b", "c"), Link("c", "a")])
    assert [placement.boxes[name][0] for name in "abc"] == [0, 1, 2]
    assert [layer for layer, _ in placement.bends[2]] == [1]


def test_a_link_to_no_box_is_an_error():
    with pytest.raises(KeyError):
        place(boxes("a"), [Link("a", "z")])


def test_the_svg_holds_every_name_and_marks_what_stands_out():
    picture = Picture(
        "naive <16>",
        (Box("qk", ("256 firings",), strong=True), Box("a&b")),
        (Link("qk", "a&b", ("depth 18", "peak 17"), strong=True),),
    )
    root = ElementTree.fromstring(draw([picture, picture]))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts.count("naive <16>") == texts.count("a&b") == 2
    assert {"256 firings", "depth 18", "peak 17"} <= set(texts)
    strong = [e.get("class") for e in root.iter() if "strong" in e.get("class", "")]
    assert strong.count("box strong") == strong.count("link strong") == 2


def test_pictures_stand_one_below_the_other():
    one = Picture("t", tuple(boxes("ab")), (Link("a", "b"),))
    root = ElementTree.fromstring(draw([one, one]))
    tops = [float(e.get("y", "nan")) for e in root.iter(f"{SVG}rect") if e.get("rx")]
    assert max(tops[:2]) < min(tops[2:])


def test_no_pictures_are_an_empty_page():
    assert ElementTree.fromstring(draw([])).get("width") == "0"
