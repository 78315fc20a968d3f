// SPDX-License-Identifier: Apache-2.0

// What the agents that are written in JavaScript share: the protocol (compat-tests/clients/README.md), and the verbs
// of clients that have the interface of KafkaJS.
const readline = require('readline')

const TIMEOUT_MS = 40000
const TOPIC_EXISTS = 36

const pack = data => (data === null || data === undefined ? null : Buffer.from(data).toString('base64'))
const unpack = text => (text === null ? null : Buffer.from(text, 'base64'))

function toMessage(record) {
  const headers = {}
  for (const { name, value } of record.headers) {
    const one = unpack(value)
    headers[name] = name in headers ? [].concat(headers[name], one) : one
  }
  return {
    partition: record.partition,
    key: unpack(record.key),
    value: unpack(record.value),
    headers,
    timestamp: String(record.timestamp),
  }
}

function fromMessage(partition, message) {
  const headers = []
  for (const [name, values] of Object.entries(message.headers || {})) {
    for (const value of Array.isArray(values) ? values : [values]) {
      headers.push({ name, value: pack(value) })
    }
  }
  return {
    partition,
    offset: Number(message.offset),
    key: pack(message.key),
    value: pack(message.value),
    headers,
    timestamp: Number(message.timestamp),
  }
}

// What a running consumer has been given and nobody has asked for yet.
class Inbox {
  constructor() {
    this.records = []
    this.wake = () => {}
  }

  put(record) {
    this.records.push(record)
    this.wake()
  }

  // Waits so long until there is something, and takes all of it.
  async take(waitMs) {
    if (this.records.length === 0) {
      await new Promise(resolve => {
        const timer = setTimeout(resolve, waitMs)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.records.splice(0)
  }
}

// The offsets of records: an answer of `send` names the first offset of each partition.
function offsetsOf(records, answers) {
  const next = new Map(answers.map(one => [one.partition, Number(one.baseOffset)]))
  return records.map(({ partition }) => {
    if (!next.has(partition)) {
      return -1
    }
    const offset = next.get(partition)
    next.set(partition, offset + 1)
    return offset
  })
}

// The verbs that clients with the interface of KafkaJS have in common. `client` has admin (connected),
// createOptions (for createTopics), openProducer(request),
// send(producer, request, messages) and openConsumer(group).
function commonVerbs(client) {
  const { admin } = client
  let member
  let inbox
  let polled = new Map()

  async function start(consumer, topic, put) {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic] })
    await consumer.run({
      eachMessage: async ({ partition, message }) => put(fromMessage(partition, message)),
    })
  }

  // Just so many records from an offset on; what comes from before a seek is not what is next.
  async function takeFrom(came, partition, start, count) {
    const taken = []
    const until = Date.now() + TIMEOUT_MS
    while (taken.length < count) {
      if (Date.now() > until) {
        throw new Error(`only ${taken.length} records in ${TIMEOUT_MS} ms`)
      }
      for (const record of await came.take(500)) {
        if (record.offset === start + taken.length && taken.length < count) {
          taken.push(record)
        }
      }
    }
    return taken
  }

  return {
    'create-topic': async ({ topic, partitions, replicas, configs }) => {
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      const created = await admin.createTopics({
        ...client.createOptions,
        topics: [{ topic, numPartitions: partitions, replicationFactor: replicas, configEntries }],
      })
      if (!created) { // how the client says that it is there already
        throw Object.assign(new Error(`${topic} exists`), { code: TOPIC_EXISTS })
      }
    },
    'delete-topic': async ({ topic }) => admin.deleteTopics({ topics: [topic] }),
    'delete-records': async ({ topic, partition, offset }) =>
      admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] }),
    offsets: async ({ topic, partition }) => {
      const found = (await admin.fetchTopicOffsets(topic)).find(one => one.partition === partition)
      return { earliest: Number(found.low), latest: Number(found.high) }
    },
    produce: async request => {
      const producer = client.openProducer(request)
      await producer.connect()
      try {
        const answers = await client.send(producer, request, request.records.map(toMessage))
        return { offsets: offsetsOf(request.records, answers || []) }
      } finally {
        await producer.disconnect()
      }
    },
    // There is no reading without a group: one that is used once.
    read: async ({ topic, partition, starts, count }) => {
      const consumer = client.openConsumer(`reading-${process.pid}-${Date.now()}`)
      const came = new Inbox()
      try {
        await start(consumer, topic, record => record.partition === partition && came.put(record))
        const reads = []
        for (const offset of starts) {
          consumer.seek({ topic, partition, offset: String(offset) })
          reads.push(await takeFrom(came, partition, offset, count))
        }
        return { reads }
      } finally {
        await consumer.disconnect()
      }
    },
    join: async ({ group, topic }) => {
      member = client.openConsumer(group)
      inbox = new Inbox()
      polled = new Map()
      await start(member, topic, record => inbox.put({ ...record, topic }))
    },
    poll: async ({ wait_ms }) => {
      const records = await inbox.take(wait_ms)
      records.forEach(({ topic, partition, offset }) =>
        polled.set(partition, { topic, partition, offset: String(offset + 1) }))
      return { records }
    },
    commit: async () => {
      await member.commitOffsets([...polled.values()])
      polled.clear()
    },
    leave: async () => member.disconnect(),
    'list-groups': async () => ({ groups: (await admin.listGroups()).groups.map(one => one.groupId) }),
    committed: async ({ group, topic }) => {
      const found = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      return {
        offsets: Object.fromEntries(found[0].partitions.map(one => [one.partition, Number(one.offset)])),
      }
    },
    'delete-group': async ({ group }) => {
      await admin.deleteGroups([group])
    },
  }
}

// Kafka's error code, wherever the client has put it; null: there is none.
function codeOf(error) {
  const groups = (error.groups || []).map(one => one.errorCode || one.error)
  for (const inner of [error.code, ...groups]) {
    if (Number.isInteger(inner) && inner > 0) {
      return inner
    }
  }
  const inner = [...(error.errors || []), ...groups, error.cause].find(one => one instanceof Error)
  return inner ? codeOf(inner) : null
}

async function answerTo(line, verbs) {
  const request = JSON.parse(line)
  try {
    return { ok: (await verbs[request.verb](request)) || {} }
  } catch (error) {
    return { error: { code: codeOf(error), text: String(error && error.message) } }
  }
}

// Answers until the input ends.
async function serve(name, verbs, lacks) {
  const all = { ...verbs, about: async () => ({ client: name, lacks }) }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answerTo(line, all)) + '\n')
  }
  process.exit(0)
}

module.exports = { commonVerbs, serve }
