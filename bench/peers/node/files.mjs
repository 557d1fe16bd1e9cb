// Reads n files of 4 KiB, "one" after the other by blocking calls, or "many", 64 at a time by callbacks.
import fs from "node:fs";

const [how, count] = process.argv.slice(2);
const n = +count, path = "build/bench/files/f";

async function one() {
  let bytes = 0;
  for (let i = 1; i <= n; i++) bytes += fs.readFileSync(path + i).length;
  return bytes;
}

async function many() {
  let bytes = 0, next = 0;
  const read = (i) => new Promise((done) => fs.readFile(path + i, (_, data) => done(data)));
  const chain = async () => {
    while (next < n) {
      next++;
      const data = await read(next);
      bytes += data.length;
    }
  };
  await Promise.all([...Array(64)].map(chain));
  return bytes;
}

const run = how === "one" ? one : many;
await run();
const t = performance.now();
if ((await run()) !== n * 4096) throw new Error("wrong");
console.log("us", ((performance.now() - t) / n) * 1e3);
