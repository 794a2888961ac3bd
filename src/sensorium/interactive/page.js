"use strict";
// Requests one frame at a time, at the model's speed, and sends the keys that are down. Until a key steers, the dream
// follows the recorded actions beside the recording, over and over.

const KEPT = 200; // frames that the displayed figures cover
const SMOOTHED = 8; // frames over which the needle averages the doubt
const WIDEST = 4; // doubt at the right end of the gauge
const PAUSE = 1000; // milliseconds before a dream under the recorded actions begins again
const SHORT = { ArrowLeft: "\u2190", ArrowRight: "\u2192", ArrowUp: "\u2191", ArrowDown: "\u2193" };

const token = new URLSearchParams(location.search).get("token");
const element = (id) => document.getElementById(id);
const canvas = element("screen");
const paper = canvas.getContext("2d");
const truth = element("truth").getContext("2d");
const down = new Set();
let dream = null; // header of the dream that runs
let steered = false; // whether keys steer it, or the recorded actions
let stopped = false; // whether an error has ended it
let actions = [], times = [], doubts = [], arrivals = [];
let run = 0; // each beginning ends the loop of the previous one
let speaker = null, heardUntil = 0;

async function ask(path, request) {
  const answer = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify(request),
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  return { header, body: new Uint8Array(bytes, 4 + length) };
}

const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

function draw(surface, rgb) {
  const picture = surface.createImageData(dream.width, dream.height);
  for (let from = 0, to = 0; to < picture.data.length; from += 3, to += 4) {
    picture.data[to] = rgb[from];
    picture.data[to + 1] = rgb[from + 1];
    picture.data[to + 2] = rgb[from + 2];
    picture.data[to + 3] = 255;
  }
  surface.putImageData(picture, 0, 0);
}

function play(bytes) {
  if (!bytes.length || !navigator.userActivation.hasBeenActive) return; // browsers want a key or a click before sound
  speaker ??= new AudioContext();
  const samples = new Int16Array(bytes.slice().buffer);
  const buffer = speaker.createBuffer(1, samples.length, dream.sample_rate);
  buffer.getChannelData(0).set(Float32Array.from(samples, (value) => value / 32768));
  const now = speaker.currentTime;
  if (heardUntil < now) heardUntil = now + 0.05; // the queue ran dry: a short delay avoids the next gap
  if (heardUntil > now + 0.5) return; // too far ahead of the pictures
  const source = speaker.createBufferSource();
  source.buffer = buffer;
  source.connect(speaker.destination);
  source.start(heardUntil);
  heardUntil += buffer.duration;
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

function report(header) {
  times.push(1000 * header.seconds);
  doubts.push(header.doubt);
  arrivals.push(performance.now());
  for (const list of [times, doubts, arrivals]) if (list.length > KEPT) list.shift();
  element("frames").textContent = actions.length;
  element("time").textContent = `${quantile(times, 0.5).toFixed(1)} / ${quantile(times, 0.99).toFixed(1)} ms`;
  const span = arrivals[arrivals.length - 1] - arrivals[0];
  if (span) element("rate").textContent = `${(1000 * (arrivals.length - 1) / span).toFixed(1)} of ${dream.frames_per_second}`;
  const recent = doubts.slice(-SMOOTHED);
  const doubt = recent.reduce((a, b) => a + b, 0) / recent.length;
  element("trust").textContent = `doubt: ${doubt.toFixed(2)} x that of true frames`;
  element("needle").style.left = `${100 * Math.min(1, doubt / WIDEST)}%`;
}

// The body sense: a bar for each number, up or down from the middle.
function showFelt(numbers) {
  element("feeling").className = numbers.length ? "" : "absent";
  if (!numbers.length) return;
  const gauge = element("felt"), middle = gauge.height / 2;
  gauge.width = 4 * numbers.length;
  const bars = gauge.getContext("2d");
  bars.fillStyle = "#f08c14";
  numbers.forEach((value, place) => bars.fillRect(4 * place, middle, 3, -middle * Math.max(-1, Math.min(1, value)) || 1));
}

function showKeys() {
  for (const key of element("keys").querySelectorAll("kbd")) key.className = down.has(key.dataset.code) ? "down" : "";
}

function show(header) {
  dream = header;
  [actions, times, doubts, arrivals] = [[], [], [], []];
  for (const screen of [canvas, element("truth")]) [screen.width, screen.height] = [dream.width, dream.height];
  element("title").textContent = dream.keys.length ? "Steer a dream" : "Watch a dream";
  element("steering").textContent = dream.steering;
  element("keys").replaceChildren(...dream.keys.map((code) => {
    const key = document.createElement("kbd");
    [key.dataset.code, key.textContent] = [code, SHORT[code] || code];
    return key;
  }));
  showKeys();
  element("recording").textContent = dream.recording;
  element("restart").textContent = "Another recording";
  element("again").disabled = false;
  element("sharper").className = dream.copies ? "" : "absent";
  element("doubted").className = dream.doubted ? "" : "absent";
  element("sharpness").value = Math.log2(dream.sharpness);
  showSharpness(dream.sharpness);
  element("save").disabled = !dream.keys.length;
  element("replay").replaceChildren("The saved actions as a film: ", document.createElement("code"));
  element("replay").lastChild.textContent = `sensorium dream --actions actions.json --recording ${dream.recording} ` +
    `--context ${dream.context} --denoising-steps ${dream.denoising_steps} --stillness ${dream.stillness} --sharpness ${dream.sharpness} --seed ${dream.seed}`;
}

function showSharpness(power) {
  const meaning = power < 1.5 ? "the mean of what may come" : power < 4 ? "between" : "one of what may come";
  element("power").textContent = `${power.toFixed(1)}: ${meaning}`;
}

function showFrame(pictures, given, hasTruth) {
  const size = 3 * dream.width * dream.height;
  canvas.className = given ? "" : "dreaming";
  draw(paper, pictures.subarray(0, size));
  if (hasTruth) draw(truth, given ? pictures.subarray(0, size) : pictures.subarray(size, 2 * size));
  element("shown").textContent = given ? "given: true frames" : "dream";
  element("beside").className = hasTruth ? "" : "absent";
  const missing = steered ? "nobody recorded what your keys do" : "the recording has ended";
  element("recorded").textContent = hasTruth ? "what was recorded" : missing;
}

function stateOf() {
  if (!dream.keys.length) return "Dreaming.";
  return steered ? "You steer." : "Dreaming under the recorded actions. Press a key below to steer.";
}

// A new dream, of the next recording or again from the same moment, steered by keys or by the recorded actions.
async function begin(again, steer, sharpness = null) {
  const mine = ++run;
  steered = steer;
  try {
    const { header, body } = await ask("begin", { again, sharpness });
    if (mine !== run) return;
    show(header);
    stopped = false;
    steered ||= dream.keys.some((key) => down.has(key)); // held since before the dream
    const size = 3 * dream.width * dream.height, follows = dream.keys.length && !steered;
    element("state").textContent = stateOf();
    for (let at = steered ? body.length - size : 0; at < body.length; at += size) {
      showFrame(body.subarray(at, at + size), true, true);
      if (!steered) await sleep(1000 / dream.frames_per_second);
      if (mine !== run) return;
    }
    let due = performance.now();
    while (!follows || actions.length < dream.recorded) {
      const keys = follows ? "recorded" : dream.keys.filter((key) => down.has(key));
      const { header, body } = await ask("step", { session: dream.session, keys });
      if (mine !== run) return;
      showFrame(body, false, header.truth);
      play(body.subarray(size * (header.truth ? 2 : 1)));
      actions.push(header.action);
      showFelt(header.felt);
      report(header);
      due = Math.max(due + 1000 / dream.frames_per_second, performance.now());
      await sleep(due - performance.now());
      while (document.hidden) await sleep(PAUSE); // nobody watches
      if (mine !== run) return;
    }
    await sleep(PAUSE);
    if (mine === run) begin(true, false);
  } catch (error) {
    if (mine !== run) return;
    [dream, stopped] = [null, true];
    element("state").textContent = `Stopped: ${error.message}`;
    element("restart").textContent = "Begin";
    element("again").disabled = true;
  }
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(actions)], { type: "application/json" }));
  link.download = "actions.json";
  link.click();
  URL.revokeObjectURL(link.href);
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  down.add(event.code);
  showKeys();
  const steers = dream && dream.keys.includes(event.code);
  if (steers) event.preventDefault();
  if (event.repeat || event.target.tagName === "BUTTON" && !steers) return;
  if (steers && !steered) begin(true, true);
  else if (dream && event.key.toLowerCase() === "r") begin(true, steered);
  else if (stopped) begin(false, false);
});
addEventListener("keyup", (event) => { down.delete(event.code); showKeys(); });
addEventListener("blur", () => { down.clear(); showKeys(); });
element("again").addEventListener("click", (event) => { event.target.blur(); begin(true, steered); });
element("restart").addEventListener("click", (event) => { event.target.blur(); begin(false, false); });
element("sharpness").addEventListener("input", (event) => showSharpness(2 ** event.target.value));
element("sharpness").addEventListener("change", (event) => { event.target.blur(); begin(true, steered, 2 ** event.target.value); });
element("save").addEventListener("click", save);
begin(false, false);
