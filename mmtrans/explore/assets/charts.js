// The charts of all segments: predicted against true, errors, and the map of representations. A brush sets filters.

/** What all charts look like, light or dark. */
function chartStyle() {
  const [ink, muted, line] = ["--ink", "--muted", "--line"].map(colour);
  const font = "system-ui, 'Segoe UI', Roboto, Arial, 'DejaVu Sans', sans-serif";
  const axis = {labelColor: ink, titleColor: ink, gridColor: line, domainColor: muted, tickColor: muted, titleFontWeight: 400,
    labelFont: font, titleFont: font, labelFontSize: 12, titleFontSize: 13};
  return {aria: false, background: null, view: {stroke: null}, axis, header: {labelColor: ink, titleColor: ink, labelFont: font, titleFont: font},
    legend: {labelColor: ink, titleColor: ink, labelFont: font, titleFont: font, titleFontWeight: 400, labelFontSize: 12, titleFontSize: 12},
    text: {color: ink, font}, title: {color: ink, font, fontSize: 13}};
}

/** Draws a specification of Vega-Lite into an element, below a legend if there is one; the promise holds its view. */
async function draw(place, spec, legend = null) {
  const {view} = await vegaEmbed(place, {$schema: "https://vega.github.io/schema/vega-lite/v6.json", config: chartStyle(),
    width: "container", ...spec},
    {actions: false, renderer: "svg", tooltip: {theme: "custom"}});
  // The element around it says what the picture is.
  place.querySelector("svg").setAttribute("aria-hidden", "true");
  if (legend) place.prepend(legend);
  return view;
}

const TOOLTIP = [
  {field: "name", title: "segment"}, {field: "id", title: "id"}, {field: "label", title: "true", format: "+.1f"},
  {field: "score", title: "predicted", format: "+.2f"}, {field: "error", title: "error", format: "+.2f"},
];

function points() {
  const shown = new Set(state.shown);
  const near = new Set(state.run.space && state.opened !== null ? state.run.space.neighbours[state.opened] : []);
  return page.segments.map((segment, i) => {
    const name = nameOf(i);
    const [x, y] = state.run.space ? state.run.space.places[i] : [null, null];
    return {i, x, y, id: segment.id, name: name.length > 90 ? `${name.slice(0, 89)}…` : name, label: segment.label, spread: segment.label + jitter(i),
      score: state.run.scores[i], error: errorOf(i), shown: shown.has(i), opened: i === state.opened, near: near.has(i),
      shade: shade(segment.label, TRUTH)};
  });
}

//: Labels lie on a lattice: dots of one label are spread a little, always in the same way.
const SPREAD = 0.012 * (label.high - label.low);

function jitter(i) {
  return (((i * 0.6180339887) % 1) - 0.5) * SPREAD;
}

/** A point is blue and round where it is shown, faint where it is filtered out, and a diamond where it is opened. */
function pointLayers(x, y, params = []) {
  const [blue, orange, paper, muted] = ["--blue", "--orange", "--paper", "--muted"].map(colour);
  const encoding = {x, y, tooltip: TOOLTIP};
  const shown = page.segments.length > 400 ? 0.45 : 0.65;
  return [
    {params, mark: {type: "circle", size: 42, clip: true, cursor: "pointer"}, encoding: {...encoding,
      color: {condition: {test: "datum.shown", value: blue}, value: muted}, opacity: {condition: {test: "datum.shown", value: shown}, value: 0.18}}},
    {transform: [{filter: "datum.near"}], mark: {type: "point", shape: "square", size: 90, strokeWidth: 2, color: orange, filled: false, clip: true}, encoding},
    {transform: [{filter: "datum.opened"}], mark: {type: "point", shape: "diamond", size: 200, filled: true, color: orange, stroke: paper, strokeWidth: 2, opacity: 1}, encoding},
  ];
}

function scatterSpec(zoom) {
  const values = page.segments.flatMap((segment, i) => [segment.label, state.run.scores[i]]);
  const whole = [Math.min(label.low, ...values), Math.max(label.high, ...values)];
  const domains = zoom || {x: whole, y: whole};
  const axis = (field, title, domain) => ({field, type: "quantitative", scale: {domain, nice: false, zero: false}, axis: {title, tickCount: 7}});
  const brush = {name: "brush", select: {type: "interval", mark: {fill: colour("--blue"), fillOpacity: 0.08, stroke: colour("--blue")}}};
  const ends = [Math.max(domains.x[0], domains.y[0]), Math.min(domains.x[1], domains.y[1])];
  return {height: 330, layer: [
    {data: {values: ends.map((v) => ({v}))}, mark: {type: "line", color: colour("--muted"), strokeDash: [5, 4], clip: true}, encoding: {
      x: {field: "v", type: "quantitative"}, y: {field: "v", type: "quantitative"}}},
    {mark: {type: "rule", color: colour("--muted"), strokeWidth: 1, clip: true}, data: {values: [{}]}, encoding: {x: {datum: label.neutral}}},
    {mark: {type: "rule", color: colour("--muted"), strokeWidth: 1, clip: true}, data: {values: [{}]}, encoding: {y: {datum: label.neutral}}},
    ...pointLayers(axis("spread", `true ${label.name}`, domains.x), axis("score", `predicted ${label.name}`, domains.y), [brush])
      .map((layer) => ({...layer, data: {name: "points"}})),
  ], datasets: {points: points()}};
}

function histogramSpec() {
  const most = Math.max(...page.segments.map((_, i) => Math.abs(errorOf(i))));
  const width = (label.high - label.low) / 24;
  const extent = Math.ceil(most / width) * width;
  const brush = {name: "brush", select: {type: "interval", encodings: ["x"], mark: {fill: colour("--blue"), fillOpacity: 0.08, stroke: colour("--blue")}}};
  const bin = {bin: {step: width, extent: [-extent, extent]}, field: "error", type: "quantitative"};
  const whole = Array.from({length: 2 * Math.floor(extent) + 1}, (_, i) => i - Math.floor(extent));
  const counts = new Map();
  for (const place of page.segments.map((_, i) => Math.floor(errorOf(i) / width))) counts.set(place, 1 + (counts.get(place) ?? 0));
  const tallest = Math.max(...counts.values());
  // Vega puts marks between whole numbers where they are few.
  const axis = {title: "segments", ...(tallest < 10 && {format: "d", values: Array.from({length: tallest + 1}, (_, n) => n)})};
  return {height: 330, data: {name: "points"}, datasets: {points: points()}, layer: [
    {params: [brush], mark: {type: "bar", color: colour("--muted"), opacity: 0.35}, encoding: {
      x: {...bin, axis: {title: "error: predicted less true", values: whole, labelOverlap: true, format: "d"}}, y: {aggregate: "count", axis}}},
    // Counted without a filter: Vega warns of an empty one.
    {transform: [{calculate: "datum.shown ? 1 : 0", as: "counts"}], mark: {type: "bar", tooltip: true, color: colour("--blue")},
      encoding: {x: bin, y: {aggregate: "sum", field: "counts", type: "quantitative", axis}}},
    {data: {values: [{}]}, mark: {type: "rule", color: colour("--ink"), strokeWidth: 1.5}, encoding: {x: {datum: 0}}},
    {transform: [{filter: "datum.opened"}], mark: {type: "point", shape: "diamond", size: 200, filled: true, color: colour("--orange"),
      stroke: colour("--paper"), strokeWidth: 2, opacity: 1, yOffset: -8}, encoding: {x: {field: "error", type: "quantitative"}, y: {datum: 0}}},
  ]};
}

function mapSpec() {
  const axis = (field, n) => ({field, type: "quantitative", scale: {domain: [-1.05, 1.05], nice: false}, axis: {
    title: `component ${n} (${Math.round(100 * state.run.space.explained[n - 1])} % of the variance)`, labels: false, ticks: false, tickCount: 5}});
  const layers = pointLayers(axis("x", 1), axis("y", 2));
  layers[0].encoding = {...layers[0].encoding, color: {field: "shade", type: "nominal", scale: null},
    opacity: {condition: {test: "datum.shown", value: 0.9}, value: 0.12}};
  layers[1].mark.color = layers[2].mark.color = colour("--ink");
  return {height: 330, data: {name: "points"}, datasets: {points: points()}, layer: layers};
}

//: From low over the middle to high: orange and blue, which all people tell apart.
const DIVERGING = ["--orange", "--middle", "--blue"];

//: The colours of true labels.
const TRUTH = {domain: [label.low, label.neutral, label.high], colours: DIVERGING};

const CHARTS = {
  scatter: {title: "Predicted against true", spec: scatterSpec, brush: ({spread, score}) => ({label: spread, score}),
    text: `Each dot is a segment; on the dashed line it is predicted exactly. Dots of one label are spread by up to ${number(SPREAD / 2, 2)} to either side. Drag to choose; click to open one below.`},
  histogram: {title: "Errors", spec: histogramSpec, brush: ({error}) => ({error}),
    text: "How many segments have which error; the blue ones pass the filters. Drag to choose."},
  map: {title: "Map of representations", spec: mapSpec, legend: () => legendOf(`true ${label.name}`, TRUTH),
    text: "Near each other is what the model takes for alike: first two principal components. The diamond is the opened segment, squares are its neighbours."},
};

const views = {};
let zoom = null;

async function showChart(name) {
  const place = document.getElementById(`chart-${name}`);
  if (name === "map" && !state.run.space) {
    views.map = null;
    fill(place, el("p", {class: "note"}, state.run.notes.space));
    return;
  }
  const {spec, brush, legend} = CHARTS[name];
  const view = await draw(place, spec(zoom), legend?.());
  views[name] = view;
  view.addEventListener("click", (event, item) => {
    if (item?.datum?.i !== undefined) open(item.datum.i);
  });
  if (brush) view.addSignalListener("brush", (_, found) => {
    const ranges = brush(found);
    // A click on a dot ends a brush of no size: it opens, and changes no filter.
    const own = Object.fromEntries(Object.keys(ranges).map((key) => [key, ranges[key] || null]));
    if (Object.values(own).some(Boolean) || views[name].brushed) setRanges(own);
    views[name].brushed = Object.values(own).some(Boolean);
  });
}

function makeCharts() {
  const zoomed = (ends) => () => { zoom = ends(); showChart("scatter"); };
  fill(document.getElementById("charts"), Object.entries(CHARTS).map(([name, {title, text}]) => el("figure", {id: `figure-${name}`},
    el("figcaption", {}, el("strong", {}, title), text),
    el("div", {class: "chart", id: `chart-${name}`, role: "img", "aria-label": `${title}. ${text} The list of segments has the same numbers.`}),
    name === "scatter" && el("div", {class: "tools"},
      el("button", {type: "button", click: zoomed(extentOfShown)}, "Zoom to the chosen"), el("button", {type: "button", click: zoomed(() => null)}, "Whole")),
    name !== "map" && behind(`Table behind “${title}”`, () => tableBehind(name)))));
  for (const name of Object.keys(CHARTS)) showChart(name);
}

/** The range of the segments that pass the filters, with a margin. */
function extentOfShown() {
  if (!state.shown.length) return null;
  const range = (values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const margin = 0.08 * (high - low) || 0.2;
    return [low - margin, high + margin];
  };
  return {x: range(state.shown.map((i) => page.segments[i].label)), y: range(state.shown.map((i) => state.run.scores[i]))};
}

/** By true class: how many segments there are, and how they are predicted; or how many have which error. */
function tableBehind(name) {
  const shown = state.shown;
  const groups = new Map();
  for (const i of shown) {
    const key = name === "scatter" ? classOf(page.segments[i].label) : String(Math.round(errorOf(i) * 2) / 2);
    groups.set(key, [...(groups.get(key) || []), i]);
  }
  const mean = (values) => number(values.reduce((a, b) => a + b, 0) / values.length, 2, true);
  const rows = [...groups].sort((a, b) => a[0] - b[0]).map(([key, own]) => name === "scatter"
    ? [number(Number(key), 0, true), own.length, mean(own.map((i) => page.segments[i].label)), mean(own.map((i) => state.run.scores[i])), mean(own.map((i) => errorOf(i)))]
    : [number(Number(key), 1, true), own.length]);
  const heads = name === "scatter" ? ["True class", "Segments", "Mean true", "Mean predicted", "Mean error"] : ["Error, to the next half", "Segments"];
  return table(`Chosen segments: ${CHARTS[name].title}`, heads, rows.map((row) => row.map(String)));
}

/** Gives the charts what is chosen now. */
function refreshCharts() {
  const found = points();
  for (const view of Object.values(views)) if (view) view.data("points", found).runAsync();
  for (const details of document.querySelectorAll("#charts details[open]")) details.open = false;
  for (const details of document.querySelectorAll("#charts details")) while (details.children.length > 1) details.lastChild.remove();
}
