// Which part of a picture an answer hangs on: parts are covered, and the model is asked again (Zeiler and Fergus 2014),
// with windows that overlap by half, in the mean colour of the picture. As `budwood explain` does it.

import { roundHalfToEven } from "./pixels.js";

const GRID = 5;
const TINY = 2 ** -126, BELOW_ONE = 1 - 2 ** -24;

// Rows of square parts: by how much the log-odds of a class fall where the part is covered, the mean over the windows
// that cover it. `probabilities` gives those of all classes for a square.
export async function importance(probabilities, square, place, several) {
  const odds = several ? labelLogOdds : logOdds;
  const edges = Array.from({ length: GRID + 2 }, (_, at) => roundHalfToEven((at * square.width) / (GRID + 1)));
  const colour = meanColour(square);
  const before = odds(await probabilities(square), place);
  const sums = blank(), counts = blank();
  for (let row = 0; row < GRID; row++) {
    for (let column = 0; column < GRID; column++) {
      const hidden = cover(square, edges[row], edges[row + 2], edges[column], edges[column + 2], colour);
      const fallen = before - odds(await probabilities(hidden), place);
      for (const down of [row, row + 1]) {
        for (const across of [column, column + 1]) {
          sums[down][across] += fallen;
          counts[down][across] += 1;
        }
      }
    }
  }
  return sums.map((line, down) => line.map((sum, across) => sum / counts[down][across]));
}

function cover({ data, width, height }, top, bottom, left, right, colour) {
  const hidden = { data: data.slice(), width, height };
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) hidden.data.set(colour, 4 * (row * width + column));
  }
  return hidden;
}

function meanColour({ data, width, height }) {
  const sums = [0, 0, 0];
  data.forEach((value, at) => at % 4 < 3 && (sums[at % 4] += value));
  return sums.map((sum) => roundHalfToEven(sum / (width * height)));
}

// The sum of the others, not 1 minus the one, in which float32 has no digits left.
function logOdds(shares, place) {
  const others = shares.reduce((sum, share, at) => (at === place ? sum : sum + share), 0);
  return Math.log(Math.max(shares[place], TINY)) - Math.log(Math.max(others, TINY));
}

function labelLogOdds(shares, place) {
  const own = Math.min(Math.max(shares[place], TINY), BELOW_ONE);
  return Math.log(own) - Math.log1p(-own);
}

const blank = () => Array.from({ length: GRID + 1 }, () => new Array(GRID + 1).fill(0));
