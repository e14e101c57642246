//! `[audiohook.*]`: checked today, built later.

use crate::config::table::Table;

/// Reads the sections whose features are not built, so that a file written for them is checked.
pub(crate) fn read(root: &mut Table<'_>) {
    audiohook(root.table("audiohook"));
}

fn audiohook(mut table: Table<'_>) {
    table.idle("AudioHook connectors are");
    for (_, mut connector) in table.table("connectors").named() {
        for key in ["api_key", "client_secret_file", "policy"] {
            connector.text(key, "");
        }
        connector.end();
    }
    table.end();
}
