// What the page does with pictures: it takes them, has them answered, and shows the answers. Who answers is another
// module, named by the page: onnx.js in the browser itself, server.js at a server. Names of files and classes come to
// the page as text alone, never as HTML.
//
// An answer: {shares: [{label, share}], the most probable first; labels, where a picture may have several: those that it
// has; noneOfThese; confident; path, answer: nodes of a tree of labels; set: the classes of a prediction set, and coverage,
// the share that was asked of it}.

import { chart, heat, percent, picture, tag } from "./parts.js";
import { asCsv } from "./table.js";

const SHOWN = 5;
const FEW = 12;
const EXPLAINED = 20;
const AT_ONCE = 4;

const at = (id) => document.getElementById(id);
let models = [], model = null, backend = null;
let shown = [];
let turn = 0;

async function start() {
  at("unserved").remove();
  say("The model is being loaded …");
  try {
    backend = await import(`./${document.documentElement.dataset.answers}.js`);
  } catch (error) {
    say("");
    return complain([`The page cannot be loaded: ${error.message}`]);
  }
  at("private").textContent = backend.PRIVACY;
  at("key").querySelector("button").addEventListener("click", unlock);
  at("key").querySelector("input").addEventListener("keydown", (event) => event.key === "Enter" && unlock());
  await load();
}

async function load() {
  try {
    models = await backend.models();
  } catch (error) {
    say("");
    at("key").hidden = !error.needsKey;
    if (error.needsKey) at("key").querySelector("input").focus();
    return complain([error.needsKey ? error.message : `The model cannot be loaded: ${error.message}`]);
  }
  at("key").hidden = true;
  complain([]);
  const choice = at("models").querySelector("select");
  choice.append(...models.map((one, number) => tag("option", { value: number }, one.name)));
  at("models").hidden = models.length < 2;
  choice.addEventListener("change", () => {
    choose(models[choice.value]);
    again();
  });
  at("coverage").querySelector("select").addEventListener("change", again);
  choose(models[0]);
  listen();
  say("");
}

async function unlock() {
  backend.unlock(at("key").querySelector("input").value);
  await load();
}

function again() {
  take(shown.map((one) => one.file));
}

function choose(one) {
  model = one;
  at("about").textContent = models.length < 2 ? one.name : "";
  at("coverage").hidden = !one.coverage;
  for (const choice of at("coverage").querySelectorAll("option")) choice.textContent = inChoice(choice.value, one);
  at("report").hidden = !one.report;
  if (one.report) at("report").href = one.report;
  const kind = one.several ? "labels" : "classes", names = one.classes;
  const listed = names.length > FEW ? `${names.slice(0, FEW).join(", ")} and ${names.length - FEW} more` : names.join(", ");
  at("footer").textContent = `The model knows ${names.length.toLocaleString("en")} ${kind}: ${listed}. ${one.note ?? ""}`;
}

function inChoice(coverage, { several }) {
  if (!coverage) return several ? "the labels that reach their mark" : "the most probable";
  const share = `${100 * coverage} %`;
  return several ? `a set that holds ${share} of the labels` : `a set that is right in ${share} of pictures`;
}

function listen() {
  for (const input of [at("choose"), at("photograph")]) {
    input.disabled = false;
    input.addEventListener("change", () => {
      const files = [...input.files];
      // So that the same file can be chosen again.
      input.value = "";
      take(files);
    });
  }
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    at("drop").classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) at("drop").classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    at("drop").classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (files.length) take(files);
    else complain(["What was dropped is no file. Save the picture first, or copy and paste it"]);
  });
}

async function take(files) {
  if (!files.length) return;
  const mine = ++turn, asked = model;
  const coverage = asked.coverage ? at("coverage").querySelector("select").value : "";
  for (const one of shown) URL.revokeObjectURL(one.url);
  shown = files.map((file) => ({ file, name: file.name || "picture", url: URL.createObjectURL(file) }));
  const jobs = shown, waiting = [...jobs];
  complain([]);
  at("answers").replaceChildren();
  at("answers").setAttribute("aria-busy", "true");
  let done = 0;
  const progress = () => say(jobs.length === 1 ? "Looking at the picture …" : `${done} of ${jobs.length} pictures …`);
  progress();
  const work = async () => {
    for (let job; mine === turn && (job = waiting.shift()); ) {
      try {
        job.answer = { ...(await backend.predict(asked, job.file, coverage)), coverage };
      } catch (error) {
        job.error = error.message;
      }
      done += 1;
      if (mine === turn) progress();
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, jobs.length) }, work));
  if (mine !== turn) return;
  at("answers").removeAttribute("aria-busy");
  // A server may have another model under the name by now.
  if (model === asked) choose(asked);
  if (jobs.length > 1) return showMany(jobs, asked, performance.now() - started);
  if (jobs[0].error) {
    say("");
    return complain([`${jobs[0].name}: ${jobs[0].error}`]);
  }
  say(inWords(jobs[0].answer, asked), { heard: true });
  at("answers").replaceChildren(showOne(jobs[0], asked, jobs));
  at("answers").querySelector("h2").focus({ preventScroll: true });
  at("answers").scrollIntoView({ block: "nearest" });
}

// The answer in a line, for who hears the page.
function inWords(answer, asked) {
  const [first] = answer.shares;
  const best = `${first.label} ${percent(first.share)}`;
  if (answer.noneOfThese) return `None of these (nearest: ${best})`;
  if (answer.set) return `${heading(answer)[0]} (most probable: ${best})`;
  if (!answer.labels) return answer.confident === false ? `Not confident: ${best}` : best;
  const held = answer.shares.filter((one) => answer.labels.includes(one.label));
  return held.length
    ? held.map((one) => `${one.label} ${percent(one.share)}`).join(", ")
    : `None of the ${asked.classes.length} labels (nearest: ${best})`;
}

// What the answer names.
function chosen(answer) {
  return answer.noneOfThese ? [] : (answer.set ?? answer.labels ?? [answer.shares[0].label]);
}

function shareOf(answer, label) {
  return answer.shares.find((one) => one.label === label).share;
}

function heading(answer) {
  const [first] = answer.shares;
  if (answer.noneOfThese) return ["None of these"];
  if (answer.set) return [answer.set.length ? answer.set.join(", ") : "Nothing is probable enough"];
  if (answer.labels) return [answer.labels.length ? answer.labels.join(", ") : "None of the labels"];
  return [first.label, " ", tag("small", {}, percent(first.share))];
}

function showOne(job, asked, jobs) {
  const { answer } = job;
  const view = picture(job, asked.resize);
  const rest = answer.shares.length > SHOWN + 2 ? answer.shares.slice(SHOWN) : [];
  const bars = (shares) => chart(shares, chosen(answer), answer.set ? null : asked.thresholds);
  const title = tag("h2", { tabIndex: -1 }, ...heading(answer));
  const right = tag("div", {}, title, ...notes(answer, asked), bars(answer.shares.slice(0, rest.length ? SHOWN : undefined)));
  if (rest.length) right.append(tag("details", {}, tag("summary", {}, `${rest.length} more`), bars(rest)));
  const article = tag("article", { className: "answer" }, view, right);
  if (asked.explains) right.append(whyControls(job, asked, article));
  if (jobs.length > 1) {
    const back = tag("button", { type: "button" }, `Back to all ${jobs.length} pictures`);
    back.addEventListener("click", () => showMany(jobs, asked));
    return tag("div", {}, back, article);
  }
  return article;
}

function notes(answer, asked) {
  const said = [], [first] = answer.shares;
  if (answer.noneOfThese) {
    said.push("The picture is unlike the photos that the model learned from.");
    said.push(
      asked.several
        ? `If it had one of the labels, that would most probably be ${first.label}.`
        : `If it were one of the classes, ${first.label} would be the most probable.`,
    );
    if (answer.set) said.push("What a set promises holds only for pictures like those photos, so none is given.");
  } else if (answer.confident === false) {
    said.push("Not sure enough for the share of right answers that was asked for.");
  }
  if (answer.path?.length > 1) said.push(answer.path.map((node) => `${node.label} ${percent(node.probability)}`).join(" › "));
  if (answer.answer) said.push(`Sure enough: ${answer.answer.label} ${percent(answer.answer.probability)}.`);
  if (answer.set && !answer.noneOfThese) {
    const share = `${100 * answer.coverage} %`;
    said.push(asked.several ? `On average, such a set holds ${share} of the labels of a picture.` : `In ${share} of pictures, such a set holds the right class.`);
  } else if (answer.labels && asked.thresholds && !answer.noneOfThese) {
    said.push("A picture has the labels whose probability reaches the mark on the bar.");
  }
  return said.map((text) => tag("p", { className: "quiet" }, text));
}

function whyControls(job, asked, article) {
  const choice = tag("select", {}, ...job.answer.shares.slice(0, EXPLAINED).map(({ label }) => tag("option", { value: label }, label)));
  const button = tag("button", { type: "button" }, "Show on the picture");
  button.addEventListener("click", async () => {
    button.disabled = true;
    say("Parts of the picture are covered, one after the other …");
    try {
      const found = await backend.explain(asked, job.file, choice.value);
      article.querySelectorAll(".seen canvas, .why").forEach((one) => one.remove());
      showWhy(found, article);
      say(sentence(found), { heard: true });
    } catch (error) {
      say("");
      complain([error.message]);
    }
    button.disabled = false;
  });
  return tag("p", { className: "controls" }, tag("label", {}, "What speaks for ", choice), " ", button);
}

function sentence(found) {
  return `Where it is orange, ${found.label} becomes less probable when that part is covered; where it is blue, more.`;
}

function showWhy(found, article) {
  article.querySelector(".seen").append(heat(found.grid));
  const why = tag("div", { className: "why" }, tag("p", { className: "quiet" }, sentence(found)));
  if (found.similar?.length) {
    why.append(
      tag("h3", {}, "The most similar of the training photos that the run keeps"),
      tag("ul", { className: "similar" }, ...found.similar.map((one) =>
        tag("li", {}, tag("img", { src: one.thumbnail, alt: "" }), one.label, tag("small", {}, `similarity ${one.similarity.toFixed(2)}`)))),
    );
  }
  article.append(why);
}

function showMany(jobs, asked, milliseconds) {
  const rows = jobs.map((job) => {
    const name = tag("button", { type: "button", className: "name" }, job.name);
    name.addEventListener("click", () => {
      at("answers").replaceChildren(showOne(job, asked, jobs));
      say(inWords(job.answer, asked), { heard: true });
      at("answers").querySelector("h2").focus();
    });
    const image = tag("td", {}, tag("img", { src: job.url, alt: "", loading: "lazy" }));
    image.firstChild.addEventListener("error", () => image.firstChild.remove());
    if (job.error) return tag("tr", {}, image, tag("th", { scope: "row" }, job.name), tag("td", { className: "refused", colSpan: 2 }, job.error));
    return tag("tr", {}, image, tag("th", { scope: "row" }, name), tag("td", {}, heading(job.answer)[0]),
      tag("td", { className: "number" }, chosen(job.answer).map((label) => percent(shareOf(job.answer, label))).join(", ")));
  });
  const save = tag("a", { className: "button", download: "predictions.csv" }, "Download as CSV");
  save.href = URL.createObjectURL(new Blob([asCsv(jobs, asked)], { type: "text/csv" }));
  const failed = jobs.filter((job) => job.error).length;
  const words = `${jobs.length} pictures` + (failed ? `, ${failed} of them without an answer` : "") +
    (milliseconds ? `, in ${(milliseconds / 1000).toFixed(1)}\u00a0s` : "");
  const head = ["", "Picture", "Answer", "Probability"].map((text, column) =>
    tag("th", { scope: "col", className: column === 3 ? "number" : "" }, text));
  say(words, { heard: true });
  at("answers").replaceChildren(
    tag("div", { className: "many" }, tag("p", {}, words), save),
    tag("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "All pictures" },
      tag("table", {}, tag("thead", {}, tag("tr", {}, ...head)), tag("tbody", {}, ...rows))),
  );
}

// What is seen below anyway is only heard.
function say(text, { heard = false } = {}) {
  at("status").textContent = text;
  at("status").className = heard ? "heard" : "";
}

function complain(lines) {
  at("problems").replaceChildren(...lines.map((line) => tag("p", { className: "warn" }, line)));
}

start();
