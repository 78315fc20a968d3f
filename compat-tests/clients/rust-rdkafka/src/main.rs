// SPDX-License-Identifier: Apache-2.0

//! The agent of the crate rdkafka (librdkafka). What it is told: ../../README.md.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use agent::{json, Failure, Record, Request, Value};
use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(30);

const LACKS: &[(&str, &str)] = &[
    ("describe-cluster", "the client does not tell the controller"),
    ("delete-offsets", "the client has no call for it"),
];

fn refused(error: KafkaError) -> Failure {
    let code = error.rdkafka_error_code().and_then(|code| match code {
        // In a reader's errors the library has a code of its own for it.
        RDKafkaErrorCode::AutoOffsetReset => Some(RDKafkaErrorCode::OffsetOutOfRange as i16),
        code if code as i32 > 0 => Some(code as i16),
        _ => None,
    });
    Failure { code, text: error.to_string() }
}

fn refused_code(code: RDKafkaErrorCode) -> Failure {
    refused(KafkaError::AdminOp(code))
}

/// The answer of an admin call about one thing.
fn only<T>(answer: Result<Vec<Result<T, (String, RDKafkaErrorCode)>>, KafkaError>) -> Result<Value, Failure> {
    match answer.map_err(refused)?.pop() {
        Some(Ok(_)) => Ok(json!({})),
        Some(Err((_, code))) => Err(refused_code(code)),
        None => Err(Failure::text("no answer")),
    }
}

/// Where the records of a request were written; index is the record's number.
struct Delivered {
    offsets: Mutex<Vec<Result<i64, KafkaError>>>,
}

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Self::DeliveryOpaque) {
        let told = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        self.offsets.lock().expect("no panic")[*number] = told;
    }
}

fn from_message(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| agent::Header {
                name: header.key.to_string(),
                value: header.value.map(<[u8]>::to_vec),
            })
            .collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
    }
}

fn places(topic: &str, offsets: impl IntoIterator<Item = (i32, Offset)>) -> Result<TopicPartitionList, Failure> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, partition, offset).map_err(refused)?;
    }
    Ok(list)
}

struct Client {
    config: ClientConfig,
    admin: AdminClient<DefaultClientContext>,
    /// For what is asked of the cluster and needs no group.
    asking: BaseConsumer,
    member: Option<BaseConsumer>,
}

impl Client {
    fn new(bootstrap: &str) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        Ok(Client { admin: config.create()?, asking: config.create()?, config, member: None })
    }

    fn consumer(&self, settings: &[(&str, &str)]) -> Result<BaseConsumer, Failure> {
        let mut config = self.config.clone();
        config.set("enable.auto.commit", "false").set("fetch.wait.max.ms", "20");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        config.create().map_err(refused)
    }

    fn member(&self) -> Result<&BaseConsumer, Failure> {
        self.member.as_ref().ok_or_else(|| Failure::text("no member"))
    }

    // A topic

    fn create_topic(&self, request: &Request) -> Result<Value, Failure> {
        let replication = TopicReplication::Fixed(request.replicas);
        let mut topic = NewTopic::new(&request.topic, request.partitions, replication);
        for (name, value) in &request.configs {
            topic = topic.set(name, value);
        }
        only(block_on(self.admin.create_topics(&[topic], &AdminOptions::new())))
    }

    fn list_topics(&self) -> Result<Value, Failure> {
        let found = self.asking.fetch_metadata(None, TIMEOUT).map_err(refused)?;
        let leaders: BTreeMap<_, _> = found
            .topics()
            .iter()
            .map(|topic| (topic.name(), topic.partitions().iter().filter(|p| p.leader() >= 0).count()))
            .collect();
        Ok(json!({ "topics": leaders }))
    }

    fn delete_topic(&self, request: &Request) -> Result<Value, Failure> {
        only(block_on(self.admin.delete_topics(&[&request.topic], &AdminOptions::new())))
    }

    fn create_partitions(&self, request: &Request) -> Result<Value, Failure> {
        let more = NewPartitions::new(&request.topic, request.count);
        only(block_on(self.admin.create_partitions(&[more], &AdminOptions::new())))
    }

    fn describe_config(&self, request: &Request) -> Result<Value, Failure> {
        let resource = ResourceSpecifier::Topic(&request.topic);
        let mut answer =
            block_on(self.admin.describe_configs(&[resource], &AdminOptions::new())).map_err(refused)?;
        let found = answer.pop().ok_or_else(|| Failure::text("no answer"))?.map_err(refused_code)?;
        let configs: BTreeMap<_, _> =
            found.entries.into_iter().map(|entry| (entry.name, entry.value)).collect();
        Ok(json!({ "configs": configs }))
    }

    fn alter_config(&self, request: &Request) -> Result<Value, Failure> {
        let change =
            AlterConfig::new(ResourceSpecifier::Topic(&request.topic)).set(&request.name, &request.value);
        let mut answer = block_on(self.admin.alter_configs([&change], &AdminOptions::new())).map_err(refused)?;
        match answer.pop() {
            Some(Ok(_)) => Ok(json!({})),
            Some(Err((_, code))) => Err(refused_code(code)),
            None => Err(Failure::text("no answer")),
        }
    }

    fn delete_records(&self, request: &Request) -> Result<Value, Failure> {
        let before = places(&request.topic, [(request.partition, Offset::Offset(request.offset))])?;
        block_on(self.admin.delete_records(&before, &AdminOptions::new())).map_err(refused)?;
        Ok(json!({}))
    }

    fn offsets(&self, request: &Request) -> Result<Value, Failure> {
        let found = self.asking.fetch_watermarks(&request.topic, request.partition, TIMEOUT);
        let (earliest, latest) = found.map_err(refused)?;
        Ok(json!({"earliest": earliest, "latest": latest}))
    }

    fn offset_at(&self, request: &Request) -> Result<Value, Failure> {
        let asked = places(&request.topic, [(request.partition, Offset::Offset(request.timestamp))])?;
        let found = self.asking.offsets_for_times(asked, TIMEOUT).map_err(refused)?;
        let offset = match found.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Ok(json!({ "offset": offset }))
    }

    // Records

    fn send(producer: &BaseProducer<Delivered>, topic: &str, number: usize, record: &Record) -> Result<(), Failure> {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
            headers.insert(Header { key: &header.name, value: header.value.as_ref() })
        });
        let mut message = BaseRecord::with_opaque_to(topic, Box::new(number))
            .partition(record.partition)
            .timestamp(record.timestamp)
            .headers(headers);
        if let Some(key) = &record.key {
            message = message.key(key);
        }
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        producer.send(message).map_err(|(error, _)| refused(error))
    }

    fn produce(&self, request: &Request) -> Result<Value, Failure> {
        let unknown = (0..request.records.len()).map(|_| Ok(-1)).collect();
        let mut config = self.config.clone();
        config
            .set("compression.type", &request.codec)
            .set("enable.idempotence", request.idempotent.to_string())
            .set("acks", &request.acks)
            .set("linger.ms", "5")
            .set("batch.size", "30000")
            .set("message.timeout.ms", TIMEOUT.as_millis().to_string());
        let producer: BaseProducer<Delivered> =
            config.create_with_context(Delivered { offsets: Mutex::new(unknown) }).map_err(refused)?;
        for (number, record) in request.records.iter().enumerate() {
            Self::send(&producer, &request.topic, number, record)?;
            producer.poll(Duration::ZERO);
        }
        producer.flush(TIMEOUT).map_err(refused)?;
        let mut told = producer.context().offsets.lock().expect("no panic");
        let offsets: Result<Vec<i64>, KafkaError> = told.drain(..).collect();
        let offsets = offsets.map_err(refused)?;
        Ok(json!({ "offsets": if request.acks == "0" { vec![-1; offsets.len()] } else { offsets } }))
    }

    fn take(consumer: &BaseConsumer, count: usize) -> Result<Vec<Record>, Failure> {
        let until = Instant::now() + TIMEOUT;
        let mut taken = Vec::new();
        while taken.len() < count {
            match consumer.poll(Duration::from_millis(500)) {
                Some(message) => taken.push(from_message(&message.map_err(refused)?)),
                None if Instant::now() > until => {
                    return Err(Failure::text(format!("only {} records in {TIMEOUT:?}", taken.len())));
                }
                None => {}
            }
        }
        Ok(taken)
    }

    fn read(&self, request: &Request) -> Result<Value, Failure> {
        // The library insists on a group id; without subscribe and commit there is no group.
        let consumer = self.consumer(&[("group.id", "unused"), ("auto.offset.reset", "error")])?;
        let mut reads = Vec::new();
        for &start in &request.starts {
            if reads.is_empty() {
                let begin = places(&request.topic, [(request.partition, Offset::Offset(start))])?;
                consumer.assign(&begin).map_err(refused)?;
            } else {
                let offset = Offset::Offset(start);
                consumer.seek(&request.topic, request.partition, offset, TIMEOUT).map_err(refused)?;
            }
            reads.push(Self::take(&consumer, request.count)?);
        }
        Ok(json!({ "reads": reads }))
    }

    // A group

    fn join(&mut self, request: &Request) -> Result<Value, Failure> {
        let member = self.consumer(&[
            ("group.id", &request.group),
            ("auto.offset.reset", "earliest"),
            ("heartbeat.interval.ms", "300"),
        ])?;
        member.subscribe(&[&request.topic]).map_err(refused)?;
        self.member = Some(member);
        Ok(json!({}))
    }

    fn poll(&self, request: &Request) -> Result<Value, Failure> {
        let mut wait = Duration::from_millis(request.wait_ms);
        let mut records = Vec::new();
        while let Some(message) = self.member()?.poll(wait) {
            records.push(from_message(&message.map_err(refused)?));
            wait = Duration::ZERO;
        }
        Ok(json!({ "records": records }))
    }

    fn commit(&self) -> Result<Value, Failure> {
        self.member()?.commit_consumer_state(CommitMode::Sync).map_err(refused)?;
        Ok(json!({}))
    }

    fn list_groups(&self) -> Result<Value, Failure> {
        let found = self.asking.fetch_group_list(None, TIMEOUT).map_err(refused)?;
        let groups: Vec<_> = found.groups().iter().map(|group| group.name()).collect();
        Ok(json!({ "groups": groups }))
    }

    fn describe_group(&self, request: &Request) -> Result<Value, Failure> {
        let found = self.asking.fetch_group_list(Some(&request.group), TIMEOUT).map_err(refused)?;
        let group = found.groups().first().ok_or_else(|| Failure::text("no such group"))?;
        Ok(json!({"state": group.state(), "members": group.members().len()}))
    }

    /// A client of that group which is no member of it.
    fn outsider(&self, request: &Request) -> Result<BaseConsumer, Failure> {
        self.consumer(&[("group.id", &request.group)])
    }

    fn committed(&self, request: &Request) -> Result<Value, Failure> {
        let metadata = self.asking.fetch_metadata(Some(&request.topic), TIMEOUT).map_err(refused)?;
        let partitions = metadata.topics()[0].partitions().iter();
        let asked = places(&request.topic, partitions.map(|p| (p.id(), Offset::Invalid)))?;
        let found = self.outsider(request)?.committed_offsets(asked, TIMEOUT).map_err(refused)?;
        let offsets: BTreeMap<_, _> = found
            .elements()
            .iter()
            .map(|place| (place.partition(), place.offset().to_raw().unwrap_or(-1)))
            .collect();
        Ok(json!({ "offsets": offsets }))
    }

    fn alter_offsets(&self, request: &Request) -> Result<Value, Failure> {
        let offsets = request.offsets.iter().map(|(&p, &offset)| (p, Offset::Offset(offset)));
        let wanted = places(&request.topic, offsets)?;
        self.outsider(request)?.commit(&wanted, CommitMode::Sync).map_err(refused)?;
        Ok(json!({}))
    }

    fn delete_group(&self, request: &Request) -> Result<Value, Failure> {
        only(block_on(self.admin.delete_groups(&[&request.group], &AdminOptions::new())))
    }

    fn run(&mut self, request: &Request) -> Result<Value, Failure> {
        match request.verb.as_str() {
            "create-topic" => self.create_topic(request),
            "list-topics" => self.list_topics(),
            "delete-topic" => self.delete_topic(request),
            "create-partitions" => self.create_partitions(request),
            "describe-config" => self.describe_config(request),
            "alter-config" => self.alter_config(request),
            "delete-records" => self.delete_records(request),
            "offsets" => self.offsets(request),
            "offset-at" => self.offset_at(request),
            "produce" => self.produce(request),
            "read" => self.read(request),
            "join" => self.join(request),
            "poll" => self.poll(request),
            "commit" => self.commit(),
            "leave" => {
                self.member = None;
                Ok(json!({}))
            }
            "list-groups" => self.list_groups(),
            "describe-group" => self.describe_group(request),
            "committed" => self.committed(request),
            "alter-offsets" => self.alter_offsets(request),
            "delete-group" => self.delete_group(request),
            verb => Err(Failure::text(format!("no verb {verb}"))),
        }
    }
}

fn main() {
    let bootstrap = std::env::args().last().expect("an address");
    let mut client = Client::new(&bootstrap).expect("a client");
    let version = agent::locked_version(include_str!("../Cargo.lock"), "rdkafka");
    let (_, library) = rdkafka::util::get_rdkafka_version();
    agent::serve(&format!("rdkafka {version} of Rust, librdkafka {library}"), LACKS, |request| client.run(request));
}
