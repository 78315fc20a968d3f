// SPDX-License-Identifier: Apache-2.0

//! The agent of rskafka. What it is told: ../../README.md.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use agent::{json, Failure, Record, Request, Value};
use chrono::{DateTime, Utc};
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};

const TIMEOUT: Duration = Duration::from_secs(40);
const TIMEOUT_MS: i32 = 30_000;
const FETCH_BYTES: std::ops::Range<i32> = 1..1_000_000;
const NO_GROUPS: &str = "the client has no consumer groups";
const NO_CALL: &str = "the client has no call for it";
const ALWAYS_ALL: &str = "the client always asks for the acknowledgement of all replicas";

const LACKS: &[(&str, &str)] = &[
    ("acks-0", ALWAYS_ALL),
    ("acks-1", ALWAYS_ALL),
    ("idempotent", "the client has no idempotent producer"),
    ("null-header", "its headers are no options"),
    ("repeated-header", "its headers are a map"),
    ("topic-configs", "the client creates topics without configs"),
    ("create-partitions", NO_CALL),
    ("describe-config", NO_CALL),
    ("alter-config", NO_CALL),
    ("describe-cluster", NO_CALL),
    ("join", NO_GROUPS),
    ("list-groups", NO_GROUPS),
    ("describe-group", NO_GROUPS),
    ("committed", NO_GROUPS),
    ("alter-offsets", NO_GROUPS),
    ("delete-offsets", NO_GROUPS),
    ("delete-group", NO_GROUPS),
];

/// Kafka's error code, which the client keeps to itself, for the errors that the agent is asked for.
fn code_of(error: ProtocolError) -> Option<i16> {
    match error {
        ProtocolError::OffsetOutOfRange => Some(1),
        ProtocolError::UnknownTopicOrPartition => Some(3),
        ProtocolError::MessageTooLarge => Some(10),
        ProtocolError::InvalidTopicException => Some(17),
        ProtocolError::TopicAlreadyExists => Some(36),
        ProtocolError::InvalidReplicationFactor => Some(38),
        _ => None,
    }
}

/// Results of the client become results of the agent.
trait Told<T> {
    fn told(self) -> Result<T, Failure>;
}

impl<T> Told<T> for Result<T, Error> {
    fn told(self) -> Result<T, Failure> {
        self.map_err(|error| {
            let code = match &error {
                Error::ServerError { protocol_error, .. } => code_of(*protocol_error),
                _ => None,
            };
            Failure { code, text: error.to_string() }
        })
    }
}

async fn partition(client: &Client, topic: &str, partition: i32) -> Result<PartitionClient, Failure> {
    client.partition_client(topic, partition, UnknownTopicHandling::Retry).await.told()
}

fn to_time(timestamp_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(timestamp_ms).expect("a time")
}

fn to_record(record: &Record) -> rskafka::record::Record {
    let headers: BTreeMap<_, _> = record
        .headers
        .iter()
        .map(|header| (header.name.clone(), header.value.clone().unwrap_or_default()))
        .collect();
    rskafka::record::Record {
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
        timestamp: to_time(record.timestamp),
    }
}

fn from_record(partition: i32, found: rskafka::record::RecordAndOffset) -> Record {
    let headers = found.record.headers.into_iter();
    Record {
        partition,
        offset: found.offset,
        key: found.record.key,
        value: found.record.value,
        headers: headers.map(|(name, value)| agent::Header { name, value: Some(value) }).collect(),
        timestamp: found.record.timestamp.timestamp_millis(),
    }
}

/// Each partition is written by itself; the offsets are those of the records as they were given.
async fn produce(client: &Client, request: &Request) -> Result<Value, Failure> {
    let compression = match request.codec.as_str() {
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::NoCompression,
    };
    let mut offsets = vec![-1; request.records.len()];
    let mut places: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (place, record) in request.records.iter().enumerate() {
        places.entry(record.partition).or_default().push(place);
    }
    for (number, places) in places {
        let records = places.iter().map(|&place| to_record(&request.records[place])).collect();
        let writer = partition(client, &request.topic, number).await?;
        let found = writer.produce(records, compression).await.told()?;
        for (place, offset) in places.into_iter().zip(found) {
            offsets[place] = offset;
        }
    }
    Ok(json!({ "offsets": offsets }))
}

async fn read(client: &Client, request: &Request) -> Result<Value, Failure> {
    let reader = partition(client, &request.topic, request.partition).await?;
    let until = Instant::now() + TIMEOUT;
    let mut reads = Vec::new();
    for &start in &request.starts {
        let mut taken: Vec<Record> = Vec::new();
        while taken.len() < request.count {
            if Instant::now() > until {
                return Err(Failure::text(format!("only {} records in {TIMEOUT:?}", taken.len())));
            }
            let next = start + taken.len() as i64;
            let (found, _) = reader.fetch_records(next, FETCH_BYTES, 500).await.told()?;
            let missing = request.count - taken.len();
            taken.extend(found.into_iter().take(missing).map(|one| from_record(request.partition, one)));
        }
        reads.push(taken);
    }
    Ok(json!({ "reads": reads }))
}

async fn offset(client: &Client, request: &Request, at: OffsetAt) -> Result<i64, Failure> {
    partition(client, &request.topic, request.partition).await?.get_offset(at).await.told()
}

async fn run(client: &Client, request: &Request) -> Result<Value, Failure> {
    let controller = client.controller_client().told()?;
    let topic = request.topic.as_str();
    match request.verb.as_str() {
        "create-topic" => {
            let replicas = request.replicas as i16;
            controller.create_topic(topic, request.partitions, replicas, TIMEOUT_MS).await.told()?;
        }
        "delete-topic" => controller.delete_topic(topic, TIMEOUT_MS).await.told()?,
        "list-topics" => {
            let topics = client.list_topics().await.told()?;
            let counts: BTreeMap<_, _> =
                topics.into_iter().map(|topic| (topic.name, topic.partitions.len())).collect();
            return Ok(json!({ "topics": counts }));
        }
        "produce" => return produce(client, request).await,
        "read" => return read(client, request).await,
        "offsets" => {
            let earliest = offset(client, request, OffsetAt::Earliest).await?;
            let latest = offset(client, request, OffsetAt::Latest).await?;
            return Ok(json!({"earliest": earliest, "latest": latest}));
        }
        "offset-at" => {
            let found = offset(client, request, OffsetAt::Timestamp(to_time(request.timestamp))).await?;
            return Ok(json!({ "offset": (found >= 0).then_some(found) }));
        }
        "delete-records" => {
            let place = partition(client, topic, request.partition).await?;
            place.delete_records(request.offset, TIMEOUT_MS).await.told()?;
        }
        verb => return Err(Failure::text(format!("no verb {verb}"))),
    }
    Ok(json!({}))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bootstrap = std::env::args().last().expect("an address");
    let client = runtime.block_on(ClientBuilder::new(vec![bootstrap]).build()).expect("a client");
    let version = agent::locked_version(include_str!("../Cargo.lock"), "rskafka");
    agent::serve(&format!("rskafka {version}"), LACKS, |request| {
        match runtime.block_on(async { tokio::time::timeout(TIMEOUT, run(&client, request)).await }) {
            Ok(answer) => answer,
            Err(_) => Err(Failure::text(format!("{} took longer than {TIMEOUT:?}", request.verb))),
        }
    });
}
