// What serves, what is published, and what was refused and why.

import { FIXED, adminStates, changesOf, showChanges } from "./admin.js";
import * as api from "./api.js";
import { byId, element, percent, tell } from "./elements.js";
import { showTrials, trialWords } from "./trials.js";

// The list of versions reads files: it is asked for when something changed, else every so often.
const LOOKS_BETWEEN_LISTS = 5;
let last = "";
let looks = 0;
let shown = "";

// Asks what serves and shows it; gives the serving version's name, or null.
export async function lookAtModels() {
  const ready = await api.ready();
  const state = JSON.stringify(ready);
  showState(ready);
  if (state !== last || looks++ % LOOKS_BETWEEN_LISTS === 0) {
    showVersions(await api.models(), ready, await adminStates());
  }
  last = state;
  return ready.model ? api.nameOf(ready.model) : null;
}

// Has the next look list the versions, whatever it sees.
export function forgetModels() {
  last = "";
}

function showState({ model, trouble, refused }) {
  tell(byId("serving"), model ? `${api.nameOf(model)} serves` : "no version serves");
  tell(byId("trouble"), trouble && `Trouble: ${trouble}`);
  tell(byId("refused"), refused && `${refused.version} was refused: ${refused.reason}`);
}

function showVersions({ versions, device, trials }, { refused }, states) {
  const now = JSON.stringify([versions, trials, refused, states && [...states]]);
  if (now === shown) return; // whoever stands on a button shall not lose it
  shown = now;
  showTrials(trials);
  showChanges(versions, states, lookAgain);
  const stateOf = (each) => {
    if (each.is_active) return `serves (${device})`;
    return refused?.version === api.nameOf(each) ? "refused" : trialWords(each, trials);
  };
  const rows = versions.map((each) => versionRow(each, stateOf(each), states));
  byId("versions").tBodies[0].replaceChildren(...rows);
}

async function lookAgain() {
  forgetModels();
  await lookAtModels().catch((error) => tell(byId("serving"), error.message));
}

function versionRow(each, state, states) {
  const name = api.nameOf(each);
  const cells = each.problem
    ? [element("td", { colSpan: 4 }, each.problem)]
    : [
        each.accuracy == null
          ? "not tested"
          : `${percent(each.accuracy, 2)} of ${each.accuracy_n.toLocaleString("en")}`,
        `${each.labels.length} classes`,
        `${each.image_width} \u00d7 ${each.image_height}`,
        each.created.slice(0, 10),
      ].map((text) => element("td", {}, text));
  const labels = each.aliases.filter((label) => !FIXED.includes(label)); // the state says these
  return element(
    "tr",
    { className: each.is_active ? "active" : "" },
    element("th", { scope: "row" }, name),
    element("td", {}, [state, ...labels].filter(Boolean).join(", ")),
    ...cells,
    ...(states ? [changesOf(each, states, lookAgain)] : []),
  );
}
