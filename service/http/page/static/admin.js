// What whoever holds an admin's key may change. Without such a key nothing of this is shown.

import * as api from "./api.js";
import { byId, choices, element, tell } from "./elements.js";
import { heldKey, holdKey } from "./keyring.js";
import { offerTrials } from "./trials.js";

export const FIXED = ["stable", "canary"]; // these follow by themselves
let refusedKey = null;

// Gives the state of each model by its name; null for those who may not change anything.
export async function adminStates() {
  const key = heldKey();
  if (!key || key === refusedKey) return null;
  try {
    return new Map((await api.adminModels()).models.map((each) => [each.name, each]));
  } catch (error) {
    // Asked again and again, each time would be a line of the service's log.
    if ([401, 403, 404].includes(error.status)) refusedKey = key;
    return null;
  }
}

// Makes the cell of a version's row with what can be done to it.
export function changesOf({ name, version }, states, changed) {
  const state = states.get(name);
  const of = api.nameOf({ name, version });
  const isOurs = ([label, named]) => named === version && !FIXED.includes(label);
  const labels = Object.entries(state?.labels ?? {}).filter(isOurs);
  const offer = (words, spoken, done, method, path) => {
    const onclick = () => make(done, method, path, changed);
    return element("button", { type: "button", ariaLabel: `${spoken} ${of}`, onclick }, words);
  };
  const buttons = labels.map(([label]) =>
    offer(`remove ${label}`, `remove ${label} from`, `${label} names nothing any more.`, "DELETE", `${name}/labels/${label}`),
  );
  if (state?.canary?.version === version) {
    buttons.unshift(
      offer("promote", "promote", `${of} is active.`, "POST", `${name}/promote`),
      offer("end the trial", "end the trial of", `The trial of ${of} has ended.`, "POST", `${name}/abandon`),
    );
  } else if (state?.active !== version) {
    buttons.unshift(offer("activate", "activate", `${of} is active.`, "POST", `${name}/versions/${version}/activate`));
  } else if (state.previous.length) {
    const before = `${name}/${state.previous.at(-1)}`;
    buttons.unshift(offer("roll back", "roll back from", `${before} is active again.`, "POST", `${name}/rollback`));
  }
  return element("td", { className: "changes" }, ...buttons);
}

// Shows what belongs to changes, or hides it.
export function showChanges(versions, states, changed) {
  for (const id of ["changes-head", "label-form"]) byId(id).hidden = !states;
  byId("label-version").replaceChildren(...choices(versions.map(api.nameOf)));
  byId("label-form").onsubmit = (event) => {
    event.preventDefault();
    const [name, version] = byId("label-version").value.split("/");
    const label = byId("label-name").value.trim();
    const path = `${name}/versions/${version}/labels/${encodeURIComponent(label)}`;
    make(`${label} names ${name}/${version}.`, "PUT", path, changed);
  };
  offerTrials(versions, states, (done, path) => make(done, "POST", path, changed));
}

async function make(done, method, path, changed) {
  tell(byId("changed"), "");
  tell(byId("unchanged"), "");
  try {
    await api.change(method, path);
    tell(byId("changed"), done);
  } catch (error) {
    tell(byId("unchanged"), error.message);
  }
  await changed();
}

// Lets a person enter a key, and forget it again.
export function listenForKey(changed) {
  const use = (key) => {
    holdKey(key);
    refusedKey = null;
    byId("key-text").value = "";
    showKey();
    changed();
  };
  byId("key-form").onsubmit = (event) => {
    event.preventDefault();
    use(byId("key-text").value);
  };
  byId("key-forget").onclick = () => use("");
  showKey();
}

// Says that the service wants a key, where it does; the person may have one at hand.
export function askForKey(why) {
  byId("key").open = true;
  tell(byId("key-said"), heldKey() ? why : "This service needs a key.");
}

function showKey() {
  byId("key-forget").hidden = !heldKey();
  tell(byId("key-said"), heldKey() && "A key is in use, until this tab is closed.");
}
