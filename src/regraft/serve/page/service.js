// Asking the service: the token, waiting while it is busy, and what went wrong in a sentence.

import { say } from "./words.js";

const KEPT = "regraft-token";
const TRIES = 30;
const form = document.getElementById("entry");
let entered = null;

/** Whether a token was given: addresses that a browser opens by itself carry none. */
export const guarded = () => sessionStorage.getItem(KEPT) !== null;

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

/** Shows the field for the token until one is given; the same promise for all who wait. */
function token() {
  entered ??= new Promise((done) => {
    const field = form.elements.token;
    form.querySelector("p").textContent = say(sessionStorage.getItem(KEPT) ? "wrongEntry" : "entry");
    form.hidden = false;
    field.focus();
    form.onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEPT, field.value.trim());
      field.value = "";
      form.hidden = true;
      entered = null;
      done();
    };
  });
  return entered;
}

async function sentence(response) {
  const body = await response.json().catch(() => ({}));
  if (body.answers) return body;
  const detail = Array.isArray(body.detail) ? body.detail.map((d) => d.msg).join("; ") : body.detail;
  throw new Error(detail || say("odd", { status: response.status }));
}

/** The JSON that the service answers with. Raises an Error whose message is a sentence; calls `busy` before each wait. */
export async function ask(path, init = {}, busy = () => {}) {
  for (let tries = 1; ; tries++) {
    const sent = sessionStorage.getItem(KEPT);
    const headers = { ...init.headers, ...(sent && { Authorization: `Bearer ${sent}` }) };
    const response = await fetch(path, { ...init, headers }).catch(() => { throw new Error(say("gone")); });
    if (response.ok) return response.json();
    if (response.status === 401) {
      if (sent === sessionStorage.getItem(KEPT)) await token();
    } else if (response.status === 503 && tries < TRIES) {
      busy();
      await pause(Math.min(10, Number(response.headers.get("Retry-After")) || 1));
    } else return sentence(response);
  }
}

/** One input as the body of a request: {file}, {text} or {row}. */
export function body({ file, text, row }) {
  if (file) {
    const parts = new FormData();
    parts.append("files", file, file.name);
    return { method: "POST", body: parts };
  }
  const json = text === undefined ? { rows: [row] } : { texts: [text] };
  return { method: "POST", body: JSON.stringify(json), headers: { "Content-Type": "application/json" } };
}
