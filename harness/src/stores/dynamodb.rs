//! The target's DynamoDB table, past the target: for stored-state checks, cleaning up, and states that only
//! time brings about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use serde_json::{Map, Value};

use super::store::{StoreError, Things};
use crate::target::TableStore;

/// An item as JSON: what a person would read in the console. Sets become arrays, binary base64.
pub type Item = BTreeMap<String, Value>;

/// A primary key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `PK`.
    pub partition: String,
    /// `SK`.
    pub sort: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.partition, self.sort)
    }
}

/// A batch takes this many deletes (DynamoDB's `BatchWriteItem`).
const BATCH: usize = 25;
/// Attempts at items a batch left unprocessed.
const ATTEMPTS: usize = 5;

/// `contains` this often in one filter: DynamoDB takes expressions of up to 4 KB.
const MOST_TERMS: usize = 120;

/// The target's table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    url: String,
    name: String,
    volatile: Vec<String>,
    owners: Vec<String>,
}

impl Table {
    /// Connects to a store. Nothing is sent yet.
    pub fn connect(store: &TableStore) -> Table {
        let credentials = Credentials::new(
            store.credentials.0.reveal(),
            store.credentials.1.reveal(),
            None,
            None,
            "watertight target file",
        );
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(store.region.clone()))
            .endpoint_url(store.url.as_str())
            .credentials_provider(credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(10)).build())
            .build();
        Table {
            client: Client::from_conf(config),
            url: store.url.to_string(),
            name: store.table.clone(),
            volatile: store.volatile.clone(),
            owners: store.owners.clone(),
        }
    }

    fn failed(&self, action: &'static str, error: impl std::error::Error) -> StoreError {
        self.because(action, DisplayErrorContext(error).to_string())
    }

    fn because(&self, action: &'static str, why: String) -> StoreError {
        StoreError { action, store: format!("the table '{}'", self.name), why }
    }

    /// The command with which a person looks at it.
    pub(super) fn how_to_look(&self) -> String {
        format!("aws dynamodb scan --endpoint-url {} --table-name {}", self.url, self.name)
    }

    /// One item, read consistently.
    pub async fn get(&self, partition: &str, sort: &str) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let request =
            request.key("PK", AttributeValue::S(partition.into())).key("SK", AttributeValue::S(sort.into()));
        let answer = request.send().await.map_err(|error| self.failed("read", error))?;
        Ok(answer.item.map(item))
    }

    /// The items of a partition whose sort key begins with `prefix`, in key order.
    pub async fn query(&self, partition: &str, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let request = self.client.query().table_name(&self.name).consistent_read(true);
        let mut request = request.expression_attribute_values(":pk", AttributeValue::S(partition.into()));
        // DynamoDB takes no empty string in a key condition.
        request = if prefix.is_empty() {
            request.key_condition_expression("PK = :pk")
        } else {
            let request = request.key_condition_expression("PK = :pk AND begins_with(SK, :sk)");
            request.expression_attribute_values(":sk", AttributeValue::S(prefix.into()))
        };
        let mut pages = request.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(next) = pages.next().await {
            items.push(item(next.map_err(|error| self.failed("query", error))?));
        }
        Ok(items)
    }

    /// The items of an index's partition whose sort key begins with `prefix`, in key order.
    pub async fn query_index(
        &self,
        index: &str,
        partition: &str,
        prefix: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let request = self.client.query().table_name(&self.name).index_name(index);
        let request = request.expression_attribute_names("#pk", format!("{index}PK"));
        let request = request.expression_attribute_values(":pk", AttributeValue::S(partition.into()));
        // DynamoDB takes no empty string in a key condition.
        let request = if prefix.is_empty() {
            request.key_condition_expression("#pk = :pk")
        } else {
            let request = request.key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)");
            let request = request.expression_attribute_names("#sk", format!("{index}SK"));
            request.expression_attribute_values(":sk", AttributeValue::S(prefix.into()))
        };
        let mut pages = request.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(next) = pages.next().await {
            items.push(item(next.map_err(|error| self.failed("query", error))?));
        }
        Ok(items)
    }

    /// Changes an item that is there: sets texts and adds to numbers.
    pub async fn update(
        &self,
        key: &Key,
        set: &[(&str, &str)],
        add: &[(&str, i64)],
    ) -> Result<(), StoreError> {
        let mut request = self.client.update_item().table_name(&self.name);
        request = request.key("PK", AttributeValue::S(key.partition.clone()));
        request = request.key("SK", AttributeValue::S(key.sort.clone()));
        let texts = set.iter().map(|(name, text)| (*name, AttributeValue::S((*text).to_owned())));
        let numbers = add.iter().map(|(name, by)| (*name, AttributeValue::N(by.to_string())));
        for (at, (name, value)) in texts.chain(numbers).enumerate() {
            request = request.expression_attribute_names(format!("#n{at}"), name);
            request = request.expression_attribute_values(format!(":v{at}"), value);
        }
        let sets: Vec<String> = (0..set.len()).map(|at| format!("#n{at} = :v{at}")).collect();
        let adds: Vec<String> =
            (set.len()..set.len() + add.len()).map(|at| format!("#n{at} :v{at}")).collect();
        let clauses = [("SET", sets), ("ADD", adds)];
        let clauses = clauses.iter().filter(|(_, changes)| !changes.is_empty());
        let expression: Vec<String> =
            clauses.map(|(word, changes)| format!("{word} {}", changes.join(", "))).collect();
        let request = request.update_expression(expression.join(" "));
        let request = request.condition_expression("attribute_exists(PK)");
        request.send().await.map_err(|error| self.failed("update", error))?;
        Ok(())
    }

    /// Every item, read consistently, in no order.
    pub async fn scan(&self) -> Result<Vec<Item>, StoreError> {
        self.every(self.client.scan().table_name(&self.name).consistent_read(true)).await
    }

    /// Every item that holds one of these strings anywhere. Reads the whole table.
    pub async fn mentioning(&self, strings: &[&str]) -> Result<Vec<Item>, StoreError> {
        let mut items = self.scan().await?;
        items.retain(|item| {
            let text = serde_json::to_string(item).unwrap_or_default();
            strings.iter().any(|string| text.contains(string))
        });
        Ok(items)
    }

    /// The state of these tenants and users: every item that belongs to one of them, by the attributes the target
    /// file names as holding their ids, but for what changes with every request. The store does the filtering: a
    /// suite asks this after every hostile request.
    pub async fn state_of(&self, ids: &[&str]) -> Result<Vec<Item>, StoreError> {
        let mut found: BTreeMap<Key, Item> = BTreeMap::new();
        for some in self.askable(ids) {
            let Some((request, mut filter)) = self.belonging_to(some) else { continue };
            let mut request = request;
            for (at, prefix) in self.volatile.iter().enumerate() {
                filter.push_str(&format!(" AND NOT begins_with(SK, :v{at})"));
                let prefix = AttributeValue::S(prefix.clone());
                request = request.expression_attribute_values(format!(":v{at}"), prefix);
            }
            let items = self.every(request.filter_expression(filter)).await?;
            found.extend(items.into_iter().filter_map(|item| Some((key_of(&item)?, item))));
        }
        Ok(found.into_values().collect())
    }

    /// The keys of every item that belongs to one of these tenants or users, audit entries and counters included.
    pub async fn keys_of(&self, ids: &[&str]) -> Result<Vec<Key>, StoreError> {
        let mut found = BTreeSet::new();
        for some in self.askable(ids) {
            let Some((request, filter)) = self.belonging_to(some) else { continue };
            let request = request.filter_expression(filter).projection_expression("PK, SK");
            found.extend(self.every(request).await?.iter().filter_map(key_of));
        }
        Ok(found.into_iter().collect())
    }

    /// As many ids at a time as an expression has room for.
    fn askable<'i>(&self, ids: &'i [&'i str]) -> std::slice::Chunks<'i, &'i str> {
        ids.chunks((MOST_TERMS / self.owners.len().max(1)).max(1))
    }

    /// A scan of the items that belong to one of the ids, and the filter it lacks.
    fn belonging_to(&self, ids: &[&str]) -> Option<(ScanFluentBuilder, String)> {
        let mut belongs = Vec::new();
        for attribute in 0..self.owners.len() {
            belongs.extend((0..ids.len()).map(|id| format!("contains(#a{attribute}, :i{id})")));
        }
        if belongs.is_empty() {
            return None;
        }
        let mut request = self.client.scan().table_name(&self.name).consistent_read(true);
        for (at, attribute) in self.owners.iter().enumerate() {
            request = request.expression_attribute_names(format!("#a{at}"), attribute);
        }
        for (at, id) in ids.iter().enumerate() {
            request =
                request.expression_attribute_values(format!(":i{at}"), AttributeValue::S((*id).to_owned()));
        }
        Some((request, format!("({})", belongs.join(" OR "))))
    }

    /// Every page of a scan.
    async fn every(&self, request: ScanFluentBuilder) -> Result<Vec<Item>, StoreError> {
        let mut pages = request.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(next) = pages.next().await {
            items.push(item(next.map_err(|error| self.failed("scan", error))?));
        }
        Ok(items)
    }

    /// Deletes items in batches; what a batch leaves unprocessed is tried again.
    pub async fn delete(&self, keys: &[Key]) -> Result<(), StoreError> {
        for chunk in keys.chunks(BATCH) {
            let mut writes = chunk.iter().map(delete_request).collect::<Result<Vec<_>, _>>();
            for _ in 0..ATTEMPTS {
                let batch = writes.map_err(|error| self.failed("delete from", error))?;
                if batch.is_empty() {
                    writes = Ok(batch);
                    break;
                }
                let request = self.client.batch_write_item().request_items(&self.name, batch);
                let answer = request.send().await.map_err(|error| self.failed("delete from", error))?;
                writes = Ok(answer
                    .unprocessed_items
                    .and_then(|mut left| left.remove(&self.name))
                    .unwrap_or_default());
            }
            let left = writes.map_or(0, |left| left.len());
            if left > 0 {
                let why = format!("{left} items were left unprocessed {ATTEMPTS} times");
                return Err(self.because("delete from", why));
            }
        }
        Ok(())
    }
}

/// The primary key of an item.
pub fn key_of(item: &Item) -> Option<Key> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Key { partition: text("PK")?, sort: text("SK")? })
}

/// Items by their names.
pub(super) fn things(items: Vec<Item>) -> Things {
    let named = |item: Item| Some((key_of(&item)?.to_string(), Value::Object(item.into_iter().collect())));
    items.into_iter().filter_map(named).collect()
}

fn delete_request(key: &Key) -> Result<WriteRequest, aws_sdk_dynamodb::error::BuildError> {
    let request = DeleteRequest::builder()
        .key("PK", AttributeValue::S(key.partition.clone()))
        .key("SK", AttributeValue::S(key.sort.clone()))
        .build()?;
    Ok(WriteRequest::builder().delete_request(request).build())
}

fn item(attributes: HashMap<String, AttributeValue>) -> Item {
    attributes.into_iter().map(|(name, value)| (name, json(value))).collect()
}

fn json(value: AttributeValue) -> Value {
    let strings = |texts: Vec<String>| {
        let mut texts = texts;
        texts.sort();
        Value::from(texts)
    };
    match value {
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::N(number) => serde_json::from_str(&number).unwrap_or(Value::String(number)),
        AttributeValue::Bool(flag) => Value::Bool(flag),
        AttributeValue::L(list) => Value::Array(list.into_iter().map(json).collect()),
        AttributeValue::M(map) => {
            Value::Object(map.into_iter().map(|(name, value)| (name, json(value))).collect::<Map<_, _>>())
        }
        AttributeValue::Ss(set) | AttributeValue::Ns(set) => strings(set),
        AttributeValue::B(blob) => Value::String(base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            blob.into_inner(),
        )),
        _ => Value::Null,
    }
}
