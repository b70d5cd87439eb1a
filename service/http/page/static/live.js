// Throughput, latency and queue: the numbers of /metrics, each look less the one before.

import * as api from "./api.js";
import { byId } from "./elements.js";

const KEPT = 60;
const SVG = "http://www.w3.org/2000/svg";
const history = new Map();
let before = null;

// Takes the numbers anew and shows what changed since the last time.
export async function lookAtMetrics() {
  const now = { at: performance.now() / 1000, samples: parse(await api.metrics()) };
  if (before) show(difference(before.samples, now.samples, now.at - before.at));
  before = now;
}

// Reads Prometheus' text format: a map from a name with its labels to a number.
export function parse(text) {
  const lines = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

// Says what happened between two looks that lie so many seconds apart.
export function difference(earlier, later, seconds) {
  const grown = (name) => Math.max(0, (later.get(name) ?? 0) - (earlier.get(name) ?? 0));
  const outcomes = [...later.keys()].filter((name) => name.startsWith("goodserve_requests_total"));
  const total = outcomes.reduce((sum, name) => sum + grown(name), 0);
  const answered = outcomes.filter((name) => name.includes('"ok"')).reduce((s, n) => s + grown(n), 0);
  const buckets = bucketsOf(later, grown);
  const runs = grown("goodserve_batch_size_count");
  return {
    rate: answered / seconds,
    failed: (total - answered) / seconds,
    median: quantile(buckets, 0.5),
    slowest: quantile(buckets, 0.95),
    depth: later.get("goodserve_queue_depth") ?? 0,
    batch: runs ? grown("goodserve_batch_size_sum") / runs : null,
  };
}

function bucketsOf(samples, grown) {
  const bucket = /^goodserve_request_duration_seconds_bucket\{.*le="([^"]*)"/;
  const counts = new Map(); // by limit, of all models together
  for (const name of samples.keys()) {
    if (!name.includes('outcome="ok"') || !bucket.test(name)) continue;
    const text = bucket.exec(name)[1];
    const limit = text === "+Inf" ? Infinity : Number(text);
    counts.set(limit, (counts.get(limit) ?? 0) + grown(name));
  }
  return [...counts].sort(([first], [second]) => first - second);
}

// Estimates a quantile in seconds from cumulative counts per limit, as Prometheus does: evenly
// within a bucket. Null if there is nothing to count.
export function quantile(buckets, share) {
  const wanted = share * (buckets.at(-1)?.[1] ?? 0);
  if (!wanted) return null;
  const place = buckets.findIndex(([, count]) => count >= wanted);
  const [from, below] = place ? buckets[place - 1] : [0, 0];
  const [to, count] = buckets[place];
  return to === Infinity ? from : from + ((to - from) * (wanted - below)) / (count - below);
}

const milliseconds = (value) => `${(1000 * value).toFixed(value < 0.01 ? 1 : 0)} ms`;
const WORDED = {
  rate: (value) => value.toFixed(1),
  failed: (value) => value.toFixed(1),
  median: milliseconds,
  slowest: milliseconds,
  depth: (value) => value.toFixed(0),
  batch: (value) => value.toFixed(1),
};

function show(numbers) {
  for (const [id, word] of Object.entries(WORDED)) {
    const values = [...(history.get(id) ?? []), numbers[id]].slice(-KEPT);
    history.set(id, values);
    byId(id).replaceChildren(numbers[id] === null ? "-" : word(numbers[id]), line(values));
  }
}

// Draws a line of numbers, newest at the right; where there was nothing to measure it is at 0.
function line(values) {
  const most = Math.max(...values, 1e-9);
  const x = (place) => (100 * (KEPT - values.length + place)) / (KEPT - 1);
  const points = values.map((value, place) => `${x(place)},${23 - (22 * (value ?? 0)) / most}`);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 24");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const drawn = document.createElementNS(SVG, "polyline");
  drawn.setAttribute("points", points.join(" "));
  svg.append(drawn);
  return svg;
}
