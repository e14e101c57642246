//! `[grpc]`, `[audiohook.*]`: checked today, built later.

use crate::config::http::address;
use crate::config::table::Table;

/// Reads the sections whose features are not built, so that a file written for them is checked.
pub(crate) fn read(root: &mut Table<'_>) {
    grpc(root.table("grpc"));
    audiohook(root.table("audiohook"));
}

fn grpc(mut table: Table<'_>) {
    table.idle("the gRPC service is");
    table.optional("listen", address);
    table.end();
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
