// The page: what a person does here, and what follows. All else lies in the modules it imports.

import { askForKey, listenForKey } from "./admin.js";
import { layersOf, showBars, showChannels, showClasses, showContrasts } from "./answer.js";
import { nameOf } from "./api.js";
import { byId, element, percent, placesFor, signed, tell } from "./elements.js";
import { CONFIDENCE, Picture, showPictures } from "./images.js";
import { lookAtMetrics } from "./live.js";
import { forgetModels, lookAtModels } from "./models.js";
import { cellAt, drawImage, drawOverlay, drawRamp, largest, strongestCell } from "./overlay.js";
import { SAMPLES, asFile, drawn } from "./samples.js";
import { mayAnswer } from "./trials.js";

const POLL_MS = 2000;
const MOST_NAMED = 8;
const state = { pictures: [], shown: null, label: null, other: null, layer: 0, serving: null };
let map = null; // the rows of numbers that the overlay shows

// ---- bringing images

async function add(files) {
  const brought = [...files].map((file) => new Picture(file));
  if (!brought.length) return;
  state.pictures.push(...brought);
  show(brought[0]);
  await Promise.all(brought.map((each) => Promise.all([each.load(), each.ask()]).then(() => told(each))));
}

function told(picture) {
  if (picture === state.shown) show(picture);
  else list();
}

const list = () => showPictures(state.pictures, state.shown, show);

function listen() {
  for (const id of ["files", "camera"]) {
    byId(id).onchange = ({ target }) => {
      add(target.files);
      target.value = ""; // so that the same file can be chosen again
    };
  }
  document.onpaste = ({ clipboardData }) => add(clipboardData.files);
  document.ondragover = (event) => {
    event.preventDefault();
    byId("drop").classList.add("over");
  };
  document.ondragleave = () => byId("drop").classList.remove("over");
  document.ondrop = (event) => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    add(event.dataTransfer.files);
  };
  byId("clear").onclick = clear;
}

function offerSamples() {
  for (const name of Object.keys(SAMPLES)) {
    const canvas = drawn(name);
    canvas.setAttribute("aria-hidden", "true");
    const take = async () => add([await asFile(canvas, name)]);
    byId("samples").append(element("button", { type: "button", onclick: take }, canvas, name));
  }
}

function clear() {
  Object.assign(state, { pictures: [], shown: null });
  byId("result").hidden = true;
  tell(byId("error"), "");
  tell(byId("headline"), "No image yet: take one of the drawn samples to begin.");
  list();
  byId("files").focus();
}

// ---- showing an answer

function show(picture) {
  const { answer, error } = picture;
  Object.assign(state, { shown: picture, label: answer?.label ?? null, other: null });
  list();
  byId("result").hidden = !answer;
  tell(byId("error"), error && `${picture.file.name}: ${error}`);
  tell(byId("headline"), headline(picture));
  if (answer) explain();
}

function headline({ answer, error, file }) {
  if (error) return `There is no answer for ${file.name}.`;
  return answer ? `${answer.label}, ${percent(answer.probability)}` : `asking about ${file.name}`;
}

// Shows why: at once what the answer itself says, and the evidence as soon as it is there.
async function explain() {
  const { shown, label, other } = state;
  const { answer } = shown;
  describe(answer);
  showClasses(answer.classes, label, choose);
  showContrasts(answer.classes, label, other);
  showEvidence(null);
  let evidence = null;
  try {
    evidence = await shown.evidenceFor(label, other);
  } catch (error) {
    tell(byId("error"), error.message);
  }
  if (shown.answer !== answer) told(shown); // another version answered: all is new
  else if (isStill(shown, label, other)) showEvidence(evidence);
}

const isStill = (shown, label, other) =>
  shown === state.shown && label === state.label && other === state.other;

function choose(label) {
  Object.assign(state, { label, other: state.other === label ? null : state.other });
  explain();
  byId("class-list").querySelector("input:checked").focus();
}

function describe(answer) {
  const layers = `${answer.layers_used} layers ran, decided from ${answer.settled_at.layer} on`;
  tell(byId("answered"), `answered by ${nameOf(answer.model)}, ${layers}`);
  tell(byId("set"), among(answer));
  tell(byId("familiarity"), familiar(answer));
  byId("familiarity").classList.toggle("note", answer.is_familiar === false);
  compareVersions();
}

// Names the classes among which the true one is; versions without calibration, and answers given
// early, cannot.
function among({ conformal_set: labels, classes }) {
  if (!labels) return "";
  const more = labels.length > MOST_NAMED ? ` and ${labels.length - MOST_NAMED} more` : "";
  const named = labels.slice(0, MOST_NAMED).join(", ") + more;
  const said = labels.length === classes.length ? `any of the ${classes.length} classes` : named;
  return `At ${percent(CONFIDENCE, 0)} confidence: ${said}.`;
}

// Says how much the image is like those that the model was measured on; older versions cannot.
function familiar({ familiarity, is_familiar: isFamiliar }) {
  if (familiarity == null) return "";
  const measured = `More familiar than ${familiarity.toFixed(1)} % of the validation images`;
  return isFamiliar === false ? `${measured}: the answer may mean little.` : `${measured}.`;
}

function compareVersions() {
  const by = state.shown?.answer && nameOf(state.shown.answer.model);
  const { serving } = state;
  const isOutdated = Boolean(by && serving && by !== serving && !mayAnswer(by, serving));
  byId("outdated").hidden = !isOutdated;
  if (isOutdated) byId("outdated").firstElementChild.textContent = `${serving} serves now.`;
}

// ---- showing the evidence

function showEvidence(evidence) {
  const { shown, label, other } = state;
  const layers = evidence?.layers ?? layersOf(shown.answer.classes, label, other);
  const name = other ? `${label} over ${other}` : label;
  const sum = evidence?.goodness ?? layers.reduce((total, each) => total + each.contribution, 0);
  showBars(layers, sum, name);
  showChannels(evidence?.channels);
  tell(byId("evidence-title"), `Evidence for ${name}`);
  tell(byId("note"), shown.withoutEvidence && `Layers only: ${shown.withoutEvidence}`);
  tell(byId("residual"), evidence && `The parts sum to the score, ${rounding(evidence)}.`);
  if (shown.pixels) drawImage(byId("picture"), shown.pixels);
  byId("evidence").classList.toggle("plain", !evidence);
  if (evidence) offerLayers(evidence);
}

const rounding = ({ residual }) => `but for ${residual.toExponential(0)} of their size, by rounding`;

function offerLayers(evidence) {
  const slider = byId("layer");
  slider.max = evidence.layers.length;
  state.layer = Math.min(state.layer, evidence.layers.length);
  slider.value = state.layer;
  slider.oninput = () => {
    state.layer = Number(slider.value);
    showLayer(evidence);
  };
  showLayer(evidence);
}

function showLayer(evidence) {
  const layer = state.layer ? evidence.layers[state.layer - 1] : null;
  const name = layer ? layer.layer : "all layers";
  const part = `${name}, ${signed(layer ? layer.contribution : evidence.goodness)}`;
  map = layer ? layer.map : evidence.map;
  tell(byId("layer-name"), part);
  byId("layer").setAttribute("aria-valuetext", part);
  const most = largest(map);
  if (state.shown.pixels) drawOverlay(byId("overlay"), state.shown.pixels, map, most);
  describeMap(name, most);
}

// Says in numbers and words what the colours show.
function describeMap(name, most) {
  const word = (value) => signed(value, placesFor(most));
  tell(byId("least"), word(-most));
  tell(byId("most"), word(most));
  byId("legend").setAttribute("aria-label", `Blue is ${word(-most)}, white 0, orange ${word(most)}`);
  const { row, column, value } = strongestCell(map);
  const where = `row ${row + 1} of ${map.length}, column ${column + 1} of ${map[0].length}`;
  byId("overlay").setAttribute("aria-label", `Evidence of ${name}: most, ${word(value)}, in ${where}`);
  tell(byId("pointed"), "its evidence");
}

function point(event) {
  const cell = map && cellAt(byId("overlay"), map, event);
  const places = placesFor(largest(map ?? [[0]]));
  const where = cell && `row ${cell.row + 1}, column ${cell.column + 1}: ${signed(cell.value, places)}`;
  tell(byId("pointed"), where || "its evidence");
}

// ---- watching the service

async function look() {
  try {
    state.serving = await lookAtModels();
    compareVersions();
    await lookAtMetrics();
  } catch (error) {
    if (error.status === 401) askForKey(error.message);
    else tell(byId("serving"), error.message);
  }
}

async function watch() {
  if (!document.hidden) await look();
  setTimeout(watch, POLL_MS);
}

async function askAgain() {
  const { shown } = state;
  await shown.ask();
  told(shown);
}

listen();
listenForKey(() => {
  forgetModels();
  look();
});
offerSamples();
drawRamp(byId("ramp"));
byId("contrast").onchange = ({ target }) => {
  Object.assign(state, { other: target.value || null });
  explain();
};
byId("overlay").onpointermove = point;
byId("overlay").onpointerleave = point;
byId("again").onclick = askAgain;
watch();
