// Two async functions answer each other over two unbuffered channels made of promises.

// The CPU time that the process has had, in ns.
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

class Channel {
  constructor() {
    this.senders = [];
    this.receivers = [];
  }
  send(v) {
    const wake = this.receivers.shift();
    if (wake) {
      wake(v);
      return;
    }
    return new Promise((done) => this.senders.push([v, done]));
  }
  receive() {
    const sender = this.senders.shift();
    if (sender) {
      sender[1]();
      return sender[0];
    }
    return new Promise((wake) => this.receivers.push(wake));
  }
}

const n = +process.argv[2];
const a = new Channel();
const b = new Channel();
(async () => {
  for (let i = 0; i < n; i++) await b.send(await a.receive());
})();
const t = cpu();
for (let i = 0; i < n; i++) {
  await a.send(i);
  if ((await b.receive()) !== i) throw new Error("another value came back");
}
console.log("ns", (cpu() - t) / n);
