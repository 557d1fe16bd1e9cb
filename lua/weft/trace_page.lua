-- luacheck: no max line length (markup)
-- The page of weft.trace_html: markup and style. `head` ends where the data begins, `middle` where the script begins.

local M = {}

M.head = [==[
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>weft trace</title>
<style>
:root{color-scheme:light dark;--bg:#fff;--panel:#f5f7fa;--line:#dfe4ea;--text:#1d2530;--dim:#677383;--accent:#4c8dd9;--path:#d63a55;--park:#b3bcc8;--io:#5aa0dc;--ready:#e3ac3c;--lane:#f8fafc;--hover:#eef4fc;--msg:#2f8a57;--unlock:#c0703a;--other:#8c97a6}
@media (prefers-color-scheme:dark){:root{--bg:#14181f;--panel:#1a2029;--line:#2b3340;--text:#e6eaf0;--dim:#8d99a9;--accent:#6aa6ea;--park:#4a5563;--io:#4f8fc7;--ready:#c9952f;--lane:#171c24;--hover:#1d2735;--msg:#56b985;--unlock:#e0995f;--other:#77839a}}
*{box-sizing:border-box}
html,body{height:100%;margin:0}
body{display:flex;flex-direction:column;background:var(--bg);color:var(--text);font:13px system-ui,"Segoe UI",Roboto,sans-serif;overflow:hidden}
header{display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center;padding:8px 12px;background:var(--panel);border-bottom:1px solid var(--line)}
h1{font-size:15px;margin:0 6px 0 0;font-weight:650}
#sum{color:var(--dim);flex:1 1 320px}
label{color:var(--dim);white-space:nowrap}
select,input[type=search],button{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:5px;padding:2px 7px}
input[type=search]{width:150px}
button{cursor:pointer;min-width:28px}
button:hover,select:hover{border-color:var(--accent)}
.swatch{display:inline-block;width:16px;height:9px;border-radius:2px;margin-right:5px;vertical-align:0}
main{flex:1;min-height:0;position:relative}
canvas{display:block;position:absolute;inset:0;outline:none}
#tip{position:absolute;pointer-events:none;background:var(--bg);border:1px solid var(--line);border-radius:6px;box-shadow:0 4px 16px #0004;padding:7px 10px;max-width:420px;display:none;z-index:3;line-height:1.45}
#tip b{font-weight:650}
#tip .d,#side .d{color:var(--dim)}
footer{display:flex;gap:4px 18px;align-items:center;flex-wrap:wrap;padding:6px 12px;background:var(--panel);border-top:1px solid var(--line);color:var(--dim);min-height:34px}
#side{color:var(--text);flex:1 1 100%;display:none;line-height:1.5}
#side table{border-collapse:collapse;display:inline-table;margin-right:26px;vertical-align:top}
#side td{padding:0 10px 0 0}
#side td.r{text-align:right;font-variant-numeric:tabular-nums}
kbd{border:1px solid var(--line);border-radius:3px;padding:0 4px;font:11px ui-monospace,monospace}
</style>
</head>
<body>
<header>
<h1>weft trace</h1><span id="sum"></span>
<label>show <select id="view"><option value="both">tasks and threads</option><option value="tasks">tasks</option><option value="threads">OS threads</option></select></label>
<label>sort <select id="sort"><option value="start">by start</option><option value="name">by name</option><option value="blocked">by time parked</option><option value="ready">by time ready</option><option value="run">by time running</option></select></label>
<input type="search" id="filter" placeholder="filter names  ( / )" aria-label="filter names">
<label><input type="checkbox" id="msg" checked> <span style="color:var(--msg)">messages</span></label>
<label><input type="checkbox" id="unl" checked> <span style="color:var(--unlock)">unlocks</span></label>
<label><input type="checkbox" id="oth"> <span style="color:var(--other)">starts, joins, wakes</span></label>
<label><input type="checkbox" id="path" checked> <span style="color:var(--path)">critical path</span></label>
<span><button id="out" title="zoom out (-)">&minus;</button> <button id="in" title="zoom in (+)">+</button> <button id="fit" title="all (0)">all</button></span>
</header>
<main><canvas id="c" tabindex="0" aria-label="timeline of the trace"></canvas><div id="tip" role="tooltip"></div></main>
<footer>
<span><i class="swatch" style="background:#4c8dd9"></i>running, a colour for each thread</span>
<span><i class="swatch" style="background:repeating-linear-gradient(135deg,var(--ready) 0 2px,transparent 2px 4px)"></i>ready, waits for its turn</span>
<span><i class="swatch" style="height:2px;background:var(--park);vertical-align:4px"></i>parked</span>
<span><i class="swatch" style="height:0;border-top:2px dashed var(--io);vertical-align:4px"></i>waits for IO</span>
<span style="margin-left:auto">wheel <kbd>+</kbd> <kbd>-</kbd> zoom &nbsp; drag <kbd>&larr;</kbd> <kbd>&rarr;</kbd> move &nbsp; <kbd>shift</kbd> drag a span &nbsp; click for details &nbsp; <kbd>0</kbd> all</span>
<div id="side"></div>
</footer>
<script type="application/json" id="data">]==]

M.middle = [==[</script>
<script>
"use strict";
const opened = performance.now();
]==]

M.tail = [==[</script>
</body>
</html>
]==]

return M
