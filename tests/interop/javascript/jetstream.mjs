// Streams, consumers, batches and schedules; one line for each thing seen.
import {
  AckPolicy, DeliverPolicy, jetstream, jetstreamManager, RetentionPolicy,
} from "@nats-io/jetstream";
import { startFastIngest } from "@nats-io/jetstream/internal";
import { connect, delay } from "@nats-io/transport-node";

const { url } = JSON.parse(process.argv[2]);
const show = (...facts) => console.log(JSON.stringify(facts));
const failure = (error) => [error.constructor.name, error.message, error.code];
const nc = await connect({ servers: url, user: "all", pass: "pw", tls: null });
const jsm = await jetstreamManager(nc);
const js = jetstream(nc);
const take = async (messages, count) => {
  const seen = [];
  for await (const m of messages) {
    m.ack();
    seen.push([m.subject, m.seq, m.info.deliveryCount, m.string()]);
    if (seen.length === count) break;
  }
  return seen;
};

const config = { name: "S", subjects: ["s.>"], allow_direct: true, allow_msg_ttl: true };
const made = await jsm.streams.add({ ...config, allow_atomic: true, allow_batched: true });
show("config", Object.entries(made.config).filter(([key]) => key !== "metadata").sort());
await jsm.streams.add({ name: "T", subjects: ["s.a"] }).catch((e) => show("overlap", ...failure(e)));
for (let i = 0; i < 20; i++) await js.publish(`s.${i % 4}`, `m${i}`, { msgID: `id${i}` });
show("twice", await js.publish("s.0", "m0", { msgID: "id0" }));
await js.publish("s.0", "", { expect: { lastSequence: 3 } }).catch((e) => show("expected", ...failure(e)));
await js.publish("none", "", { timeout: 2000, retries: 0 }).catch((e) => show("none", ...failure(e)));

await jsm.consumers.add("S", { durable_name: "D", ack_policy: AckPolicy.Explicit, filter_subject: "s.1" });
const pull = await js.consumers.get("S", "D");
show("fetch", await take(await pull.fetch({ max_messages: 3 }), 3));
const again = await pull.next();
again.nak();
// nats-server may see the next request before it sees the NAK.
show("nak", (await take(await pull.fetch({ max_messages: 2 }), 2)).sort());
show("empty", await pull.next({ expires: 1000 }));
const ordered = await js.consumers.get("S", { deliver_policy: DeliverPolicy.LastPerSubject });
show("ordered", await take(await ordered.consume(), 4));
await jsm.consumers.add("S", {
  durable_name: "P", deliver_subject: "push", ack_policy: AckPolicy.Explicit,
  flow_control: true, idle_heartbeat: 5_000_000_000,
});
show("push", (await take(await (await js.consumers.getPushConsumer("S", "P")).consume(), 20)).length);
await jsm.consumers.add("S", { durable_name: "O", ack_policy: AckPolicy.None, priority_groups: ["g"], priority_policy: "overflow" });
show("group", await take(await (await js.consumers.get("S", "O")).fetch({ max_messages: 2, group: "g" }), 2));
show("paused", (await jsm.consumers.pause("S", "D", new Date(Date.now() + 3_600_000))).paused);
show("resumed", (await jsm.consumers.resume("S", "D")).paused);
show("update", (await jsm.consumers.update("S", "D", { max_deliver: 7 })).config.max_deliver);

show("direct", (await jsm.direct.getMessage("S", { last_by_subj: "s.3" })).string());
show("get", (await jsm.streams.getMessage("S", { seq: 4 })).string());
const some = [];
for await (const m of await jsm.direct.getBatch("S", { seq: 2, batch: 3 })) some.push(m.seq);
for await (const m of await jsm.direct.getLastMessagesFor("S", { multi_last: ["s.*"] })) some.push(m.seq);
show("batches", some);

const batch = await js.startBatch("s.b", "1");
await batch.add("s.b", "2", { ack: true });
const ended = await batch.commit("s.b", "3");
show("atomic", ended.count, ended.seq);
const fast = await startFastIngest(nc, "s.f", "0", { ackInterval: 10, allowGaps: false });
for (let i = 1; i < 100; i++) await fast.add("s.f", `${i}`);
const last = await fast.last("s.f", "end");
show("fast", last.count, last.seq);

await jsm.streams.add({ name: "C", subjects: ["c.>"], allow_msg_schedules: true, allow_msg_ttl: true });
await js.publish("c.at", "now", { schedule: { specification: new Date(Date.now() + 1000), target: "c.out" } });
const due = await js.consumers.get("C", { filter_subjects: "c.out" });
show("schedule", (await take(await due.consume(), 1)).map(([subject, , , body]) => [subject, body]));

await jsm.streams.add({ name: "W", subjects: ["w"], retention: RetentionPolicy.Workqueue });
await jsm.streams.add({ name: "M", mirror: { name: "S" } });
await jsm.streams.add({ name: "A", sources: [{ name: "S", filter_subject: "s.2" }] });
await js.publish("w", "job");
await jsm.consumers.add("W", { durable_name: "w", ack_policy: AckPolicy.Explicit });
await (await (await js.consumers.get("W", "w")).next()).ackAck();
show("queue", (await jsm.streams.info("W")).state.messages);
for (const [name, count] of [["M", 124], ["A", 5]]) {
  while ((await jsm.streams.info(name)).state.messages < count) await delay(50);
  show(name, (await jsm.streams.info(name)).state.messages);
}

show("deleted", await jsm.streams.deleteMessage("S", 2));
show("purged", (await jsm.streams.purge("S", { filter: "s.1" })).purged);
show("subjects", (await jsm.streams.info("S", { subjects_filter: ">", deleted_details: true })).state.subjects);
await jsm.streams.get("NONE").catch((e) => show("missing", ...failure(e)));
await jsm.consumers.info("S", "NONE").catch((e) => show("missing", ...failure(e)));
const names = [];
for await (const s of jsm.streams.list()) names.push(s.config.name);
for await (const c of jsm.consumers.list("S")) if (c.name.length < 3) names.push(c.name);
show("names", names.sort(), await jsm.streams.delete("W"));
const account = await jsm.getAccountInfo();
show("account", account.streams, account.limits);
await nc.drain();
show("done");
