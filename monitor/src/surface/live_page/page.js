"use strict";
(() => {
  // Milliseconds without news after which the page no longer says what it said, and until the next try.
  const SILENT = 8000, RETRY = 5000;
  const now = document.getElementById("now"), lost = document.getElementById("lost");
  const live = document.getElementById("live");
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

  const show = (html, how) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("now");
    if (!fresh) return;
    take(now, fresh);
    document.title = now.dataset.title;
    last = Date.now();
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

  const open = () => {
    clearTimeout(timer);
    source?.close();
    source = new EventSource("/events");
    source.onmessage = event => show(event.data, "Live.");
    source.onerror = () => {
      // Closed for good: there is no place for another reader. The page is asked for now and then.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(ask, RETRY);
    };
  };

  const ask = async () => {
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (answer.ok) show(await answer.text(), "Every few seconds: all places for live readers are taken.");
    } catch { /* The next look says that there is no answer. */ }
    if (!document.hidden) open();
  };

  // Who does not look takes no place.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { clearTimeout(timer); source?.close(); }
    else { last = Date.now(); open(); }
  });
  setInterval(look, 1000);
  open();
})();
