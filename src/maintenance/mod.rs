//! PIN maintenance: what administrators, customers and the commands ask of [`crate::records`] and
//! [`crate::pin`] (P01–P30).

pub mod generate;
pub mod issue;
pub mod letters;
