// One async function sends integers through a bounded queue of 128, another receives; promises only where one must wait.

// The CPU time that the process has had, in ns.
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

const n = +process.argv[2];
const capacity = 128;
let queue = [];
let head = 0;
let wakeReceiver = null;
let wakeSender = null;

function send(v) {
  if (wakeReceiver) {
    const wake = wakeReceiver;
    wakeReceiver = null;
    wake(v);
    return;
  }
  queue.push(v);
  if (queue.length - head >= capacity) return new Promise((done) => (wakeSender = done));
}

function receive() {
  if (head < queue.length) {
    const v = queue[head++];
    if (head >= capacity) {
      queue = queue.slice(head);
      head = 0;
    }
    if (wakeSender) {
      const wake = wakeSender;
      wakeSender = null;
      wake();
    }
    return v;
  }
  return new Promise((wake) => (wakeReceiver = wake));
}

const t = cpu();
const receiver = (async () => {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const v = receive();
    sum += v instanceof Promise ? await v : v;
  }
  return sum;
})();
for (let i = 1; i <= n; i++) {
  const p = send(i);
  if (p) await p;
}
if ((await receiver) !== (n * (n + 1)) / 2) throw new Error("values lost");
console.log("rate", n / ((cpu() - t) / 1e9));
