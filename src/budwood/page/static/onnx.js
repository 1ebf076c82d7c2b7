// Answers in the browser itself, by ONNX Runtime Web: contract.json says what goes in and what its answers mean.
// One thread, for several need headers that a plain server does not send.

import * as ort from "./runtime/ort.wasm.bundle.min.mjs";
import { importance } from "./occlusion.js";
import { decode, toSquare, toTensor } from "./pixels.js";

export const PRIVACY = "They stay on this device: the page sends nothing.";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: new URL("./runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.logLevel = "error";

export class Unread extends Error {}

// The model: raw pixels of any number of squares in; out come probabilities, and where the model has them distances
// from known photos, as null or an array.
export async function open() {
  const response = await fetch("model.onnx");
  if (!response.ok) throw new Error(`model.onnx is not beside the page (${response.status})`);
  const session = await ort.InferenceSession.create(new Uint8Array(await response.arrayBuffer()), {
    executionProviders: ["wasm"],
  });
  let last = Promise.resolve();
  return (values, count, size) => {
    // A session takes one call at a time.
    last = last.catch(() => {}).then(async () => {
      const pixels = new ort.Tensor("float32", values, [count, size, size, 3]);
      const { probabilities, distance } = await session.run({ pixels });
      return { probabilities: probabilities.data, distances: distance?.data ?? null };
    });
    return last;
  };
}

// The same of a picture file.
export async function look(run, blob, input) {
  const square = await see(blob, input);
  return run(toTensor(square), 1, square.width);
}

async function see(blob, { shape, resize }) {
  let pixels;
  try {
    pixels = await decode(blob);
  } catch {
    throw new Unread("no picture that this browser can read");
  }
  return toSquare(pixels, shape[1], resize);
}

export async function models() {
  const response = await fetch("contract.json");
  if (!response.ok) throw new Error(`contract.json is not beside the page (${response.status})`);
  const contract = await response.json();
  const { classes, thresholds } = contract;
  return [{
    name: `${classes.length} ${thresholds ? "labels" : "classes"}`,
    classes,
    several: thresholds !== null,
    thresholds: thresholds && Object.fromEntries(classes.map((label, place) => [label, thresholds[place]])),
    resize: contract.input.resize,
    explains: true,
    farthest: contract.distance?.threshold,
    note: thresholds || contract.distance ? "" : "It names one of them for every picture, whatever that shows.",
    input: contract.input,
    run: await open(),
  }];
}

export async function predict(model, file) {
  const { probabilities: found, distances } = await look(model.run, file, model.input);
  const shares = model.classes.map((label, place) => ({ label, share: found[place] }));
  const labels = model.several ? model.classes.filter((label, place) => found[place] >= model.thresholds[label]) : null;
  const distance = distances?.[0];
  const noneOfThese = distance === undefined ? undefined : distance > model.farthest;
  return { shares: shares.sort((a, b) => b.share - a.share), labels, distance, noneOfThese };
}

export async function explain(model, file, label) {
  const square = await see(file, model.input);
  const probabilities = async (some) => {
    // The page is drawn in between.
    await new Promise((resolve) => setTimeout(resolve));
    return (await model.run(toTensor(some), 1, some.width)).probabilities;
  };
  return { label, grid: await importance(probabilities, square, model.classes.indexOf(label), model.several) };
}
