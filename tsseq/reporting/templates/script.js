// Where fingers scroll, a plot that zooms would catch the page.
const narrow = matchMedia("(max-width: 600px)").matches;
const touch = matchMedia("(pointer: coarse)").matches;
for (const data of document.querySelectorAll("script.figure")) {
  const {data: traces, layout, series} = JSON.parse(data.textContent);
  const plot = data.previousElementSibling, options = {responsive: true, displayModeBar: false};
  if (narrow) layout.xaxis.nticks = 4;
  layout.dragmode = touch ? false : "zoom";
  const choice = data.parentElement.querySelector("select");
  const draw = () => Plotly.react(plot, choice?.selectedIndex ? series[choice.selectedIndex - 1] : traces, layout, options);
  choice?.addEventListener("change", draw);
  draw();
}
// A shadow at the right edge says that a table goes on there.
for (const box of document.querySelectorAll(".scroll")) {
  const mark = () => box.parentElement.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  box.addEventListener("scroll", mark, {passive: true});
  new ResizeObserver(mark).observe(box);
}
