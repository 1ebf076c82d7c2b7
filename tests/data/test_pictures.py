import asyncio
import inspect
import io
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from budwood.core.errors import BudwoodError, PictureError
from budwood.data.image_ref import ImageBytes, ImageFile
from budwood.data.images import decode
from budwood.data.pictures import is_one, list_pictures, name_of, take_pictures

GREY, COLOUR = np.zeros((8, 9), np.uint8), np.zeros((8, 9, 3), np.uint8)
COLOUR[2:, :, 1] = 200


def encoded() -> bytes:
    file = io.BytesIO()
    Image.fromarray(COLOUR).save(file, "PNG")
    return file.getvalue()


class Tensor:
    """What tensors of other libraries are: something that NumPy can read, and iterates over its rows."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)


class Upload:
    """As Werkzeug's: a name, a `read`, and lines to iterate over."""

    name = "photo"

    def __init__(self, content):
        self.stream = io.BytesIO(content)

    def read(self, *amount):
        return self.stream.read(*amount)

    def __iter__(self):
        return iter(self.stream)


class AsyncUpload:
    """As Starlette's."""

    filename = "photo.jpg"

    async def read(self, size: int = -1):
        return b""


class Wrapped:
    """An upload that hands on to one whose `read` has to be awaited."""

    def read(self):
        self.awaitable = AsyncUpload().read()
        return self.awaitable


class Series(list):
    def to_list(self):
        return list(self)


class Frame:
    def __init__(self, **columns):
        self.data, self.columns = columns, list(columns)
        self.shape = len(next(iter(columns.values()))), len(columns)

    def __getitem__(self, name):
        return Series(self.data[name])

    def __array__(self, dtype=None, copy=None):
        return np.array(list(self.data.values()), object).T


@pytest.mark.parametrize(
    "one", ["a.jpg", Path("a.jpg"), b"bytes", Image.new("RGB", (2, 2)), GREY, COLOUR, ImageFile("a.jpg")]
)
def test_list_pictures__one_alone(one):
    assert is_one(one)
    (found,) = list_pictures(one)
    assert found is one
    (found,) = list_pictures([one])
    assert found is one


@pytest.mark.parametrize(
    "make",
    [
        io.BytesIO,
        lambda content: io.BufferedReader(io.BytesIO(content)),
        bytearray,
        memoryview,
        lambda content: memoryview(b"".join(bytes([one, 0]) for one in content))[::2],
        Upload,
        lambda content: ImageBytes(content, "a.png"),
    ],
)
def test_list_pictures__encoded_content_read_once_is_one_picture(make):
    content = encoded()
    for given_one in (make(content), [make(content)], (one for one in [make(content)])):
        (found,) = list_pictures(given_one)
        # As often as is asked: what was read is kept.
        for _ in range(2):
            np.testing.assert_array_equal(decode(found), COLOUR)


def test_list_pictures__a_file_is_read_from_where_it_stands():
    file = io.BytesIO(b"head" + encoded())
    file.seek(4)
    np.testing.assert_array_equal(decode(list_pictures(file)[0]), COLOUR)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.int64, np.uint32])
def test_list_pictures__whole_numbers_are_pixels(dtype):
    for one in (COLOUR, COLOUR[..., :1], GREY, np.dstack([COLOUR, GREY])):
        (found,) = list_pictures(one.astype(dtype))
        assert isinstance(found, np.ndarray) and found.dtype == np.uint8
        np.testing.assert_array_equal(found, one)


def test_list_pictures__a_tensor_is_one_array():
    (found,) = list_pictures(Tensor(COLOUR))
    np.testing.assert_array_equal(found, COLOUR)
    (found,) = list_pictures([Tensor(COLOUR.astype(np.float32))])
    np.testing.assert_array_equal(found, COLOUR)
    assert len(list_pictures(Tensor(np.stack([COLOUR] * 4)))) == 4
    assert list_pictures(Tensor(np.array(b"bytes", object))) == [b"bytes"]


def test_list_pictures__several():
    names = ["a.jpg", "b.jpg"]
    for several in (
        names,
        tuple(names),
        deque(names),
        (name for name in names),
        dict(enumerate(names)).values(),
        np.array(names),
        np.array(names, object),
        np.array(names).reshape(2, 1),
        Series(names),
        Frame(path=names),
    ):
        assert not is_one(several)
        assert list_pictures(several) == names
    assert [found.shape for found in list_pictures(np.zeros((2, 8, 9, 3), np.uint8))] == [(8, 9, 3)] * 2
    assert [found.shape for found in list_pictures(np.zeros((1, 8, 9, 1), np.uint8))] == [(8, 9, 1)]
    assert list_pictures(np.zeros((0, 8, 9, 3), np.uint8)) == list_pictures([]) == []
    # Of a batch the range is that of all: one picture of it may be dark.
    batch = np.stack([np.ones((8, 9, 3)), np.full((8, 9, 3), 255.0)])
    assert [int(found.max()) for found in list_pictures(batch)] == [1, 255]


def test_take_pictures__a_generator_is_asked_for_a_picture_at_a_time():
    asked = []

    def pictures():
        for number in range(3):
            asked.append(number)
            yield f"{number}.jpg" if number < 2 else None

    found = iter(take_pictures(pictures()))
    assert next(found) == "0.jpg" and asked == [0]
    assert next(found) == "1.jpg"
    with pytest.raises(PictureError, match="picture 2: None is no picture"):
        next(found)


REFUSED = [
    (COLOUR.transpose(2, 0, 1), r"channels first.*array\.transpose\(1, 2, 0\).*several grey"),
    (np.stack([COLOUR] * 5).transpose(0, 3, 1, 2), r"channels first.*transpose\(0, 2, 3, 1\)"),
    (np.zeros((3, 9, 3), np.uint8), "channels first or last, which its shape does not tell"),
    (np.zeros((5, 3, 9, 3), np.uint8), "channels first or last"),
    (np.zeros((5, 8, 9, 2), np.uint8), r"has 2 channels. Expected \(N, H, W, 1\)"),
    (np.zeros((8, 9, 2), np.uint8), r"has 2 channels. Expected \(H, W, 1\)"),
    (
        np.zeros((8, 9, 200), np.uint8),
        r"has 200 channels.*several grey pictures, give array\[\.\.\., np\.newaxis\]",
    ),
    (np.zeros((2, 8, 9), np.uint8), "has 9 channels.*several grey pictures"),
    (np.zeros((1, 2, 8, 9, 3), np.uint8), "is no picture"),
    (COLOUR / 255, r"from 0 to 0\.784 is of the range 0 to 1.*\(255 \* array\)"),
    ((COLOUR > 0).astype(np.float32), "may be of the range 0 to 1"),
    ((COLOUR > 0).astype(np.int64), "may be of the range 0 to 1"),
    (COLOUR > 0, "bool.*of a mask"),
    (COLOUR / 127.5 - 1, r"from -1 to 0\.569.*leave out a normalisation"),
    (np.where(COLOUR, np.nan, 5.0), "holds NaN or infinite values"),
    (np.where(COLOUR, np.inf, 5.0), "holds NaN or infinite values"),
    (COLOUR + 0.5, "not whole"),
    (COLOUR.astype(np.uint16), "uint16 may hold more than 8 bits"),
    (COLOUR.astype(np.int32) + 100, "from 100 to 300 is no picture"),
    (COLOUR.astype(complex), "complex128"),
    (np.zeros((0, 8, 3), np.uint8), "has no pixels"),
    (np.frombuffer(encoded(), np.uint8), r"array\.tobytes\(\)"),
    (np.frombuffer(encoded(), np.uint8)[:, None], r"array\.tobytes\(\)"),
    (np.float32(3), r"shape \(\)"),
    (np.array([b"a", b"b"]), "Give a list of bytes"),
    (np.array([["a.jpg", "b.jpg"]]), "no column of pictures"),
    (AsyncUpload(), "an AsyncUpload has to be awaited. Give its bytes"),
    (Wrapped(), "a Wrapped has to be awaited"),
    (io.StringIO("text"), r"reads text.*open\(path, 'rb'\)"),
    (3, "an int is no picture.*path"),
    (None, "None is no picture"),
    (3.5, "a float is no picture"),
    ({"image": "a.jpg"}, "a dict has no order"),
    ({"a.jpg"}, "a set has no order"),
    (Frame(path=["a.jpg"], label=["a"]), r"a Frame of 2 columns was given, shape \(1, 2\).*frame\['path'\]"),
]


@pytest.mark.parametrize(("wrong", "words"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_list_pictures__what_is_no_picture_is_refused(wrong, words):
    with pytest.raises(PictureError, match=words) as raised:
        list_pictures(wrong)
    assert isinstance(raised.value, BudwoodError) and isinstance(raised.value, ValueError)
    assert str(raised.value).isascii() and "\n" not in str(raised.value)
    # Within a list it is the same mistake, and told by its place.
    with pytest.raises(PictureError, match="^picture 1: "):
        list_pictures(["a.jpg", wrong])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([1, 2], "picture 0: an int"),
        (["a.jpg", None], "picture 1: None"),
        (["a.jpg", float("nan")], "picture 1: a float"),
        (["a.jpg", ["b.jpg"]], "picture 1: a list"),
        ([GREY, np.stack([COLOUR] * 2)], "picture 1: .*is 2 pictures where one is expected"),
        ([COLOUR[None]], "picture 0: .*is 1 picture where one is expected"),
        ([Frame(path=["a.jpg"])], "picture 0: a Frame"),
    ],
)
def test_list_pictures__what_is_no_picture_in_a_list(wrong, words):
    with pytest.raises(PictureError, match=words):
        list_pictures(wrong)


def test_list_pictures__no_coroutine_is_left_waiting():
    upload = Wrapped()
    with pytest.raises(PictureError):
        list_pictures(upload)
    assert inspect.getcoroutinestate(upload.awaitable) == "CORO_CLOSED"
    assert asyncio.iscoroutinefunction(AsyncUpload().read)


@given(
    arrays.arrays(
        dtype=st.sampled_from([np.uint8, np.float32, np.float64, np.int32, np.uint16, np.bool_]),
        shape=arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
        elements={"min_value": 0, "max_value": 1},
    )
)
def test_list_pictures__an_array_is_pictures_of_its_own_values_or_refused(array):
    try:
        found = list_pictures(array)
    except PictureError:
        return
    assert all(isinstance(one, np.ndarray) and one.dtype == np.uint8 for one in found)
    one = is_one(array)
    assert len(found) == (1 if one else len(array))
    assert all(
        one.ndim == 2 or (one.shape[2] in (1, 3, 4) and one.shape[0] not in (1, 3, 4)) for one in found
    )
    np.testing.assert_array_equal(np.array(found).reshape(array.shape), array)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_list_pictures__no_picture_at_all(dtype):
    assert list_pictures(np.zeros((0, 20, 30, 3), dtype)) == []


@given(
    arrays.arrays(
        dtype=st.sampled_from([np.float32, np.float64]),
        shape=st.sampled_from([(5, 6), (5, 6, 3), (2, 5, 6, 3)]),
        elements=st.one_of(st.integers(-1, 256).map(float), st.floats(-2, 300, width=32), st.just(np.nan)),
    )
)
def test_list_pictures__floats_are_whole_numbers_of_0_to_255_or_refused(array):
    whole = bool(np.isin(array, np.arange(256)).all())
    clear = whole and (array.max() > 1 or array.max() == 0)
    try:
        found = list_pictures(array)
    except PictureError:
        assert not clear
    else:
        assert clear
        np.testing.assert_array_equal(np.array(found).reshape(array.shape), array)


def test_name_of__the_path_or_a_number():
    given_ones = [Path("a.jpg"), b"bytes", "b.jpg"]
    assert [name_of(one, number) for number, one in enumerate(given_ones)] == ["a.jpg", "image 1", "b.jpg"]
