// The runs, the form of filters, and the list of segments.

const COLUMNS = [
  {sort: "id", title: "Segment", className: "text"},
  {sort: "length", title: "Length", className: "wide"},
  {sort: "label", title: "True"},
  {sort: "score", title: "Predicted"},
  {sort: "error", title: "Error"},
];

//: Rows at a time: a browser lays out many thousands slowly.
const ROWS = 200;
let rowsShown = ROWS;

function showRuns() {
  const heads = ["Run", "MAE", "95 % interval", "r", "95 % interval", "Acc-2", "Acc-7", "Epochs"];
  const rows = page.runs.map((run) => {
    const m = run.metrics;
    return [el("span", {}, run.name, run.path ? el("span", {class: "more"}, run.path) : ""), number(m.mae, 3),
      interval(m.mae_low, m.mae_high, 3) || "–", number(m.pearson, 3), interval(m.pearson_low, m.pearson_high, 3) || "–",
      number(m.acc2_has0, 3), number(m.acc7, 3), run.facts.epochs || "–"];
  });
  fill(document.getElementById("runs"), table("Runs and their figures", heads, rows),
    page.differences.map((d) => el("p", {class: "difference"}, differenceText(d))),
    page.runs[0].metrics.mae_low === null ? el("p", {class: "note"},
      `No intervals: ${page.videos} videos, and at least 10 are needed to tell how much they vary.`) : "");
}

function differenceText(d) {
  const [first, second] = [page.runs[d.first].name, page.runs[d.second].name];
  const much = number(Math.abs(d.mean), 3);
  const said = `MAE of ${first} is ${much} ${d.mean < 0 ? "lower" : "higher"} than that of ${second} on the same segments`;
  if (d.low === null) return `${said}; too few videos for an interval.`;
  const p = d.p_value < 0.001 ? "p < .001" : `p = ${number(d.p_value, 3)}`;
  const verdict = d.low > 0 || d.high < 0 ? "" : " This is no difference that could be told from chance.";
  return `${said}: difference ${number(d.mean, 3, true)}, 95 % interval over videos ${number(d.low, 3, true)} to ${number(d.high, 3, true)}, ${p}.${verdict}`;
}

function showFilters() {
  const form = document.getElementById("filters");
  const set = (name) => (event) => {
    const {type, checked, value} = event.target;
    state.filters[name] = type === "checkbox" ? checked : value;
    rowsShown = ROWS;
    change("filters");
  };
  const videos = [...new Set(page.segments.map((segment) => segment.video))].sort();
  const classes = [...new Set(page.segments.map((segment) => classOf(segment.label)))].sort((a, b) => a - b);
  const option = (value, text = value) => el("option", {value}, text);
  fill(form,
    el("label", {}, "Words or id", el("input", {type: "search", name: "text", input: set("text")})),
    el("label", {}, "Video", el("select", {name: "video", change: set("video")}, option("", "all"), videos.map((v) => option(v)))),
    el("label", {}, "True class", el("select", {name: "class", change: set("class")}, option("", "all"),
      ["negative", "neutral", "positive"].map((v) => option(v)), classes.map((v) => option(v, `rounds to ${number(Number(v), 0, true)}`)))),
    Object.entries(RANGES).map(([name, range]) => rangeFields(name, range)),
    page.segments.some((segment) => segment.lacks.length) &&
      tick("lacks", "A modality is missing, or does not change", set("lacks")),
    realRuns.length > 1 && tick("disagree", realRuns.length === 2 ? "Both runs disagree" : "Runs disagree", set("disagree")),
    el("label", {}, "Sort by", el("select", {name: "sort", change: (event) => sortBy(event.target.value, SORTS[event.target.value].down || false)},
      Object.entries(SORTS).map(([value, sort]) => option(value, sort.title)))),
    page.runs.length > 1 && el("label", {}, "Run shown", el("select", {name: "run", change: (event) =>
      change("run", {run: page.runs[Number(event.target.value)]})}, page.runs.map((run, i) => option(i, run.name)))),
    el("button", {type: "reset"}, "Clear"));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const field of form.elements) if (!["sort", "run"].includes(field.name)) field.type === "checkbox" ? (field.checked = false) : (field.value = "");
    change("cleared", {filters: noFilters()});
  });
  form.elements.sort.value = state.sort;
}

function tick(name, text, input) {
  return el("label", {class: "tick"}, el("input", {type: "checkbox", name, change: input}), text);
}

function rangeFields(name, {title, whole}) {
  const field = (end, text) => el("input", {type: "number", step: whole ? "1" : "any", name: `${name}-${text}`, "aria-label": `${title}, ${text}`,
    placeholder: text, input: (event) => {
      state.filters[name][end] = event.target.value === "" ? null : Number(event.target.value);
      change("filters");
    }});
  return el("fieldset", {}, el("legend", {}, title), field(0, "from"), " ", field(1, "to"));
}

/** Sets ranges from outside of the form, as a brush does. */
function setRanges(ranges) {
  const {elements} = document.getElementById("filters");
  for (const [name, found] of Object.entries(ranges)) {
    const ends = found ? [Math.floor(found[0] * 100) / 100, Math.ceil(found[1] * 100) / 100] : [null, null];
    state.filters[name] = ends;
    ["from", "to"].forEach((text, end) => { elements[`${name}-${text}`].value = ends[end] ?? ""; });
  }
  change("filters");
}

function sortBy(name, down) {
  document.getElementById("filters").elements.sort.value = name;
  change("sort", {sort: name, down});
}

function showList() {
  const place = document.getElementById("table");
  const hadFocus = place.contains(document.activeElement) && document.activeElement.classList.contains("open");
  const head = COLUMNS.map(({sort, title, className}) => {
    const own = state.sort === sort;
    return el("th", {scope: "col", class: className, "aria-sort": own ? (state.down ? "descending" : "ascending") : "none"},
      el("button", {type: "button", click: () => sortBy(sort, own ? !state.down : SORTS[sort].down || false)},
        title, el("span", {"aria-hidden": "true"}, own ? (state.down ? " ▼" : " ▲") : "")));
  });
  const shown = state.shown.slice(0, rowsShown);
  const most = Math.max(1e-9, ...state.shown.map((i) => Math.abs(errorOf(i))));
  const body = shown.map((i) => listRow(i, most, shown));
  fill(place, el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {keydown: listKeys}, body)),
    state.shown.length > shown.length && el("button", {type: "button", class: "all", click: () => { rowsShown += ROWS; showList(); }},
      `Show ${Math.min(ROWS, state.shown.length - shown.length)} more of ${state.shown.length}`),
    shown.length ? "" : el("p", {class: "note"}, "No segment passes these filters."));
  if (hadFocus) place.querySelector("tr.chosen .open")?.focus();
  const all = page.segments.length;
  document.getElementById("count").textContent = state.shown.length === all
    ? `All ${all} segments` : `${state.shown.length} of ${all} segments${shownError()}`;
}

/** Mean absolute error of what is shown. */
function shownError() {
  const errors = state.shown.map((i) => Math.abs(errorOf(i)));
  return errors.length ? `, mean absolute error ${number(errors.reduce((a, b) => a + b, 0) / errors.length, 3)}` : "";
}

function listRow(i, most, shown) {
  const segment = page.segments[i];
  const error = errorOf(i);
  const chosen = i === state.opened;
  const isEntry = chosen || (!shown.includes(state.opened) && i === shown[0]);
  return el("tr", {class: chosen ? "chosen" : "", "data-row": i},
    el("th", {scope: "row", class: "text"}, el("button", {type: "button", class: "open", tabindex: isEntry ? "0" : "-1",
      "aria-current": chosen ? "true" : false, click: () => open(i, true)},
      el("b", {}, nameOf(i)), el("span", {class: "more"}, segment.id, segment.lacks.length ? ` · ${segment.lacks.join(", ")}` : ""))),
    el("td", {class: "wide"}, String(lengthOf(i))),
    el("td", {}, number(segment.label, 1, true)),
    el("td", {}, number(state.run.scores[i], 2, true)),
    el("td", {}, el("i", {class: `bar ${error > 0 ? "over" : "under"}`, style: `width:${Math.round((28 * Math.abs(error)) / most)}px`,
      "aria-hidden": "true"}), number(error, 2, true)));
}

function listKeys(event) {
  const by = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity}[event.key];
  if (by === undefined) return;
  event.preventDefault();
  const focused = Number(event.target.closest("tr").dataset.row);
  if (state.opened !== focused) open(focused);
  step(Math.max(-1e9, Math.min(1e9, by)));
}

/** Marks the opened segment without making the list anew. */
function markOpened() {
  const place = document.getElementById("table");
  const row = place.querySelector(`tr[data-row="${state.opened}"]`);
  if (!row) return showList();
  const focus = place.contains(document.activeElement);
  for (const old of place.querySelectorAll("tr.chosen, .open[tabindex='0']")) {
    old.classList.remove("chosen");
    const button = old.matches("tr") ? old.querySelector(".open") : old;
    button.tabIndex = -1;
    button.removeAttribute("aria-current");
  }
  row.classList.add("chosen");
  const button = row.querySelector(".open");
  button.tabIndex = 0;
  button.setAttribute("aria-current", "true");
  if (focus) button.focus({preventScroll: true});
  // Within the list alone: the page itself must not jump.
  const [top, bottom] = [row.offsetTop - 40, row.offsetTop + row.offsetHeight];
  if (top < place.scrollTop) place.scrollTop = top;
  else if (bottom > place.scrollTop + place.clientHeight) place.scrollTop = bottom - place.clientHeight;
}
