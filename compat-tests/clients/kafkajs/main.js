// SPDX-License-Identifier: Apache-2.0

// The agent of KafkaJS. What it is told: ../README.md. The codecs it does not bring along are plugged in, as its
// documentation has it.
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')
const SnappyCodec = require('kafkajs-snappy')
const lz4 = require('lz4js')
const xxh32 = require('lz4js/xxh32.js')
const { ZstdCodec } = require('zstd-codec')
const { version } = require('kafkajs/package.json')
const { commonVerbs, serve } = require('./agent.js')

const ACKS = { all: -1, 1: 1, 0: 0 }
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

// Kafka takes frames of independent blocks only; a batch is one block here, and the frame has but to say so.
function lz4Frame(buffer) {
  const frame = Buffer.from(lz4.compress(buffer))
  frame[4] |= 0x20
  frame[6] = xxh32.hash(0, frame, 4, 2) >> 8
  return frame
}

function plugCodecs(zstd) {
  CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async ({ buffer }) => lz4Frame(buffer),
    decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async ({ buffer }) => Buffer.from(zstd.compress(buffer)),
    decompress: async buffer => Buffer.from(zstd.decompress(buffer)),
  })
}

function clientOf(bootstrap) {
  const kafka = new Kafka({
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 10 },
  })
  return {
    admin: kafka.admin(),
    createOptions: { waitForLeaders: false },
    openProducer: ({ idempotent }) =>
      kafka.producer({ idempotent, createPartitioner: () => ({ message }) => message.partition }),
    send: (producer, { topic, acks, codec }, messages) =>
      producer.send({
        topic,
        messages,
        acks: ACKS[acks],
        compression: CODECS[codec],
      }),
    openConsumer: groupId => {
      const consumer = kafka.consumer({ groupId, heartbeatInterval: 300, maxWaitTimeInMs: 50 })
      const { subscribe, run } = consumer
      return {
        ...consumer,
        subscribe: ({ topics }) => subscribe({ topics, fromBeginning: true }),
        run: options => run({ ...options, autoCommit: false }),
      }
    },
  }
}

function verbsOf(client) {
  const { admin } = client
  return {
    ...commonVerbs(client),
    'list-topics': async () => {
      const { topics } = await admin.fetchTopicMetadata()
      return {
        topics: Object.fromEntries(
          topics.map(({ name, partitions }) => [name, partitions.filter(one => one.leader >= 0).length])),
      }
    },
    'create-partitions': async ({ topic, count }) => {
      await admin.createPartitions({ topicPartitions: [{ topic, count }] })
    },
    'describe-config': async ({ topic }) => {
      const found = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
      })
      const entries = found.resources[0].configEntries
      return { configs: Object.fromEntries(entries.map(one => [one.configName, one.configValue])) }
    },
    'alter-config': async ({ topic, name, value }) => {
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] }],
      })
    },
    'describe-cluster': async () => {
      const { brokers, controller } = await admin.describeCluster()
      return { brokers: brokers.map(one => one.nodeId), controller }
    },
    'offset-at': async ({ topic, partition, timestamp }) => {
      const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp)
      const { offset } = found.find(one => one.partition === partition)
      const { latest } = await commonVerbs(client).offsets({ topic, partition })
      // The end of the partition is what it answers where no record is that young.
      return { offset: Number(offset) === latest ? null : Number(offset) }
    },
    'describe-group': async ({ group }) => {
      const { groups } = await admin.describeGroups([group])
      return { state: groups[0].state, members: groups[0].members.length }
    },
    'alter-offsets': async ({ group, topic, offsets }) => {
      await admin.setOffsets({
        groupId: group,
        topic,
        partitions: Object.entries(offsets).map(([partition, offset]) => ({
          partition: Number(partition),
          offset: String(offset),
        })),
      })
    },
  }
}

async function main(zstd) {
  plugCodecs(zstd)
  const client = clientOf(process.argv[process.argv.length - 1])
  await client.admin.connect()
  await serve(`KafkaJS ${version}`, verbsOf(client), {
    'delete-offsets': 'the client has no call for it',
    'null-header': 'the client refuses a header that is null',
    'error-offset': 'the client begins elsewhere by itself',
  })
}

ZstdCodec.run(zstd => main(new zstd.Simple()))
