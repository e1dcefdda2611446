"use strict";
(() => {
  // Milliseconds without news after which the page no longer says what it said, and until the next try.
  const SILENT = 8000, RETRY = 5000;
  const now = document.getElementById("now"), lost = document.getElementById("lost");
  const live = document.getElementById("live"), matches = document.getElementById("matches");
  const [filter, order, pause] = ["filter", "order", "pause"].map(id => document.getElementById(id));
  // The newest page, whole and in the order of the agent.
  let newest = document.documentElement.outerHTML;
  let source, timer, last = Date.now();

  // Changes what differs, and keeps all else, so that focus, selection and place stay where they are.
  const take = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const had = [...old.childNodes], has = [...fresh.childNodes];
    has.forEach((node, n) => {
      if (n >= had.length) old.append(node);
      else if (had[n].nodeName !== node.nodeName) had[n].replaceWith(node);
      else take(had[n], node);
    });
    had.slice(has.length).forEach(node => node.remove());
  };

  // What a row is sorted by; a rate is compared in bytes. A network without one comes last.
  const amount = text => {
    const [, number, unit] = /^([\d.]+) ([kMGT]?)/.exec(text) ?? [0, -1, ""];
    return number * 1000 ** " kMGT".indexOf(unit || " ");
  };
  const cell = (row, n) => row.cells[n].textContent;
  const orders = {
    name: (a, b) => cell(a, 1).localeCompare(cell(b, 1), "en", { numeric: true }),
    received: (a, b) => amount(cell(b, 2)) - amount(cell(a, 2)),
    sent: (a, b) => amount(cell(b, 3)) - amount(cell(a, 3)),
    readable: (a, b) => amount(cell(b, 5)) - amount(cell(a, 5)),
  };

  // Leaves the rows that match the filter, in the chosen order. Violations and the headline stay.
  const choose = fresh => {
    const body = fresh.querySelector(".networks tbody"), wanted = filter.value.trim().toLowerCase();
    let how = "";
    if (body) {
      const rows = [...body.rows], some = rows.filter(row => row.textContent.toLowerCase().includes(wanted));
      if (orders[order.value]) some.sort(orders[order.value]);
      body.replaceChildren(...some);
      if (order.value) fresh.querySelector("caption").textContent = `By ${order.value}; rates are of the last seconds`;
      if (wanted) how = `${some.length} of ${rows.length} on this page`;
    }
    if (matches.textContent !== how) matches.textContent = how;
  };

  const draw = () => {
    const fresh = new DOMParser().parseFromString(newest, "text/html").getElementById("now");
    if (!fresh) return;
    choose(fresh);
    take(now, fresh);
    document.title = now.dataset.title;
  };

  const isPaused = () => pause.getAttribute("aria-pressed") === "true";

  const show = (html, how) => {
    newest = html;
    last = Date.now();
    if (isPaused()) return;
    draw();
    say(how);
  };

  const say = how => { if (live.textContent !== how) live.textContent = how; };

  const look = () => {
    const silent = !document.hidden && Date.now() - last > SILENT;
    document.body.classList.toggle("stale", silent);
    if (silent && lost.hidden) {
      lost.textContent = "? No answer from the agent since " + new Date(last).toLocaleTimeString() + ". What is below is as old.";
      document.title = "? No answer";
      say("Not current.");
    }
    lost.hidden = !silent;
  };

  // By the origin: in an address with a user and a password in it a browser refuses to ask for what is relative to it.
  const open = () => {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(location.origin + "/events");
    source.onmessage = event => show(event.data, "Live.");
    source.onerror = () => {
      // Closed for good: there is no place for another reader. The page is asked for now and then.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(ask, RETRY);
    };
  };

  const ask = async () => {
    try {
      const answer = await fetch(location.origin + "/", { cache: "no-store" });
      if (answer.ok) show(await answer.text(), "Every few seconds: all places for live readers are taken.");
    } catch { /* The next look says that there is no answer. */ }
    if (!document.hidden) open();
  };

  document.getElementById("tools").hidden = false;
  filter.addEventListener("input", draw);
  order.addEventListener("change", draw);
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    say(isPaused() ? "Paused." : "Live.");
    draw();
  });

  // Who does not look takes no place.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { clearTimeout(timer); source?.close(); }
    else { last = Date.now(); open(); }
  });
  setInterval(look, 1000);
  open();
})();
