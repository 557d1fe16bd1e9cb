// n async functions sleep 1 to 1000 ms each.
const n = +process.argv[2];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let fired = 0;

async function body(ms) {
  await sleep(ms);
  fired++;
}

const t = process.hrtime.bigint();
const jobs = [];
for (let i = 0; i < n; i++) jobs.push(body((i % 1000) + 1));
await Promise.all(jobs);
if (fired !== n) throw new Error("tasks lost");
const wall = Number(process.hrtime.bigint() - t) / 1e9;
const r = process.resourceUsage();
console.log("cpu", (r.userCPUTime + r.systemCPUTime) / 1e6);
console.log("wall", wall);
console.log("rss", r.maxRSS / 1024);
