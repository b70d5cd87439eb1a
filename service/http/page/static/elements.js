// Elements of the page: finding, making and filling them. Foreign text is only ever text.

export const byId = (id) => document.getElementById(id);

// Makes an element from its properties and children; a string becomes a text node, never markup.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Makes the options of a list of names.
export const choices = (names) => names.map((each) => element("option", { value: each }, each));

// Shows a text in an element, or hides the element if there is none.
export function tell(target, text) {
  target.hidden = !text;
  if (target.textContent !== (text ?? "")) target.textContent = text ?? "";
}

// Writes a number with its sign and so many places; a sum of parts must be readable as one.
export function signed(value, places = 3) {
  const digits = Math.abs(value).toFixed(places);
  if (Number(digits) === 0) return digits;
  return (value < 0 ? "\u2212" : "+") + digits;
}

// Says how many places numbers up to `most` need to show three digits of it.
export const placesFor = (most) => (most ? Math.min(12, Math.max(3, 2 - Math.floor(Math.log10(most)))) : 3);

export function percent(share, places = 1) {
  return `${(100 * share).toFixed(places).replace("-", "\u2212")} %`;
}

// Turns `names` in backticks into code elements; all else stays text.
export function prose(text) {
  return text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}
