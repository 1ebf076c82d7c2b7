// From a picture of any shape to the square that a network sees: the arithmetic of Pillow's `Image.resize` with
// BICUBIC and reducing_gap 2, to the bit, so that a browser answers as the training did. A canvas scales otherwise.
// Pixels are {data, width, height} with four bytes a pixel, as getImageData gives them. As Pillow does from
// version 13 on, a picture that loses more in height than in width is scaled in height first, which rounds otherwise.

const GREY = 127;
const SUPPORT = 2;
const BITS = 22;

// The square of `size` pixels: "crop" takes the middle, "stretch" changes both sides, "pad" adds grey.
export function toSquare(pixels, size, resize) {
  const { width, height } = pixels;
  if (resize === "crop") {
    const side = Math.min(width, height);
    const left = (width - side) / 2, top = (height - side) / 2;
    return scale(pixels, size, size, [left, top, left + side, top + side]);
  }
  if (resize === "stretch") return scale(pixels, size, size, [0, 0, width, height]);
  if (resize !== "pad") throw new Error(`no way of resizing is called ${resize}`);
  const share = size / Math.max(width, height);
  const fitted = [width, height].map((side) => Math.max(1, roundHalfToEven(side * share)));
  const inner = scale(pixels, fitted[0], fitted[1], [0, 0, width, height]);
  const square = blank(size, size);
  square.data.fill(GREY);
  const left = Math.floor((size - fitted[0]) / 2), top = Math.floor((size - fitted[1]) / 2);
  for (let row = 0; row < fitted[1]; row++) {
    const line = inner.data.subarray(4 * row * fitted[0], 4 * (row + 1) * fitted[0]);
    square.data.set(line, 4 * ((top + row) * size + left));
  }
  return square;
}

// What the model takes: rows, columns and red, green, blue of a square, 0 to 255.
export function toTensor(square) {
  const count = square.width * square.height;
  const values = new Float32Array(3 * count);
  for (let at = 0; at < count; at++) {
    for (let channel = 0; channel < 3; channel++) values[3 * at + channel] = square.data[4 * at + channel];
  }
  return values;
}

// The pixels of a picture file, upright and in sRGB, what is transparent laid on white.
export async function decode(blob) {
  const bitmap = await bitmapOf(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("the picture is too large for this browser");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

async function bitmapOf(blob) {
  try {
    return await createImageBitmap(blob, { imageOrientation: "from-image", premultiplyAlpha: "none" });
  } catch (error) {
    // Older browsers know no such option, and turn every picture.
    if (!(error instanceof TypeError)) throw error;
    return createImageBitmap(blob);
  }
}

function scale(pixels, width, height, box) {
  const whole = box[0] === 0 && box[1] === 0 && box[2] === pixels.width && box[3] === pixels.height;
  if (whole && width === pixels.width && height === pixels.height) return pixels;
  const factors = [(box[2] - box[0]) / width, (box[3] - box[1]) / height].map((one) => Math.trunc(one / 2) || 1);
  if (factors[0] > 1 || factors[1] > 1) {
    const room = safeBox(pixels, width, height, box);
    pixels = reduce(pixels, factors, room);
    box = box.map((edge, at) => (edge - room[at % 2]) / factors[at % 2]);
  }
  box = box.map(Math.fround);
  const across = coefficients(pixels.width, box[0], box[2], width);
  const down = coefficients(pixels.height, box[1], box[3], height);
  const isNarrow = width !== pixels.width || box[0] !== 0 || box[2] !== width;
  const isTall = height !== pixels.height || box[1] !== 0 || box[3] !== height;
  if (isNarrow && isTall && pixels.height - height > 2 * Math.max(0, pixels.width - width)) {
    return resampleRows(resampleColumns(pixels, down, 0), across, [0, height]);
  }
  // Rows that no pixel is made of are left out.
  const last = down[height - 1];
  const rows = [down[0].first, last.first + last.weights.length];
  if (isNarrow) pixels = resampleRows(pixels, across, rows);
  return isTall ? resampleColumns(pixels, down, isNarrow ? rows[0] : 0) : pixels;
}

// The pixels that the filter may touch.
function safeBox({ width, height }, wide, high, box) {
  const reach = [(box[2] - box[0]) / wide, (box[3] - box[1]) / high].map((one) => (SUPPORT - 0.5) * one);
  return [
    Math.max(0, Math.trunc(box[0] - reach[0])),
    Math.max(0, Math.trunc(box[1] - reach[1])),
    Math.min(width, Math.ceil(box[2] + reach[0])),
    Math.min(height, Math.ceil(box[3] + reach[1])),
  ];
}

// The mean of blocks of pixels, whole numbers as Pillow has them; blocks at the edges may be smaller.
function reduce({ data, width: stride }, [across, down], [left, top, right, bottom]) {
  const reduced = blank(Math.ceil((right - left) / across), Math.ceil((bottom - top) / down));
  for (let row = 0; row < reduced.height; row++) {
    const from = top + row * down, to = Math.min(from + down, bottom);
    for (let column = 0; column < reduced.width; column++) {
      const begin = left + column * across, end = Math.min(begin + across, right);
      const count = (to - from) * (end - begin);
      const sums = [0, 0, 0];
      for (let y = from; y < to; y++) {
        for (let at = 4 * (y * stride + begin), last = 4 * (y * stride + end); at < last; at += 4) {
          sums[0] += data[at];
          sums[1] += data[at + 1];
          sums[2] += data[at + 2];
        }
      }
      const place = 4 * (row * reduced.width + column), half = Math.trunc(count / 2);
      const multiplier = Math.trunc(2 ** 24 / count);
      for (let channel = 0; channel < 3; channel++) {
        reduced.data[place + channel] = Math.floor(((sums[channel] + half) * multiplier) / 2 ** 24);
      }
    }
  }
  return reduced;
}

// For each pixel of a side the first pixel that it is made of, and the weights, whole numbers of 22 bits.
function coefficients(inSize, from, to, outSize) {
  const step = Math.fround(to - from) / outSize, filterScale = Math.max(step, 1);
  const support = SUPPORT * filterScale;
  return Array.from({ length: outSize }, (_, at) => {
    const center = from + (at + 0.5) * step;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(inSize, Math.trunc(center + support + 0.5));
    const shares = Array.from({ length: end - first }, (_, k) => bicubic((k + first - center + 0.5) * (1 / filterScale)));
    const sum = shares.reduce((a, b) => a + b, 0) || 1;
    const weights = shares.map((share) => {
      const value = (share / sum) * 2 ** BITS;
      return Math.trunc(value + (share / sum < 0 ? -0.5 : 0.5));
    });
    return { first, weights: Int32Array.from(weights) };
  });
}

function bicubic(x) {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function resampleRows({ data, width }, across, [top, bottom]) {
  const made = blank(across.length, bottom - top);
  for (let row = 0; row < made.height; row++) {
    const line = 4 * (row + top) * width;
    across.forEach(({ first, weights }, column) => {
      weigh(made.data, 4 * (row * made.width + column), data, line + 4 * first, 4, weights);
    });
  }
  return made;
}

function resampleColumns({ data, width }, down, skipped) {
  const made = blank(width, down.length);
  down.forEach(({ first, weights }, row) => {
    for (let column = 0; column < width; column++) {
      const start = 4 * ((first - skipped) * width + column);
      weigh(made.data, 4 * (row * width + column), data, start, 4 * width, weights);
    }
  });
  return made;
}

function weigh(into, place, data, start, step, weights) {
  let red = 1 << (BITS - 1), green = red, blue = red;
  for (let k = 0, at = start; k < weights.length; k++, at += step) {
    red += data[at] * weights[k];
    green += data[at + 1] * weights[k];
    blue += data[at + 2] * weights[k];
  }
  into[place] = red >> BITS;
  into[place + 1] = green >> BITS;
  into[place + 2] = blue >> BITS;
}

// Bytes that hold what is out of range at 0 and 255; the fourth of each pixel is not used.
function blank(width, height) {
  return { data: new Uint8ClampedArray(4 * width * height), width, height };
}

// As NumPy and Python round.
export function roundHalfToEven(value) {
  const down = Math.floor(value), rest = value - down;
  return rest === 0.5 ? down + (down % 2) : Math.round(value);
}
