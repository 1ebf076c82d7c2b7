// Answers as CSV, with the columns of `budwood predict -o predictions.csv`.

const FORMULA = /^[=+@\t\r-]/;

export function asCsv(jobs, model) {
  const head = ["name", "predicted", "probability", "confident", "none_of_these", "distance", "error"];
  const rows = jobs.map((job) => row(job, model.classes));
  return [[...head, ...model.classes.map((label) => `p:${label}`)], ...rows]
    .map((cells) => cells.map(cell).join(",") + "\n")
    .join("");
}

function row({ name, answer, error }, classes) {
  // A spreadsheet takes what begins so for a formula.
  const safe = FORMULA.test(name) ? `./${name}` : name;
  if (error) return [safe, "", "", "", "", "", error, ...classes.map(() => "")];
  const shares = new Map(answer.shares.map((one) => [one.label, one.share]));
  const flag = (value) => (value === undefined ? "" : Number(value));
  return [
    safe,
    answer.labels ? [...answer.labels].sort().join(";") : answer.shares[0].label,
    number(answer.shares[0].share),
    flag(answer.confident),
    flag(answer.noneOfThese),
    number(answer.distance),
    "",
    ...classes.map((label) => number(shares.get(label))),
  ];
}

const number = (value) => (value == null ? "" : String(Number(value.toPrecision(6))));
const cell = (value) => (/[",\n\r]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
