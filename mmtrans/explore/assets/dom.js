// Elements and numbers. Text goes into the page as text only, whatever it says.

/** Children as they come, in lists too; what is nothing is left out. */
function present(children) {
  return children.flat(Infinity).filter((child) => child || child === 0);
}

/** An element: `el("p", {class: "note"}, "text", other)`; attributes that are `false` or absent are left out. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...present(children));
  return made;
}

/** Replaces what is in an element. */
function fill(element, ...children) {
  element.replaceChildren(...present(children));
}

/** A number with a true minus; a dash where there is none. */
function number(value, digits = 2, signed = false) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value < 0 ? "\u2212" : signed ? "+" : "") + text;
}

/** An interval, or nothing. */
function interval(low, high, digits = 2) {
  return low === null || low === undefined ? "" : `${number(low, digits)} to ${number(high, digits)}`;
}

/** A colour of the style, which follows the scheme of the page, and paper. */
function colour(name) {
  return `var(${name})`;
}

/** The colour of a value on a scale `{domain, colours}`, whose colours belong to the numbers of its domain. */
function shade(value, {domain, colours}) {
  const next = domain.findIndex((end, i) => i && (value <= end || i === domain.length - 1));
  const share = (value - domain[next - 1]) / (domain[next] - domain[next - 1]);
  return `color-mix(in srgb, ${colour(colours[next])} ${number(100 * Math.min(1, Math.max(0, share)), 1)}%, ${colour(colours[next - 1])})`;
}

/** What the colours of a scale mean. */
function legendOf(title, {domain, colours}) {
  const [low, high] = [domain[0], domain.at(-1)].map((value) => number(value, Number.isInteger(value) ? 0 : 2));
  return el("div", {class: "legend"}, title, el("span", {}, low,
    el("i", {style: `background: linear-gradient(to right, ${colours.map(colour).join(", ")})`}), high));
}

/** A table whose first cells name the rows; it may be wider than the page, and then scrolls. */
function table(caption, heads, rows, className = "") {
  return el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption},
    el("table", {class: className},
      el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", {scope: "col", class: i ? "" : "text"}, head)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) =>
        i ? el("td", {}, cell) : el("th", {scope: "row", class: "text"}, cell)))))));
}

/** What stands behind a plot, folded; it is made when it is opened. */
function behind(title, make) {
  const found = el("details", {class: "behind"}, el("summary", {}, title));
  found.addEventListener("toggle", () => {
    if (found.open && found.children.length === 1) found.append(make());
  });
  return found;
}
