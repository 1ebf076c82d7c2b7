import numpy as np

from budwood.auditing.findings import PoorPicture, Shown
from budwood.auditing.pictures import find_poor_pictures
from budwood.data.inspection import Inspection
from budwood.data.manifest import Photo


def test_find_poor_pictures__with_the_photo_as_the_data_have_it():
    grid = np.tile([9, 11], 128).astype(np.uint8)
    photo = Photo(b"", "cats/a.jpg", "cats", split="test")
    found = find_poor_pictures([(photo, Inspection(200, 200, hash=grid.tobytes(), sharpness=0.3))])
    shown = Shown("cats/a.jpg", "cats", "test")
    assert found == [PoorPicture(photo=shown, value=10.0, limit=20.0, kind="dark")]
