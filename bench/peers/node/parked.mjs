// Async functions parked on a promise: slope of resident memory between two counts. Run with --expose-gc.
const few = +process.argv[2];
const many = +process.argv[3];
const wakes = new Array(many).fill(null);
const jobs = new Array(many).fill(null);

async function body(i) {
  await new Promise((wake) => (wakes[i] = wake));
}

for (let i = 0; i < few; i++) jobs[i] = body(i);
await null;
globalThis.gc();
const before = process.memoryUsage().rss;
for (let i = few; i < many; i++) jobs[i] = body(i);
await null;
globalThis.gc();
console.log("bytes", (process.memoryUsage().rss - before) / (many - few));
