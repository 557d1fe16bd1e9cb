-- luacheck: no max line length (a script for browsers)
-- The script of the page of weft.trace_html, second half: what the reader does. Text of JavaScript.

return [==[
const $ = id => document.getElementById(id), tip = $("tip"), side = $("side");
$("sum").textContent = D.summary;

function lanes() {
  const want = $("filter").value.toLowerCase(), by = $("sort").value, show = $("view").value;
  const match = l => !want || l.name.toLowerCase().includes(want);
  const list = tasks.filter(match);
  const key = { blocked: t => -(t.sum[PARK] + t.sum[IO]), ready: t => -t.sum[READY], run: t => -t.sum[RUN], start: t => t.id }[by];
  list.sort(by === "name" ? (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }) : (a, b) => key(a) - key(b) || a.id - b.id);
  view.lanes = [];
  if (show !== "threads") view.lanes.push({ head: "TASKS  " + list.length + (want ? " of " + tasks.length : "") }, ...list);
  if (show !== "tasks") view.lanes.push({ head: "OS THREADS" }, ...threads.filter(match));
  view.y = 0;
  redraw();
}

function size() {
  const dpr = window.devicePixelRatio || 1, box = canvas.parentElement.getBoundingClientRect();
  W = box.width; H = box.height;
  canvas.width = Math.round(W * dpr); canvas.height = Math.round(H * dpr);
  canvas.style.width = W + "px"; canvas.style.height = H + "px";
  redraw();
}

function zoom(factor, x) {
  const at = x === undefined ? (view.from + view.to) / 2 : TIME(x);
  const width = Math.min(WALL, Math.max(50, (view.to - view.from) * factor)), share = (at - view.from) / (view.to - view.from);
  move(at - width * share, width);
}
function move(from, width) {
  view.from = Math.max(0, Math.min(WALL - width, from)); view.to = view.from + width;
  redraw();
}
function scroll(dy) { view.y = Math.max(0, Math.min(view.height - (H - TOP) + 8, view.y + dy)); if (view.height <= H - TOP) view.y = 0; redraw(); }

// What is under the pointer: a lane, and the state of it there. Short ones count from two pixels away.
function hit(x, y) {
  const l = view.lanes.find(l => !l.head && y >= l.y && y < l.y + LANE && y > TOP - 4);
  if (!l) return null;
  if (x < LEFT) return { lane: l, k: -1 };
  const t = TIME(x), slack = (view.to - view.from) / (W - LEFT) * 2;
  let k = find(l.at, l.n, t);
  for (const n of [k, k + 1, k - 1]) if (n >= 0 && n < l.n && l.cls[n] === RUN && l.at[n] - slack <= t && l.till[n] + slack >= t) { k = n; break; }
  if (k >= 0 && l.till[k] < t && l.thread) k = -1;
  return { lane: l, k };
}

function stateText(l, k) {
  const c = l.cls[k], took = time(l.till[k] - l.at[k]);
  if (l.thread) return "<b>" + escape(tasks[l.what[k]].name) + "</b> runs " + took;
  if (c === RUN) return "runs " + took + ' <span class="d">on ' + escape(threads[l.what[k]] ? threads[l.what[k]].name : "?") + "</span>";
  if (c === READY) return "ready, waits for its turn " + took + (l.what[k] >= 0 ? '<br><span class="d">woken by ' + escape(tasks[l.what[k]].name) + "</span>" : "");
  if (c === NONE) return '<span class="d">' + (l.outcome ? escape(l.outcome) : "not there") + "</span>";
  return (c === IO ? "waits for IO: " : "parked: ") + escape(T[l.what[k]] || "?") + " " + took;
}

function describe(h) {
  const l = h.lane;
  if (l.thread) {
    return "<b>" + escape(l.name) + '</b> <span class="d">OS thread ' + l.tid + "</span><br>" + (h.k >= 0 ? stateText(l, h.k) + '<br><span class="d">at ' + time(l.at[h.k]) + "</span>" : '<span class="d">idle</span>') +
      '<br><span class="d">busy ' + (100 * l.busy / WALL).toFixed(1) + " %, " + l.n + " runs</span>";
  }
  let s = "<b>" + escape(l.name) + '</b> <span class="d">' + escape(l.kind) + (l.parent >= 0 ? ", started by " + escape(tasks[l.parent].name) : "") + "</span>";
  if (h.k >= 0) {
    s += "<br>" + stateText(l, h.k) + '<br><span class="d">from ' + time(l.at[h.k]) + " to " + time(l.till[h.k]) + "</span>";
    for (const r of l.regions) if (r[2] <= l.till[h.k] && r[3] >= l.at[h.k]) { s += "<br>in region <b>" + escape(T[r[0]]) + "</b> " + time(r[3] - r[2]); break; }
  }
  return s;
}

function details(h) {
  side.style.display = h ? "block" : "none";
  if (!h) { size(); return; }
  const l = h.lane, row = (a, b) => "<tr><td>" + a + '</td><td class="r">' + b + "</td></tr>";
  let s = describe(h).replace(/<br>/g, " &middot; ") + "<br>";
  if (!l.thread) {
    s += "<table>" + row("running", time(l.sum[RUN])) + row("ready", time(l.sum[READY])) + row("parked", time(l.sum[PARK])) + (l.sum[IO] ? row("waiting for IO", time(l.sum[IO])) : "") + "</table>";
    const waits = [...l.waits].sort((a, b) => b[1] - a[1]).slice(0, 4);
    if (waits.length) s += "<table>" + waits.map(w => row(escape(T[w[0]]), time(w[1]))).join("") + "</table>";
    let sent = 0, got = 0;
    for (let i = 0; i < NFLOWS; i++) if (D.flows[6 * i] === 0) { if (D.flows[6 * i + 1] === l.id) sent++; if (D.flows[6 * i + 3] === l.id) got++; }
    s += "<table>" + row("messages sent", sent) + row("messages received", got) + row("ended", l.ended >= 0 ? time(l.ended) + " " + escape(l.outcome) : "still there") + "</table>";
  }
  side.innerHTML = s;
  size();
}

let drag = null;
canvas.addEventListener("pointerdown", e => {
  canvas.setPointerCapture(e.pointerId); canvas.focus();
  const x = e.offsetX, y = e.offsetY;
  drag = { x, y, from: view.from, top: view.y, moved: false, strip: y < 34 && x > LEFT, span: e.shiftKey && x > LEFT && y > TOP };
  if (drag.strip) seek(x);
});
function seek(x) {
  const width = view.to - view.from, at = (x - LEFT) / (W - LEFT - RIGHT) * WALL;
  move(at - width / 2, width);
}
canvas.addEventListener("pointermove", e => {
  const x = e.offsetX, y = e.offsetY;
  if (drag) {
    if (Math.abs(x - drag.x) + Math.abs(y - drag.y) > 3) drag.moved = true;
    if (drag.strip) seek(x);
    else if (drag.span) { view.span = [drag.x, x]; redraw(); }
    else if (drag.moved) {
      const width = view.to - view.from;
      view.y = drag.top; scroll(drag.y - y);
      move(drag.from - (x - drag.x) / (W - LEFT - RIGHT) * width, width);
    }
    tip.style.display = "none";
    return;
  }
  const h = hit(x, y);
  if ((h && h.lane) !== (view.hover && view.hover.lane)) redraw();
  view.hover = h;
  if (!h) { tip.style.display = "none"; return; }
  tip.innerHTML = describe(h);
  tip.style.display = "block";
  tip.style.left = Math.min(x + 14, W - tip.offsetWidth - 6) + "px";
  tip.style.top = (y + 18 + tip.offsetHeight > H ? y - tip.offsetHeight - 10 : y + 18) + "px";
});
canvas.addEventListener("pointerup", e => {
  if (drag && drag.span && view.span) {
    const a = TIME(Math.min(...view.span)), b = TIME(Math.max(...view.span));
    view.span = null;
    if (b - a > 50) move(Math.max(0, a), Math.min(WALL, b) - Math.max(0, a));
  } else if (drag && !drag.moved && !drag.strip) {
    const h = hit(e.offsetX, e.offsetY);
    view.pick = h; details(h); redraw();
  }
  drag = null;
});
canvas.addEventListener("pointerleave", () => { view.hover = null; tip.style.display = "none"; redraw(); });
canvas.addEventListener("wheel", e => {
  e.preventDefault();
  if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) { const w = view.to - view.from; move(view.from + (e.deltaX || e.deltaY) / W * w, w); }
  else if (!(e.ctrlKey || e.metaKey) && e.offsetX < LEFT) scroll(e.deltaY);
  else zoom(Math.exp(e.deltaY * .0016), Math.max(LEFT, e.offsetX));
}, { passive: false });
window.addEventListener("keydown", e => {
  if (e.target.tagName === "INPUT" && e.target.type === "search") { if (e.key === "Escape") { e.target.value = ""; e.target.blur(); lanes(); } return; }
  const w = view.to - view.from;
  if (e.key === "+" || e.key === "=" || e.key === "w") zoom(.7);
  else if (e.key === "-" || e.key === "s") zoom(1 / .7);
  else if (e.key === "ArrowLeft" || e.key === "a") move(view.from - w * .15, w);
  else if (e.key === "ArrowRight" || e.key === "d") move(view.from + w * .15, w);
  else if (e.key === "ArrowDown") scroll(LANE); else if (e.key === "ArrowUp") scroll(-LANE);
  else if (e.key === "0" || e.key === "Home") move(0, WALL);
  else if (e.key === "/") { e.preventDefault(); $("filter").focus(); }
  else if (e.key === "Escape") { view.pick = null; details(null); redraw(); }
});
$("in").onclick = () => zoom(.6); $("out").onclick = () => zoom(1 / .6); $("fit").onclick = () => move(0, WALL);
for (const id of ["view", "sort"]) $(id).onchange = lanes;
$("filter").oninput = lanes;
for (const id of ["msg", "unl", "oth", "path"]) $(id).onchange = redraw;
window.addEventListener("resize", size);
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", () => { style(); redraw(); });
style(); lanes(); size(); draw();
document.body.dataset.ready = tasks.length + " tasks, " + threads.length + " threads, " + NFLOWS + " arrows, " + Math.round(performance.now() - opened) + " ms";
]==]
