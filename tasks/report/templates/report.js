"use strict";
(function () {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let wanted = "auto"; // auto, light, dark
  let printing = false;

  function theme() {
    const now = printing ? "light" : wanted === "auto" ? (dark.matches ? "dark" : "light") : wanted;
    root.dataset.theme = now;
    const style = getComputedStyle(root);
    return (name) => style.getPropertyValue("--" + name).trim();
  }

  function colored(value, color) {
    if (typeof value === "string") {
      return /^@[a-z]+\d?$/.test(value) ? color(value.slice(1)) : value;
    }
    if (Array.isArray(value)) return value.map((v) => colored(v, color));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, colored(v, color)]));
    }
    return value;
  }

  function draw(again) {
    const color = theme();
    for (const place of document.querySelectorAll(".chart")) {
      const figure = charts[place.id];
      if (!figure || place.offsetParent === null) continue; // hidden: drawn once it is shown
      if (place.dataset.drawn && !again) continue;
      const { data, layout } = colored(figure, color);
      layout.width = place.clientWidth;
      Plotly.react(place, data, layout, { displayModeBar: false, responsive: false });
      place.dataset.drawn = "1";
    }
  }

  function show(view) {
    const input = document.getElementById("view-" + view);
    if (input && !input.checked) input.checked = true;
    draw(false);
  }

  function follow() {
    const name = decodeURIComponent(location.hash.slice(1));
    if (name === "technical" || name === "simple") return show(name);
    const target = name && document.getElementById(name);
    if (target && target.closest(".technical")) {
      show("technical");
      target.scrollIntoView();
    }
    return undefined;
  }

  for (const input of document.querySelectorAll("input[name=view]")) {
    input.addEventListener("change", () => {
      history.replaceState(null, "", "#" + input.value);
      draw(false);
    });
  }
  const button = document.querySelector("button.theme");
  button.addEventListener("click", () => {
    wanted = root.dataset.theme === "dark" ? "light" : "dark";
    draw(true);
  });
  for (const part of document.querySelectorAll("details")) {
    part.addEventListener("toggle", () => draw(false));
  }
  dark.addEventListener("change", () => draw(true));
  window.addEventListener("hashchange", follow);
  let timer = 0;
  window.addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => draw(true), 120);
  });
  window.addEventListener("beforeprint", () => {
    printing = true;
    draw(true);
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    draw(true);
  });
  theme();
  follow();
  draw(false);
  root.dataset.ready = "1";
})();
