// The page of a tagger's server. It asks this server alone, keeps nothing, and shows texts as text, never as markup.
"use strict";

/** Letters up to which a text is tagged while it is typed. */
const LIVE = 20_000;
/** Milliseconds without a key before a text is tagged. */
const PAUSE = 350;
/** Letters that are shown as one part of the tagged text. */
const PART = 4_000;
/** Milliseconds that drawing may take at once, so that the page answers meanwhile. */
const SLICE = 12;
/** Rows that the table gets at once. */
const ROWS = 200;
/** Letters of an answer or a command that are shown; copies are whole. */
const SHOWN = 50_000;
/** Letters of a command's body beyond which a shell refuses it. */
const ARGUMENT = 100_000;
/** Letters of a link that other programs still take. */
const LINK = 8_000;
/** Bytes of lines that are sent at once. The system keeps as many, so that neither side waits for the other to read. */
const BATCH = 64 * 1024;
/** Colors of labels. */
const COLORS = 8;
/** Lines under a letter. */
const LANES = 4;

const $ = (id) => document.getElementById(id);
const [text, status, tagged, rows] = ["text", "status", "tagged", "rows"].map($);

/** What the server serves; null until it said so. */
let model = null;
/** What was asked and answered last: text, entities in UTF-16 units, the whole answer, milliseconds. */
let last = null;
/** Labels that are switched off. */
const off = new Set();
/** Labels that the model is known to have, and those that have a switch, in the order of their colors. */
let [known, switched] = [[], []];
/** The request in progress. */
let asking = new AbortController();
/** The number of the latest drawing: an older one stops. */
let drawing = 0;
let rowsShown = ROWS;
let chosen = -1;
let pause = 0;

// Asking

/** Returns the answer of a path, or throws its one line about why there is none. */
async function ask(path, options = {}) {
  const key = $("key").value.trim();
  const headers = { ...options.headers, ...(key && { authorization: `Bearer ${key}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer.");
  }
  if (response.ok) return response;
  if (response.status === 401) $("key-part").open = true;
  const refusal = await response.json().catch(() => null);
  throw new Error(refusal?.error ?? `The server answers with status ${response.status}.`);
}

function say(error) {
  $("error").textContent = error;
  $("error").hidden = !error;
}

const scoresSpans = () => model?.kind === "span_tagger";
const unit = () => document.querySelector("[name=unit]:checked").value;
const threshold = () => Number($("threshold").value);
/** Returns whether scores are cut here: a span tagger cuts them itself. */
const cutsHere = () => !scoresSpans();

/** Returns the labels that a span tagger is asked for; none for its own. */
function wanted() {
  const names = $("wanted").value.split(",").map((name) => name.trim()).filter(Boolean);
  return [...new Set(names)];
}

/** Returns the parameters that decide what is found. */
function choices() {
  if (!scoresSpans()) return {};
  const labels = wanted();
  const decoding = $("decoding").value;
  return { ...(labels.length && { labels }), ...(!$("own").checked && { threshold: threshold() }), decoding };
}

async function loadModel() {
  try {
    model = await (await ask("v1/model")).json();
  } catch (error) {
    $("model").textContent = "The model is not known.";
    say(error.message);
    return;
  }
  say("");
  const kind = scoresSpans() ? "a span tagger: you name the labels" : "a token classifier";
  $("model").textContent = `${model.model.id}, ${kind}`;
  document.title = `${model.model.id} · tagsmith`;
  for (const name of ["wanted", "own", "decoding"]) $(`${name}-part`).hidden = !scoresSpans();
  if (scoresSpans()) $("threshold").value = "0.5";
  known = [...(model.types ?? [])];
  showThreshold();
  showLabels();
  tag();
}

/** Tags the text, and forgets what was asked before. */
async function tag() {
  clearTimeout(pause);
  asking.abort();
  const asked = text.value;
  if (!model) return;
  if (!asked.trim()) return clear("");
  if (scoresSpans() && !wanted().length && !model.has_default_labels) return clear("Name the labels to look for.");
  asking = new AbortController();
  const { signal } = asking;
  const parameters = choices();
  const began = performance.now();
  tagged.setAttribute("aria-busy", "true");
  try {
    const body = JSON.stringify({ inputs: asked, parameters: { ...parameters, offset_unit: "utf16" } });
    const response = await ask("v1/tag", { method: "POST", headers: { "content-type": "application/json" }, body, signal });
    const answer = await response.json();
    const [result] = answer.results;
    const spent = performance.now() - began;
    if (result.entities.some((it) => asked.slice(it.start, it.end) !== it.text)) {
      throw new Error("The places in the server’s answer are not those of this text.");
    }
    last = { text: asked, parameters, answer, result, spent };
    say("");
    rowsShown = ROWS;
    chosen = -1;
    for (const { label } of result.entities) if (!known.includes(label)) known.push(label);
    showLabels();
    show();
  } catch (error) {
    if (error.name === "AbortError") return;
    clear("");
    say(error.message);
  } finally {
    if (asking.signal === signal) tagged.removeAttribute("aria-busy");
  }
}

function clear(line) {
  last = null;
  drawing += 1;
  tagged.replaceChildren();
  tagged.removeAttribute("aria-busy");
  $("found").hidden = true;
  $("notes").hidden = true;
  status.textContent = line;
  showLabels();
  showAnswer();
}

// Showing

const count = (number, noun) => `${number.toLocaleString("en")} ${number === 1 ? noun : noun.replace(/y$/, "ie") + "s"}`;
const color = (label) => Math.max(0, switched.indexOf(label)) % COLORS;
const isShown = (it) => !off.has(it.label) && (!cutsHere() || it.score >= threshold());

/** Shows the answer again, by the present choices. */
function show() {
  if (!last) return;
  const { result } = last;
  const all = result.entities;
  const shown = [...all.keys()].filter((number) => isShown(all[number]));
  const some = shown.length === all.length ? count(all.length, "entity") : `${shown.length.toLocaleString("en")} of ${count(all.length, "entity")}`;
  const read = result.read;
  const facts = [some, read && count(read.pieces, "piece"), read?.windows > 1 && count(read.windows, "window"), `${Math.round(last.spent)} ms`];
  status.textContent = facts.filter(Boolean).join(" · ");
  const notes = [...(last.answer.notes ?? []), ...(result.notes ?? [])];
  if (read?.truncated_at != null) notes.push(`The model did not read what begins at ${read.truncated_at}.`);
  $("notes").replaceChildren(...notes.map((note) => element("li", {}, note)));
  $("notes").hidden = !notes.length;
  showThreshold();
  showCounts();
  drawText(shown);
  showRows(shown);
  showAnswer();
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Returns the lane of each entity: the line nearest to the letters for the shortest, so that outer lines lie outside. */
function lanes(all, shown) {
  const lane = new Map();
  const byStart = [...shown].sort((a, b) => all[a].start - all[b].start);
  for (let from = 0; from < byStart.length; ) {
    let to = from + 1;
    for (let end = all[byStart[from]].end; to < byStart.length && all[byStart[to]].start < end; to += 1) {
      end = Math.max(end, all[byStart[to]].end);
    }
    const cluster = byStart.slice(from, to).sort((a, b) => all[a].end - all[a].start - (all[b].end - all[b].start));
    const free = Array.from({ length: LANES }, () => []);
    for (const number of cluster) {
      const { start, end } = all[number];
      const at = free.findIndex((taken) => taken.every((it) => it.end <= start || it.start >= end));
      lane.set(number, at < 0 ? LANES - 1 : at);
      free[at < 0 ? LANES - 1 : at].push(all[number]);
    }
    from = to;
  }
  return lane;
}

/** Draws the text part by part, and lets the page answer between them. */
function drawText(shown) {
  const mine = (drawing += 1);
  const { text: whole, result } = last;
  const all = result.entities;
  const lane = lanes(all, shown);
  tagged.style.setProperty("--deep", Math.max(0, ...lane.values()));
  const byStart = [...shown].sort((a, b) => all[a].start - all[b].start);
  let [from, next, open] = [0, 0, []];
  const old = tagged.scrollTop;
  let found = false;
  tagged.replaceChildren();
  const step = () => {
    if (mine !== drawing) return;
    const until = performance.now() + SLICE;
    const parts = [];
    while (from < whole.length && performance.now() < until) {
      const to = partEnd(whole, from);
      while (next < byStart.length && all[byStart[next]].start < to) open.push(byStart[next++]);
      parts.push(part(whole, from, to, open, all, lane));
      open = open.filter((number) => all[number].end > to);
      from = to;
    }
    tagged.append(...parts);
    // Asking for the place makes the browser lay the text out, so it is asked for until it is found again.
    if (old && !found) {
      tagged.scrollTop = old;
      found = tagged.scrollTop >= old;
    }
    tagged.dataset.drawn = from >= whole.length ? "whole" : "part";
    if (from < whole.length) setTimeout(step);
  };
  step();
}

/** Returns where a part ends that begins at `from`: behind a line if it can be, and never within a letter. */
function partEnd(whole, from) {
  if (whole.length - from <= PART) return whole.length;
  const to = from + PART;
  for (const sign of ["\n", " "]) {
    const at = whole.lastIndexOf(sign, to - 1);
    if (at > from) return at + 1;
  }
  return whole.codePointAt(to - 1) > 0xffff ? to - 1 : to;
}

/** Returns a part of the text with its entities marked. */
function part(whole, from, to, open, all, lane) {
  const made = element("div", { class: "part" });
  const cuts = new Set([from, to]);
  for (const number of open) {
    cuts.add(Math.max(from, all[number].start));
    cuts.add(Math.min(to, all[number].end));
  }
  const places = [...cuts].sort((a, b) => a - b);
  for (let i = 0; i + 1 < places.length; i += 1) {
    const [start, end] = [places[i], places[i + 1]];
    const here = open.filter((number) => all[number].start <= start && all[number].end >= end);
    const letters = whole.slice(start, end);
    made.append(here.length ? marked(letters, here, all, lane) : letters);
    const ending = here.filter((number) => all[number].end === end);
    for (const number of ending.sort((a, b) => lane.get(a) - lane.get(b))) {
      made.append(element("span", { class: `name c${color(all[number].label)}` }, all[number].label));
    }
  }
  return made;
}

function marked(letters, here, all, lane) {
  const inner = here.reduce((a, b) => (lane.get(b) < lane.get(a) ? b : a));
  const mark = element("mark", { class: `c${color(all[inner].label)}`, "data-entities": here.join(" ") }, letters);
  mark.title = here.map((number) => `${all[number].label} ${all[number].score.toFixed(3)}`).join(", ");
  for (const number of here) mark.style.setProperty(`--l${lane.get(number)}`, `var(--c${color(all[number].label)})`);
  return mark;
}

/** Returns a function that turns a place in UTF-16 units into the unit that is asked for. */
function placer(whole, name) {
  if (name === "utf16") return (place) => place;
  const before = new Uint32Array(whole.length + 1);
  for (let at = 0, sum = 0; at < whole.length; ) {
    const code = whole.codePointAt(at);
    const units = code > 0xffff ? 2 : 1;
    before.fill(sum, at, at + units);
    sum += name === "code_point" ? 1 : code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += units;
    before[at] = sum;
  }
  return (place) => before[place];
}

/** Returns the placer of the last text and the present unit. */
function place() {
  if (last.unit !== unit()) [last.unit, last.placer] = [unit(), placer(last.text, unit())];
  return last.placer;
}

function showRows(shown) {
  const all = last.result.entities;
  const at = place();
  $("places").textContent = { code_point: "Code points", utf16: "UTF-16 units", byte: "Bytes" }[unit()];
  const row = (number) => {
    const it = all[number];
    const button = element("button", { type: "button", "aria-pressed": number === chosen }, element("bdi", {}, it.text));
    button.addEventListener("click", () => choose(number, "text"));
    return element(
      "tr",
      { class: `c${color(it.label)}${number === chosen ? " chosen" : ""}`, "data-entity": number },
      element("td", { class: "label" }, it.label),
      element("td", {}, button),
      element("td", { class: "number" }, it.score.toFixed(3)),
      element("td", { class: "number" }, `${at(it.start)}–${at(it.end)}`),
    );
  };
  rows.replaceChildren(...shown.slice(0, rowsShown).map(row));
  $("found").hidden = !shown.length;
  $("more").hidden = shown.length <= rowsShown;
  $("more").textContent = `Show more (${(shown.length - rowsShown).toLocaleString("en")} are not shown)`;
}

/** Points out an entity in the text and in the table. */
function choose(number, scrollTo) {
  chosen = number;
  for (const mark of tagged.querySelectorAll("mark.chosen")) mark.classList.remove("chosen");
  const marks = tagged.querySelectorAll(`mark[data-entities~="${number}"]`);
  marks.forEach((mark) => mark.classList.add("chosen"));
  for (const row of rows.children) {
    const isIt = row.dataset.entity === String(number);
    row.classList.toggle("chosen", isIt);
    row.querySelector("button").setAttribute("aria-pressed", isIt);
    if (isIt && scrollTo === "row") row.scrollIntoView({ block: "nearest" });
  }
  if (scrollTo === "text") marks[0]?.scrollIntoView({ block: "nearest" });
}

// Choices

function showThreshold() {
  const isOwn = scoresSpans() && $("own").checked;
  $("threshold-shown").textContent = isOwn ? "its own" : threshold().toFixed(2);
  $("threshold").disabled = isOwn;
}

/** Shows a switch for each label. */
function showLabels() {
  const labels = scoresSpans() && wanted().length ? wanted() : [...known];
  if (switched.join("\n") !== labels.join("\n")) {
    switched = labels;
    const toSwitch = (label) => {
      const input = element("input", { type: "checkbox", value: label });
      input.checked = !off.has(label);
      input.addEventListener("change", () => {
        input.checked ? off.delete(label) : off.add(label);
        show();
      });
      const name = element("span", {}, element("b", { class: `c${color(label)}` }, label));
      return element("label", { class: "switch" }, input, name, element("span", { class: "faint number", "data-label": label }));
    };
    $("labels").replaceChildren(...labels.map(toSwitch));
  }
  $("labels-part").hidden = !labels.length;
  $("all-part").hidden = labels.length < 3;
  showCounts();
}

function showCounts() {
  const counts = new Map();
  for (const it of last?.result.entities ?? []) {
    if (!cutsHere() || it.score >= threshold()) counts.set(it.label, (counts.get(it.label) ?? 0) + 1);
  }
  for (const shown of $("labels").querySelectorAll("[data-label]")) shown.textContent = counts.get(shown.dataset.label) ?? "";
}

function switchAll(on) {
  for (const input of $("labels").querySelectorAll("input")) {
    input.checked = on;
    on ? off.delete(input.value) : off.add(input.value);
  }
  show();
}

/** Tags after a pause, so that not every key asks the server. */
function tagSoon() {
  clearTimeout(pause);
  if (text.value.length > LIVE) {
    clear("This text is long: press Tag.");
    return;
  }
  pause = setTimeout(tag, PAUSE);
}

// The answer, the command, the link

/** Returns what a request leaves out: without `O` among named labels, what is outside of entities would be given too. */
function ignored() {
  return off.size ? ["O", ...off] : [];
}

/** Returns the request that has the answer that is shown, with places in the present unit. */
function request() {
  const labels = ignored();
  const parameters = { ...last.parameters, ...(labels.length && { ignore_labels: labels }), offset_unit: unit() };
  return JSON.stringify({ inputs: last.text, parameters });
}

function answerAsJson() {
  const at = place();
  const entities = last.result.entities.filter((it) => !off.has(it.label));
  const placed = entities.map((it) => ({ ...it, start: at(it.start), end: at(it.end) }));
  const read = last.result.read && { ...last.result.read };
  if (read?.truncated_at != null) read.truncated_at = at(read.truncated_at);
  return JSON.stringify({ ...last.answer, results: [{ ...last.result, entities: placed, read }] }, null, 2);
}

function command() {
  const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`;
  const url = new URL("v1/tag", location.href);
  const body = request();
  const key = $("key").value.trim() ? ` \\\n  -H "Authorization: Bearer $TAGSMITH_API_KEY"` : "";
  const data = body.length > ARGUMENT ? "--data-binary @request.json" : `-d ${quoted(body)}`;
  const head = body.length > ARGUMENT ? "# The body is too long for a command: save it as request.json.\n" : "";
  return `${head}curl -s ${quoted(url.href)} \\\n  -H 'Content-Type: application/json'${key} \\\n  ${data}`;
}

const cut = (whole) => (whole.length > SHOWN ? `${whole.slice(0, SHOWN)}\n… ${(whole.length - SHOWN).toLocaleString("en")} more characters are copied, not shown` : whole);

/** Shows the answer and the command, where somebody looks at them. */
function showAnswer() {
  for (const name of ["json", "curl"]) $(`${name}-pane`).hidden = !last;
  if (!last) return;
  if ($("json-pane").open) $("json").textContent = cut(answerAsJson());
  if ($("curl-pane").open) $("curl").textContent = cut(command());
}

/** Copies a text, also where a page without TLS may not use the clipboard. */
async function copy(button, made) {
  const said = button.dataset.said ?? (button.dataset.said = button.textContent);
  let copied = true;
  try {
    await navigator.clipboard.writeText(made);
  } catch {
    const area = element("textarea", { class: "away", "aria-hidden": "true" });
    area.value = made;
    document.body.append(area);
    area.select();
    copied = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = copied ? "Copied" : "The browser does not let this page copy";
  setTimeout(() => (button.textContent = said), 2000);
}

/** Returns a link to this page with its text and choices, in the part of the address that no browser sends. */
function linkTo() {
  const kept = { text: text.value, labels: $("wanted").value, off: [...off], unit: unit(), threshold: $("threshold").value, decoding: $("decoding").value, own: $("own").checked };
  const bytes = new TextEncoder().encode(JSON.stringify(kept));
  const letters = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  const url = new URL(location.href);
  url.hash = letters.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return url.href;
}

/** Takes over what a link holds. */
function restore() {
  if (location.hash.length < 2) return;
  try {
    const letters = atob(location.hash.slice(1).replaceAll("-", "+").replaceAll("_", "/"));
    const kept = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(letters, (letter) => letter.charCodeAt(0))));
    text.value = String(kept.text ?? "");
    $("wanted").value = String(kept.labels ?? "");
    for (const label of kept.off ?? []) off.add(String(label));
    const radio = [...document.querySelectorAll("[name=unit]")].find((input) => input.value === kept.unit);
    if (radio) radio.checked = true;
    if (kept.decoding) $("decoding").value = String(kept.decoding);
    $("own").checked = kept.own !== false;
    restored = Number(kept.threshold);
  } catch {
    say("The text in this page’s address cannot be read: it may have been cut.");
  }
}
let restored = NaN;

// Files

/** Yields the lines of a file, and the bytes read so far. */
async function* linesOf(file) {
  const reader = file.stream().getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let [rest, bytes] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read();
    bytes += value?.length ?? 0;
    try {
      rest += decoder.decode(value, { stream: !done });
    } catch {
      throw new Error(`${file.name} is not text in UTF-8.`);
    }
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) yield [line.replace(/\r$/, ""), bytes];
    if (done) break;
  }
  if (rest) yield [rest, bytes];
}

/** Returns what is asked about a line, and the object that the answer goes into. */
function question(line, number, isJson) {
  if (!isJson) return { into: { text: line }, body: { text: line } };
  let into;
  try {
    into = JSON.parse(line);
  } catch {
    return { into: { line: number, error: "This line is not JSON." } };
  }
  const tokens = into?.tokens ?? into?.words;
  if (typeof into?.text === "string") return { into, body: { text: into.text } };
  if (Array.isArray(tokens)) return { into, body: { tokens } };
  return { into: { line: number, error: "This line has neither `text` nor `tokens`." } };
}

/** Asks about some lines. Returns a line of the result for each. */
async function answers(batch, query, signal) {
  const asked = batch.filter((it) => it.body);
  let answered = [];
  if (asked.length) {
    const body = asked.map((it) => JSON.stringify(it.body) + "\n").join("");
    const headers = { "content-type": "application/x-ndjson" };
    const response = await ask(`v1/tag?${query}`, { method: "POST", headers, body, signal });
    answered = (await response.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    if (answered.length !== asked.length) throw new Error("The server answered fewer lines than it was asked.");
  }
  const next = answered.values();
  return batch.map((it) => (it.body ? { ...it.into, ...next.next().value } : it.into));
}

/** Tags a file and offers the result. */
async function tagFile(file) {
  const [line, progress, link, stop] = ["file-status", "progress", "download", "stop"].map($);
  const control = new AbortController();
  if (link.href) URL.revokeObjectURL(link.href);
  link.removeAttribute("href");
  link.hidden = true;
  stop.hidden = progress.hidden = false;
  stop.onclick = () => control.abort();
  progress.value = 0;
  const counts = { documents: 0, entities: 0, failed: 0, why: "" };
  const made = [];
  const query = new URLSearchParams({ offset_unit: unit() });
  for (const [name, value] of Object.entries(choices())) query.set(name, typeof value === "string" ? value : JSON.stringify(value));
  if (off.size) query.set("ignore_labels", JSON.stringify(ignored()));
  const take = async ([answer, bytes]) => {
    for (const result of await answer) {
      counts.documents += 1;
      counts.entities += result.entities?.length ?? 0;
      if (result.error) {
        counts.failed += 1;
        counts.why ||= `${result.error} (document ${counts.documents})`;
      }
      made.push(JSON.stringify(result) + "\n");
    }
    progress.value = file.size ? bytes / file.size : 1;
    line.textContent = `${count(counts.documents, "document")}, ${Math.floor(progress.value * 100)} %`;
  };
  let end = "";
  try {
    if (scoresSpans() && !wanted().length && !model.has_default_labels) throw new Error("Name the labels to look for.");
    let [batch, size, number, ahead, isJson] = [[], 0, 0, null, null];
    const send = async (bytes) => {
      const answer = answers(batch, query, control.signal);
      answer.catch(() => {});
      [batch, size] = [[], 0];
      if (ahead) await take(ahead);
      ahead = [answer, bytes];
    };
    for await (const [content, bytes] of linesOf(file)) {
      number += 1;
      isJson ??= /\.(jsonl|ndjson)$/i.test(file.name) || content.trimStart().startsWith("{");
      if (isJson && !content.trim()) continue;
      const it = question(content, number, isJson);
      const length = new Blob([content]).size;
      if (batch.length && size + length > BATCH) await send(bytes);
      batch.push(it);
      size += length + 16;
    }
    if (batch.length) await send(file.size);
    if (ahead) await take(ahead);
    progress.value = 1;
  } catch (error) {
    control.abort();
    end = error.name === "AbortError" ? "Stopped." : error.message;
  }
  stop.hidden = progress.hidden = true;
  const failed = counts.failed ? ` ${count(counts.failed, "document")} could not be tagged: ${counts.why}` : "";
  line.textContent = `${end ? `${end} ` : ""}${count(counts.documents, "document")}, ${count(counts.entities, "entity")}.${failed}`;
  if (!counts.documents) return;
  link.href = URL.createObjectURL(new Blob(made, { type: "application/x-ndjson" }));
  link.download = `${file.name.replace(/\.[^.]*$/, "")}.tagged.jsonl`;
  link.textContent = `Download ${link.download}`;
  link.hidden = false;
}

// Hearing

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  tag();
});
text.addEventListener("input", tagSoon);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) tag();
});
$("wanted").addEventListener("input", () => {
  showLabels();
  tagSoon();
});
$("threshold").addEventListener("input", () => {
  showThreshold();
  cutsHere() ? show() : tagSoon();
});
$("decoding").addEventListener("change", tag);
$("own").addEventListener("change", () => {
  showThreshold();
  tag();
});
$("units").addEventListener("change", show);
$("all").addEventListener("click", () => switchAll(true));
$("none").addEventListener("click", () => switchAll(false));
$("key").addEventListener("change", loadModel);
$("key-form").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", () => {
  rowsShown += ROWS;
  show();
});
tagged.addEventListener("click", (event) => {
  const mark = event.target.closest("mark");
  if (mark) choose(Number(mark.dataset.entities.split(" ").at(-1)), "row");
});
for (const name of ["json", "curl"]) $(`${name}-pane`).addEventListener("toggle", showAnswer);
$("copy-json").addEventListener("click", (event) => copy(event.target, answerAsJson()));
$("copy-curl").addEventListener("click", (event) => copy(event.target, command()));
$("link").addEventListener("click", (event) => {
  const link = linkTo();
  link.length > LINK ? say("This text is too long for a link.") : copy(event.target, link);
});
$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) tagFile(file);
});
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    document.body.classList.add("over");
  });
}
addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  document.body.classList.remove("over");
  tagFile(event.dataTransfer.files[0]);
});

restore();
loadModel().then(() => {
  if (restored >= 0 && restored <= 1) $("threshold").value = restored;
  showThreshold();
  show();
});
