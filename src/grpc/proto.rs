//! The messages of `proto/countersign/v1`, as they were generated.
#![expect(clippy::allow_attributes, reason = "generated code brings its own")]
#![allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub, reason = "generated code")]

use std::fmt;

tonic::include_proto!("countersign.v1");

/// The description of the service, for reflection.
pub const DESCRIPTOR: &[u8] = tonic::include_file_descriptor_set!("countersign.v1");

/// Prints nothing that is personal, and no digit.
impl fmt::Debug for CallEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallEvent(•)")
    }
}
