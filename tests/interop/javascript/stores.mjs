// Buckets, objects and services; one line for each thing seen.
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { Svcm } from "@nats-io/services";
import { connect } from "@nats-io/transport-node";

const { url } = JSON.parse(process.argv[2]);
const show = (...facts) => console.log(JSON.stringify(facts));
const failure = (error) => [error.constructor.name, error.message];
const nc = await connect({ servers: url, user: "all", pass: "pw", tls: null });
const js = jetstream(nc);
const all = async (iterator, pick) => {
  const seen = [];
  for await (const one of iterator) seen.push(pick(one));
  return seen;
};

const kv = await new Kvm(js).create("B", { history: 5, markerTTL: 60_000 });
const entry = (e) => [e.key, e.revision, e.operation, e.string()];
show("put", await kv.put("k", "1"), await kv.put("k", "2"), await kv.create("n", "new"));
await kv.create("n", "again").catch((e) => show("create", ...failure(e)));
await kv.update("k", "3", 1).catch((e) => show("update", ...failure(e)));
show("update", await kv.update("k", "3", 2), entry(await kv.get("k")), await kv.get("none"));
show("revision", entry(await kv.get("k", { revision: 1 })));
show("history", await all(await kv.history({ key: "k" }), entry));
const watch = await kv.watch({ key: ">" });
const seen = [];
for await (const e of watch) {
  seen.push([...entry(e), e.isUpdate, e.delta]);
  if (seen.length === 2) await kv.delete("k");
  if (seen.length === 3) await kv.purge("n");
  if (seen.length === 4) break;
}
show("watch", seen);
show("gone", entry(await kv.get("k")), await all(await kv.keys(), (key) => key));
await kv.create("k", "back");
await kv.create("ttl", "short", "60s");
show("keys", (await all(await kv.keys(), (key) => key)).sort());
await kv.purgeDeletes();
const status = await kv.status();
show("status", status.values, status.history, status.markerTTL, status.bucket);
show("buckets", await all(new Kvm(js).list(), (s) => s.bucket));
show("destroyed", await kv.destroy());

const os = await new Objm(js).create("O", { description: "d" });
const data = new Uint8Array(1_000_000).map((_, i) => i % 251);
const put = await os.putBlob({ name: "x", metadata: { a: "b" }, headers: undefined }, data);
show("object", put.size, put.chunks, put.digest, put.metadata);
const back = await os.getBlob("x");
show("back", back.length, back.every((byte, i) => byte === i % 251));
await os.link("y", await os.info("x"));
await os.update("x", { name: "z", description: "renamed" });
show("objects", (await os.list()).map((o) => [o.name, o.size ?? 0, o.description ?? ""]).sort());
await os.putBlob({ name: "w" }, new Uint8Array(3));
await os.seal();
await os.putBlob({ name: "late" }, new Uint8Array(3)).catch((e) => show("sealed", ...failure(e)));
show("destroyed", await os.destroy());

const service = await new Svcm(nc).add({ name: "svc", version: "1.0.0", queue: "q" });
const group = service.addGroup("g");
group.addEndpoint("echo", { handler: (_, m) => m.respond(m.data), metadata: { k: "v" } });
group.addEndpoint("bad", { handler: (_, m) => m.respondError(400, "no") });
show("echo", (await nc.request("g.echo", "hi")).string());
const bad = await nc.request("g.bad", "hi");
show("bad", bad.headers.get("Nats-Service-Error"), bad.headers.get("Nats-Service-Error-Code"));
const client = new Svcm(nc).client();
show("ping", await all(await client.ping("svc"), (s) => [s.name, s.version]));
show("info", await all(await client.info("svc"), (s) => s.endpoints.map((e) => [e.name, e.subject])));
show("stats", await all(await client.stats("svc"), (s) => s.endpoints.map((e) => [e.num_requests, e.num_errors])));
await service.stop();
await nc.drain();
show("done");
