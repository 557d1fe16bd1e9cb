// Encode and decode 1,000 records of 10 mixed fields: v8.serialize and back ("us"), and as JSON ("json_us").
import v8 from "node:v8";

// The CPU time that the process has had, in ns.
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

const n = +process.argv[2];
const data = [];
for (let i = 1; i <= 1000; i++) {
  data.push({ id: i, name: "user number " + i, score: i * 1.25 + 0.5, active: i % 2 === 0, email: `user${i}@example.org`,
    tags: ["alpha", "beta", "gamma"], address: { street: "Main street " + i, zip: 10000 + i }, balance: -i * 1000,
    note: "lorem ipsum ".repeat(4), ratio: 1 / i });
}

function measure(metric, once) {
  for (let i = 0; i < n; i++) once();
  const t = cpu();
  for (let i = 0; i < n; i++) once();
  console.log(metric, (cpu() - t) / 1e3 / n);
}

measure("us", () => v8.deserialize(v8.serialize(data)));
measure("json_us", () => JSON.parse(JSON.stringify(data)));
