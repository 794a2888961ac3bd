"use strict";
// Requests one frame at a time, at the model's speed, and sends the keys that are down.

const KEPT = 200; // frames that the displayed figures cover
const SMOOTHED = 8; // frames over which the needle averages the doubt
const WIDEST = 4; // doubt at the right end of the gauge

const token = new URLSearchParams(location.search).get("token");
const element = (id) => document.getElementById(id);
const canvas = element("screen");
const paper = canvas.getContext("2d");
const down = new Set();
let dream = null; // header of the dream that runs
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

function draw(rgb) {
  const picture = paper.createImageData(dream.width, dream.height);
  for (let from = 0, to = 0; to < picture.data.length; from += 3, to += 4) {
    picture.data[to] = rgb[from];
    picture.data[to + 1] = rgb[from + 1];
    picture.data[to + 2] = rgb[from + 2];
    picture.data[to + 3] = 255;
  }
  paper.putImageData(picture, 0, 0);
}

function play(bytes) {
  if (!bytes.length || !speaker) return;
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

async function begin() {
  const mine = ++run;
  try {
    const { header, body } = await ask("begin", {});
    if (mine !== run) return;
    dream = header;
    [actions, times, doubts, arrivals] = [[], [], [], []];
    if (dream.sample_rate && !speaker) speaker = new AudioContext();
    [canvas.width, canvas.height] = [dream.width, dream.height];
    draw(body);
    canvas.className = "";
    element("recording").textContent = dream.recording;
    element("restart").textContent = "Another recording";
    element("save").disabled = !dream.keys.length;
    element("keys").textContent = dream.keys.length
      ? `Keys: ${dream.keys.map((key) => key.replace("Arrow", "")).join(", ")}` : "Nothing steers this dream.";
    element("replay").replaceChildren("The saved actions as a film: ", document.createElement("code"));
    element("replay").lastChild.textContent = `sensorium dream --actions actions.json --recording ${dream.recording} ` +
      `--context ${dream.context} --denoising-steps ${dream.denoising_steps} --stillness ${dream.stillness} --seed ${dream.seed}`;
    element("state").textContent = "Dreaming.";
    let due = performance.now();
    while (mine === run) {
      const { header, body } = await ask("step", { session: dream.session, keys: dream.keys.filter((key) => down.has(key)) });
      if (mine !== run) return;
      const size = 3 * dream.width * dream.height;
      canvas.className = "dreaming";
      draw(body.subarray(0, size));
      play(body.subarray(size));
      actions.push(header.action);
      report(header);
      due = Math.max(due + 1000 / dream.frames_per_second, performance.now());
      await new Promise((wake) => setTimeout(wake, due - performance.now()));
    }
  } catch (error) {
    if (mine !== run) return;
    dream = null;
    element("state").textContent = `Stopped: ${error.message}`;
    element("restart").textContent = "Begin";
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
  if (dream && dream.keys.includes(event.code)) event.preventDefault();
  if (!dream && !event.repeat && event.target.tagName !== "BUTTON") begin();
});
addEventListener("keyup", (event) => down.delete(event.code));
addEventListener("blur", () => down.clear());
element("restart").addEventListener("click", (event) => { event.target.blur(); begin(); });
element("save").addEventListener("click", save);
