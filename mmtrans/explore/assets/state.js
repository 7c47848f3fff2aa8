// What the page holds, which of it is chosen, and who is told when that changes.

/** What Python has put into the page: JSON, compressed. */
async function readPage() {
  const bytes = Uint8Array.from(atob(document.getElementById("data").textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const page = await readPage();
const label = page.label;
const realRuns = page.runs.filter((run) => run.path);

const RANGES = {
  label: {title: "True", of: (i) => page.segments[i].label},
  score: {title: "Predicted", of: (i) => state.run.scores[i]},
  error: {title: "Error", of: (i) => errorOf(i)},
  length: {title: "Length", of: (i) => lengthOf(i), whole: true},
};

const SORTS = {
  error: {title: "Error", of: (i) => Math.abs(errorOf(i)), down: true},
  label: {title: "True", of: (i) => page.segments[i].label},
  score: {title: "Predicted", of: (i) => state.run.scores[i]},
  length: {title: "Length", of: (i) => lengthOf(i), down: true},
  id: {title: "Segment", of: (i) => page.segments[i].id},
};

const noFilters = () => ({text: "", video: "", class: "", lacks: false, disagree: false, label: [null, null],
  score: [null, null], error: [null, null], length: [null, null]});

const state = {run: page.runs[0], filters: noFilters(), sort: "error", down: true, shown: [], opened: null};
const listeners = [];

/** Calls `listener(what)` after each change: `filters`, `sort`, `run` or `opened`. */
function onChange(listener) {
  listeners.push(listener);
}

function change(what, changes = {}) {
  Object.assign(state, changes);
  if (what !== "opened") state.shown = sorted(page.segments.map((_, i) => i).filter(passes));
  for (const listener of listeners) listener(what);
}

function errorOf(i, run = state.run) {
  return run.scores[i] - page.segments[i].label;
}

function lengthOf(i) {
  const run = state.run.path ? state.run : realRuns[0];
  return page.segments[i].words.length || run.steps[i];
}

/** What a segment is called where there is little room: its words, or its id. */
function nameOf(i) {
  const {words, id} = page.segments[i];
  return words.length ? words.join(" ") : id;
}

function sideOf(value) {
  return value > label.neutral ? "positive" : value < label.neutral ? "negative" : "neutral";
}

/** Whether the signs of the runs' scores differ. */
function disagrees(i) {
  return new Set(realRuns.map((run) => sideOf(run.scores[i]))).size > 1;
}

function classOf(value) {
  return String(Math.max(label.low, Math.min(label.high, Math.sign(value) * Math.round(Math.abs(value)))));
}

function passes(i) {
  const {filters} = state;
  const segment = page.segments[i];
  const said = `${segment.id} ${segment.words.join(" ")}`.toLowerCase();
  if (!said.includes(filters.text.trim().toLowerCase())) return false;
  if (filters.video && segment.video !== filters.video) return false;
  if (filters.class && filters.class !== classOf(segment.label) && filters.class !== sideOf(segment.label)) return false;
  if (filters.lacks && !segment.lacks.length) return false;
  if (filters.disagree && !disagrees(i)) return false;
  return Object.entries(RANGES).every(([name, range]) => {
    const [low, high] = filters[name];
    return (low === null || range.of(i) >= low - 1e-9) && (high === null || range.of(i) <= high + 1e-9);
  });
}

function sorted(places) {
  const {of} = SORTS[state.sort];
  const sign = state.down ? -1 : 1;
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return places.sort((a, b) => sign * order(of(a), of(b)) || a - b);
}

/** Opens a segment; `focus` takes the reader there. */
function open(i, focus = false) {
  change("opened", {opened: i});
  // A page within another, as in a notebook, has no address of its own.
  if (location.protocol !== "about:") history.replaceState(null, "", `#${encodeURIComponent(page.segments[i].id)}`);
  if (!focus) return;
  const place = document.getElementById("segment");
  place.focus({preventScroll: true});
  const {top} = place.getBoundingClientRect();
  if (top < 0 || top > 0.6 * innerHeight) place.scrollIntoView();
}

/** Opens the segment so many rows further down the list. */
function step(by) {
  const place = state.shown.indexOf(state.opened);
  const next = state.shown[Math.max(0, Math.min(state.shown.length - 1, place + by))];
  if (next !== undefined) open(next);
}
