// SPDX-License-Identifier: Apache-2.0

// A member of a group by KafkaJS. What it is told: ../../test.py.
const { Kafka, logLevel } = require('kafkajs')

// The generation, which the client tells nobody but its log.
let generation = -1

function watchLog() {
  return ({ level, log }) => {
    if (log.message === 'Received assignment') {
      generation = log.generationId
    }
    if (level <= logLevel.WARN) {
      process.stderr.write(JSON.stringify(log) + '\n')
    }
  }
}

async function main() {
  const kafka = new Kafka({
    clientId: process.env.CLIENT_ID,
    brokers: [process.env.BOOTSTRAP],
    logLevel: logLevel.DEBUG,
    logCreator: watchLog,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 100 },
  })
  const consumer = kafka.consumer({
    groupId: process.env.GROUP,
    sessionTimeout: Number(process.env.SESSION_MS),
    rebalanceTimeout: 5000,
    heartbeatInterval: 300,
    maxWaitTimeInMs: 200,
    metadataMaxAge: 1000,
  })
  process.once('SIGTERM', () => {
    consumer.disconnect().then(() => process.exit(0))
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [process.env.TOPIC], fromBeginning: true })
  await consumer.run({
    autoCommitInterval: 200,
    eachMessage: async ({ partition, message }) => {
      process.stdout.write(`record ${partition} ${message.offset} ${generation}\n`)
    },
  })
}

main()
