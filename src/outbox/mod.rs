//! SENDS what is due, through its sinks.
