-- luacheck: no max line length (a script for browsers)
-- The script of the page of weft.trace_html, first half: reading the data, and drawing. Text of JavaScript.

return [==[
const D = JSON.parse(document.getElementById("data").textContent), T = D.texts, WALL = Math.max(1, D.wall);
const RUN = 1, READY = 2, PARK = 3, IO = 4, NONE = 5;
const COLORS = ["#4c8dd9", "#e08b3c", "#3fa66b", "#c95d9b", "#8a74d6", "#2fa3a8", "#c2a52f", "#d4615e"];
const KIND = ["message", "unlock", "join", "start", "wake", "close", "cancel"];
const color = i => COLORS[i % COLORS.length];

// Histories: for each lane arrays of starts, ends, classes and what.
function lane(n) { return { at: new Float64Array(n), till: new Float64Array(n), cls: new Uint8Array(n), what: new Int32Array(n), n: 0 }; }
const tasks = D.tasks.map((t, i) => {
  const s = D.states[i], n = s.length / 3, l = lane(n);
  let time = 0;
  for (let k = 0; k < n; k++) {
    time += s[3 * k];
    l.at[k] = time; l.cls[k] = s[3 * k + 1]; l.what[k] = s[3 * k + 2];
    if (k) l.till[k - 1] = time;
  }
  if (n) l.till[n - 1] = WALL;
  l.n = n;
  const sum = [0, 0, 0, 0, 0, 0], waits = new Map();
  for (let k = 0; k < n; k++) {
    const took = l.till[k] - l.at[k];
    sum[l.cls[k]] += took;
    if (l.cls[k] === PARK || l.cls[k] === IO) waits.set(l.what[k], (waits.get(l.what[k]) || 0) + took);
  }
  return Object.assign(l, { id: i, name: T[t[0]], kind: T[t[1]], parent: t[2], outcome: T[t[3]], born: t[4], ended: t[5], sum, waits, regions: [] });
});
const threads = D.carriers.map((c, i) => ({ id: i, name: T[c[0]], tid: c[1], thread: true, runs: [] }));
for (const t of tasks) for (let k = 0; k < t.n; k++) if (t.cls[k] === RUN && threads[t.what[k]]) threads[t.what[k]].runs.push([t.at[k], t.till[k], t.id]);
for (const c of threads) {
  c.runs.sort((a, b) => a[0] - b[0]);
  const l = lane(c.runs.length);
  c.runs.forEach((r, k) => { l.at[k] = r[0]; l.till[k] = r[1]; l.cls[k] = RUN; l.what[k] = r[2]; });
  Object.assign(c, l, { n: c.runs.length, busy: c.runs.reduce((s, r) => s + r[1] - r[0], 0) });
  c.runs = null;
}
for (let k = 0; k < D.regions.length; k += 5) if (D.regions[k + 1] >= 0) tasks[D.regions[k + 1]].regions.push(D.regions.slice(k, k + 5));
const NFLOWS = D.flows.length / 6;

function time(ns) {
  const a = Math.abs(ns);
  if (a === 0) return "0 s";
  const [u, f] = a < 999.5 ? ["ns", 1] : a < 999500 ? ["\u00b5s", 1e3] : a < 999.5e6 ? ["ms", 1e6] : ["s", 1e9];
  const v = ns / f, b = Math.abs(v);
  return v.toFixed(u === "ns" ? 0 : b < 9.995 ? 2 : b < 99.95 ? 1 : 0) + " " + u;
}
function escape(s) { return s.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]); }

// The last k with at[k] <= x, -1: none.
function find(at, n, x) {
  let lo = -1, hi = n - 1;
  while (lo < hi) { const m = (lo + hi + 1) >> 1; if (at[m] <= x) lo = m; else hi = m - 1; }
  return lo;
}

// How many tasks run at each moment, in columns, for the strip on top.
const STRIP = 800, strip = new Float64Array(STRIP);
for (const c of threads) for (let k = 0; k < c.n; k++) {
  const a = c.at[k] / WALL * STRIP, b = c.till[k] / WALL * STRIP;
  for (let x = Math.floor(a); x < b && x < STRIP; x++) strip[x] += Math.min(b, x + 1) - Math.max(a, x);
}

const canvas = document.getElementById("c"), g = canvas.getContext("2d");
const LEFT = 168, RIGHT = 14, LANE = 26, BAR = 15, TOP = 62, HEAD = 24;
const view = { from: 0, to: WALL, y: 0, lanes: [], hover: null, pick: null, span: null };
let W = 0, H = 0, css = {}, hatch = null;

function style() {
  const s = getComputedStyle(document.documentElement);
  for (const k of ["bg", "panel", "line", "text", "dim", "accent", "path", "park", "io", "ready", "lane", "hover", "msg", "unlock", "other"]) css[k] = s.getPropertyValue("--" + k).trim();
  const p = document.createElement("canvas"); p.width = p.height = 6;
  const h = p.getContext("2d"); h.strokeStyle = css.ready; h.lineWidth = 1.6;
  h.beginPath(); for (const d of [-6, 0, 6]) { h.moveTo(d, 6); h.lineTo(d + 6, 0); } h.stroke();
  hatch = g.createPattern(p, "repeat");
}
const X = t => LEFT + (t - view.from) / (view.to - view.from) * (W - LEFT - RIGHT);
const TIME = x => view.from + (x - LEFT) / (W - LEFT - RIGHT) * (view.to - view.from);

// What is thinner than a pixel is gathered: one bar as strong as its share.
function drawLane(l, y) {
  const k0 = Math.max(0, find(l.at, l.n, view.from)), mid = y + BAR / 2 + .5;
  let px = -1, cover = 0, fill = "";
  const flush = () => {
    if (px < 0) return;
    g.globalAlpha = Math.min(1, .25 + cover); g.fillStyle = fill; g.fillRect(px, y, 1, BAR); g.globalAlpha = 1; px = -1; cover = 0;
  };
  let parkFrom = -1, parkTo = -1;
  const park = () => { if (parkFrom >= 0) { g.fillStyle = css.park; g.fillRect(parkFrom, mid - 1, parkTo - parkFrom, 1.6); parkFrom = -1; } };
  for (let k = k0; k < l.n && l.at[k] < view.to; k++) {
    const c = l.cls[k];
    if (c === NONE) continue;
    const x1 = Math.max(LEFT, X(l.at[k])), x2 = Math.min(W - RIGHT, X(l.till[k])), w = x2 - x1;
    if (w < 0) continue;
    if (c === RUN) {
      const f = color(l.thread ? l.id : l.what[k]);
      if (w < 1) {
        const p = Math.floor(x1);
        if (p !== px || f !== fill) { flush(); px = p; fill = f; }
        cover += w;
      } else {
        flush(); g.fillStyle = f; g.fillRect(x1, y, w, BAR);
        if (l.thread && w > 46) {
          g.save(); g.beginPath(); g.rect(x1, y, w - 3, BAR); g.clip();
          g.fillStyle = "#fff"; g.font = "11px system-ui,sans-serif"; g.fillText(tasks[l.what[k]].name, x1 + 4, y + 11.5); g.restore();
        }
      }
    } else if (c === READY) {
      if (w >= .7) { g.save(); g.translate(x1, y + 2); g.fillStyle = hatch; g.fillRect(0, 0, w, BAR - 4); g.restore(); }
    } else if (c === IO) {
      g.strokeStyle = css.io; g.lineWidth = 2; g.setLineDash([4, 3]); g.beginPath(); g.moveTo(x1, mid); g.lineTo(x2, mid); g.stroke(); g.setLineDash([]);
    } else if (parkFrom >= 0 && x1 - parkTo < 1) parkTo = Math.max(parkTo, x2);
    else { park(); parkFrom = x1; parkTo = Math.max(x2, x1 + .3); }
  }
  flush(); park();
}

function ticks() {
  const want = Math.max(2, (W - LEFT) / 120), raw = (view.to - view.from) / want, p = Math.pow(10, Math.floor(Math.log10(raw)));
  const step = Math.max(1, raw <= p ? p : raw <= 2 * p ? 2 * p : raw <= 5 * p ? 5 * p : 10 * p), list = [];
  for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) list.push(t);
  return list;
}

function arrow(x1, y1, x2, y2, stroke, width) {
  const bend = Math.max(8, Math.min(80, Math.abs(x2 - x1) / 2));
  g.strokeStyle = g.fillStyle = stroke; g.lineWidth = width;
  g.beginPath(); g.moveTo(x1, y1); g.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2); g.stroke();
  g.beginPath(); g.moveTo(x2, y2); g.lineTo(x2 - 6, y2 - 3); g.lineTo(x2 - 6, y2 + 3); g.fill();
}

function drawFlows(places) {
  const on = { 0: document.getElementById("msg").checked, 1: document.getElementById("unl").checked };
  const other = document.getElementById("oth").checked, picked = view.pick && !view.pick.lane.thread ? view.pick.lane.id : -1;
  const F = D.flows;
  let drawn = 0;
  const last = new Map();
  for (let i = 0; i < NFLOWS; i++) {
    const kind = F[6 * i], from = F[6 * i + 1], at = F[6 * i + 2], to = F[6 * i + 3], till = F[6 * i + 4];
    const mine = from === picked || to === picked;
    if (!(mine || (kind < 2 ? on[kind] : other))) continue;
    if (till < view.from || at > view.to) continue;
    const y1 = places.get(from), y2 = places.get(to);
    if (y1 === undefined || y2 === undefined || (Math.max(y1, y2) < TOP && Math.min(y1, y2) < TOP) || Math.min(y1, y2) > H) continue;
    const x1 = X(at), x2 = X(till), key = from * 65536 + to;
    if (!mine && Math.abs(x2 - (last.get(key) ?? -99)) < 3 && x2 - x1 < 3) continue; // too close to be told apart
    last.set(key, x2);
    g.globalAlpha = picked >= 0 ? (mine ? .95 : .15) : .6;
    arrow(x1, y1 + BAR / 2, x2, y2 + BAR / 2, kind === 0 ? css.msg : kind === 1 ? css.unlock : css.other, mine ? 1.6 : 1);
    if (++drawn > 4000) break;
  }
  g.globalAlpha = 1;
}

function drawPath(places) {
  if (!document.getElementById("path").checked) return;
  const P = D.path;
  g.strokeStyle = css.path; g.lineWidth = 2.5;
  let lx = null, ly = null;
  for (let i = 0; i < P.length; i += 5) {
    const y = places.get(P[i]);
    if (y === undefined) { lx = null; continue; }
    if (P[i + 2] >= view.from && P[i + 1] <= view.to) {
      const x1 = X(P[i + 1]), x2 = X(P[i + 2]), yy = y + BAR + 3.5;
      if (lx !== null && ly !== yy) { g.lineWidth = 1; g.beginPath(); g.moveTo(lx, ly); g.lineTo(x1, yy); g.stroke(); g.lineWidth = 2.5; }
      g.setLineDash(P[i + 3] ? [3, 3] : []);
      g.beginPath(); g.moveTo(x1, yy); g.lineTo(Math.max(x2, x1 + 1), yy); g.stroke(); g.setLineDash([]);
      lx = x2; ly = yy;
    } else lx = null;
  }
}

function draw() {
  const dpr = window.devicePixelRatio || 1;
  g.setTransform(dpr, 0, 0, dpr, 0, 0);
  g.fillStyle = css.bg; g.fillRect(0, 0, W, H);
  g.font = "12px system-ui,sans-serif"; g.textBaseline = "alphabetic";
  const places = new Map();
  let y = TOP - view.y;
  g.save(); g.beginPath(); g.rect(0, TOP - 4, W, H); g.clip();
  view.lanes.forEach((l, i) => {
    if (l.head) { l.y = y; y += HEAD; return; }
    l.y = y;
    if (!l.thread) places.set(l.id, y + 5);
    if (y > -LANE && y < H) {
      if (view.pick && view.pick.lane === l || view.hover && view.hover.lane === l) { g.fillStyle = css.hover; g.fillRect(0, y, W, LANE); }
      else if (i % 2) { g.fillStyle = css.lane; g.fillRect(0, y, W, LANE); }
    }
    y += LANE;
  });
  view.height = y + view.y - TOP;
  g.strokeStyle = css.line; g.lineWidth = 1;
  const marks = ticks();
  for (const t of marks) { const x = Math.round(X(t)) + .5; g.beginPath(); g.moveTo(x, TOP - 4); g.lineTo(x, H); g.stroke(); }
  for (const l of view.lanes) {
    if (l.y < -LANE || l.y > H) continue;
    if (l.head) { g.fillStyle = css.dim; g.font = "10px system-ui,sans-serif"; g.fillText(l.head, 12, l.y + 16); g.font = "12px system-ui,sans-serif"; continue; }
    g.save(); g.beginPath(); g.rect(0, l.y, LEFT - 8, LANE); g.clip(); g.fillStyle = css.text; g.fillText(l.name, 12, l.y + 17); g.restore();
    g.save(); g.beginPath(); g.rect(LEFT, 0, W - LEFT - RIGHT, H); g.clip();
    for (const r of l.regions || []) if (r[3] >= view.from && r[2] <= view.to) {
      const x = X(r[2]), w = Math.max(1, X(r[3]) - x);
      g.fillStyle = color(4); g.globalAlpha = .16; g.fillRect(x, l.y + 1, w, LANE - 2); g.globalAlpha = 1;
      g.fillRect(x, l.y + 1 + 2 * (r[4] - 1), w, 1.5);
      const name = T[r[0]];
      if (w > 6 * name.length + 8) { g.font = "9px system-ui,sans-serif"; g.fillText(name, Math.max(x, LEFT) + 3, l.y + LANE - 2); }
    }
    drawLane(l, l.y + 5);
    g.restore();
  }
  g.save(); g.beginPath(); g.rect(LEFT, 0, W - LEFT - RIGHT, H); g.clip();
  drawPath(places); drawFlows(places);
  for (let i = 0; i < D.marks.length; i += 3) {
    const x = X(D.marks[i]); if (x < LEFT || x > W) continue;
    g.strokeStyle = g.fillStyle = css.path; g.setLineDash([2, 3]); g.beginPath(); g.moveTo(x, TOP - 4); g.lineTo(x, H); g.stroke(); g.setLineDash([]);
    g.font = "10px system-ui,sans-serif"; g.fillText(T[D.marks[i + 1]], x + 3, TOP + 6 + i / 3 % 3 * 11);
  }
  g.restore(); g.restore();
  // The strip: the whole trace, how many ran, and where the view is.
  g.fillStyle = css.panel; g.fillRect(LEFT, 6, W - LEFT - RIGHT, 26);
  const most = Math.max(1, ...strip), sw = (W - LEFT - RIGHT) / STRIP;
  g.fillStyle = css.accent; g.globalAlpha = .55;
  for (let x = 0; x < STRIP; x++) { const h = 24 * Math.min(1, strip[x] / most); if (h > 0) g.fillRect(LEFT + x * sw, 31 - h, Math.ceil(sw), h); }
  g.globalAlpha = 1;
  const v1 = LEFT + view.from / WALL * (W - LEFT - RIGHT), v2 = LEFT + view.to / WALL * (W - LEFT - RIGHT);
  g.fillStyle = css.bg; g.globalAlpha = .6; g.fillRect(LEFT, 6, v1 - LEFT, 26); g.fillRect(v2, 6, W - RIGHT - v2, 26); g.globalAlpha = 1;
  g.strokeStyle = css.accent; g.lineWidth = 1; g.strokeRect(v1 + .5, 6.5, Math.max(2, v2 - v1 - 1), 25);
  g.fillStyle = css.dim; g.font = "10px system-ui,sans-serif";
  g.fillText("threads that run, of " + threads.length, 12, 22);
  g.textAlign = "center";
  for (const t of marks) g.fillText(time(t), Math.min(W - 24, Math.max(LEFT + 12, X(t))), TOP - 10);
  g.textAlign = "left"; g.fillText("span " + time(view.to - view.from), 12, TOP - 10);
  if (view.span) {
    g.fillStyle = css.accent; g.globalAlpha = .15; g.fillRect(Math.min(view.span[0], view.span[1]), TOP - 4, Math.abs(view.span[1] - view.span[0]), H); g.globalAlpha = 1;
    g.fillStyle = css.text; g.fillText(time(Math.abs(TIME(view.span[1]) - TIME(view.span[0]))), Math.min(view.span[0], view.span[1]) + 4, H - 8);
  }
  if (view.height > H - TOP) {
    const h = H - TOP, s = h * h / view.height;
    g.fillStyle = css.other; g.globalAlpha = .5; g.fillRect(W - 7, TOP + view.y / view.height * h, 5, s); g.globalAlpha = 1;
  }
}
let pending = false;
function redraw() { if (!pending) { pending = true; requestAnimationFrame(() => { pending = false; draw(); }); } }
]==]
