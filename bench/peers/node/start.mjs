// n async functions in all, started in batches and awaited batch by batch; each runs on after one await, as a task that
// starts later than its starter's call does.

// The CPU time that the process has had, in ns.
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

const n = +process.argv[2];
const batch = +process.argv[3];
let ran = 0;

async function body() {
  await null;
  ran++;
}

const t = cpu();
for (let r = 0; r < n / batch; r++) {
  const jobs = new Array(batch);
  for (let i = 0; i < batch; i++) jobs[i] = body();
  await Promise.all(jobs);
}
const ns = (cpu() - t) / n;
if (ran !== n) throw new Error("tasks lost");
console.log("ns", ns);
