// Two async functions take turns with await. "ns" is one await: one gives up, the other begins.
const n = +process.argv[2];

async function body() {
  for (let i = 0; i < n; i++) await null;
}

const t = process.hrtime.bigint();
await Promise.all([body(), body()]);
console.log("ns", Number(process.hrtime.bigint() - t) / (2 * n));
