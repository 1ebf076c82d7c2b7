"""What speaks for a class, computed by the page in a browser: the numbers of `budwood.inference.occlusion`."""

import numpy as np
import pytest

from budwood.inference.occlusion import GRID, importance, occlude, windows
from tests.web import site, write_site

IMPORTANCE = """async ([pixels, size, place, several]) => {
  const { importance } = await import("./occlusion.js");
  const square = { data: Uint8ClampedArray.from(pixels), width: size, height: size };
  const probabilities = async ({ data }) => {
    const sums = [1, 1, 1];
    data.forEach((value, at) => at % 4 < 3 && (sums[at % 4] += value));
    const all = several ? 255 * size * size + 2 : sums[0] + sums[1] + sums[2];
    return Float64Array.from(sums, (sum) => sum / all);
  };
  return importance(probabilities, square, place, several);
}"""


def _shares(pictures, several):
    sums = 1 + np.stack([one.sum(axis=(0, 1), dtype=np.float64) for one in pictures])
    return sums / (255 * pictures[0].shape[0] ** 2 + 2 if several else sums.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("size", [64, 57])
@pytest.mark.parametrize("several", [False, True])
def test_importance__is_that_of_the_explanations(browser, tmp_path, size, several):
    rng = np.random.default_rng(0)
    square = rng.integers(0, 120, (size, size, 3), np.uint8)
    square[: size // 3, : size // 2] += np.uint8([130, 0, 0])
    with site(browser, write_site(tmp_path / "site")) as found:
        pixels = np.dstack([square, np.full((size, size), 255, np.uint8)]).ravel().tolist()
        grid = np.array(found.page.evaluate(IMPORTANCE, [pixels, size, 0, several]))
    own = importance(_shares(list(occlude(square)), several), 0, size, multi_label=several)
    places = [*(int(top) for top, *_ in windows(size)[::GRID]), size - 1]
    assert grid == pytest.approx(own[np.ix_(places, places)], abs=1e-5)
    assert np.unravel_index(grid.argmax(), grid.shape)[0] < 3
