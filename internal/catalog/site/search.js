"use strict";
// The search runs in the page. The index is a script, because a page of a
// folder may not read other files.
(function () {
  const index = window.avrogenIndex || [];
  const root = document.body.dataset.root || "";
  const input = document.getElementById("search");
  const box = document.getElementById("results");
  const list = box.querySelector("ul");
  const found = document.getElementById("found");
  const most = 30;

  // score is how well a text fits the query. 0 is not at all.
  function score(text, query) {
    const t = text.toLowerCase();
    const at = t.indexOf(query);
    if (at < 0) return 0;
    if (t === query) return 100;
    if (at === 0) return 60;
    return t[at - 1] === "." || t[at - 1] === "_" ? 50 : 20;
  }

  function search(query) {
    const hits = [];
    for (const e of index) {
      const short = e.n.slice(e.n.lastIndexOf(".") + 1);
      let best = Math.max(score(short, query) * 2, score(e.n, query) * 1.5);
      let part = "";
      for (const a of e.a || []) {
        const s = score(a, query) * 1.4;
        if (s > best) { best = s; part = "formerly " + a; }
      }
      for (const p of e.p || []) {
        const s = score(p, query);
        if (s > best) { best = s; part = p; }
      }
      if (best === 0 && (e.d || "").toLowerCase().includes(query)) best = 5;
      if (best > 0) hits.push({ e, best, part });
    }
    hits.sort((a, b) => b.best - a.best || (a.e.n < b.e.n ? -1 : 1));
    return hits;
  }

  function show() {
    const query = input.value.trim().toLowerCase();
    list.replaceChildren();
    box.hidden = query === "";
    if (box.hidden) { found.textContent = ""; return; }
    const hits = search(query);
    found.textContent = hits.length === 0 ? "Nothing found"
      : hits.length === 1 ? "1 type" : hits.length + " types" + (hits.length > most ? ", the first " + most + " are shown" : "");
    for (const h of hits.slice(0, most)) {
      const a = document.createElement("a");
      a.href = root + h.e.h;
      const name = document.createElement("code");
      name.textContent = h.e.n;
      a.append(name, " ");
      const kind = document.createElement("span");
      kind.className = "kind";
      kind.textContent = h.e.k;
      a.append(kind);
      const small = document.createElement("small");
      small.textContent = h.part || h.e.d || "";
      if (small.textContent) a.append(small);
      const li = document.createElement("li");
      li.append(a);
      list.append(li);
    }
  }

  function move(step) {
    const links = Array.from(list.querySelectorAll("a"));
    const at = links.indexOf(document.activeElement) + step;
    if (at < 0) input.focus();
    else if (at < links.length) links[at].focus();
  }

  // A link may hold a query, as in index.html?q=order.
  const asked = new URLSearchParams(location.search).get("q");
  if (asked) { input.value = asked; show(); }

  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  document.addEventListener("keydown", function (event) {
    const inSearch = input.parentElement.contains(document.activeElement);
    if (event.key === "/" && !inSearch && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      input.focus();
      input.select();
    } else if (inSearch && event.key === "ArrowDown") {
      event.preventDefault();
      move(1);
    } else if (inSearch && event.key === "ArrowUp") {
      event.preventDefault();
      move(-1);
    } else if (inSearch && event.key === "Enter" && document.activeElement === input && list.firstChild) {
      list.querySelector("a").click();
    } else if (event.key === "Escape" && inSearch) {
      box.hidden = true;
      input.focus();
    }
  });
  document.addEventListener("click", function (event) {
    if (!input.parentElement.contains(event.target)) box.hidden = true;
  });
  document.addEventListener("focusin", function (event) {
    if (!input.parentElement.contains(event.target)) box.hidden = true;
  });
})();
