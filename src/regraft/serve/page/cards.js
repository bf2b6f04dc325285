// A card a result: what was given, what was answered, and why.

import { ask, body } from "./service.js";
import { effect, knows, number, percent, say } from "./words.js";

const COLOURS = ["#e6194b", "#1f9d55", "#4363d8", "#e06c10", "#911eb4", "#008080", "#9a6324", "#d61fc6", "#808000", "#000075"];
const SVG = "http://www.w3.org/2000/svg";
const FIRST = 5;
const DRAWN = 300;
let made = 0;

/** An element with properties and children; strings become text, never markup. */
export function make(tag, given = {}, ...children) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name in one) one[name] = value;
    else one.setAttribute(name, value);
  }
  one.append(...children.filter((c) => c !== null));
  return one;
}

function draw(tag, attributes, ...children) {
  const one = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.append(...children);
  return one;
}

/** The answer in a few words, for the heading and the live region. */
export function inWords(record) {
  if (record.error) return say("failed", { why: record.error });
  if (record.tasks) return Object.entries(record.tasks).map(([name, one]) => `${name}: ${inWords(one)}`).join("; ");
  if (record.boxes) return record.boxes.length ? say("found", { n: record.boxes.length }) : say("nothing");
  if (record.value !== undefined) return number(record.value);
  const share = record.labels ? null : record.probabilities?.[record.label];
  return (record.labels ? record.labels.join(", ") : record.label) + (share == null ? "" : ` ${percent(share)}`) || say("none");
}

function bars(probabilities) {
  const lines = Object.entries(probabilities).sort((a, b) => b[1] - a[1]).map(([name, share]) => {
    const fill = make("i");
    fill.style.width = `${100 * share}%`;
    return make("li", {}, make("span", {}, name), make("span", { className: "track", ariaHidden: "true" }, fill), make("span", {}, percent(share)));
  });
  const list = (some) => make("ul", { className: "bars" }, ...some);
  if (lines.length <= FIRST + 1) return [list(lines)];
  return [list(lines.slice(0, FIRST)), make("details", {}, make("summary", {}, say("all", { n: lines.length })), list(lines.slice(FIRST)))];
}

function interval({ value, low, high }) {
  const ends = [low, high], span = high - low || 1;
  const dot = make("i");
  dot.style.left = `${Math.min(100, Math.max(0, (100 * (value - low)) / span))}%`;
  return make("div", { className: "interval", role: "img", ariaLabel: `${say("interval")} ${ends.map(number).join(" – ")}` },
    make("span", {}, number(low)), make("div", {}, dot), make("span", {}, number(high)));
}

function marks(record) {
  const told = ["unlike", "abstain", "empty"].filter((name) => record[name] === true);
  return told.length ? make("div", { className: "marks" }, ...told.map((name) => make("span", { className: "mark" }, say(name)))) : null;
}

/** What is said of one input: heading, marks, bars or interval. */
function answer(record) {
  const share = record.labels ? undefined : record.probabilities?.[record.label];
  const more = share !== undefined ? percent(share) : record.sigma !== undefined && record.low === undefined ? say("sigma", { n: number(record.sigma) }) : "";
  const heading = [share === undefined ? inWords(record) : record.label, ...(more ? [" ", make("small", {}, more)] : [])];
  return [
    make("p", { className: "said" }, ...heading), marks(record),
    ...(record.low !== undefined ? [interval(record)] : []),
    ...(record.probabilities ? bars(record.probabilities) : []),
  ];
}

/** One card: shows its input at once, takes the answer later. `input` is {file}, {text} or {row}. */
export class Card {
  constructor(input, name, model) {
    Object.assign(this, { input, name, model, box: null, reasons: new Map() });
    const id = `card-${++made}`;
    this.told = make("div", {}, make("p", { className: "waiting" }, say("waiting")));
    this.element = make("article", { className: "card" }, make("h3", { id }, name), this.shown(), this.told);
    this.element.setAttribute("aria-labelledby", id);
  }

  shown() {
    const { file, text, row } = this.input;
    if (row) return make("dl", { className: "cells" }, ...Object.entries(row).flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, v === null ? "–" : `${v}`)]));
    this.passage = make("p", { className: "words" });
    if (text !== undefined) this.read(text);
    if (!file || this.model.modality !== "image") {
      file?.text().then((found) => this.read(found));
      return this.passage;
    }
    this.url = URL.createObjectURL(file);
    this.image = make("img", { src: this.url, alt: this.name });
    this.image.onload = () => this.image.classList.toggle("tiny", this.image.naturalWidth < 100);
    this.image.onerror = () => {
      const none = make("p", { className: "none" }, say("unseen"));
      this.image.replaceWith(none);
      this.image = none;
    };
    return (this.frame = make("div", { className: "frame" }, this.image));
  }

  read(text) {
    this.text = text;
    this.passage.textContent = text;
  }

  busy() {
    this.told.querySelector(".waiting").textContent = say("busy");
  }

  fail(why) {
    this.answered({ error: why });
  }

  /** Takes the record of an answer, or {error}. */
  answered(record) {
    this.record = record;
    if (record.error) {
      this.told.replaceWith(make("p", { className: "error" }, record.error));
      return;
    }
    this.reason = make("div", { className: "reason", hidden: true, id: `why-${++made}` });
    const parts = record.tasks
      ? Object.entries(record.tasks).flatMap(([name, one]) => [make("h4", {}, name), ...answer(one)])
      : answer(record);
    const explains = this.model.explains && !record.tasks;
    const asks = record.boxes ? [this.boxes(record, explains)] : explains ? [make("div", {}, this.button(say("why"), null))] : [];
    this.told.replaceWith(...[...parts, ...asks, this.reason].filter((p) => p !== null));
  }

  button(text, box) {
    const one = make("button", { type: "button", className: box ? "quiet small" : "quiet" }, text);
    one.setAttribute("aria-expanded", "false");
    one.setAttribute("aria-controls", this.reason.id);
    one.onclick = () => (one.getAttribute("aria-expanded") === "true" ? this.hide() : this.explain(one, box));
    return one;
  }

  /** Draws the boxes over the picture and lists them; the one under the pointer, the focus or the question stands out. */
  boxes({ boxes, width, height }, explains) {
    const colour = (label) => COLOURS[Math.max(0, this.model.classes.indexOf(label)) % COLOURS.length];
    const size = Math.max(width, height) / 26;
    const drawn = boxes.slice(0, DRAWN).map(({ label, score, xyxy: [left, top, right, bottom] }) => draw("g", {},
      draw("rect", { x: left, y: top, width: right - left, height: bottom - top, stroke: colour(label) }),
      draw("text", { x: left + size / 5, y: top + size, "font-size": size, "stroke-width": size / 5 }, boxes.length > 30 ? "" : label)));
    this.over = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...drawn.toReversed());
    this.frame?.append(this.over);
    return make("ol", { className: "boxes" }, ...boxes.map(({ label, score }, i) => {
      const key = make("i", { className: "key" });
      key.style.background = colour(label);
      const told = { label, score: percent(score) };
      const line = make("li", {}, key, make("span", {}, `${label} ${told.score}`));
      if (explains) {
        const why = this.button(say("why"), i + 1);
        why.ariaLabel = say("whyBox", told);
        line.append(why);
      }
      for (const event of ["mouseenter", "focusin"]) line.addEventListener(event, () => this.alone(i));
      for (const event of ["mouseleave", "focusout"]) line.addEventListener(event, () => this.alone(this.box));
      return line;
    }));
  }

  /** Lets one box stand out, or none. */
  alone(place) {
    this.over?.querySelectorAll("g").forEach((g, k, { length }) => g.classList.toggle("off", place !== null && length - 1 - k !== place));
  }

  hide() {
    this.alone((this.box = null));
    for (const one of this.element.querySelectorAll("[aria-expanded=true]")) one.setAttribute("aria-expanded", "false");
    this.reason.hidden = true;
    this.asked = null;
    this.frame?.classList.remove("why");
    this.frame?.querySelector(".map")?.remove();
    if (this.passage && this.text !== undefined) this.read(this.text);
  }

  async explain(button, box, label = null) {
    this.hide();
    button.setAttribute("aria-expanded", "true");
    if (box) this.alone((this.box = box - 1));
    this.reason.hidden = false;
    this.reason.replaceChildren(make("p", { className: "waiting", role: "status" }, say("explaining")));
    const asked = (this.asked = {});
    const query = new URLSearchParams({ model: this.model.name, ...(box && { box }), ...(label !== null && { label }) });
    try {
      if (!this.reasons.has(`${query}`)) this.reasons.set(`${query}`, await ask(`/explain?${query}`, body(this.input)));
      if (asked !== this.asked) return;
      const found = this.reasons.get(`${query}`);
      this.reason.replaceChildren(...(found.words ? this.words(found) : this.map(found)));
      if (!box && found.method !== "rollout" && (this.record.labels || this.url)) this.choice(found.label, (name) => this.explain(button, box, name));
    } catch (error) {
      if (asked === this.asked) this.reason.replaceChildren(make("p", { className: "error", role: "alert" }, error.message));
    }
  }

  /** Offers the other classes to be explained. */
  choice(label, again) {
    const { classes, kind } = this.model;
    if (kind === "number" || classes.length < 2 || classes.length > 1000) return;
    const select = make("select", {}, ...classes.map((name) => make("option", { selected: name === label }, name)));
    select.onchange = () => again(select.value).then(() => this.reason.querySelector("select")?.focus());
    this.reason.append(make("label", {}, `${say("of")} `, select));
  }

  map({ method, label, map }) {
    const { width, height } = this.record.boxes ? this.record : { width: this.image.naturalWidth || 4, height: this.image.naturalHeight || 3 };
    const told = say("red", { label, method: method === "grad-cam" ? "Grad-CAM" : knows(method) ? say(method) : method });
    const over = draw("svg", { viewBox: `0 0 ${width} ${height}`, class: "map", role: "img", "aria-label": told },
      draw("image", { href: map, width, height, preserveAspectRatio: this.image.naturalWidth ? "none" : "xMidYMid" }));
    this.image.after(over);
    this.frame.classList.add("why");
    const parts = [make("p", { className: "legend-for legend-map", role: "status" }, told)];
    if (method === "occlusion") parts.push(make("p", { className: "legend-for" }, say("blue")));
    return parts;
  }

  words({ words, label }) {
    const strongest = Math.max(...words.map((w) => Math.abs(w.effect)), 1e-9);
    const pieces = [];
    let at = 0;
    for (const { word, effect: by } of words) {
      const place = this.text.indexOf(word, at);
      if (place < 0) continue;
      const one = make("mark", { className: by < 0 ? "against" : "", title: effect(by) }, word);
      one.style.setProperty("--strength", (0.55 * Math.abs(by)) / strongest);
      pieces.push(this.text.slice(at, place), one);
      at = place + word.length;
    }
    this.passage.replaceChildren(...pieces, this.text.slice(at));
    const most = [...words].sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, FIRST);
    return [
      make("p", { className: "legend-for", role: "status" }, say("for", { label })), make("p", { className: "legend-against" }, say("against")),
      make("details", {}, make("summary", {}, say("strongest")),
        make("dl", { className: "cells" }, ...most.flatMap((w) => [make("dt", {}, w.word), make("dd", {}, effect(w.effect))]))),
    ];
  }

  /** Lets the picture go. */
  drop() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.element.remove();
  }
}
