//! COUNTS what supervisors watch. Pure.
