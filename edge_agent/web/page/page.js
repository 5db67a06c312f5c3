// The page of one device: asks the model, follows the live stream. No library, nothing from elsewhere.
// What comes from the device is always set as text, never as markup.

const byId = (id) => document.getElementById(id);
const MAX_LISTED = 50;
const RETRY_MS = 2000;
const TOKEN = "godwit-token";

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Requests, with the token where the device wants one. A link may bring it, as the log of a container shows; then it
// goes out of the address, and so of the history.

const linked = new URLSearchParams(location.search).get("token");
if (linked) {
  sessionStorage.setItem(TOKEN, linked);
  history.replaceState(null, "", location.pathname);
}

async function ask(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(path, { ...options, headers, credentials: "omit" });
    if (response.status !== 401) return response;
    await newToken(token);
  }
}

let asking = null;

function newToken(refused) {
  if (refused !== sessionStorage.getItem(TOKEN)) return Promise.resolve(); // another request asked already
  asking ??= new Promise((done) => {
    const dialog = byId("token-dialog");
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(TOKEN, byId("token").value.trim());
      asking = null;
      done();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

// Asking the model.

function summary(result) {
  switch (result.task) {
    case "classification": return result.top.length ? `${named(result.top[0])} ${percent(result.top[0].score)}` : "no class";
    case "regression": return result.values.slice(0, SHOWN).map((_, i) => valueAt(result, i)).join(", ") + more(result.values);
    case "detection": return result.objects.slice(0, SHOWN).map(named).join(", ") + more(result.objects) || "no object";
    case "segmentation": return result.classes.slice(0, SHOWN).map((each) => `${named(each)} ${percent(each.share)}`).join(", ");
    case "anomaly": return `${{ true: "anomaly, ", false: "normal, " }[result.is_anomaly] ?? ""}score ${number(result.score)}`;
    case "embedding": return `${result.vector.length} values`;
    default: return JSON.stringify(result).slice(0, 80);
  }
}

const SHOWN = 4;
const more = (list) => (list.length > SHOWN ? ", …" : "");
const named = (each) => each.label || String(each.index);
const valueAt = (result, i) => [result.names?.[i], number(result.values[i]), result.units?.[i]].filter(Boolean).join(" ");
const percent = (score) => (score >= 0 && score <= 1 ? `${(score * 100).toFixed(1)} %` : number(score));
const number = (value) => Number(value.toPrecision(5)).toString();

function details(result) {
  switch (result.task) {
    case "classification": return result.top.map((each) => bar(named(each), each.score));
    case "detection": return result.objects.map((each) => bar(named(each), each.score));
    case "segmentation": return result.classes.map((each) => bar(named(each), each.share));
    case "anomaly": return [];
    case "regression": if (result.values.length <= SHOWN) return [];
    default: return [element("pre", JSON.stringify(result, null, 1))];
  }
}

function bar(label, score) {
  const row = element("div", "", "bar");
  const track = element("div", "", "track");
  const fill = element("i");
  track.append(fill);
  row.append(element("span", label), track, element("b", percent(score)));
  requestAnimationFrame(() => { fill.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`; });
  return row;
}

async function predict(content, name) {
  const model = byId("model").value;
  const answer = byId("answer");
  answer.replaceChildren(element("p", `asking ${model} …`, "note"));
  outline(null);
  try {
    const response = await ask(`api/predict/${model}`, { method: "POST", body: content });
    const told = await response.json();
    if (!response.ok) throw new Error(told.error);
    const note = `${told.model} ${told.version} on ${name}, ${number(told.latency_ms)} ms`;
    answer.replaceChildren(element("p", summary(told.result), "best"), element("p", note, "note"), ...details(told.result));
    outline(told.result);
  } catch (problem) {
    answer.replaceChildren(element("p", problem.message, "problem"));
  }
}

// Boxes of what was found, over the picture: in pixels of the picture, as the answer has them.
function outline(result) {
  const picture = byId("picture");
  const boxes = byId("boxes");
  boxes.replaceChildren();
  if (result?.task !== "detection" || picture.hidden) return;
  boxes.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
  for (const { box } of result.objects) {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const edges = { x: box.left, y: box.top, width: Math.max(0, box.right - box.left), height: Math.max(0, box.bottom - box.top) };
    for (const [name, edge] of Object.entries(edges)) shape.setAttribute(name, edge);
    boxes.append(shape);
  }
}

function take(file) {
  const picture = byId("picture");
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.hidden = !file.type.startsWith("image/");
  byId("invitation").hidden = !picture.hidden;
  if (!picture.hidden) {
    picture.src = URL.createObjectURL(file);
    picture.onload = () => picture.classList.toggle("small", picture.naturalWidth < 160);
  }
  predict(file, file.name || "the pasted picture");
}

function takeText(text) {
  byId("row").value = text.trim();
  if (text.trim()) predict(text.trim(), "the row");
}

function listen() {
  const drop = byId("drop");
  byId("file").addEventListener("change", (event) => {
    if (event.target.files.length) take(event.target.files[0]);
    event.target.value = "";
  });
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    else takeText(event.dataTransfer.getData("text"));
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) take(file);
    else if (!event.target.matches("input")) takeText(event.clipboardData.getData("text"));
  });
  byId("row-form").addEventListener("submit", (event) => {
    event.preventDefault();
    takeText(byId("row").value);
  });
}

// The live stream: server-sent events by fetch, since EventSource sends no token.

async function follow() {
  for (;;) {
    try {
      const response = await ask("api/live");
      if (!response.ok) throw new Error((await response.json()).error);
      await read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch { /* told by the state below, and tried again */ }
    state("not reachable", "bad");
    await new Promise((done) => { setTimeout(done, RETRY_MS); });
  }
}

async function read(reader) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const fields = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (fields.event === "status") showStatus(JSON.parse(fields.data));
      if (fields.event === "prediction") showPrediction(JSON.parse(fields.data));
    }
  }
}

function showPrediction(told) {
  byId("quiet").hidden = true;
  const item = element("li");
  item.append(
    element("span", summary(told.result)),
    element("span", `${told.input.source} ${told.input.position}`),
    element("span", `${number(told.latency_ms)} ms`),
  );
  const list = byId("predictions");
  list.prepend(item);
  while (list.children.length > MAX_LISTED) list.lastChild.remove();
}

function state(text, className) {
  const pill = byId("state");
  if (pill.textContent !== text) pill.textContent = text;
  pill.className = `pill ${className}`;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
const orDash = (value, show) => (value === null || value === undefined ? "–" : show(value));

function slowed(told) {
  const reasons = told.throttled.map((cause) => cause.replaceAll("_", " "));
  if (told.rate_factor < 1) reasons.push(`sources go at ${percent(told.rate_factor)} of their rate`);
  return reasons.length ? `Slowed down: ${reasons.join(", ")}` : "";
}

function facts(told) {
  const { status } = told;
  return {
    Predictions: status.predictions.toLocaleString("en"),
    "Latency p50": orDash(status.latency_p50_ms, (ms) => `${number(ms)} ms`),
    "Latency p95": orDash(status.latency_p95_ms, (ms) => `${number(ms)} ms`),
    Temperature: orDash(told.temperature_c, (degrees) => `${degrees.toFixed(1)} °C`),
    "In the queue": `${status.spool_messages.toLocaleString("en")}`,
    Broker: status.connected ? "connected" : "away",
    "Memory, worker": megabytes(told.worker_rss_bytes),
    "Memory, supervisor": megabytes(told.supervisor_rss_bytes),
  };
}

function rows(id, entries) {
  byId(id).replaceChildren(...Object.entries(entries).map(([name, value]) => {
    const row = element("div");
    row.append(element("dt", name), element("dd", value));
    return row;
  }));
}

function runtime(use) {
  const nodes = use.nodes === null || use.delegated_nodes === null ? "" : `, ${use.delegated_nodes} of ${use.nodes} nodes`;
  const skipped = use.skipped.length ? `; skipped ${use.skipped.map((skip) => `${skip.runtime}/${skip.delegate}`).join(", ")}` : "";
  return `${use.runtime}/${use.delegate} ${use.version}${nodes}${skipped}`;
}

function showStatus(told) {
  const { status } = told;
  document.title = `${status.device} · Godwit`;
  byId("device").textContent = status.device;
  byId("deployment").textContent = `${status.deployment} ${status.version}`;
  byId("agent").textContent = `edge-agent ${told.agent}, ${status.profile}`;
  state(status.problem ? `${status.state}: ${status.problem}` : status.state, { running: "good", refused: "bad" }[status.state] ?? "");
  rows("facts", facts(told));
  byId("slowed").textContent = slowed(told);
  rows("runtimes", Object.fromEntries(Object.entries(status.models).map(([name, use]) => [name, runtime(use)])));
  rows("sources", Object.keys(status.sources).length ? status.sources : { none: "configured" });
  choose(told.models);
}

function choose(models) {
  const select = byId("model");
  const names = models.map((model) => model.name);
  if ([...select.options].map((option) => option.value).join() !== names.join()) {
    select.replaceChildren(...names.map((name) => new Option(name, name)));
  }
  byId("choice").hidden = names.length < 2;
  const model = models.find((one) => one.name === select.value);
  if (model) byId("row-form").hidden = model.kind === "image";
}

listen();
follow();
