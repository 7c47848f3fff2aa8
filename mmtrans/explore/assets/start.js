// Starts the page, and keeps its parts together.

onChange((what) => {
  if (what === "filters" || what === "sort" || what === "cleared" || what === "run") showList();
  if (what === "opened") markOpened();
  if (what === "run" || what === "cleared") {
    zoom = null;
    for (const name of Object.keys(CHARTS)) showChart(name);
  } else if (what !== "sort") refreshCharts();
  if (what !== "cleared") showSegment();
});

/** The segment that the address names, if it names one: the link to the list names none. */
function segmentOfAddress() {
  const id = decodeURIComponent(location.hash.slice(1));
  const found = page.segments.findIndex((segment) => segment.id === id);
  return found >= 0 ? found : null;
}

showRuns();
showFilters();
state.shown = sorted(page.segments.map((_, i) => i));
state.opened = segmentOfAddress() ?? state.shown[0];
showList();
showSegment();
makeCharts();
addEventListener("hashchange", () => {
  const named = segmentOfAddress();
  if (named !== null) open(named);
});
