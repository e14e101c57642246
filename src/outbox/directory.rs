//! The default sink: one JSON file for each item, there whole or not at all.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::Value;
use serde_json::json;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::follow_up::ItemKind;
use crate::model::time::Timestamp;
use crate::outbox::SetUp;
use crate::outbox::Sink;
use crate::outbox::SinkError;
use crate::records::follow_ups::OutboxItem;

/// A folder that others empty.
#[derive(Debug)]
pub struct Directory {
    folder: PathBuf,
}

impl Directory {
    /// The folder, made if it is not there. Others than its owner cannot read it.
    pub fn new(folder: PathBuf) -> Result<Self, SetUp> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|source| SetUp::File { path: folder.clone(), source })?;
        Ok(Self { folder })
    }

    /// Puts what receivers see of an item there.
    pub(super) async fn put(&self, id: &str, seen: &Value) -> Result<(), SinkError> {
        self.write(id, seen).await.map_err(|error| SinkError::Down(error.to_string()))
    }

    async fn write(&self, id: &str, seen: &Value) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(seen).unwrap_or_default();
        let hidden = self.folder.join(format!(".{id}.part"));
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&hidden).await?;
        file.write_all(&text).await?;
        file.sync_all().await?;
        fs::rename(&hidden, self.folder.join(format!("{id}.json"))).await?;
        // The name is on disk with its folder.
        fs::File::open(&self.folder).await?.sync_all().await
    }
}

/// An item as receivers see it.
pub(super) fn envelope(item: &OutboxItem) -> serde_json::Value {
    json!({
        "id": item.id,
        "kind": item.kind.word(),
        "enqueued_at": item.enqueued.rfc3339(),
        "payload": item.payload,
    })
}

#[async_trait]
impl Sink for Directory {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn takes(&self, kind: ItemKind) -> bool {
        !matches!(kind, ItemKind::Mark | ItemKind::Mail)
    }

    async fn deliver(&self, item: &OutboxItem, _: Timestamp) -> Result<(), SinkError> {
        self.put(&item.id, &envelope(item)).await
    }
}
