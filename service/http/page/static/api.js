// The service's paths, as functions. Whatever fails becomes a Problem with a sentence for people.

import { heldKey } from "./keyring.js";

const TIMEOUT_MS = 60_000;
// While a version is on trial, one version answers whatever this page asks about its images.
const CALLER = Math.random().toString(36).slice(2);

// Names a version as the service does.
export const nameOf = ({ name, version }) => `${name}/${version}`;

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

// Classifies one image: every class, each with the contributions of the layers, and the set of
// classes that holds the true one with this confidence, where the version can give one.
export async function predict(file, confidence) {
  const path = "predict?explain=true&top_k=1000000";
  const answer = await post(`${path}&confidence=${confidence}`, file).catch((error) => {
    if (error.status !== 409) throw error;
    return post(path, file);
  });
  return { model: answer.model, ...answer.predictions[0] };
}

// Takes one class's score apart, and the difference of two if `other` is given; by one version, if
// `model` names it.
export async function explain(file, label, other, model) {
  const options = new URLSearchParams({ classes: label, channels: "8" });
  // One after the other: a label may have commas.
  if (other) for (const each of [label, other]) options.append("contrast", each);
  const by = model ? `models/${model.name}/versions/${model.version}/` : "";
  const answer = await post(`${by}explain?${options}`, file);
  return { model: answer.model, ...answer.explanations[0] };
}

export const models = async () => (await get("models")).json();
export const metrics = async () => (await get("metrics")).text();

// What an admin's key opens: the state of every model, and changes.
export const adminModels = async () => (await get("admin/models")).json();
export const change = (method, path) => checked(send(`admin/models/${path}`, { method }));

// Says what serves; 503 is an answer here, too: it has the reason.
export async function ready() {
  const response = await send("health/ready", {});
  return response.json();
}

async function post(path, file) {
  const body = new FormData();
  body.append("image", file, file.name);
  const headers = { "X-Routing-Key": CALLER };
  return (await checked(send(path, { method: "POST", body, headers }))).json();
}

const get = (path) => checked(send(path, {}));

async function send(path, options) {
  try {
    const headers = heldKey() ? { Authorization: `Bearer ${heldKey()}` } : {};
    return await fetch(path, { ...options, headers: { ...options.headers, ...headers }, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const reason = error.name === "TimeoutError" ? "did not answer in time" : "cannot be reached";
    throw new Problem(0, `The service ${reason}.`);
  }
}

async function checked(sent) {
  const response = await sent;
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Problem(response.status, problem.detail ?? `The service answered ${response.status}.`);
}
