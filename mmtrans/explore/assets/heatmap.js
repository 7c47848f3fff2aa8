// Heat maps: matrices of bytes, drawn as cells with named axes.

/** The rows of a matrix of the page, numbers from 0 to 1. */
function matrix({rows, columns, data}) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  return Array.from({length: rows}, (_, row) => Array.from({length: columns}, (_, column) => bytes[row * columns + column] / 255));
}

/** Numbered names, as those of an axis must differ: `3 word`. */
function numbered(names) {
  return names.map((name, i) => `${i + 1}\u2002${name.length > 18 ? `${name.slice(0, 17)}…` : name}`);
}

/** Names of steps: words where there is one a step, else numbers. */
function stepNames(count, names) {
  return names.length === count ? numbered(names) : Array.from({length: count}, (_, i) => String(i + 1));
}

/** Cells of a matrix: `{x, y, value, shade}` with the names of its columns and rows. */
function cells(rows, {xNames, yNames, scale}) {
  return rows.flatMap((row, r) => row.map((value, c) => ({x: xNames[c], y: yNames[r], value: Math.round(value * 1000) / 1000, shade: shade(value, scale)})));
}

//: Pixels of the widest cell, and of the names beside the cells.
const WIDEST = 36;
const NAMES_WIDTH = 175;

/** Draws a matrix as a heat map that fits into an element. */
function drawHeat(place, rows, {xNames, yNames, xTitle, yTitle, title, scale, cell = 20}) {
  const axis = {grid: false, domain: false, ticks: false, labelLimit: 170, labelOverlap: false};
  const room = Math.max(120, place.clientWidth - Math.min(NAMES_WIDTH, 30 + 7 * Math.max(...yNames.map((name) => name.length))));
  return draw(place, {
    data: {values: cells(rows, {xNames, yNames, scale})}, width: {step: Math.min(WIDEST, room / xNames.length)}, height: {step: cell}, mark: {type: "rect", tooltip: true, stroke: colour("--paper"), strokeWidth: cell > 12 ? 1 : 0}, encoding: {
      x: {field: "x", type: "nominal", sort: null, scale: {domain: xNames}, axis: {...axis, title: xTitle, labelAngle: xNames.some((n) => n.length > 3) ? -60 : 0,
        values: thinned(xNames, 60), orient: "bottom"}},
      y: {field: "y", type: "nominal", sort: null, scale: {domain: yNames}, axis: {...axis, title: yTitle, values: thinned(yNames, 60), labelFontSize: cell > 12 ? 12 : 9}},
      color: {field: "shade", type: "nominal", scale: null},
      tooltip: [{field: "y", title: yTitle}, {field: "x", title: xTitle}, {field: "value", title}],
    }}, legendOf(title, scale));
}

/** As many names as there is room for, evenly spread. */
function thinned(names, most) {
  const by = Math.ceil(names.length / most);
  return names.filter((_, i) => i % by === 0);
}

function heatTable(caption, rows, xNames, yNames) {
  return table(caption, ["", ...xNames], rows.map((row, r) => [yNames[r], ...row.map((value) => number(value, 2))]));
}
