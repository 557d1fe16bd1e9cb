// A worker thread with an empty script: start, and wait for its end.
import { Worker } from "node:worker_threads";

const n = +process.argv[2];
const t = process.hrtime.bigint();
for (let i = 0; i < n; i++) await new Promise((done) => new Worker("0", { eval: true }).once("exit", done));
console.log("us", Number(process.hrtime.bigint() - t) / 1e3 / n);
