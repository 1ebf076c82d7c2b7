import numpy as np

from budwood.report.thumbnails import LARGE, SMALL, Thumbnails, read_pictures

PIXELS = np.full((40, 60, 3), 90, np.uint8)


def test_album__a_photo_in_one_place_is_an_image():
    thumbnails = Thumbnails({"a.jpg": PIXELS})
    thumbnails.want("a.jpg")
    thumbnails.decode()
    shown = thumbnails.show("a.jpg", 'photo "a"')
    assert shown.startswith('<img class="thumb" data-photo="a.jpg" src="data:image/jpeg;base64,')
    assert 'alt="photo &#34;a&#34;"' in shown and f'width="{SMALL}"' in shown
    assert thumbnails.lost == 0


def test_album__a_photo_in_several_places_is_embedded_once():
    thumbnails = Thumbnails({"a.jpg": PIXELS})
    thumbnails.want("a.jpg", LARGE)
    thumbnails.want("a.jpg", SMALL)
    thumbnails.decode()
    first, second = (thumbnails.show("a.jpg", "photo a") for _ in range(2))
    assert first.count("data:image/jpeg") == 1 and 'id="photo-0"' in first
    assert "data:" not in second and '<use href="#photo-0"/>' in second
    assert all('role="img" aria-label="photo a"' in one for one in (first, second))


def test_album__what_cannot_be_read_is_a_placeholder_that_names_it():
    thumbnails = Thumbnails({"a.jpg": b"no picture", "b.jpg": PIXELS})
    for name in ("a.jpg", "b.jpg", "<c>.jpg"):
        thumbnails.want(name)
    thumbnails.decode()
    assert (thumbnails.lost, thumbnails.wanted) == (2, 3)
    assert 'aria-label="picture not available: &lt;c&gt;.jpg"' in thumbnails.show("<c>.jpg", "words")
    assert "<c>" not in thumbnails.show("<c>.jpg", "words")


def test_album__without_photos_is_false_and_decodes_nothing():
    thumbnails = Thumbnails({})
    thumbnails.want("a.jpg")
    thumbnails.decode()
    assert not thumbnails and thumbnails.lost == 0


def test_read_pictures__gives_back_what_was_shown(tmp_path):
    names = ["a.jpg", 'b "<&>".jpg']
    thumbnails = Thumbnails(dict.fromkeys(names, PIXELS))
    for name in (*names, names[1]):
        thumbnails.want(name)
    thumbnails.decode()
    report = tmp_path / "report.html"
    report.write_text(
        "".join(thumbnails.show(name, "words") for name in (*names, names[1])), encoding="utf-8"
    )
    kept = read_pictures(report)
    assert list(kept) == names and all(uri.startswith("data:image/jpeg;base64,/9j") for uri in kept.values())
    again = Thumbnails({}, kept=kept)
    again.want(names[1])
    again.decode()
    assert again and again.lost == 0 and kept[names[1]] in again.show(names[1], "words")
    assert read_pictures(tmp_path / "none.html") == {}


def test_read_pictures__takes_no_words_of_the_page_for_a_picture(tmp_path):
    uri = "data:image/jpeg;base64,/9j"
    page = [
        f"<p>data-photo=&quot;a.jpg&quot; src=&quot;{uri}&quot;</p>",
        f'<img src="{uri}" alt="no photo of the data">',
        '<img data-photo="b.jpg" src="https://example.com/b.jpg">',
        f"<IMG class='thumb' src='{uri}' data-photo='c.jpg'>",
        f'<svg><image data-photo="d.jpg" id="photo-0" href="{uri}"/></svg>',
    ]
    report = tmp_path / "report.html"
    report.write_text("\n".join(page), encoding="utf-8")
    assert read_pictures(report) == {"c.jpg": uri, "d.jpg": uri}
