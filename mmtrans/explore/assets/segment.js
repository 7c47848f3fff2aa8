// The opened segment: what was said, how it was scored, where the run looked, its translation and its neighbours.

async function showSegment() {
  const place = document.getElementById("segment");
  const i = state.opened;
  if (i === null) return;
  const segment = page.segments[i];
  const at = state.shown.indexOf(i);
  const go = (by, text, off) => el("button", {type: "button", disabled: off, click: () => step(by)}, text);
  fill(place,
    el("div", {class: "head"}, el("h2", {id: "segment-title"}, segment.id),
      el("span", {}, go(-1, "Previous", at <= 0), " ", go(1, "Next", at < 0 || at === state.shown.length - 1))),
    segment.words.length ? el("p", {class: "quote"}, `“${segment.words.join(" ")}”`) : el("p", {class: "note"}, "The records hold no words of this segment."),
    el("p", {role: "status"}, `Video ${segment.video}. True ${number(segment.label, 1, true)}; `, scoresText(i), " ",
      segment.lacks.map((text) => el("span", {class: "badge"}, text))),
    mediaOf(segment),
    el("div", {class: "chart", id: "chart-line", role: "img", "aria-label": `True and predicted ${label.name} of ${segment.id} on a line from ${label.low} to ${label.high}. The sentence above has the numbers.`}),
    realRuns.map((run) => wordsOf(run, i)),
    realRuns.some((run) => run.translation) ? realRuns.map((run, r) => translationOf(run, i, r))
      : [el("h3", {}, "Translation"), el("p", {class: "note"}, realRuns[0].notes.translation)],
    neighboursOf(i));
  draw(document.getElementById("chart-line"), lineSpec(i));
  realRuns.forEach((run, r) => drawTranslation(run, i, r));
}

function scoresText(i) {
  return page.runs.map((run) => (page.runs.length > 1 ? `${run.name}: ` : "") +
    `predicted ${number(run.scores[i], 2, true)} (error ${number(errorOf(i, run), 2, true)})`).join("; ") + ".";
}

function heading(run, text) {
  return el("h3", {}, realRuns.length > 1 ? `${text}: ${run.name}` : text);
}

function lineSpec(i) {
  const values = page.runs.map((run) => ({name: run.name, value: run.scores[i], what: "predicted"}));
  const ends = [Math.min(label.low, ...values.map((v) => v.value)), Math.max(label.high, ...values.map((v) => v.value))];
  const x = {field: "value", type: "quantitative", scale: {domain: ends, nice: false}, axis: {title: `${label.name}: diamond true, disc predicted`, grid: true, tickCount: 7}};
  const y = {field: "name", type: "nominal", sort: null, axis: {title: null, domain: false, ticks: false, labelLimit: 160, labels: page.runs.length > 1}};
  const truth = page.segments[i].label;
  return {height: 14 + 24 * values.length, data: {values}, layer: [
    {mark: {type: "rule", color: colour("--muted"), strokeWidth: 3}, encoding: {x, x2: {datum: truth}, y}},
    {mark: {type: "circle", size: 130, color: colour("--blue"), opacity: 1}, encoding: {x, y, tooltip: [{field: "name", title: "run"}, {field: "value", title: "predicted", format: "+.2f"}]}},
    {transform: [{calculate: `${truth}`, as: "truth"}], mark: {type: "point", shape: "diamond", size: 150, filled: true, color: colour("--orange"), opacity: 1},
      encoding: {x: {...x, field: "truth"}, y, tooltip: [{field: "truth", title: "true", format: "+.2f"}]}},
  ]};
}

/** Words shaded by attention, and beside them by influence. */
function wordsOf(run, i) {
  const [attention, influence] = [run.attention?.[i], run.influence?.[i]];
  const title = heading(run, "Where the regressor looks, and what each word adds");
  if (run.notes.words) return [title, el("p", {class: "note"}, run.notes.words)];
  const steps = (attention || influence).length;
  const names = page.segments[i].words.length === steps ? page.segments[i].words : stepNames(steps, []);
  const widest = Math.max(0.05 * (label.high - label.low), ...influence.map((value) => Math.abs(value ?? 0)));
  const strongest = attention && Math.max(...attention);
  const alpha = (share) => (0.06 + 0.5 * share).toFixed(3);
  const looked = attention ? [
    el("p", {class: "note"}, "Attention: share of the regressor's look, in percent."),
    el("div", {class: "words"}, names.map((name, k) => el("span", {class: "word", style: `background:rgb(var(--blue-rgb) / ${alpha(attention[k] / strongest)})`},
      name, el("small", {}, `${number(100 * attention[k], attention[k] < 0.0995 ? 1 : 0)}`))))] : el("p", {class: "note"}, run.notes.attention);
  const added = [
    el("p", {class: "note"}, "Influence: the score less the score without that word; blue raises it, orange lowers it."),
    el("div", {class: "words"}, names.map((name, k) => {
      const value = influence[k];
      const tone = value > 0 ? "--blue-rgb" : "--orange-rgb";
      const style = value === null ? "" : `background:rgb(var(${tone}) / ${alpha(Math.abs(value) / widest)})`;
      return el("span", {class: "word", style}, name, el("small", {}, number(value, 2, true)));
    }))];
  return [title, el("div", {class: "pair"}, el("div", {}, el("h4", {}, "Attention"), looked), el("div", {}, el("h4", {}, "Influence"), added)),
    behind("Table of words", () => table("Attention and influence by word", ["Word", "Attention, %", "Influence"], names.map((name, k) =>
      [name, attention ? number(100 * attention[k], 1) : "–", number(influence[k], 3, true)])))];
}

function translationOf(run, i, r) {
  const found = run.translation?.segments[i];
  const title = heading(run, run.translation ? `Translation into ${run.translation.target}` : "Translation");
  if (!found) return [title, el("p", {class: "note"}, run.notes.translation || "This segment was not decoded.")];
  const {of_tokens: ofTokens, note} = run.translation;
  const quality = found.quality === null ? "This segment has no true target to compare with."
    : ofTokens ? `${number(100 * found.quality, 0)} % of the true tokens are right in the best hypothesis.`
      : `R² of this segment: ${number(found.quality, 3)} (1 is perfect, 0 is the train mean).`;
  return [title, el("p", {}, quality), el("p", {class: "note"}, note),
    ofTokens ? tokensOf(found) : framesOf(found, r), attentionOf(run, found, i, r)];
}

/** The true tokens above the hypotheses, step by step. */
function tokensOf(found) {
  const steps = Math.max(found.reference.length, ...found.hypotheses.map((h) => h.tokens.length));
  const cell = (tokens, k) => (k >= tokens.length ? "" : el("span", {class: tokens[k] === found.reference[k] ? "right" : ""}, tokens[k]));
  const heads = ["", ...Array.from({length: steps}, (_, k) => String(k + 1)), "log P"];
  const rows = found.hypotheses.map((h, n) => [n ? `hypothesis ${n + 1}` : "best hypothesis", ...Array.from({length: steps}, (_, k) => cell(h.tokens, k)), number(h.log_prob, 2)]);
  const truth = ["true", ...Array.from({length: steps}, (_, k) => found.reference[k] ?? ""), ""];
  return [table("True tokens and hypotheses", heads, [truth, ...rows], "tokens"), el("p", {class: "note"}, "Bold and underlined: the true token at its step.")];
}

function framesOf(found, r) {
  const part = (name, id) => el("figure", {}, el("figcaption", {}, el("strong", {}, name)),
    el("div", {class: "chart", id: `chart-${id}-${r}`, role: "img", "aria-label": `${name}: standardised features by step, as a heat map. The table behind has the numbers.`}));
  const tables = behind("Tables behind the heat maps", () => el("div", {}, ["target", "decoded"].filter((key) => found[key]).map((key) =>
    heatTable(key === "target" ? "True features" : "Translated features", transposed(found[key]), stepNames(found[key].rows, []), realRuns[r].translation.columns))));
  return [el("div", {class: "pair"}, found.target ? part("True", "target") : "", part("Translated", "decoded")), tables];
}

/** Standardised values of a matrix, columns as rows. */
function transposed(bytes) {
  const rows = matrix(bytes);
  return Array.from({length: bytes.columns}, (_, c) => rows.map((row) => 6 * (row[c] - 0.5)));
}

function attentionOf(run, found, i, r) {
  if (!found.attention) return el("p", {class: "note"}, "This run's decoder has no attention.");
  const prior = found.prior ? `The correlation with what the distance of steps alone gives, where it began, is ${number(found.prior_correlation, 3)}: near 1 it tells where a step is, and nothing of its content.` : "";
  return [el("h4", {}, "Where the decoder looked"), el("p", {class: "note"}, prior),
    found.prior ? el("label", {class: "tick"}, el("input", {type: "checkbox", name: `prior-${r}`, change: () => drawAttention(run, found, i, r)}),
      "Take out what the distance alone gives") : "",
    el("div", {class: "chart", id: `chart-attention-${r}`, role: "img", "aria-label": "Attention of the decoder: target steps downwards, source steps to the right. The table behind has the numbers."}),
    behind("Table behind the attention", () => heatTable("Attention weights", matrix(found.attention), ...attentionNames(found, i)))];
}

function attentionNames(found, i) {
  const {rows, columns} = found.attention;
  const tokens = found.hypotheses.length ? found.hypotheses[0].tokens : [];
  return [stepNames(columns, page.segments[i].words), stepNames(rows, tokens.length === rows - 1 ? [...tokens, "(end)"] : tokens)];
}

function drawTranslation(run, i, r) {
  const found = run.translation?.segments[i];
  if (!found) return;
  for (const key of ["target", "decoded"]) {
    if (!found[key]) continue;
    const yNames = run.translation.columns;
    const xNames = stepNames(found[key].rows, page.segments[i].words);
    const place = document.getElementById(`chart-${key}-${r}`);
    drawHeat(place, transposed(found[key]), {xNames, yNames, xTitle: "step", yTitle: "column",
      title: "deviations from the train mean", scale: {domain: [-3, 0, 3], colours: DIVERGING}, cell: 11});
  }
  if (found.attention) drawAttention(run, found, i, r);
}

function drawAttention(run, found, i, r) {
  const [xNames, yNames] = attentionNames(found, i);
  const without = document.querySelector(`input[name="prior-${r}"]`)?.checked;
  const prior = without && matrix(found.prior);
  const weights = matrix(found.attention).map((row, y) => row.map((value, x) => (without ? value - prior[y][x] : value)));
  const most = Math.max(0.01, ...weights.flat().map(Math.abs));
  const colours = without ? {title: "weight less the distance's", scale: {domain: [-most, 0, most], colours: DIVERGING}}
    : {title: "attention weight", scale: {domain: [0, most], colours: ["--soft", "--blue"]}};
  drawHeat(document.getElementById(`chart-attention-${r}`), weights, {xNames, yNames, xTitle: "source step",
    yTitle: found.hypotheses.length ? "target step, best hypothesis" : "target step", ...colours});
}

function neighboursOf(i) {
  const run = state.run.path ? state.run : realRuns[0];
  const title = heading(run, "Neighbours");
  if (!run.space) return [title, el("p", {class: "note"}, run.notes.space)];
  return [title, el("p", {class: "note"}, `The nearest segments of this split in the ${run.space.name}.`),
    el("ul", {class: "near"}, run.space.neighbours[i].map((other) => el("li", {}, el("button", {type: "button", click: () => open(other, true)},
      el("span", {}, nameOf(other)), el("span", {class: "numbers"},
        `true ${number(page.segments[other].label, 1, true)}, predicted ${number(run.scores[other], 2, true)}`)))))];
}

/** The clip, where the page knows it. */
function mediaOf(segment) {
  const found = page.media[segment.id];
  if (!found) return "";
  const clip = el(found.is_sound ? "audio" : "video", {src: found.link, controls: true, preload: "none", "aria-label": `The clip of ${segment.id}`});
  return [clip, found.is_whole ? el("p", {class: "note"}, "This is the whole recording: nobody told when the segment begins.") : ""];
}
