// Answers of the server that the page came from: each picture is a request of its own, see /docs.

import { percent } from "./parts.js";

export const PRIVACY = "They are sent to the server of this page, which keeps none of them.";

const PATIENCE = 20;

export async function models() {
  const found = await ask("v1/models");
  return found.models.map((one) => ({
    name: one.name,
    fingerprint: one.fingerprint,
    classes: one.classes,
    several: one.several_labels,
    thresholds: one.thresholds,
    resize: one.input.resize,
    explains: true,
    coverage: true,
    report: one.report,
    note: measured(one.measured) + (one.none_of_these ? "" : " It names one of them for every picture, whatever that shows."),
  }));
}

export async function predict(model, file, coverage) {
  const options = { model: model.name, top: 1, ...(coverage ? { coverage } : {}) };
  const found = await ask("v1/predict", options, file);
  if (found.fingerprint !== model.fingerprint) await renew(model);
  const one = found.predictions[0];
  const shares = Object.entries(one.probabilities).map(([label, share]) => ({ label, share }));
  return {
    shares: shares.sort((a, b) => b.share - a.share),
    labels: one.labels,
    noneOfThese: one.none_of_these,
    confident: one.confident,
    distance: one.distance,
    path: one.path,
    answer: one.answer,
    set: one.prediction_set,
  };
}

// A run that was trained again answers with other classes and thresholds.
async function renew(model) {
  Object.assign(model, (await models()).find((one) => one.name === model.name));
}

export async function explain(model, file, target) {
  const found = await ask("v1/explain", { model: model.name, target }, file);
  return { label: found.target, grid: found.heat, similar: found.similar };
}

function measured(figure) {
  if (!figure) return "";
  const photos = `On ${figure.photos.toLocaleString("en")} ${figure.split} photos`;
  const between = (ends) => (ends ? ` (95 % interval ${ends.map((one) => (100 * one).toFixed(1)).join(" to ")})` : "");
  return "accuracy" in figure
    ? `${photos} it was right in ${percent(figure.accuracy)}${between(figure.accuracy_ci95)}.`
    : `${photos} its mean average precision was ${percent(figure.mean_average_precision)}${between(figure.mean_average_precision_ci95)}.`;
}

// A server that is busy says when to come again.
async function ask(path, options = {}, file = null) {
  const address = `${path}?${new URLSearchParams(options)}`;
  for (let tries = 1; ; tries++) {
    const response = await fetch(address, {
      method: file ? "POST" : "GET",
      body: file,
      headers: { ...(file && { "Content-Type": file.type || "application/octet-stream" }), ...(key && { "X-API-Key": key }) },
    }).catch(() => {
      throw new Error("the server cannot be reached");
    });
    if (response.ok) return response.json();
    const refusal = await response.json().catch(() => null);
    const again = Number(response.headers.get("Retry-After"));
    if ([429, 503].includes(response.status) && again && tries < PATIENCE) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * again));
      continue;
    }
    if (response.status === 401) {
      const why = key ? "This is not the key of this server" : "Whoever runs this server has its key";
      throw Object.assign(new Error(why), { needsKey: true });
    }
    throw new Error(refusal?.error?.message ?? `the server answers ${response.status}`);
  }
}

let key = null;

// With which requests are sent from now on.
export function unlock(given) {
  key = given;
}
