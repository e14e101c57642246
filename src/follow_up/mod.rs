//! DECIDES what follows a call: call-backs, letters, reports, marks. Pure.
