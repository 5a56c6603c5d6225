// Publish and subscribe, requests, drain, errors, and each way in; one line for each thing seen.
import { headers, nkeyAuthenticator, wsconnect } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import WebSocket from "ws";

const { url, ws, seed } = JSON.parse(process.argv[2]);
const show = (...facts) => console.log(JSON.stringify(facts));
const failure = (error) => [error.constructor.name, error.message];
const encoder = new TextEncoder();

const nc = await connect({ servers: url, user: "all", pass: "pw", name: "js" });
show("info", nc.info.version, nc.info.api_lvl, nc.info.headers, nc.info.max_payload);

const served = nc.subscribe("svc.*", { queue: "q" });
(async () => {
  for await (const m of served) m.respond(`re:${m.string()}`, { headers: m.headers });
})();
const h = headers();
h.append("A", "1");
h.append("A", "2");
const reply = await nc.request("svc.x", "hi", { headers: h });
show("request", reply.string(), reply.headers.values("A"));
await nc.request("nobody", "").catch((e) => show("nobody", ...failure(e)));
const many = [];
for await (const m of await nc.requestMany("svc.x", "n", { strategy: "count", maxMessages: 1 })) {
  many.push(m.string());
}
show("many", many);

const got = { a: [], wild: [], gt: [], max: [] };
const a = nc.subscribe("a.b", { callback: (_, m) => got.a.push(m.string()) });
nc.subscribe("*.b", { callback: (_, m) => got.wild.push(m.subject) });
nc.subscribe("a.>", { callback: (_, m) => got.gt.push(m.data.length) });
nc.subscribe("a.b", { max: 2, callback: () => got.max.push(1) });
for (let i = 0; i < 5; i++) nc.publish("a.b", `${i}`);
nc.publish("a.c", new Uint8Array(100_000));
nc.publish("a.b");
await nc.flush();
a.unsubscribe();
nc.publish("a.b", "late");
await nc.flush();
show("got", got);

const statuses = [];
const limited = await connect({ servers: url, user: "limited", pass: "pw" });
(async () => {
  for await (const s of limited.status()) if (s.type === "error") statuses.push(failure(s.error));
})();
const denied = limited.subscribe("secret");
denied.closed.then((e) => show("closed", e instanceof Error));
limited.publish("secret", "x");
await limited.flush();
await limited.flush();
show("statuses", statuses.sort());
await limited.close();

const ways = {
  wrong: () => connect({ servers: url, user: "all", pass: "no", reconnect: false }),
  nobody: () => connect({ servers: url, reconnect: false }),
  nkey: () => connect({ servers: url, authenticator: nkeyAuthenticator(encoder.encode(seed)) }),
  plain: () => connect({ servers: url, user: "all", pass: "pw", tls: null }),
  websocket: () => {
    globalThis.WebSocket ??= WebSocket;
    return wsconnect({ servers: ws, user: "all", pass: "pw" });
  },
};
for (const [name, enter] of Object.entries(ways)) {
  try {
    const other = await enter();
    const answer = await other.request("svc.y", name);
    show(name, answer.string());
    await other.drain();
  } catch (error) {
    show(name, ...failure(error));
  }
}
show("rtt", (await nc.rtt()) < 60_000);
await nc.drain();
show("done", nc.isClosed());
