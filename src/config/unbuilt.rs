//! `[grpc]`, `[asterisk]`: checked today, built later.

use crate::config::http::address;
use crate::config::table::Table;

/// Reads the sections whose features are not built, so that a file written for them is checked.
pub(crate) fn read(root: &mut Table<'_>) {
    grpc(root.table("grpc"));
    asterisk(root.table("asterisk"));
}

fn grpc(mut table: Table<'_>) {
    table.idle("the gRPC service is");
    table.optional("listen", address);
    table.end();
}

fn asterisk(mut table: Table<'_>) {
    table.idle("the Asterisk adapter is");
    table.word("mode", ("outbound", ()), &[("inbound", ())]);
    for key in ["url", "username", "password_file", "app"] {
        table.text(key, "");
    }
    table.end();
}
