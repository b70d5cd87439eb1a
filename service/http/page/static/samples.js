// Pictures that the page draws itself, to try a model without having an image at hand.

const SIDE = 256;
const SKY = "#b4c8d2";
const SEA = "#3f6f8f";
const ROAD = "#77787a";

export const SAMPLES = { horse, ship, car, plane };

// Draws one of the samples; gives its canvas.
export function drawn(name) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  SAMPLES[name](canvas.getContext("2d"));
  return canvas;
}

// Gives a canvas as a PNG file.
export async function asFile(canvas, name) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return new File([blob], `${name}.png`, { type: "image/png" });
}

function box(pen, colour, x, y, width, height) {
  pen.fillStyle = colour;
  pen.fillRect(x, y, width, height);
}

function disc(pen, colour, x, y, across, down = across) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.ellipse(x, y, across, down, 0, 0, 2 * Math.PI);
  pen.fill();
}

function shape(pen, colour, ...points) {
  pen.fillStyle = colour;
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.fill();
}

function horse(pen) {
  const coat = "#6e4628";
  box(pen, SKY, 0, 0, SIDE, SIDE);
  box(pen, "#6e8c50", 0, 190, SIDE, 66);
  disc(pen, coat, 120, 130, 60, 30);
  for (const left of [76, 96, 146, 166]) box(pen, coat, left, 145, 12, 70);
  shape(pen, coat, [150, 120], [190, 60], [210, 70], [180, 140]);
  shape(pen, coat, [188, 58], [236, 88], [228, 100], [196, 90]);
  shape(pen, "#281e19", [62, 115], [34, 150], [42, 160], [70, 130]);
}

function ship(pen) {
  box(pen, SKY, 0, 0, SIDE, SIDE);
  box(pen, SEA, 0, 170, SIDE, 86);
  shape(pen, "#8c2f28", [20, 140], [236, 140], [210, 190], [48, 190]);
  box(pen, "#e9e9e4", 70, 105, 110, 35);
  box(pen, "#e9e9e4", 90, 80, 70, 25);
  box(pen, "#2b2f36", 105, 48, 18, 32);
  box(pen, "#2b2f36", 135, 48, 18, 32);
}

function car(pen) {
  const paint = "#b3261e";
  box(pen, "#c9d3d6", 0, 0, SIDE, SIDE);
  box(pen, ROAD, 0, 165, SIDE, 91);
  shape(pen, paint, [60, 115], [92, 75], [172, 75], [204, 115]);
  shape(pen, "#25323b", [76, 112], [98, 84], [128, 84], [128, 112]);
  shape(pen, "#25323b", [136, 112], [136, 84], [166, 84], [188, 112]);
  box(pen, paint, 22, 112, 214, 62);
  for (const x of [72, 188]) {
    disc(pen, "#17181a", x, 174, 26);
    disc(pen, "#a9adb1", x, 174, 12);
  }
}

function plane(pen) {
  const metal = "#e3e6e8";
  box(pen, "#6fa3d0", 0, 0, SIDE, SIDE);
  disc(pen, metal, 128, 128, 104, 15);
  shape(pen, "#c3c9ce", [120, 130], [160, 130], [96, 214], [76, 214]);
  shape(pen, "#d3d8dc", [124, 122], [160, 122], [112, 52], [94, 52]);
  shape(pen, "#b8bec4", [30, 124], [54, 124], [40, 76], [22, 76]);
}
