// Two async functions take turns with await. "ns" is one await: one gives up, the other begins.

// The CPU time that the process has had, in ns.
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

const n = +process.argv[2];

async function body() {
  for (let i = 0; i < n; i++) await null;
}

const t = cpu();
await Promise.all([body(), body()]);
console.log("ns", (cpu() - t) / (2 * n));
