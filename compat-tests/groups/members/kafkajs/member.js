// SPDX-License-Identifier: Apache-2.0

// A member of a group by KafkaJS. What it is told: ../../test.py.
const { Kafka, logLevel } = require('kafkajs')

async function main() {
  const kafka = new Kafka({
    clientId: process.env.CLIENT_ID,
    brokers: [process.env.BOOTSTRAP],
    logLevel: logLevel.ERROR,
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
      process.stdout.write(`record ${partition} ${message.offset}\n`)
    },
  })
}

main()
