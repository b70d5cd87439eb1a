// The images that a person has brought: each with its file, its pixels and what was said of it.

import * as api from "./api.js";
import { byId, element, percent } from "./elements.js";
import { drawImage } from "./overlay.js";

const THUMBNAIL = 72;
export const CONFIDENCE = 0.9;

export class Picture {
  constructor(file) {
    this.file = file;
    this.pixels = null; // null also where the browser cannot show what the service can read
    this.answer = null;
    this.error = null;
    this.evidence = new Map(); // by `keyOf`
    this.withoutEvidence = null; // the reason why there is none
  }

  // Shows the pixels as soon as the browser has them; a file that is no image has none.
  async load() {
    this.pixels = await createImageBitmap(this.file).catch(() => null);
  }

  // Asks for the answer, from the version that serves now.
  async ask() {
    this.answer = this.error = this.withoutEvidence = null;
    this.evidence.clear();
    try {
      this.answer = await api.predict(this.file, CONFIDENCE);
    } catch (error) {
      this.error = error.message;
    }
  }

  // Gives the evidence for a class, or of it over another; null if the version has none.
  async evidenceFor(label, other) {
    const key = keyOf(label, other);
    if (this.evidence.has(key) || this.withoutEvidence) return this.evidence.get(key) ?? null;
    try {
      let explained = await api.explain(this.file, label, other);
      if (!isSame(explained.model, this.answer.model)) {
        await this.ask(); // it was swapped meanwhile
        // Or it is on trial and cannot do this, so that the other one did: it shall say so itself.
        const { model } = this.answer ?? explained;
        if (!isSame(explained.model, model)) explained = await api.explain(this.file, label, other, model);
      }
      for (const each of explained.evidence) this.evidence.set(keyOf(...wordsOf(each)), each);
    } catch (error) {
      if (error.status === 409) this.withoutEvidence = error.message;
      else throw error;
    }
    return this.evidence.get(key) ?? null;
  }
}

const isSame = (one, two) => one.name === two.name && one.version === two.version;
const keyOf = (label, other) => JSON.stringify([label, other || null]);
const wordsOf = ({ label, contrast }) => contrast ?? [label, null];

// Lists the images as buttons, the shown one pressed; calls `choose` with the one that is pressed.
export function showPictures(pictures, shown, choose) {
  const list = byId("images");
  const hadFocus = list.contains(document.activeElement);
  list.replaceChildren(...pictures.map((each) => item(each, each === shown, choose)));
  byId("clear").hidden = !pictures.length;
  const pressed = list.querySelector('[aria-pressed="true"]');
  if (hadFocus) pressed?.focus();
  if (pressed) list.scrollTo(pressed.offsetLeft - list.offsetLeft, pressed.offsetTop - list.offsetTop);
}

function item(picture, isShown, choose) {
  const canvas = element("canvas", { width: THUMBNAIL, height: THUMBNAIL, "aria-hidden": "true" });
  if (picture.pixels) drawImage(canvas, picture.pixels, THUMBNAIL);
  const button = element(
    "button",
    { type: "button", "aria-pressed": String(isShown), onclick: () => choose(picture) },
    canvas,
    element("span", { className: "file" }, picture.file.name),
    element("span", { className: picture.error ? "failed" : "said" }, said(picture)),
  );
  return element("li", {}, button);
}

function said({ error, answer }) {
  if (error) return "no answer";
  return answer ? `${answer.label} ${percent(answer.probability, 0)}` : "asking";
}
