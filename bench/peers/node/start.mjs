// n async functions in all, started in batches and awaited batch by batch; each runs on after one await, as a task that
// starts later than its starter's call does.
const n = +process.argv[2];
const batch = +process.argv[3];
let ran = 0;

async function body() {
  await null;
  ran++;
}

const t = process.hrtime.bigint();
for (let r = 0; r < n / batch; r++) {
  const jobs = new Array(batch);
  for (let i = 0; i < batch; i++) jobs[i] = body();
  await Promise.all(jobs);
}
const ns = Number(process.hrtime.bigint() - t) / n;
if (ran !== n) throw new Error("tasks lost");
console.log("ns", ns);
