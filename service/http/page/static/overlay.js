// The evidence as a picture: the image in grey, tinted blue where it speaks against a class and
// orange where it speaks for it. Blue and orange differ for colour-blind people, too.

const AGAINST = [33, 102, 172];
const NEUTRAL = [255, 255, 255];
const FOR = [230, 97, 1];
// Black times any tint is black: the image's greys begin here, so that tints show on dark parts.
const DARKEST = 95;

// Gives the colour of a value between -1 (against) and 1 (for): [red, green, blue], 0 to 255.
export function colourOf(value) {
  const end = value < 0 ? AGAINST : FOR;
  const share = Math.min(1, Math.abs(value));
  return NEUTRAL.map((neutral, place) => neutral + share * (end[place] - neutral));
}

// Gives the largest magnitude in rows of numbers.
export function largest(map) {
  return map.flat().reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

// Fits a canvas to an image's proportions within a square of `side`, and draws the image.
export function drawImage(canvas, image, side = 320) {
  const scale = side / Math.max(image.width, image.height);
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  // The overlay is read back for every layer: without this the browser keeps it on the GPU.
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0, canvas.width, canvas.height);
}

// Draws the image in grey, each cell of the map as a tint of its own: nothing is smoothed away.
export function drawOverlay(canvas, image, map, most) {
  drawImage(canvas, image);
  const pen = canvas.getContext("2d");
  const picture = pen.getImageData(0, 0, canvas.width, canvas.height);
  const tints = map.map((row) => row.map((value) => colourOf(most ? value / most : 0)));
  for (let y = 0; y < picture.height; y++) {
    const row = tints[Math.floor((y * map.length) / picture.height)];
    for (let x = 0; x < picture.width; x++) {
      const tint = row[Math.floor((x * row.length) / picture.width)];
      paint(picture.data, 4 * (y * picture.width + x), tint);
    }
  }
  pen.putImageData(picture, 0, 0);
}

function paint(data, at, tint) {
  const grey = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
  const opaque = data[at + 3] / 255;
  const light = 255 + (grey - 255) * opaque;
  const shade = (DARKEST + ((255 - DARKEST) * light) / 255) / 255;
  for (let place = 0; place < 3; place++) data[at + place] = shade * tint[place];
  data[at + 3] = 255;
}

// Draws the legend's ramp: all colours from -1 to 1.
export function drawRamp(canvas) {
  const pen = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    pen.fillStyle = `rgb(${colourOf((2 * x) / (canvas.width - 1) - 1).join(" ")})`;
    pen.fillRect(x, 0, 1, canvas.height);
  }
}

// Finds the cell of a map under a pointer; null outside.
export function cellAt(canvas, map, event) {
  const box = canvas.getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) / box.height) * map.length);
  const column = Math.floor(((event.clientX - box.left) / box.width) * map[0].length);
  const value = map[row]?.[column];
  return value === undefined ? null : { row, column, value };
}

// Finds the cell with the largest value: what speaks most for the class.
export function strongestCell(map) {
  let best = { row: 0, column: 0, value: map[0][0] };
  map.forEach((cells, row) =>
    cells.forEach((value, column) => {
      if (value > best.value) best = { row, column, value };
    }),
  );
  return best;
}
