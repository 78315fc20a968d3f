// SPDX-License-Identifier: Apache-2.0

// The agent of @confluentinc/kafka-javascript (librdkafka), by its interface after KafkaJS. What it is told: ../README.md.
const { KafkaJS, librdkafkaVersion } = require('@confluentinc/kafka-javascript')
const { version } = require('@confluentinc/kafka-javascript/package.json')
const { commonVerbs, serve } = require('./agent.js')

const { Kafka, logLevel } = KafkaJS
const ACKS = { all: -1, 1: 1, 0: 0 }

function clientOf(bootstrap) {
  const kafka = new Kafka({ kafkaJS: { brokers: [bootstrap], logLevel: logLevel.NOTHING } })
  return {
    admin: kafka.admin(),
    openProducer: ({ idempotent, acks, codec }) =>
      kafka.producer({
        'linger.ms': 5,
        'batch.size': 30000,
        'message.timeout.ms': 30000,
        kafkaJS: { idempotent, acks: ACKS[acks], compression: codec },
      }),
    send: (producer, { topic }, messages) => producer.send({ topic, messages }),
    openConsumer: groupId =>
      kafka.consumer({
        'heartbeat.interval.ms': 300,
        'fetch.wait.max.ms': 20,
        kafkaJS: { groupId, fromBeginning: true, autoCommit: false },
      }),
  }
}

function verbsOf(client) {
  const { admin } = client
  return {
    ...commonVerbs(client),
    'list-topics': async () => {
      const topics = await admin.fetchTopicMetadata({ topics: await admin.listTopics() })
      return {
        topics: Object.fromEntries(
          topics.map(({ name, partitions }) => [name, partitions.filter(one => one.leader >= 0).length])),
      }
    },
    'offset-at': async ({ topic, partition, timestamp }) => {
      const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp)
      const { offset } = found.find(one => one.partition === partition)
      const { latest } = await commonVerbs(client).offsets({ topic, partition })
      return { offset: Number(offset) === latest ? null : Number(offset) }
    },
    'describe-group': async ({ group }) => {
      const { groups } = await admin.describeGroups([group])
      return { state: STATES[groups[0].state], members: groups[0].members.length }
    },
  }
}

// The names of KafkaJS.ConsumerGroupStates, by number.
const STATES = Object.fromEntries(
  Object.entries(KafkaJS.ConsumerGroupStates).map(([name, number]) => [
    number,
    name[0] + name.slice(1).toLowerCase(),
  ]))

async function main() {
  const client = clientOf(process.argv[process.argv.length - 1])
  await client.admin.connect()
  const noCall = 'this interface of the client has no call for it'
  await serve(`@confluentinc/kafka-javascript ${version}, librdkafka ${librdkafkaVersion}`, verbsOf(client), {
    'create-partitions': noCall,
    'describe-config': noCall,
    'alter-config': noCall,
    'describe-cluster': noCall,
    'alter-offsets': noCall,
    'delete-offsets': noCall,
    empty: 'the client reads what is empty as null',
    'null-header': 'the client refuses a header that is null',
    'error-offset': 'the client begins elsewhere by itself',
  })
}

main()
