// Versions on trial: which there are, what is said of them, and the form that begins a trial.

import { nameOf } from "./api.js";
import { byId, choices, tell } from "./elements.js";

const FAILED = "stopped"; // a trial that failed is told of until the next one
let answering = new Set(); // versions that answer a part of the requests that name none

// Shows what became of trials, and remembers who may answer beside the version that serves.
export function showTrials(trials) {
  const isAnswering = ({ percent, shadow, failure }) => percent && !shadow && !failure;
  answering = new Set(trials.filter(isAnswering).map(nameOf));
  const failed = trials.find((each) => each.failure);
  tell(byId(FAILED), failed && `The trial of ${nameOf(failed)} was stopped: ${failed.failure}`);
}

// Tells whether a version may answer while another one of its model serves.
export const mayAnswer = (name, serving) =>
  answering.has(name) && name.split("/")[0] === serving.split("/")[0];

// Says how a version is tried; nothing if it is not.
export function trialWords({ name, version }, trials) {
  const trial = trials.find((each) => each.name === name && each.version === version && !each.failure);
  if (!trial) return "";
  return trial.shadow ? `on trial, compared on ${trial.percent} %` : `on trial, answers ${trial.percent} %`;
}

// Offers the versions that can be tried: those of which another one is active.
export function offerTrials(versions, states, begin) {
  const canBe = ({ name, version }) => states?.get(name)?.active && states.get(name).active !== version;
  const names = versions.filter(canBe).map(nameOf);
  byId("trial-form").hidden = !names.length;
  byId("trial-version").replaceChildren(...choices(names));
  byId("trial-form").onsubmit = (event) => {
    event.preventDefault();
    const of = byId("trial-version").value;
    const [percent, shadow] = [byId("trial-percent").valueAsNumber, byId("trial-shadow").checked];
    const [name, version] = of.split("/");
    const options = new URLSearchParams({ percent, shadow });
    const told = shadow ? `is compared on ${percent} % of the requests` : `answers ${percent} % of the requests`;
    begin(`${of} is on trial and ${told}.`, `${name}/versions/${version}/canary?${options}`);
  };
}
