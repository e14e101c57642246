//! DECIDES who asks too often, and when to raise an alarm. Pure.
