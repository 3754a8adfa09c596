// Where fingers scroll, a plot that zooms would catch the page.
for (const data of document.querySelectorAll("script.figure")) {
  const {data: traces, layout} = JSON.parse(data.textContent);
  layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
  Plotly.newPlot(data.previousElementSibling, traces, layout, {responsive: true, displayModeBar: false});
}
