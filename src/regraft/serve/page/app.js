// The page of a service: what is dropped, pasted, typed or filled in becomes a card with its answer.

import { Card, inWords, make } from "./cards.js";
import { ask, body, guarded } from "./service.js";
import { say, translate } from "./words.js";

const AT_ONCE = 4;
const PANES = { image: ["drop"], text: ["text", "drop"], table: ["row"] };
const by = (id) => document.getElementById(id);
const cards = [];
const queue = [];
let models = [], model = null, running = 0, all = 0, done = 0, failed = 0;

function trouble(text) {
  by("trouble").textContent = text;
  by("trouble").hidden = !text;
}

/** Shows what the chosen model takes. */
function choose(name) {
  model = models.find((m) => m.name === name) ?? models[0];
  const { modality, kind, classes } = model;
  const kinds = { image: "Image", text: "Text", table: "Table" };
  const told = [say(`about${kinds[modality]}`), say(kind, { n: classes?.length ?? 0 })];
  by("about").textContent = (models.length > 1 ? [] : [model.name]).concat(told).join(" · ");
  document.title = say("title", { name: model.name });
  for (const id of ["drop", "text", "row"]) by(id).hidden = !PANES[modality].includes(id);
  if (modality === "table") fields(model.columns);
  else {
    by("drop-here").textContent = say(`drop${kinds[modality]}`);
    by("choose").textContent = say(`choose${kinds[modality]}`);
    by("files").accept = modality === "image" ? "image/*,.heic,.tif,.tiff" : ".txt,text/plain";
    by("drop").classList.toggle("slim", modality === "text");
    by("paste").hidden = modality !== "image";
  }
}

function fields(columns) {
  by("columns").replaceChildren(...columns.map(({ name, type, values }, i) => {
    const id = `column-${i}`;
    const known = type === "category" && values?.length;
    const field = known
      ? make("select", { id }, make("option", { value: "" }, say("missing")), ...values.filter((v) => v !== "").map((v) => make("option", { value: v }, v)))
      : make("input", { id, type: type === "number" ? "number" : "text", ...(type === "number" && { step: "any" }) });
    return make("div", {}, make("label", { htmlFor: id }, name), field);
  }));
}

function filled() {
  return Object.fromEntries(model.columns.map(({ name, type }, i) => {
    const { value, valueAsNumber } = by(`column-${i}`);
    return [name, value === "" ? null : type === "number" ? valueAsNumber : value];
  }));
}

/** Puts inputs on the page and into the queue. */
function take(inputs) {
  trouble("");
  if (!inputs.length) return;
  if (!running && !queue.length) all = done = failed = 0;
  const made = inputs.map(({ name, ...input }) => new Card(input, name, model));
  all += made.length;
  cards.push(...made);
  queue.push(...made);
  by("results").hidden = false;
  by("cards").prepend(...made.map((c) => c.element));
  report();
  while (running < AT_ONCE && queue.length) work();
}

function takeFiles(files) {
  if (!model) return;
  if (model.modality === "table") return trouble(say("nothingFor"));
  take([...files].map((file) => ({ file, name: file.name || say("pasted") })));
}

async function work() {
  running++;
  for (let card; (card = queue.shift()); ) {
    try {
      const found = await ask(`/predict?model=${encodeURIComponent(card.model.name)}`, body(card.input), () => card.busy());
      card.answered(found.answers[0]);
    } catch (error) {
      card.fail(error.message);
    }
    done++;
    failed += Boolean(card.record.error);
    report(card);
  }
  running--;
}

/** Says how far it is; the answer itself where it is the only one. */
function report(last) {
  Object.assign(by("progress"), { max: all, value: done, hidden: done === all });
  const parts = all === 1 && last ? [say("one", { name: last.name, answer: inWords(last.record) })] : [say("progress", { done, all })];
  if (failed && all > 1) parts.push(say("failures", { n: failed }));
  by("status").textContent = parts.join(", ");
}

function clear() {
  queue.length = 0;
  for (const card of cards.splice(0)) card.drop();
  by("results").hidden = true;
  by("status").textContent = "";
  all = done + running;
  (document.querySelector("#ask form:not([hidden]) :is(textarea, input, select)") ?? by("choose")).focus();
}

function listen() {
  by("model").onchange = (event) => choose(event.target.value);
  by("clear").onclick = clear;
  by("choose").onclick = () => by("files").click();
  by("files").onchange = ({ target }) => {
    takeFiles(target.files);
    target.value = "";
  };
  by("text").onsubmit = (event) => {
    event.preventDefault();
    take([{ text: by("words").value, name: say("typed") }]);
  };
  by("words").onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) by("text").requestSubmit();
  };
  by("row").onsubmit = (event) => {
    event.preventDefault();
    take([{ row: filled(), name: say("row") }]);
  };
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    takeFiles(event.clipboardData.files);
  });
  const over = (event, on) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    by("drop").classList.toggle("over", on);
  };
  document.addEventListener("dragover", (event) => over(event, true));
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? over(event, false));
  document.addEventListener("drop", (event) => {
    over(event, false);
    if (event.dataTransfer.files.length) takeFiles(event.dataTransfer.files);
  });
}

async function start() {
  translate(document);
  listen();
  try {
    ({ models } = await ask("/models"));
  } catch (error) {
    return trouble(error.message);
  }
  by("model").replaceChildren(...models.map(({ name, default: chosen }) => make("option", { selected: Boolean(chosen) }, name)));
  by("choice").hidden = models.length < 2;
  by("ask").hidden = false;
  document.querySelector("footer").hidden = guarded();
  choose(by("model").value);
}

start();
