// SPDX-License-Identifier: Apache-2.0

//! What the agents that are written in Rust share: one JSON object a line in, one out. The protocol is described in
//! compat-tests/clients/README.md. Bytes are base64, `None` is null.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};
pub use serde_json::{json, Value};

/// Bytes as base64.
mod bytes {
    use base64::{engine::general_purpose::STANDARD, Engine};
    use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(data: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        data.as_ref().map(|some| STANDARD.encode(some)).serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| STANDARD.decode(text).map_err(D::Error::custom))
            .transpose()
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Header {
    pub name: String,
    #[serde(with = "bytes")]
    pub value: Option<Vec<u8>>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    pub partition: i32,
    #[serde(default)]
    pub offset: i64,
    #[serde(with = "bytes")]
    pub key: Option<Vec<u8>>,
    #[serde(with = "bytes")]
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
    pub timestamp: i64,
}

/// The fields of all verbs.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Request {
    pub verb: String,
    pub topic: String,
    pub group: String,
    pub partitions: i32,
    pub replicas: i32,
    pub configs: BTreeMap<String, String>,
    pub count: usize,
    pub name: String,
    pub value: String,
    pub codec: String,
    pub idempotent: bool,
    pub acks: String,
    pub records: Vec<Record>,
    pub partition: i32,
    pub starts: Vec<i64>,
    pub timestamp: i64,
    pub offset: i64,
    pub offsets: BTreeMap<i32, i64>,
    pub wait_ms: u64,
}

/// Why something was not done: Kafka's error code, where there is one, and a text.
pub struct Failure {
    pub code: Option<i16>,
    pub text: String,
}

impl Failure {
    pub fn text(text: impl Into<String>) -> Self {
        Failure { code: None, text: text.into() }
    }
}

/// The version of a crate in the text of a Cargo.lock.
pub fn locked_version(lock: &str, name: &str) -> String {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let after = lock.split(&entry).nth(1).unwrap_or_default();
    after.split('"').next().unwrap_or_default().to_string()
}

/// Answers until the input ends. `lacks`: what this client has not, and why; `run` does what a request asks for.
pub fn serve(client: &str, lacks: &[(&str, &str)], mut run: impl FnMut(&Request) -> Result<Value, Failure>) {
    let lacks: BTreeMap<_, _> = lacks.iter().copied().collect();
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line.expect("a line")).expect("a request");
        let answer = match request.verb.as_str() {
            "about" => json!({"ok": {"client": client, "lacks": lacks}}),
            _ => match run(&request) {
                Ok(answer) => json!({ "ok": answer }),
                Err(failure) => json!({"error": {"code": failure.code, "text": failure.text}}),
            },
        };
        println!("{answer}");
        std::io::stdout().flush().expect("the other end of the pipe");
    }
}
