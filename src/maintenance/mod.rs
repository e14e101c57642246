//! PIN maintenance: what administrators, customers and the commands ask of [`crate::records`] and
//! [`crate::pin`] (P01–P30).

pub mod admin;
pub mod customer_file;
pub mod customers;
pub mod desk;
pub mod estate;
mod gate;
pub mod generate;
pub mod import;
pub mod issue;
pub mod letters;
pub mod record;
pub mod view;
