// The parts of an answer as tables: classes, contributions of the layers, strongest channels.

import { byId, element, percent, signed } from "./elements.js";

const FEW = 5;

// Lists the classes as radio buttons, most probable first; calls `choose` with the chosen label.
export function showClasses(classes, chosen, choose) {
  const list = byId("class-list");
  const more = byId("more");
  const shown = (all) => (all ? classes : classes.filter((c, n) => n < FEW || c.label === chosen));
  const fill = (all) => {
    list.replaceChildren(...shown(all).map((each) => classRow(each, chosen, choose)));
    more.hidden = all || classes.length <= FEW;
  };
  more.textContent = `all ${classes.length} classes`;
  more.onclick = () => {
    fill(true);
    list.querySelector("input:checked").focus();
  };
  fill(false);
}

function classRow(each, chosen, choose) {
  const radio = element("input", {
    type: "radio",
    name: "class",
    value: each.label,
    checked: each.label === chosen,
    onchange: () => choose(each.label),
  });
  const bar = element("span", { className: "bar probable" });
  bar.style.width = `${100 * each.probability}%`;
  return element(
    "label",
    { className: "class" },
    radio,
    element("span", { className: "name" }, each.label),
    element("span", { className: "track", "aria-hidden": "true" }, bar),
    element("span", { className: "number" }, percent(each.probability)),
  );
}

// Offers every other class to compare with.
export function showContrasts(classes, chosen, other) {
  const labels = classes.map((each) => each.label).filter((label) => label !== chosen);
  const options = labels.map((label) =>
    element("option", { value: label, selected: label === other }, label),
  );
  byId("contrast").replaceChildren(element("option", { value: "" }, "no other class"), ...options);
}

// Gives the contributions per layer of a class, less those of another if one is given.
export function layersOf(classes, label, other) {
  const find = (wanted) => classes.find((each) => each.label === wanted).layers;
  if (!other) return find(label);
  const less = find(other);
  return find(label).map(({ layer, contribution }, place) => ({
    layer,
    contribution: contribution - less[place].contribution,
  }));
}

// Shows the contributions as a staircase: each bar begins where the one before ended.
export function showBars(layers, sum, name) {
  const ends = [];
  layers.reduce((total, each) => (ends.push(total + each.contribution), ends.at(-1)), 0);
  const low = Math.min(0, sum, ...ends);
  const range = Math.max(0, sum, ...ends) - low || 1;
  const rows = layers.map((each, place) =>
    barRow(each.layer, each.contribution, (ends[place - 1] ?? 0) - low, -low, range),
  );
  byId("bars").tBodies[0].replaceChildren(...rows);
  byId("bars").tFoot.replaceChildren(barRow(`sum: ${name}`, sum, -low, -low, range));
}

function barRow(name, value, start, zero, range) {
  const bar = element("span", { className: value < 0 ? "bar against" : "bar for" });
  bar.style.left = `${(100 * (start + Math.min(0, value))) / range}%`;
  bar.style.width = `${(100 * Math.abs(value)) / range}%`;
  const axis = element("span", { className: "axis" });
  axis.style.left = `${(100 * zero) / range}%`;
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    element("td", { className: "track", "aria-hidden": "true" }, bar, axis),
    element("td", { className: "number" }, signed(value)),
  );
}

// Lists the channels that speak loudest, for or against.
export function showChannels(channels) {
  byId("strongest").hidden = !channels?.length;
  const rows = (channels ?? []).map((each) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, `${each.layer} ${each.channel}`),
      element("td", { className: "number" }, signed(each.activity, 2)),
      element("td", { className: "number" }, percent(each.assignment, 0)),
      element("td", { className: "number" }, signed(each.contribution)),
    ),
  );
  byId("channels").tBodies[0].replaceChildren(...rows);
}
