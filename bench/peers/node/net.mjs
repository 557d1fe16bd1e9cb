// Servers for bench/c/load_net: echo, bulk, http.
import net from "node:net";
import http from "node:http";

const kind = process.argv[2];
let server;
if (kind === "http") {
  server = http.createServer((request, response) => {
    const body = request.url === "/" ? "Hello, world\n" : "";
    response.writeHead(request.url === "/" ? 200 : 404, { "Content-Type": "text/plain", "Content-Length": body.length });
    response.end(body);
  });
} else {
  server = net.createServer({ allowHalfOpen: true }, (c) => {
    c.setNoDelay(true);
    c.on("data", (data) => { if (kind === "echo") c.write(data); });
    c.on("end", () => c.end(kind === "bulk" ? "done\n" : undefined));
    c.on("error", () => {});
  });
}
server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => console.log(server.address().port));
